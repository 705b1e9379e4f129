# shellcheck shell=bash
# The checks of scripts/compose-check on the running stack. To be sourced after engine.sh. Each check is a function that
# returns 0 if it passed; its output is shown only if it failed.

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
# sql STATEMENT: runs it in the stack's PostgreSQL.
sql() { in_service postgres psql -U openrun -d openrun -At -c "$1"; }

# until_true SECONDS COMMAND...: repeats the command until it succeeds or the time is over.
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

# --- The image ---------------------------------------------------------------------------------------------------

image_runs_unprivileged() {
  local user
  user=$(inspect openrun:demo '{{.Config.User}}')
  [[ $user == 10001:10001 ]] || { echo "the image runs as '$user'"; return 1; }
  [[ $(docker_ run --rm --network none --entrypoint id openrun:demo -u) == 10001 ]]
}

image_has_a_health_check() { [[ $(inspect openrun:demo '{{json .Config.Healthcheck.Test}}') == *probe* ]]; }

# The image adds little more than the binary to its base.
image_is_small() {
  local whole base
  whole=$(inspect openrun:demo '{{.Size}}')
  base=$(inspect debian:12.12-slim '{{.Size}}')
  echo "openrun adds $(((whole - base) / 1000000)) MB to the base"
  (((whole - base) < 60000000))
}

# --- The containers ----------------------------------------------------------------------------------------------

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
    [[ $(inspect "$id" '{{and .HostConfig.Memory .HostConfig.NanoCpus}}') != 0 ]] || { inspect "$id" '{{.Name}} has no limits'; return 1; }
  done
}

root_is_read_only() {
  local service id
  for service in app persister gateway; do
    id=$(container "$service")
    [[ $(inspect "$id" '{{.HostConfig.ReadonlyRootfs}}') == true ]] || { echo "$service: not read-only"; return 1; }
    if docker_ exec "$id" sh -c ': >/planted || : >/usr/local/bin/planted' 2>/dev/null; then
      echo "$service: writable"
      return 1
    fi
  done
}

none_is_privileged() {
  local service uid
  for service in app persister gateway; do
    uid=$(in_service "$service" id -u)
    [[ $uid != 0 ]] || { echo "$service runs as root"; return 1; }
    # Reads the capabilities of the running processes from the kernel, not those of the image.
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

# --- The behaviour -----------------------------------------------------------------------------------------------

# race MEMBERS STOCK COUPON: runs a race to its end and returns its exit code.
race() { compose_ run --rm -T -e "RACE_MEMBERS=$1" -e "RACE_STOCK=$2" -e "RACE_COUPON=$3" load </dev/null; }

# Writes to a file, because `docker logs` fails if the reader of a pipe stops early.
gateway_log() { docker_ logs "$(container gateway)" >"$WORK_DIR/gateway.log" 2>&1; }

# The nodes that received requests, by the gateway's log.
nodes_that_served() {
  gateway_log
  grep -oE '"node":"[0-9.]+:8080"' "$WORK_DIR/gateway.log" | sort | uniq -c
}
at_least_nodes_served() { (($(nodes_that_served | wc -l) >= $1)); }

race_is_correct() {
  race 20000 1000 race >"$WORK_DIR/race.txt" 2>&1 || { cat "$WORK_DIR/race.txt"; return 1; }
  grep -q 'The promise held' "$WORK_DIR/race.txt" || { cat "$WORK_DIR/race.txt"; return 1; }
  at_least_nodes_served 2 || { nodes_that_served; return 1; }
}

# Deletes a row that a member was told of while the persister, which would repair it, is stopped.
missing_row_fails_the_race() {
  local exit_code=0
  race 2000 1000 tampered >"$WORK_DIR/tampered.txt" 2>&1 || { cat "$WORK_DIR/tampered.txt"; return 1; }
  docker_ stop "$(container persister)" >/dev/null
  sql "DELETE FROM coupon_issuances WHERE coupon_id = 'tampered' AND sequence = 7" >/dev/null
  RACE_SETTLE_SECONDS=2 compose_ run --rm -T --no-deps -e RACE_MEMBERS=10 -e RACE_COUPON=tampered -e RACE_SETTLE_SECONDS=2 \
    load >"$WORK_DIR/tampered.txt" 2>&1 </dev/null || exit_code=$?
  docker_ start "$(compose_ ps -q persister)" >/dev/null
  [[ $exit_code == 1 ]] || { echo "exit code $exit_code"; cat "$WORK_DIR/tampered.txt"; return 1; }
}

row_is_back() {
  [[ $(sql "SELECT count(*) FROM coupon_issuances WHERE coupon_id = 'tampered' AND sequence = 7") == 1 ]]
}
reconciler_restores_the_row() { until_true 120 row_is_back; }

# rows_of COUPON: the number of its issuances in PostgreSQL.
rows_of() { sql "SELECT count(*) FROM coupon_issuances WHERE coupon_id = '$1'"; }
# more_rows_than COUNT COUPON
more_rows_than() { (($(rows_of "$2") > $1)); }

killed_node_loses_nothing() {
  local victim pid rows
  victim=$(compose_ ps -q app | tail -n 1)
  race 120000 100000 killed >"$WORK_DIR/killed.txt" 2>&1 &
  pid=$!
  until_true 60 more_rows_than 100 killed || return 1
  docker_ kill "$victim" >/dev/null
  rows=$(rows_of killed)
  ((rows < 90000)) || { echo "the node was killed too late: $rows rows"; return 1; }
  wait "$pid" || { cat "$WORK_DIR/killed.txt"; return 1; }
  grep -q 'The promise held' "$WORK_DIR/killed.txt" || { cat "$WORK_DIR/killed.txt"; return 1; }
  echo "killed at $rows rows"
  docker_ start "$victim" >/dev/null
  until_true 90 each_is_healthy
}

# gets_requests ADDRESS: whether the gateway sends requests there.
gets_requests() {
  curl -fsS -o /dev/null "$INNER/v1/coupons#[1-30]" || return 1
  # The gateway writes its log with a delay of up to one second.
  gateway_log
  grep -qF "\"node\":\"$1\"" "$WORK_DIR/gateway.log"
}

# The address of a container in the network that it shares with the gateway.
edge_address() { inspect "$1" "{{(index .NetworkSettings.Networks \"${PROJECT}_edge\").IPAddress}}:8080"; }

gateway_uses_a_third_node() {
  local id
  compose_ up -d --no-build --no-deps --no-recreate --scale app=3 app >"$WORK_DIR/scale.txt" 2>&1 || { cat "$WORK_DIR/scale.txt"; return 1; }
  until_true 90 each_is_healthy || return 1
  (($(compose_ ps -q app | wc -l) == 3)) || { echo "there are not three nodes"; return 1; }
  for id in $(compose_ ps -q app); do
    until_true 60 gets_requests "$(edge_address "$id")" || { echo "$(edge_address "$id") gets no requests"; return 1; }
  done
}

flood_gets_429() {
  curl -s -D "$WORK_DIR/headers.txt" -o "$WORK_DIR/body.txt" -w '%{http_code}\n' "$PUBLIC/v1/coupons#[1-600]" >"$WORK_DIR/codes.txt"
  grep -q '^200$' "$WORK_DIR/codes.txt" || { echo "no request was served"; return 1; }
  grep -q '^429$' "$WORK_DIR/codes.txt" || { sort "$WORK_DIR/codes.txt" | uniq -c; return 1; }
  # The files have the headers and bodies of all responses, one after the other.
  grep -qi '^content-type: application/problem+json' "$WORK_DIR/headers.txt" && grep -qi '^retry-after: 1' "$WORK_DIR/headers.txt" &&
    grep -q '"code":"rate_limited"' "$WORK_DIR/body.txt"
}

status_of() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

is_served() { [[ $(status_of "$PUBLIC/livez") == 200 ]]; }

operators_need_inner_port_and_token() {
  # The check before emptied the token bucket.
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

# The gateway's log contains no member ids and no queries.
gateway_log_has_no_secrets() {
  curl -s -o /dev/null "$PUBLIC/v1/coupons/x/issuances/somebody-by-name?token=planted-secret"
  until_true 10 logs_a_member || return 1
  ! grep -m 3 -E 'somebody-by-name|planted-secret|Bearer|member-[0-9]' "$WORK_DIR/gateway.log"
}

node_stops_cleanly() {
  local id
  id=$(compose_ ps -q app | tail -n 1)
  docker_ stop "$id" >/dev/null
  [[ $(inspect "$id" '{{.State.ExitCode}}') == 0 ]] || { inspect "$id" 'exit code {{.State.ExitCode}}'; return 1; }
}
