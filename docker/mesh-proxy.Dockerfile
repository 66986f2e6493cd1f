# Everything that runs beside or before an application: the sidecar, proxy-init, the network validator and linkerd-await. The first
# argument is the role; Linkerd's paths in /usr/lib/linkerd work, too. No shell, no package manager.
#
# The context is made by `npm run images`: bin/ has the runtime, lib/ the bundled programs.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS system
COPY need collect collect-firewall /build/
RUN /build/need ca-certificates iptables libatomic1 libstdc++6
ARG RUNTIME
COPY bin/ /usr/bin/
RUN /build/collect /root-fs /usr/bin/${RUNTIME} && \
    /build/collect-firewall /root-fs /usr/bin/${RUNTIME} && \
    ln -s ${RUNTIME} /root-fs/usr/bin/mesh-runtime

FROM scratch
COPY --from=system /root-fs/ /
COPY lib/ /usr/lib/
ARG VERSION
ARG TITLE
ARG REVISION=
LABEL org.opencontainers.image.title="${TITLE}" \
      org.opencontainers.image.description="Sidecar proxy of a multi-cluster service mesh" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/usr/sbin:/usr/bin
# Bun only: functions are compiled once they are hot, not merely lukewarm. 5 MB less for a sidecar with little to do.
ENV BUN_JSC_thresholdForJITAfterWarmUp=10000
USER 2102:2102
EXPOSE 4140 4143 4191
ENTRYPOINT ["/usr/bin/mesh-runtime", "/usr/lib/mesh/mesh-proxy.js"]
CMD ["proxy"]
