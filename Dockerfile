# syntax=docker/dockerfile:1
# One image for every process of Drover but the media workers, whose own has ffmpeg (--target media); the command says which.

FROM rust:1.95-trixie AS build
WORKDIR /src
COPY . .
# The caches keep dependencies and what is built of them from one build to the next; they are no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --release --locked --bin drover --bin drover-orchestrator --bin drover-import-worker \
        --bin drover-media-worker \
    && install --directory /out/bin /out/media /out/data /out/media-data/downloads /out/media-data/library \
        /out/media-data/generated /out/licenses \
    && install --target-directory=/out/bin \
        target/release/drover target/release/drover-orchestrator target/release/drover-import-worker \
    && install --target-directory=/out/media target/release/drover-media-worker \
    && install --mode=644 --target-directory=/out/licenses LICENSE-MIT LICENSE-APACHE

# ffmpeg needs a distribution's libraries.
FROM debian:trixie-slim AS media
LABEL org.opencontainers.image.title="Drover media worker" \
    org.opencontainers.image.description="Takes new videos into a library, with ffmpeg" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0"
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/media /usr/local/bin
COPY --from=build /out/licenses /usr/share/doc/drover
COPY --from=build --chown=65532:65532 /out/media-data /media
USER 65532:65532
STOPSIGNAL SIGTERM
CMD ["drover-media-worker"]

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
# The same folder as in the image of the media workers: whichever of them mounts the new volume first, it has the same owner.
COPY --from=build --chown=65532:65532 /out/media-data/generated /media/generated
USER 65532:65532
EXPOSE 8420
# Every process drains at this signal.
STOPSIGNAL SIGTERM
CMD ["drover-orchestrator"]
