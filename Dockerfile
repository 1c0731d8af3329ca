# One image for every process of Drover; the command says which.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin drover --bin drover-orchestrator --bin drover-import-worker

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm --recursive --force /var/lib/apt/lists/* \
    && useradd --system --uid 10001 drover \
    && install --directory --owner=drover /data
COPY --from=build /src/target/release/drover /src/target/release/drover-orchestrator \
    /src/target/release/drover-import-worker /usr/local/bin/
COPY workflows /etc/drover/workflows
USER drover
CMD ["drover-orchestrator"]
