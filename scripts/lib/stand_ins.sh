# shellcheck shell=bash
# Builds images from Debian's packages under the names of the registry's images: see deploy/stand-ins. To be sourced after
# engine.sh. A caller uses `stand_ins_build WORK_DIR`.

STAND_INS=deploy/stand-ins
DEBIAN_IMAGE=debian:12.12-slim
DEBIAN_RELEASE=bookworm

has_image() { docker_ image inspect "$1" >/dev/null 2>&1; }

# pinned NAME: the first image of that name in the Dockerfile or the Compose file, with its version.
pinned() {
  grep -ohE "(FROM|image:) +$1:[^ ]+" Dockerfile docker-compose.yml | head -n 1 | sed -E 's/^[^ ]+ +//'
}

build_debian() {
  local root=$1/root
  if has_image "$DEBIAN_IMAGE"; then return 0; fi
  debootstrap --variant=minbase "$DEBIAN_RELEASE" "$root" >"$1/debootstrap.log" 2>&1 || {
    tail -n 20 "$1/debootstrap.log" >&2
    return 1
  }
  # The image needs neither devices nor package archives.
  tar --one-file-system --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* --exclude=./var/cache/apt/archives/*.deb \
    -C "$root" -cf - . | docker_ import --change 'CMD ["bash"]' - "$DEBIAN_IMAGE" >/dev/null
  rm -rf "$root"
}

# build_stand_in IMAGE DOCKERFILE [CONTEXT [LABEL]]: uses the host's network to download Debian's packages.
build_stand_in() {
  if has_image "$1"; then return 0; fi
  DOCKER_BUILDKIT=1 docker_ build --quiet --network host --tag "$1" ${4:+--label "$4"} \
    --file "$STAND_INS/$2.Dockerfile" "${3:-$STAND_INS}" >/dev/null
}

# An image with the toolchain and crates of this machine, so that openrun's image can be built without a network.
build_rust() {
  local image context=$1/rust home=${CARGO_HOME:-$HOME/.cargo} sysroot lock
  image=$(pinned rust)
  # After a change of the lock file an older image may lack crates.
  lock=$(sha256sum Cargo.lock | cut -d ' ' -f 1)
  if has_image "$image" && [[ $(docker_ image inspect --format '{{.Config.Labels.lock}}' "$image") == "$lock" ]]; then
    return 0
  fi
  docker_ image rm --force "$image" >/dev/null 2>&1 || true
  if ! command -v cargo-chef >/dev/null && [[ ! -x $home/bin/cargo-chef ]]; then
    say "Installing cargo-chef, which the Dockerfile uses."
    cargo install --quiet --locked --version "$(sed -nE 's/.*cargo-chef --version ([0-9.]+).*/\1/p' Dockerfile)" \
      --root "$context" cargo-chef
  else
    install -D "$(command -v cargo-chef || echo "$home/bin/cargo-chef")" "$context/bin/cargo-chef"
  fi
  cargo fetch --quiet --locked
  sysroot=$(rustc --print sysroot)
  mkdir -p "$context/toolchain" "$context/registry"
  cp -al "$sysroot/bin" "$sysroot/lib" "$context/toolchain/" 2>/dev/null ||
    cp -a "$sysroot/bin" "$sysroot/lib" "$context/toolchain/"
  cp -a "$home/registry/cache" "$home/registry/index" "$context/registry/"
  build_stand_in "$image" rust "$context" "lock=$lock"
  rm -rf "$context"
}

stand_ins_build() {
  local work_dir=$1 name
  build_debian "$work_dir"
  for name in nginx redis rabbitmq postgres; do
    build_stand_in "$(pinned "$name")" "$name"
  done
  build_stand_in "$(pinned prom/prometheus)" prometheus
  build_rust "$work_dir"
}
