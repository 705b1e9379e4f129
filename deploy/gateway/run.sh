#!/bin/sh
# Runs the gateway: fills in the settings, starts nginx, and reloads it when the addresses of the nodes change. Needs
# nginx and a POSIX shell with getent, as in the Debian images of nginx. Writes to GATEWAY_RUN_DIR only.
set -eu
# Debian installs nginx in /usr/sbin, which is not in every PATH.
PATH=$PATH:/usr/sbin

here=$(cd "$(dirname "$0")" && pwd)
run_dir=${GATEWAY_RUN_DIR:-/tmp/gateway}
# host:port, several separated by spaces. A name stands for all its addresses in Docker's or Kubernetes's DNS.
nodes=${GATEWAY_NODES:-app:8080}
resolve_seconds=${GATEWAY_RESOLVE_SECONDS:-2}
# CIDRs of trusted proxies, which may set X-Forwarded-For and X-Member-Id: the login service or TLS proxy in front.
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

# Copies the configuration and fills in the settings.
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

# For requests of trusted proxies, `set_real_ip_from` sets $remote_addr from X-Forwarded-For, and $from_trusted is 1.
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

# write_upstream ADDRESSES: after three failures within five seconds a node gets no requests for five seconds.
write_upstream() {
  {
    echo 'upstream openrun {'
    echo '  zone openrun 256k;'
    echo '  least_conn;'
    for address in $1; do echo "  server $address max_fails=3 fail_timeout=5s;"; done
    # An unused port, because nginx needs one server: without nodes every request gets the 503 of problems.conf.
    if [ -z "$1" ]; then echo '  server 127.0.0.1:1;'; fi
    echo '  keepalive 64;'
    # Less than the 75 s for which a node keeps an idle connection. If the node closed first, a request could be lost.
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

# Each client needs two file descriptors, one of them to a node.
# shellcheck disable=SC3045 # dash and bash have it; other shells keep their limit
ulimit -S -n "$(ulimit -H -n)" 2>/dev/null || true
nginx_here -g 'daemon off;' &
nginx_pid=$!
trap stop TERM INT QUIT

while kill -0 "$nginx_pid" 2>/dev/null; do
  # A signal interrupts `wait`, but not a `sleep` in the foreground.
  sleep "$resolve_seconds" &
  wait $! || true
  found=$(addresses || true)
  # An empty answer changes nothing: the known nodes may still be there.
  if [ -n "$found" ] && [ "$found" != "$known" ]; then
    write_upstream "$found"
    # `nginx -s reload` reports no error of the configuration, so -t checks it first.
    if nginx_here -t -q; then
      nginx_here -s reload
      echo "gateway: nodes are now $(echo "$found" | tr '\n' ' ')" >&2
      known=$found
    fi
  fi
done
wait "$nginx_pid"
