# syntax=docker/dockerfile:1
# One image for every process of Drover; the command says which.

FROM rust:1.95-trixie AS build
WORKDIR /src
COPY . .
# The caches keep dependencies and what is built of them from one build to the next; they are no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin drover --bin drover-orchestrator --bin drover-import-worker \
    && install --directory /out/bin /out/data /out/licenses \
    && install --target-directory=/out/bin \
        target/release/drover target/release/drover-orchestrator target/release/drover-import-worker \
    && install --mode=644 --target-directory=/out/licenses LICENSE-MIT LICENSE-APACHE

# glibc, libgcc and the certificate authorities, and nothing else: no shell, no package manager.
FROM gcr.io/distroless/cc-debian13:nonroot
LABEL org.opencontainers.image.title="Drover" \
    org.opencontainers.image.description="Runs workflow jobs on a fleet of workers, over RabbitMQ and Postgres" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0"
COPY --from=build /out/bin /usr/local/bin
COPY --from=build /out/licenses /usr/share/doc/drover
COPY workflows /etc/drover/workflows
# The user of the base image. A new volume that is mounted here takes the owner over.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
EXPOSE 8420
# Every process drains at this signal.
STOPSIGNAL SIGTERM
CMD ["drover-orchestrator"]
