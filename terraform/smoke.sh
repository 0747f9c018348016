#!/usr/bin/env bash
# After an apply: smoke.sh PHASE ACCOUNT ORG SECRET asks the new deployment for its health and, where a secret holds an API
# key of ORG, a question. It fails unless the deployment is well and the answer rests on a query of the organisation's data.
set -euo pipefail

phase=$1
account=${2:-}
org=${3:-}
secret=${4:-}
if [[ $phase != apply ]]; then
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
  # call PATH [CURL'S ARGUMENTS]: with a token for the function that serves it.
  call() {
    local audience url token
    audience=$(output endpoints "$1" audience)
    url=$(output endpoints "$1" url)
    token=$(gcloud auth print-identity-token --impersonate-service-account="$account" --audiences="$audience" --include-email)
    # A new certificate and a new address take some minutes. The token and the key stay out of the process list.
    curl --fail --silent --show-error --retry "${SMOKE_RETRIES:-30}" --retry-delay 20 --retry-all-errors \
      --config <(printf 'header = "Authorization: Bearer %s"\n' "$token") "${@:2}" "${url//\{org_slug\}/$org}"
  }
  call /health/ready
  echo
  if [[ -z $org || -z $secret ]]; then
    echo "No question was asked: _SMOKE_ORG and _SMOKE_KEY are not given."
    exit
  fi
  key=$(gcloud secrets versions access latest --secret="$secret")
  call "/api/v1/chat/{org_slug}/stream" --config <(printf 'header = "X-API-Key: %s"\n' "$key") \
    -H "X-Org-Slug: $org" -H "X-User-Id: smoke" -H "Content-Type: application/json" \
    -d '{"message": "What did we spend per provider last month?"}' | python3 -c 'import json, sys
events = [frame.partition("\ndata: ") for frame in sys.stdin.read().split("\n\n") if frame.startswith("event: ")]
told = [(name.removeprefix("event: "), json.loads(data)) for name, _, data in events]
print("".join(data["text"] for name, data in told if name == "token"))
asked = any(name == "tool" and (data.get("result") or {}).get("sql") for name, data in told)
done = told and told[-1][0] == "done" and told[-1][1]["finish"] == "stop"
sys.exit(None if asked and done else f"The answer rests on no query: {told[-1:]}")'
  exit
fi
if [[ -n $org ]]; then
  echo "No question is asked: without an external load balancer nothing here can reach send."
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
