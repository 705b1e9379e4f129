#!/bin/sh
# Races for a new coupon, checks the answers to the members, and then Redis, the outbox and PostgreSQL.
# Exits with 0 only if all are correct. The settings are those of `openrun verify`, and:
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

# The last rows may still be in flight: waits for them before `verify` decides.
deadline=$(($(date +%s) + settle_seconds))
until openrun verify --coupon "$coupon" >/dev/null 2>&1 || [ "$(date +%s)" -ge "$deadline" ]; do
  sleep 1
done
echo
openrun verify --coupon "$coupon" || broken=$?
if [ "$broken" -eq 0 ]; then
  echo "The race is correct: the database holds exactly the coupons that members were told of."
else
  echo "The race failed: see the report above." >&2
fi
exit "$broken"
