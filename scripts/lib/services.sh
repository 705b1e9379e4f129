# shellcheck shell=bash
# Private Redis, RabbitMQ and PostgreSQL for one run of the tests: own ports, own directories, own processes.
# To be sourced. A caller uses `services_require`, `services_start DIR`, `services_exports` and `services_stop`.

SERVICE_NAMES=(redis rabbitmq postgres)
SERVICE_WAIT_SECONDS="${OPENRUN_TEST_SERVICE_WAIT_SECONDS:-90}"
START_ATTEMPTS=3
# Below the range from which the kernel takes ports of outgoing connections, and apart from the range that tests
# use for services of their own (26000 to 31999, see load/src/fleet/ports.rs).
FIRST_PORT=20000
PORT_COUNT=6000

declare -A SERVICE_PID=() SERVICE_PORT=()
SERVICES_DIR=""
TAKEN_PORTS=" "

say() { printf '%s\n' "$*" >&2; }

# --- What must be installed ------------------------------------------------------------------------------------

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

# The server's own start script: the one in /usr/sbin of Debian insists on a user and a directory.
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

# Prints the Debian packages of which the machine lacks the programs.
missing_packages() {
  command -v redis-server >/dev/null || echo redis-server
  if ! rabbitmq_bin >/dev/null || ! command -v epmd >/dev/null; then echo rabbitmq-server; fi
  postgres_bin >/dev/null || echo postgresql
  command -v ps >/dev/null || echo procps
  # The tests of the gateway start it themselves.
  if ! command -v nginx >/dev/null && [[ ! -x /usr/sbin/nginx ]]; then echo nginx; fi
  # The tests of the alerts start it themselves.
  if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then echo prometheus; fi
  # The example clients are run by their tests.
  command -v curl >/dev/null || echo curl
  command -v node >/dev/null || echo nodejs
  command -v python3 >/dev/null || echo python3
  # The tests of the console start it themselves. Without a font of theirs, Korean letters are empty boxes in pictures.
  if ! command -v chromedriver >/dev/null; then echo chromium chromium-driver fonts-nanum | tr ' ' '\n'; fi
}

# install_packages PACKAGE...: by apt-get where there is one, or says what to install and exits 2.
install_packages() {
  local -a as_root=()
  if ! command -v apt-get >/dev/null; then
    say "Please install: $* (only Debian's packages are installed by themselves)."
    exit 2
  fi
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      say "Please install: $* (neither root nor sudo is here to do it)."
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

# Chooses a port nobody listens on into PORT. Another process may still take it first: see `await_service`.
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

# launch NAME USER COMMAND...: in a session of its own, so that Ctrl-C reaches the tests and not the service. As root
# it runs as USER, for PostgreSQL refuses root.
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

# fresh_directory NAME USER: an empty directory that belongs to whom the service runs as.
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
  # What durable mode asks for. No snapshots: a fork in the middle of a measurement is noise.
  launch redis root redis-server --port "$PORT" --bind 127.0.0.1 --dir "$SERVICES_DIR/redis" --save '' \
    --appendonly yes --appendfsync always --maxmemory-policy noeviction --databases 16384 --daemonize no
}

start_postgres() {
  local bin dir=$SERVICES_DIR/postgres
  bin=$(postgres_bin)
  fresh_directory postgres postgres
  pick_port
  SERVICE_PORT[postgres]=$PORT
  # One command, so that the long work of initdb goes on beside the other services' start. Durability is the
  # server's default; only the creation of the empty cluster does without syncing.
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
  # Erlang's port mapper would otherwise be started as a daemon that outlives the run.
  launch epmd rabbitmq epmd -port "$epmd_port" -address 127.0.0.1
  printf '%s\n' "listeners.tcp.1 = 127.0.0.1:$PORT" \
    'vm_memory_high_watermark.absolute = 1GB' 'disk_free_limit.absolute = 1MB' \
    'raft.wal_max_size_bytes = 16777216' 'log.console.level = info' >"$dir/rabbitmq.conf"
  : >"$dir/enabled_plugins"
  if ((EUID == 0)); then chown rabbitmq: "$dir/rabbitmq.conf" "$dir/enabled_plugins"; fi
  # With ALLOW_INPUT the start script becomes the server instead of waiting beside it. Schedulers that do not spin
  # leave the processors to the tests.
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

# Each asks the service's own log first: a stranger on the same port must not pass for it.
redis_ready() { grep -q 'Ready to accept connections' "$SERVICES_DIR/redis.log" && accepts "${SERVICE_PORT[redis]}"; }
rabbitmq_ready() {
  grep -q 'Server startup complete' "$SERVICES_DIR/rabbitmq.log" && accepts "${SERVICE_PORT[rabbitmq]}"
}
postgres_ready() {
  grep -q 'ready to accept connections' "$SERVICES_DIR/postgres.log" && accepts "${SERVICE_PORT[postgres]}"
}

# await_service NAME: until it is ready, it died, or the time is up. One that lost its port starts again on another.
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
  local name begun=$SECONDS
  SERVICES_DIR=$1
  # The services' users pass through it to directories of their own.
  chmod 755 "$SERVICES_DIR"
  for name in "${SERVICE_NAMES[@]}"; do "start_$name"; done
  for name in "${SERVICE_NAMES[@]}"; do await_service "$name" || return 1; done
  say "Redis, RabbitMQ and PostgreSQL are ready after $((SECONDS - begun)) s."
}

services_exports() {
  printf 'export OPENRUN_TEST_REDIS_URL=redis://127.0.0.1:%s\n' "${SERVICE_PORT[redis]}"
  printf 'export OPENRUN_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:%s/%%2f\n' "${SERVICE_PORT[rabbitmq]}"
  printf 'export OPENRUN_TEST_DATABASE_URL=postgres://postgres@127.0.0.1:%s/postgres\n' "${SERVICE_PORT[postgres]}"
}

# --- Stopping --------------------------------------------------------------------------------------------------

# Nothing of a run is kept, so nothing needs a graceful end; but PostgreSQL must take its children with it, which live
# in sessions of their own.
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
