# The example shop, for clusters without a registry. The first argument is the service.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS system
COPY need collect /build/
RUN /build/need ca-certificates libatomic1 libstdc++6
ARG RUNTIME
COPY bin/ /usr/bin/
RUN /build/collect /root-fs /usr/bin/${RUNTIME}

FROM scratch
COPY --from=system /root-fs/ /
COPY lib/ /usr/lib/
ARG VERSION
ARG TITLE
LABEL org.opencontainers.image.title="${TITLE}" org.opencontainers.image.version="${VERSION}" org.opencontainers.image.licenses="Apache-2.0"
USER 1000:1000
ENTRYPOINT ["/usr/bin/node", "/usr/lib/shop/shop.mjs"]
