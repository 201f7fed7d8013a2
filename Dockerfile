# syntax=docker/dockerfile:1

# Zyron in an image, for x86-64 and aarch64, each built on its own kind of machine:
#
#   docker build --tag zyron:cpu .
#   docker build --target cuda --build-arg CUDA_COMPUTE_CAP=90 --tag zyron:cuda-sm90 .
#
# It is run as docs/operations.md says: nothing to write but a volume and /tmp, no network but its port's.
# `cargo xtask package-check` builds the one for a CPU and runs it so.

ARG RUST=1.95.0
ARG CUDA=13.0.1

# The compiler, which the builds take from here: the other images have none.
FROM docker.io/library/rust:${RUST}-slim-trixie AS rust

FROM docker.io/library/debian:13-slim AS build-cpu
COPY --from=rust /usr/local/rustup /usr/local/rustup
COPY --from=rust /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH
WORKDIR /src
COPY . .
RUN deploy/container/build.sh cpu

FROM docker.io/nvidia/cuda:${CUDA}-devel-ubuntu24.04 AS build-cuda
COPY --from=rust /usr/local/rustup /usr/local/rustup
COPY --from=rust /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH
WORKDIR /src
COPY . .
# 90: H100, H200. 121: GB10. What is built for one chip runs on it alone.
ARG CUDA_COMPUTE_CAP=90
RUN CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP} deploy/container/build.sh cuda

# Packages have no version here: what Debian and NVIDIA have mended since comes with a new build. Certificates are for
# other servers (engine.kind = "upstream") that speak HTTPS. A volume made from /var/lib/zyron gets its owner.

FROM docker.io/nvidia/cuda:${CUDA}-base-ubuntu24.04 AS cuda
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libcublas-13-0 libcurand-13-0 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --mode=700 --owner=10001 --group=10001 /var/lib/zyron
COPY LICENSE configs/*.toml /usr/share/doc/zyron/
COPY --chmod=755 deploy/container/healthy.sh /usr/bin/zyron-healthy
COPY --from=build-cuda /src/target/release/zyron.cdx.json /usr/share/doc/zyron/
COPY --from=build-cuda /src/target/release/zyron /usr/bin/
ENV ZYRON__SERVER__HOST=0.0.0.0 TMPDIR=/tmp
USER 10001:10001
VOLUME /var/lib/zyron
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10m CMD ["zyron-healthy"]
LABEL org.opencontainers.image.title="Zyron" \
    org.opencontainers.image.description="An OpenAI-compatible server for a French finance language model, on a GPU" \
    org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["zyron"]
CMD ["serve", "--state", "/var/lib/zyron"]

# The last one is built where no target is named.
FROM docker.io/library/debian:13-slim AS cpu
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --mode=700 --owner=10001 --group=10001 /var/lib/zyron
COPY LICENSE configs/*.toml /usr/share/doc/zyron/
COPY --chmod=755 deploy/container/healthy.sh /usr/bin/zyron-healthy
COPY --from=build-cpu /src/target/release/zyron.cdx.json /usr/share/doc/zyron/
COPY --from=build-cpu /src/target/release/zyron /usr/bin/
ENV ZYRON__SERVER__HOST=0.0.0.0 TMPDIR=/tmp
USER 10001:10001
VOLUME /var/lib/zyron
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10m CMD ["zyron-healthy"]
LABEL org.opencontainers.image.title="Zyron" \
    org.opencontainers.image.description="An OpenAI-compatible server for a French finance language model, on a CPU" \
    org.opencontainers.image.licenses="Apache-2.0"
ENTRYPOINT ["zyron"]
CMD ["serve", "--state", "/var/lib/zyron"]
