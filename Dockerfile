# openrun in an image: `docker build -t openrun .`; with `--target load` the load generator is in it too.
# Dependencies are built in a layer of their own, which lasts until Cargo.lock changes.

FROM rust:1.95.0-slim-bookworm AS chef
# The toolchain of this image, whatever rust-toolchain.toml would fetch.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN command -v cargo-chef || cargo install cargo-chef --version 0.1.73 --locked
WORKDIR /src

# What the dependencies are, without the code.
FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /src/recipe.json recipe.json
RUN cargo chef cook --release --locked --workspace --recipe-path recipe.json
COPY . .
RUN cargo build --release --locked --workspace --bins

FROM debian:12.12-slim AS base
# For Redis, RabbitMQ and PostgreSQL over TLS.
COPY --from=builder /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# Numbers, so that Kubernetes can tell that it is not root. /data is for the embedded engine, on a volume.
RUN groupadd --gid 10001 openrun \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin openrun \
    && install -d -o openrun -g openrun /data
COPY --from=builder /src/target/release/openrun /usr/local/bin/openrun
USER 10001:10001
WORKDIR /data

FROM base AS load
COPY --from=builder /src/target/release/openrun-load /usr/local/bin/openrun-load
COPY deploy/race.sh /usr/local/bin/race
ENTRYPOINT ["/bin/sh", "/usr/local/bin/race"]

# The last stage is what is built unless another one is asked for. It writes to /data only, and on the full stack to
# nothing at all: run it with a read-only root.
FROM base
ENV OPENRUN_BIND=0.0.0.0:8080 \
    OPENRUN_DATA_DIR=/data \
    OPENRUN_LOG_FORMAT=json
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["openrun", "probe"]
ENTRYPOINT ["openrun"]
CMD ["serve"]
