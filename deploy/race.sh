#!/bin/sh
# A race over a new coupon, and its verdict: what members were told, and then what Redis, the outbox and PostgreSQL hold.
# Ends with 0 only if both are in order. The settings are those of `openrun verify`, and:
set -eu

server=${OPENRUN_SERVER:?the gateway, such as http://gateway:8081}
members=${RACE_MEMBERS:-20000}
stock=${RACE_STOCK:-1000}
clients=${RACE_CLIENTS:-128}
settle_seconds=${RACE_SETTLE_SECONDS:-60}
coupon=${RACE_COUPON:-race-$(date +%s)}

openrun coupons create "$coupon" --total "$stock" --name "A race for $stock"
broken=0
openrun-load race --target "$server" --coupon "$coupon" --members "$members" --clients "$clients" || broken=$?

# Rows may still be on their way: they are given some time before `verify` has the last word.
deadline=$(($(date +%s) + settle_seconds))
until openrun verify --coupon "$coupon" >/dev/null 2>&1 || [ "$(date +%s)" -ge "$deadline" ]; do
  sleep 1
done
echo
openrun verify --coupon "$coupon" || broken=$?
if [ "$broken" -eq 0 ]; then
  echo "The race was kept to: what members were told is what the database holds."
else
  echo "Something that was promised was not kept: see above." >&2
fi
exit "$broken"
