# shellcheck shell=bash
# A private Redis, RabbitMQ and PostgreSQL for one run of the tests, with their own ports, directories and processes.
# To be sourced. A caller uses `services_require`, `services_start DIR`, `services_exports` and `services_stop`.

SERVICE_NAMES=(redis rabbitmq postgres)
SERVICE_WAIT_SECONDS="${OPENRUN_TEST_SERVICE_WAIT_SECONDS:-90}"
START_ATTEMPTS=3
# Below the kernel's range for outgoing connections, and apart from the ports of services that tests start themselves
# (26000 to 31999, see load/src/fleet/ports.rs).
FIRST_PORT=20000
PORT_COUNT=6000

declare -A SERVICE_PID=() SERVICE_PORT=()
SERVICES_DIR=""
TAKEN_PORTS=" "

say() { printf '%s\n' "$*" >&2; }

# --- Required programs -----------------------------------------------------------------------------------------

postgres_bin() {
  local candidate
  if command -v initdb >/dev/null && command -v postgres >/dev/null; then
    dirname "$(command -v initdb)"
    return
  fi
  for candidate in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin; do
    if [[ -x $candidate/initdb ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# The folder of the server's own start script. Debian's wrapper in /usr/sbin requires its own user and directory.
rabbitmq_bin() {
  local candidate
  for candidate in /usr/lib/rabbitmq/bin /opt/homebrew/opt/rabbitmq/sbin /usr/local/sbin; do
    if [[ -x $candidate/rabbitmq-server ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  command -v rabbitmq-server >/dev/null && dirname "$(command -v rabbitmq-server)"
}

# Prints the Debian packages of the missing programs.
missing_packages() {
  command -v redis-server >/dev/null || echo redis-server
  if ! rabbitmq_bin >/dev/null || ! command -v epmd >/dev/null; then echo rabbitmq-server; fi
  postgres_bin >/dev/null || echo postgresql
  command -v ps >/dev/null || echo procps
  # For the tests of the gateway.
  if ! command -v nginx >/dev/null && [[ ! -x /usr/sbin/nginx ]]; then echo nginx; fi
  # For the tests of the alerts.
  if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then echo prometheus; fi
  # For the tests of the example clients.
  command -v curl >/dev/null || echo curl
  command -v node >/dev/null || echo nodejs
  command -v python3 >/dev/null || echo python3
  # For the tests of the console. Without the font, Korean letters are empty boxes in screenshots.
  if ! command -v chromedriver >/dev/null; then echo chromium chromium-driver fonts-nanum | tr ' ' '\n'; fi
}

# install_packages PACKAGE...: installs by apt-get; without it, names the packages and exits with 2.
install_packages() {
  local -a as_root=()
  if ! command -v apt-get >/dev/null; then
    say "Please install: $* (only Debian's packages are installed automatically)."
    exit 2
  fi
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      say "Please install: $* (this script has neither root nor sudo)."
      exit 2
    fi
    as_root=(sudo)
  fi
  say "Installing: $*"
  if ! {
    ${as_root[@]+"${as_root[@]}"} apt-get update -qq &&
      ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@"
  } </dev/null >&2; then
    say "apt-get could not install: $*"
    exit 2
  fi
}

services_require() {
  local -a missing=()
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
}

# --- Starting --------------------------------------------------------------------------------------------------

# Sets PORT to a free port. Another process may still take it first: see `await_service`.
pick_port() {
  local attempt
  for ((attempt = 0; attempt < 200; attempt++)); do
    PORT=$((FIRST_PORT + RANDOM % PORT_COUNT))
    if [[ $TAKEN_PORTS != *" $PORT "* ]] && ! (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
      TAKEN_PORTS+="$PORT "
      return 0
    fi
  done
  say "No free port found from $FIRST_PORT to $((FIRST_PORT + PORT_COUNT - 1))."
  return 1
}

# launch NAME USER COMMAND...: starts a service in its own session, so that Ctrl-C reaches the tests and not the service.
# If this script is root, the service runs as USER, because PostgreSQL refuses root.
launch() {
  local name=$1 user=$2
  shift 2
  local -a prefix=()
  if command -v setsid >/dev/null; then prefix+=(setsid); fi
  if ((EUID == 0)) && [[ $user != root ]]; then
    prefix+=(setpriv "--reuid=$user" "--regid=$user" --init-groups)
  fi
  ${prefix[@]+"${prefix[@]}"} "$@" </dev/null >>"$SERVICES_DIR/$name.log" 2>&1 &
  SERVICE_PID[$name]=$!
}

# fresh_directory NAME USER: makes an empty directory that USER owns.
fresh_directory() {
  rm -rf "${SERVICES_DIR:?}/$1"
  mkdir -m 700 "$SERVICES_DIR/$1"
  : >"$SERVICES_DIR/$1.log"
  if ((EUID == 0)); then chown "$2": "$SERVICES_DIR/$1"; fi
}

start_redis() {
  fresh_directory redis root
  pick_port
  SERVICE_PORT[redis]=$PORT
  # The settings that durable mode requires. No snapshots: a fork in the middle of a measurement is noise.
  launch redis root redis-server --port "$PORT" --bind 127.0.0.1 --dir "$SERVICES_DIR/redis" --save '' \
    --appendonly yes --appendfsync always --maxmemory-policy noeviction --databases 16384 --daemonize no
}

start_postgres() {
  local bin dir=$SERVICES_DIR/postgres
  bin=$(postgres_bin)
  fresh_directory postgres postgres
  pick_port
  SERVICE_PORT[postgres]=$PORT
  # One command, so that initdb, which takes long, runs while the other services start. The server has its default
  # durability; only the creation of the empty cluster is not synced.
  # shellcheck disable=SC2016 # the inner shell expands them
  launch postgres postgres env -u PGDATA -u PGPORT LC_ALL=C sh -c '
    "$1/initdb" --pgdata="$2/data" --username=postgres --auth=trust --encoding=UTF8 --no-sync || exit 1
    exec "$1/postgres" -D "$2/data" -p "$3" -k "$2" -c listen_addresses=127.0.0.1 -c max_connections=200
  ' sh "$bin" "$dir" "$PORT"
}

start_rabbitmq() {
  local bin dir=$SERVICES_DIR/rabbitmq epmd_port dist_port
  bin=$(rabbitmq_bin)
  fresh_directory rabbitmq rabbitmq
  pick_port && epmd_port=$PORT
  pick_port && dist_port=$PORT
  pick_port
  SERVICE_PORT[rabbitmq]=$PORT
  # RabbitMQ would otherwise start Erlang's port mapper as a daemon that outlives the run.
  launch epmd rabbitmq epmd -port "$epmd_port" -address 127.0.0.1
  printf '%s\n' "listeners.tcp.1 = 127.0.0.1:$PORT" \
    'vm_memory_high_watermark.absolute = 1GB' 'disk_free_limit.absolute = 1MB' \
    'raft.wal_max_size_bytes = 16777216' 'log.console.level = info' >"$dir/rabbitmq.conf"
  : >"$dir/enabled_plugins"
  if ((EUID == 0)); then chown rabbitmq: "$dir/rabbitmq.conf" "$dir/enabled_plugins"; fi
  # With ALLOW_INPUT the start script becomes the server process instead of its parent. Schedulers that do not spin
  # leave CPU time to the tests.
  launch rabbitmq rabbitmq env HOME="$dir" ERL_EPMD_PORT="$epmd_port" ERL_EPMD_ADDRESS=127.0.0.1 \
    RABBITMQ_NODENAME="openrun-$PORT@localhost" RABBITMQ_DIST_PORT="$dist_port" \
    RABBITMQ_MNESIA_BASE="$dir/mnesia" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_LOGS=- \
    RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/enabled_plugins" \
    RABBITMQ_CONF_ENV_FILE="$dir/none" RABBITMQ_GENERATED_CONFIG_DIR="$dir/generated" RABBITMQ_ALLOW_INPUT=1 \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-noinput +sbwt none +sbwtdcpu none +sbwtdio none' \
    "$bin/rabbitmq-server"
}

# --- Waiting ---------------------------------------------------------------------------------------------------

accepts() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Each checks the service's own log first, because another process might listen on the same port.
redis_ready() { grep -q 'Ready to accept connections' "$SERVICES_DIR/redis.log" && accepts "${SERVICE_PORT[redis]}"; }
rabbitmq_ready() {
  grep -q 'Server startup complete' "$SERVICES_DIR/rabbitmq.log" && accepts "${SERVICE_PORT[rabbitmq]}"
}
postgres_ready() {
  grep -q 'ready to accept connections' "$SERVICES_DIR/postgres.log" && accepts "${SERVICE_PORT[postgres]}"
}

# await_service NAME: waits until the service is ready. A service that lost its port is started again on another one.
await_service() {
  local name=$1 attempt deadline
  for ((attempt = 1; attempt <= START_ATTEMPTS; attempt++)); do
    deadline=$((SECONDS + SERVICE_WAIT_SECONDS))
    while kill -0 "${SERVICE_PID[$name]}" 2>/dev/null && ((SECONDS < deadline)); do
      if "${name}_ready"; then return 0; fi
      sleep 0.1
    done
    grep -qiE 'address already in use|eaddrinuse' "$SERVICES_DIR/$name.log" || break
    say "$name lost its port to another process: starting it on another one."
    stop_service "$name"
    if [[ $name == rabbitmq ]]; then stop_service epmd; fi
    "start_$name"
  done
  say "$name did not become ready within ${SERVICE_WAIT_SECONDS} s. The end of its log:"
  tail -n 40 "$SERVICES_DIR/$name.log" >&2
  return 1
}

services_start() {
  local name start=$SECONDS
  SERVICES_DIR=$1
  # The services' users need access to their directories in it.
  chmod 755 "$SERVICES_DIR"
  for name in "${SERVICE_NAMES[@]}"; do "start_$name"; done
  for name in "${SERVICE_NAMES[@]}"; do await_service "$name" || return 1; done
  say "Redis, RabbitMQ and PostgreSQL are ready after $((SECONDS - start)) s."
}

services_exports() {
  printf 'export OPENRUN_TEST_REDIS_URL=redis://127.0.0.1:%s\n' "${SERVICE_PORT[redis]}"
  printf 'export OPENRUN_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:%s/%%2f\n' "${SERVICE_PORT[rabbitmq]}"
  printf 'export OPENRUN_TEST_DATABASE_URL=postgres://postgres@127.0.0.1:%s/postgres\n' "${SERVICE_PORT[postgres]}"
}

# --- Stopping --------------------------------------------------------------------------------------------------

# Services are killed, because no data of a run is kept. Only PostgreSQL gets time to end its children, which have their
# own sessions.
stop_service() {
  local name=$1 pid=${SERVICE_PID[$1]:-} attempt
  if [[ -z $pid ]]; then return 0; fi
  unset "SERVICE_PID[$name]"
  if [[ $name == postgres ]]; then
    kill -QUIT "$pid" 2>/dev/null || true
    for ((attempt = 0; attempt < 50; attempt++)); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
  fi
  kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

services_stop() {
  local name
  for name in "${!SERVICE_PID[@]}"; do stop_service "$name"; done
}
