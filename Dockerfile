# The image of openrun: `docker build -t openrun .`. With `--target load` it contains the load generator as well.
# Dependencies have a layer of their own, which is reused until Cargo.lock changes.

FROM rust:1.95.0-slim-bookworm AS chef
# Uses the toolchain of this image. Otherwise rustup would download that of rust-toolchain.toml.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN command -v cargo-chef || cargo install cargo-chef --version 0.1.73 --locked
WORKDIR /src

# The list of dependencies, without the code.
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
# Numeric ids, so that Kubernetes can check that the user is not root. /data is the volume of the embedded engine.
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

# The last stage is the default target. The service writes to /data only, and on the full stack nowhere: run it with a
# read-only root.
FROM base
ENV OPENRUN_BIND=0.0.0.0:8080 \
    OPENRUN_DATA_DIR=/data \
    OPENRUN_LOG_FORMAT=json
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=3 CMD ["openrun", "probe"]
ENTRYPOINT ["openrun"]
CMD ["serve"]
