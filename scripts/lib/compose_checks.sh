# shellcheck shell=bash
# What scripts/compose-check asks of the stack once it is up. To be sourced, after engine.sh. Each check is a function
# whose exit code is the answer; what it prints is shown only if that is no.

PUBLIC=http://127.0.0.1:${GATEWAY_PORT:-8080}
INNER=http://127.0.0.1:${GATEWAY_INNER_PORT:-8081}
TOKEN=${OPENRUN_ADMIN_TOKEN:-demo-token-change-me}

container() { compose_ ps -q "$1" | head -n 1; }
inspect() { docker_ inspect --format "$2" "$1"; }
in_service() {
  local service=$1
  shift
  docker_ exec "$(container "$service")" "$@"
}
# sql STATEMENT: asked of the stack's PostgreSQL.
sql() { in_service postgres psql -U openrun -d openrun -At -c "$1"; }

# until_true SECONDS COMMAND...: whether it comes true in that time.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      "$@"
      return
    fi
    sleep 0.2
  done
}

# --- What was built ----------------------------------------------------------------------------------------------

image_runs_as_nobody_of_consequence() {
  local user
  user=$(inspect openrun:demo '{{.Config.User}}')
  [[ $user == 10001:10001 ]] || { echo "the image runs as '$user'"; return 1; }
  [[ $(docker_ run --rm --network none --entrypoint id openrun:demo -u) == 10001 ]]
}

image_has_a_health_check() { [[ $(inspect openrun:demo '{{json .Config.Healthcheck.Test}}') == *probe* ]]; }

# Beside the base: the binary, and next to nothing.
image_is_small() {
  local whole base
  whole=$(inspect openrun:demo '{{.Size}}')
  base=$(inspect debian:12.12-slim '{{.Size}}')
  echo "openrun adds $(((whole - base) / 1000000)) MB to the base"
  (((whole - base) < 60000000))
}

# --- How it runs -------------------------------------------------------------------------------------------------

each_is_healthy() {
  local id state
  for id in $(compose_ ps -q); do
    state=$(inspect "$id" '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}-{{end}} {{.State.ExitCode}}')
    case $state in
    "running healthy 0" | "exited - 0") ;;
    *)
      echo "$(inspect "$id" '{{.Name}}'): $state"
      return 1
      ;;
    esac
  done
}

none_was_restarted() {
  local id
  for id in $(compose_ ps -q); do
    [[ $(inspect "$id" '{{.RestartCount}}') == 0 ]] || { inspect "$id" '{{.Name}} was restarted'; return 1; }
  done
}

each_has_limits() {
  local id
  for id in $(compose_ ps -q); do
    [[ $(inspect "$id" '{{and .HostConfig.Memory .HostConfig.NanoCpus}}') != 0 ]] || { inspect "$id" '{{.Name}} has none'; return 1; }
  done
}

root_is_read_only() {
  local service id
  for service in app persister gateway; do
    id=$(container "$service")
    [[ $(inspect "$id" '{{.HostConfig.ReadonlyRootfs}}') == true ]] || { echo "$service: it is not"; return 1; }
    if docker_ exec "$id" sh -c ': >/planted || : >/usr/local/bin/planted' 2>/dev/null; then
      echo "$service: it could be written to"
      return 1
    fi
  done
}

nobody_is_root() {
  local service uid
  for service in app persister gateway; do
    uid=$(in_service "$service" id -u)
    [[ $uid != 0 ]] || { echo "$service runs as root"; return 1; }
    # What it may do is what the kernel says of the process that serves, and not what the image says.
    [[ $(in_service "$service" sh -c 'grep -h CapEff /proc/[0-9]*/status | sort -u') == *0000000000000000 ]] ||
      { echo "$service has capabilities"; return 1; }
  done
}

ports_are_on_loopback() {
  local id address
  for id in $(compose_ ps -q); do
    # shellcheck disable=SC2016 # Go's variables
    for address in $(inspect "$id" '{{range $p, $all := .NetworkSettings.Ports}}{{range $all}}{{.HostIp}} {{end}}{{end}}'); do
      [[ $address == 127.0.0.1 ]] || { inspect "$id" '{{.Name}}'; return 1; }
    done
  done
}

# --- What it does ------------------------------------------------------------------------------------------------

# race MEMBERS STOCK COUPON: to its end; gives the exit code of the verdict.
race() { compose_ run --rm -T -e "RACE_MEMBERS=$1" -e "RACE_STOCK=$2" -e "RACE_COUPON=$3" load </dev/null; }

# Into a file: whoever reads a pipe to its first line only would make its writer fail.
gateway_log() { docker_ logs "$(container gateway)" >"$WORK_DIR/gateway.log" 2>&1; }

# The nodes that the gateway has led requests to, by its log.
nodes_that_served() {
  gateway_log
  grep -oE '"node":"[0-9.]+:8080"' "$WORK_DIR/gateway.log" | sort | uniq -c
}
at_least_nodes_served() { (($(nodes_that_served | wc -l) >= $1)); }

race_is_kept() {
  race 20000 1000 race >"$WORK_DIR/race.txt" 2>&1 || { cat "$WORK_DIR/race.txt"; return 1; }
  grep -q 'The promise held' "$WORK_DIR/race.txt" || { cat "$WORK_DIR/race.txt"; return 1; }
  at_least_nodes_served 2 || { nodes_that_served; return 1; }
}

# While the persister, which would repair it, is stopped, a row that somebody was told of is taken away.
a_lost_row_breaks_the_verdict() {
  local told=0
  race 2000 1000 tampered >"$WORK_DIR/tampered.txt" 2>&1 || { cat "$WORK_DIR/tampered.txt"; return 1; }
  docker_ stop "$(container persister)" >/dev/null
  sql "DELETE FROM coupon_issuances WHERE coupon_id = 'tampered' AND sequence = 7" >/dev/null
  RACE_SETTLE_SECONDS=2 compose_ run --rm -T --no-deps -e RACE_MEMBERS=10 -e RACE_COUPON=tampered -e RACE_SETTLE_SECONDS=2 \
    load >"$WORK_DIR/tampered.txt" 2>&1 </dev/null || told=$?
  docker_ start "$(compose_ ps -q persister)" >/dev/null
  [[ $told == 1 ]] || { echo "exit code $told"; cat "$WORK_DIR/tampered.txt"; return 1; }
}

row_is_back() {
  [[ $(sql "SELECT count(*) FROM coupon_issuances WHERE coupon_id = 'tampered' AND sequence = 7") == 1 ]]
}
reconciler_puts_it_back() { until_true 120 row_is_back; }

# rows_of COUPON: how many issuances PostgreSQL has.
rows_of() { sql "SELECT count(*) FROM coupon_issuances WHERE coupon_id = '$1'"; }
# more_rows_than COUNT COUPON
more_rows_than() { (($(rows_of "$2") > $1)); }

a_killed_node_loses_nothing() {
  local victim pid rows
  victim=$(compose_ ps -q app | tail -n 1)
  race 120000 100000 killed >"$WORK_DIR/killed.txt" 2>&1 &
  pid=$!
  until_true 60 more_rows_than 100 killed || return 1
  docker_ kill "$victim" >/dev/null
  rows=$(rows_of killed)
  ((rows < 90000)) || { echo "it was killed too late to show anything: $rows rows"; return 1; }
  wait "$pid" || { cat "$WORK_DIR/killed.txt"; return 1; }
  grep -q 'The promise held' "$WORK_DIR/killed.txt" || { cat "$WORK_DIR/killed.txt"; return 1; }
  echo "killed at $rows rows"
  docker_ start "$victim" >/dev/null
  until_true 90 each_is_healthy
}

# is_asked ADDRESS: whether the gateway leads requests there.
is_asked() {
  curl -fsS -o /dev/null "$INNER/v1/coupons#[1-30]" || return 1
  # The gateway keeps its log for a second before it writes it.
  gateway_log
  grep -qF "\"node\":\"$1\"" "$WORK_DIR/gateway.log"
}

# The address of a container in the network that it shares with the gateway.
edge_address() { inspect "$1" "{{(index .NetworkSettings.Networks \"${PROJECT}_edge\").IPAddress}}:8080"; }

a_third_node_is_taken_up() {
  local id
  compose_ up -d --no-build --no-deps --no-recreate --scale app=3 app >"$WORK_DIR/scale.txt" 2>&1 || { cat "$WORK_DIR/scale.txt"; return 1; }
  until_true 90 each_is_healthy || return 1
  (($(compose_ ps -q app | wc -l) == 3)) || { echo "there are not three"; return 1; }
  for id in $(compose_ ps -q app); do
    until_true 60 is_asked "$(edge_address "$id")" || { echo "$(edge_address "$id") is not asked"; return 1; }
  done
}

a_flood_is_told_429() {
  curl -s -D "$WORK_DIR/headers.txt" -o "$WORK_DIR/body.txt" -w '%{http_code}\n' "$PUBLIC/v1/coupons#[1-600]" >"$WORK_DIR/codes.txt"
  grep -q '^200$' "$WORK_DIR/codes.txt" || { echo "nobody was served"; return 1; }
  grep -q '^429$' "$WORK_DIR/codes.txt" || { sort "$WORK_DIR/codes.txt" | uniq -c; return 1; }
  # The dumps are of all answers, one after the other.
  grep -qi '^content-type: application/problem+json' "$WORK_DIR/headers.txt" && grep -qi '^retry-after: 1' "$WORK_DIR/headers.txt" &&
    grep -q '"code":"rate_limited"' "$WORK_DIR/body.txt"
}

status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

is_served() { [[ $(status_of "$PUBLIC/livez") == 200 ]]; }

operators_come_by_the_inner_door_only() {
  # The flood before has emptied the bucket.
  until_true 10 is_served || return 1
  [[ $(status_of "$PUBLIC/metrics") == 404 ]] || { echo "metrics are public"; return 1; }
  [[ $(status_of -H "Authorization: Bearer $TOKEN" "$PUBLIC/v1/admin/actors") == 404 ]] || { echo "public: admin"; return 1; }
  [[ $(status_of -X POST -H "Authorization: Bearer $TOKEN" "$PUBLIC/v1/coupons") == 403 ]] || { echo "public: create"; return 1; }
  [[ $(status_of "$INNER/v1/admin/actors") == 401 ]] || { echo "inner: no token"; return 1; }
  [[ $(status_of -H "Authorization: Bearer $TOKEN" "$INNER/v1/admin/actors") == 200 ]] || { echo "inner: token"; return 1; }
}

prometheus_sees_every_node() {
  local up
  up=$(in_service prometheus wget -q -O - 'http://127.0.0.1:9090/api/v1/query?query=sum(up{job=~"openrun.*|rabbitmq"})')
  [[ $up == *'"4"]'* ]] || { echo "$up"; return 1; }
}

rabbitmq_has_its_user_interface() { [[ $(status_of "http://127.0.0.1:${RABBITMQ_UI_PORT:-15672}/") == 200 ]]; }

logs_a_member() {
  gateway_log
  grep -qF '/v1/coupons/x/issuances/:member' "$WORK_DIR/gateway.log"
}

# The gateway's log is for whoever operates it, and tells nobody's name.
gateway_log_has_no_secrets() {
  curl -s -o /dev/null "$PUBLIC/v1/coupons/x/issuances/somebody-by-name?token=planted-secret"
  until_true 10 logs_a_member || return 1
  ! grep -m 3 -E 'somebody-by-name|planted-secret|Bearer|member-[0-9]' "$WORK_DIR/gateway.log"
}

a_node_that_is_told_to_stop_ends_well() {
  local id
  id=$(compose_ ps -q app | tail -n 1)
  docker_ stop "$id" >/dev/null
  [[ $(inspect "$id" '{{.State.ExitCode}}') == 0 ]] || { inspect "$id" 'exit code {{.State.ExitCode}}'; return 1; }
}
