#!/bin/sh
# Deploys a revision from a pipeline: creates a job, waits for its end, and fails when the job fails. Needs curl, nothing else.
#
#   CLARIVE_URL=https://clarive.example.com CLARIVE_TOKEN=clv_… sh deploy.sh RULE ENVIRONMENT PROJECT REF
#
# Ends with 0 when the job finished, 1 when it ended otherwise, 2 when it could not be created, 3 when the wait is over.
# CLARIVE_KEY      names this very deployment: run again with the same key, the script goes on with the job that there is.
# CLARIVE_MINUTES  how long to wait in all (60); approvals and traps take as long as people do.
set -eu

rule=$1 environment=$2 project=$3 ref=$4
key=${CLARIVE_KEY:-"$project $ref $environment ${CI_PIPELINE_ID:-${GITHUB_RUN_ID:-$$-$(date +%s)}}"}
end=$(($(date +%s) + ${CLARIVE_MINUTES:-60} * 60))
body=$(mktemp)
trap 'rm -f "$body"' EXIT

# Asks, leaves the body in $body and prints the status. Both addresses may be asked again, so a lost connection is no matter.
ask() {
  path=$1
  shift
  curl --silent --show-error --retry 8 --retry-all-errors --max-time 120 --output "$body" --write-out '%{http_code}' \
    --header "Authorization: Bearer $CLARIVE_TOKEN" "$@" "$CLARIVE_URL/api/v1/$path"
}

# Prints the first member of this name. Those asked for stand before whatever text people wrote into the job.
first() {
  tr ',' '\n' <"$body" | sed -n "s/^[{ ]*\"$1\": *\"\{0,1\}\([^\"}]*\)\"\{0,1\}.*/\1/p" | head -n 1
}

code=$(ask jobs/ --header 'Content-Type: application/json' --header "Idempotency-Key: $key" --data \
  "{\"rule\": \"$rule\", \"environment\": \"$environment\", \"project\": \"$project\", \"revisions\": [{\"ref\": \"$ref\"}]}")
if [ "$code" != 201 ]; then
  echo "No job was created ($code): $(first detail)" >&2
  exit 2
fi
id=$(first id)
echo "$(first name): $CLARIVE_URL/jobs/$id/"

# How long the next request may wait: a minute, or what is left of the time.
left() {
  seconds=$((end - $(date +%s)))
  [ "$seconds" -lt 60 ] || seconds=60
  [ "$seconds" -gt 0 ] || seconds=0
  echo "$seconds"
}

while code=$(ask "jobs/$id/wait/?until=ended&timeout=$(left)") && [ "$code" = 202 ]; do
  echo "$(first step) / $(first status)"
  if [ "$(date +%s)" -ge "$end" ]; then
    echo "Waited ${CLARIVE_MINUTES:-60} minutes; the job goes on." >&2
    exit 3
  fi
done
if [ "$code" != 200 ]; then
  echo "Cannot wait for the job ($code): $(first detail)" >&2
  exit 2
fi

status=$(first status)
echo "$(first step) / $status"
[ "$status" = finished ] && exit 0
ask "jobs/$id/log/download/" >/dev/null
tail -n 30 "$body" >&2
exit 1
