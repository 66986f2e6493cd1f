# Every controller, the gateway and the command line: the first argument is the role. No shell, no package manager.
#
# The context is made by `npm run images`: bin/ has the runtime, lib/ the bundled programs.
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
ARG REVISION=
LABEL org.opencontainers.image.title="${TITLE}" \
      org.opencontainers.image.description="Control plane, gateway and command line of a multi-cluster service mesh" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 2103:2103
ENTRYPOINT ["/usr/bin/node", "--enable-source-maps", "/usr/lib/mesh/mesh.js"]
