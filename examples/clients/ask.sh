#!/bin/sh
# Requests a coupon until there is a true answer. docs/clients.md explains the rules.
#
#   ask.sh SERVER COUPON MEMBER        such as: ask.sh http://127.0.0.1:8080 summer-drop kim
#
# Prints the answer. Exit code 0: the member holds a coupon. 1: none is available. 2: the request is wrong. 3: no true
# answer within ASK_PATIENCE_S (60) seconds; the outcome is unknown, and requesting again is right.
# Needs curl, and awk for the random part of a wait. MEMBER must have no quotes or backslashes.
set -eu

server=$1 coupon=$2 member=$3
give_up_at=$(($(date +%s) + ${ASK_PATIENCE_S:-60}))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# wait_between LEAST MOST: sleeps a random number of seconds, so that rejected clients do not return all at once. The
# process id is part of the seed, because awk's default seed is the time in seconds.
wait_between() {
  sleep "$(awk -v seed="$$.$attempt" -v least="$1" -v most="$2" \
    'BEGIN { srand(seed * 1000 + srand()); printf "%.3f", least + rand() * (most - least) }')"
}

attempt=0
backoff=0.2
while [ "$(date +%s)" -lt "$give_up_at" ]; do
  attempt=$((attempt + 1))
  # A node answers within 5 s; a later answer is lost. 000 stands for no answer.
  status=$(curl -s -o "$work/body" -D "$work/head" -w '%{http_code}' --max-time 10 \
    -H 'content-type: application/json' -d "{\"member_id\":\"$member\"}" \
    "$server/v1/coupons/$coupon/issuances") || status=000
  code=$(sed -n 's/.*"code":"\([a-z_]*\)".*/\1/p' "$work/body" 2>/dev/null || true)
  retry_after=$(tr -d '\r' <"$work/head" 2>/dev/null | sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9][0-9]*\)$/\1/p' || true)

  case $status:$code in
  200:* | 201:*) cat "$work/body" && echo && exit 0 ;;
  409:sold_out | 409:closed) cat "$work/body" && echo && exit 1 ;;
  409:not_open | 408:* | 429:* | 5??:* | 000:*) ;;
  *) cat "$work/body" && echo && exit 2 ;;
  esac

  echo "ask: ${code:-status $status}, attempt $attempt" >&2
  if [ -n "$retry_after" ]; then
    wait_between "$retry_after" "$(awk -v s="$retry_after" 'BEGIN { print s * 1.5 }')"
  else
    wait_between 0 "$backoff"
    backoff=$(awk -v s="$backoff" 'BEGIN { print (s * 2 < 10) ? s * 2 : 10 }')
  fi
done
echo "ask: no true answer yet, the outcome is unknown; run it again" >&2
exit 3
