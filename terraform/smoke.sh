#!/usr/bin/env bash
# After an apply: smoke.sh APPLIED ACCOUNT asks the new deployment for its health with an ID token, and fails unless it is well.
set -euo pipefail

applied=$1
account=${2:-}
if [[ $applied != true ]]; then
  echo "Nothing was applied."
  exit 0
fi

# output NAME KEY…: a value of Terraform's outputs.
output() {
  python3 -c 'import functools, json, sys
value = json.load(open("outputs.json"))[sys.argv[1]]["value"]
print(functools.reduce(lambda found, key: (found or {}).get(key) or "", sys.argv[2:], value))' "$@"
}

if [[ $(output load_balancer kind) == external && -n $account ]]; then
  audience=$(output endpoints /health/ready audience)
  url=$(output endpoints /health/ready url)
  token=$(gcloud auth print-identity-token --impersonate-service-account="$account" --audiences="$audience" --include-email)
  # A new certificate and a new address take some minutes.
  curl --fail --silent --show-error --retry 30 --retry-delay 20 --retry-all-errors -H "Authorization: Bearer $token" "$url"
  exit
fi

job=$(output scheduler_jobs health)
region=$(output region)
# field NAME: of the job as it is now.
field() {
  gcloud scheduler jobs describe "$job" --location="$region" --format="value($1)"
}

before=$(field lastAttemptTime)
gcloud scheduler jobs run "$job" --location="$region"
for _ in $(seq 60); do
  if [[ $(field lastAttemptTime) != "$before" ]]; then
    # An attempt is noted when it begins, and may take as long as the function: 30 seconds.
    sleep 35
    # Empty is 0, which is success.
    code=$(field status.code)
    echo "$job ended with status code ${code:-0}."
    [[ ${code:-0} == 0 ]]
    exit
  fi
  sleep 5
done
echo "$job was not tried within five minutes." >&2
exit 1
