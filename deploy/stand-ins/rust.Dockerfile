# The build context has `toolchain` (the folder of `rustc --print sysroot`), `registry` (of CARGO_HOME) and `bin`
# (cargo-chef).
FROM debian:12.12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
# Offline: a build that needs another crate fails at once instead of waiting for a network.
ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true PATH=/usr/local/rust/bin:/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY toolchain /usr/local/rust
COPY bin /usr/local/cargo/bin
COPY registry /usr/local/cargo/registry
CMD ["bash"]
