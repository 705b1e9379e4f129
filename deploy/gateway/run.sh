#!/bin/sh
# Runs the gateway: fills in the settings, starts nginx, and has it take up nodes that come and go. Needs nginx and a
# POSIX shell with getent, which the images of nginx on Debian have. Writes to GATEWAY_RUN_DIR only.
set -eu
# Where Debian has nginx, and not everybody looks.
PATH=$PATH:/usr/sbin

here=$(cd "$(dirname "$0")" && pwd)
run_dir=${GATEWAY_RUN_DIR:-/tmp/gateway}
# host:port, several separated by spaces. A name stands for all of its addresses, as Docker's and Kubernetes's DNS give them.
nodes=${GATEWAY_NODES:-app:8080}
resolve_seconds=${GATEWAY_RESOLVE_SECONDS:-2}
# CIDRs whose X-Forwarded-For and X-Member-Id are believed: whatever terminates TLS and signs members in, in front of this.
trusted=${GATEWAY_TRUSTED_PROXIES:-}

settings="
LISTEN=${GATEWAY_LISTEN:-0.0.0.0}
PUBLIC_PORT=${GATEWAY_PUBLIC_PORT:-8080}
INNER_PORT=${GATEWAY_INNER_PORT:-8081}
CLIENT_RATE=${GATEWAY_CLIENT_RATE:-50r/s}
CLIENT_BURST=${GATEWAY_CLIENT_BURST:-100}
CLIENT_CONNECTIONS=${GATEWAY_CLIENT_CONNECTIONS:-100}
MEMBER_RATE=${GATEWAY_MEMBER_RATE:-5r/s}
MEMBER_BURST=${GATEWAY_MEMBER_BURST:-10}
ACCESS_LOG=${GATEWAY_ACCESS_LOG:-/dev/stdout}
"

fail() {
  echo "gateway: $*" >&2
  exit 2
}

# Copies the configuration with its settings filled in.
write_configuration() {
  script=
  for setting in $settings; do
    name=${setting%%=*}
    value=${setting#*=}
    case $value in
    '' | *[!A-Za-z0-9._/:-]*) fail "GATEWAY_$name: '$value' cannot be used" ;;
    esac
    script="$script;s|@$name@|$value|g"
  done
  for file in "$here"/*.conf; do
    sed "${script#;}" "$file" >"$run_dir/${file##*/}"
  done
}

# Who is believed: `set_real_ip_from` makes $remote_addr what they say, and $from_trusted tells that they said it.
write_settings() {
  {
    echo 'real_ip_header X-Forwarded-For;'
    echo 'real_ip_recursive on;'
    for range in $trusted; do echo "set_real_ip_from $range;"; done
    # shellcheck disable=SC2016 # these are nginx's variables
    echo 'geo $realip_remote_addr $from_trusted {'
    echo '  default 0;'
    for range in $trusted; do echo "  $range 1;"; done
    echo '}'
  } >"$run_dir/settings.conf"
}

# Prints every address of every node.
addresses() {
  for node in $nodes; do
    getent ahostsv4 "${node%:*}" | cut -d ' ' -f 1 | sort -u | sed "s|\$|:${node##*:}|"
  done
}

# write_upstream ADDRESSES: three failures within five seconds keep a node from being asked for as long.
write_upstream() {
  {
    echo 'upstream openrun {'
    echo '  zone openrun 256k;'
    echo '  least_conn;'
    for address in $1; do echo "  server $address max_fails=3 fail_timeout=5s;"; done
    # Nobody listens there: as long as there are no nodes, clients hear that.
    if [ -z "$1" ]; then echo '  server 127.0.0.1:1;'; fi
    echo '  keepalive 64;'
    # Less than the 75 s for which a node keeps an idle connection: who closes first must be the one who would ask.
    echo '  keepalive_timeout 60s;'
    echo '}'
  } >"$run_dir/upstream.conf"
}

nginx_here() {
  nginx -p "$run_dir/" -c "$run_dir/nginx.conf" -e stderr "$@"
}

stop() {
  trap '' TERM INT QUIT
  kill -QUIT "$nginx_pid" 2>/dev/null || true
  wait "$nginx_pid" || true
  exit 0
}

mkdir -p "$run_dir"
write_configuration
write_settings
known=$(addresses || true)
write_upstream "$known"
nginx_here -t -q || fail "nginx does not accept these settings"

# Each client takes two files, one of them to a node.
# shellcheck disable=SC3045 # dash and bash have it; elsewhere it is as it was
ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || true
nginx_here -g 'daemon off;' &
nginx_pid=$!
trap stop TERM INT QUIT

while kill -0 "$nginx_pid" 2>/dev/null; do
  # Waiting for a child is what a signal can interrupt.
  sleep "$resolve_seconds" &
  wait $! || true
  found=$(addresses || true)
  # No answer at all is no news: the nodes that are known may well be there.
  if [ -n "$found" ] && [ "$found" != "$known" ]; then
    write_upstream "$found"
    # Without -t first, a mistake would leave nginx as it was, and this loop none the wiser.
    if nginx_here -t -q; then
      nginx_here -s reload
      echo "gateway: nodes are now $(echo "$found" | tr '\n' ' ')" >&2
      known=$found
    fi
  fi
done
wait "$nginx_pid"
