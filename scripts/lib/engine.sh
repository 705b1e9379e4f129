# shellcheck shell=bash
# A private Docker engine with its own data, socket and networks, removed afterwards. To be sourced after services.sh, for
# `say` and `install_packages`. A caller uses `engine_require`, `engine_start DIR`, `engine_stop`, `docker_` and `compose_`.

ENGINE_WAIT_SECONDS=60
# A range for the engine's networks alone, so that they do not collide with others of the machine.
ENGINE_ADDRESSES=10.213.0.0/16
ENGINE_DIR=""
ENGINE_PID=""
DOCKER=docker
COMPOSE=docker-compose

# Refuses to run beside another engine, whose images might be confused with the stand-ins.
engine_require_none() {
  if docker info >/dev/null 2>&1; then
    say "A Docker engine runs on this machine: please stop it first."
    exit 2
  fi
}

engine_require() {
  local -a missing=()
  local had_docker=yes
  if ((EUID != 0)); then
    say "Please run this as root: it starts its own Docker engine."
    exit 2
  fi
  command -v dockerd >/dev/null || had_docker=no
  if [[ $had_docker == yes ]]; then engine_require_none; fi
  command -v dockerd >/dev/null || missing+=(docker.io)
  command -v docker-compose >/dev/null || missing+=(docker-compose)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v debootstrap >/dev/null || missing+=(debootstrap)
  command -v promtool >/dev/null || missing+=(prometheus)
  command -v curl >/dev/null || missing+=(curl)
  python3 -c 'import yaml' 2>/dev/null || missing+=(python3-yaml)
  if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
  # The package may just have started the system's engine, which the check does not use.
  if [[ $had_docker == no ]] && command -v systemctl >/dev/null && systemctl is-active --quiet docker; then
    systemctl stop docker.socket docker
  fi
  # Prefers the client of the installed package over another one in the PATH.
  if [[ -x /usr/bin/docker ]]; then DOCKER=/usr/bin/docker; fi
  if [[ -x /usr/bin/docker-compose ]]; then COMPOSE=/usr/bin/docker-compose; fi
}

docker_() { "$DOCKER" -H "unix://$ENGINE_DIR/docker.sock" "$@"; }
compose_() { DOCKER_HOST="unix://$ENGINE_DIR/docker.sock" "$COMPOSE" -p "$PROJECT" "$@"; }

engine_start() {
  local deadline=$((SECONDS + ENGINE_WAIT_SECONDS))
  ENGINE_DIR=$1
  mkdir -p "$ENGINE_DIR"
  if docker_ info >/dev/null 2>&1; then
    say "An engine runs in $ENGINE_DIR already: another check is running."
    return 1
  fi
  # Containers are to reach one another by the engine's own rules; nothing else of the machine is changed for them.
  setsid dockerd --data-root "$ENGINE_DIR/data" --exec-root "$ENGINE_DIR/exec" --pidfile "$ENGINE_DIR/dockerd.pid" \
    --host "unix://$ENGINE_DIR/docker.sock" --bridge none --default-address-pool "base=$ENGINE_ADDRESSES,size=24" \
    </dev/null >"$ENGINE_DIR/dockerd.log" 2>&1 &
  ENGINE_PID=$!
  until docker_ info >/dev/null 2>&1; do
    if ! kill -0 "$ENGINE_PID" 2>/dev/null || ((SECONDS >= deadline)); then
      say "The Docker engine does not start. The end of its log:"
      tail -n 30 "$ENGINE_DIR/dockerd.log" >&2
      return 1
    fi
    sleep 0.2
  done
}

# Stops the engine and all its containers. Its data stays.
engine_stop() {
  local attempt
  if [[ -z $ENGINE_PID ]]; then return 0; fi
  kill -TERM "$ENGINE_PID" 2>/dev/null || true
  for ((attempt = 0; attempt < 150; attempt++)); do
    kill -0 "$ENGINE_PID" 2>/dev/null || break
    sleep 0.2
  done
  kill -KILL -- "-$ENGINE_PID" 2>/dev/null || true
  wait "$ENGINE_PID" 2>/dev/null || true
  ENGINE_PID=""
  # A killed engine leaves its mounts, which would keep the directory from being removed.
  local mount
  while read -r mount; do umount "$mount" 2>/dev/null || true; done < <(
    awk -v dir="$ENGINE_DIR/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r
  )
}
