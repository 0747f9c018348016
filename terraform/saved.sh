#!/usr/bin/env bash
# saved.sh PHASE PLACE: the phase plan saves the plan, its text and the archives at PLACE; the phase apply fetches them.
set -euo pipefail

phase=$1
place=$2

case $phase in
  plan)
    tar --create --gzip --file saved.tar.gz saved.tfplan .archives
    sha256sum saved.tar.gz > saved.sha256
    gcloud storage cp saved.tar.gz saved.sha256 saved.txt "$place/"
    cat saved.txt
    echo "Read the plan above, or $place/saved.txt; then approve the build of the phase apply of this commit."
    ;;
  apply)
    if ! gcloud storage cp "$place/saved.tar.gz" "$place/saved.sha256" .; then
      echo "No plan of this commit is saved: run the phase plan first." >&2
      exit 1
    fi
    sha256sum --check saved.sha256
    tar --extract --gzip --file saved.tar.gz
    ;;
  *)
    echo "Nothing is saved in the phase $phase."
    ;;
esac
