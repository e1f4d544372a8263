# The sidecar manager with Envoy. Build: see control-plane.Dockerfile.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# A shell that hands its process over to the last command (`sh -c "kuma-dp run …"` hears SIGTERM), and what the published
# templates call: hostname, /busybox/busybox with wget.
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends bash busybox-static ca-certificates hostname \
      libboost-json1.81.0 libboost-url1.81.0 libfmt9 libnghttp2-14 libprotobuf-lite32 libspdlog1.10 libssl3 libstdc++6 libyaml-cpp0.7 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
 && ln -sf bash /bin/sh && mkdir /busybox && ln -s /bin/busybox /busybox/busybox && ln -s /bin/busybox /usr/local/bin/wget \
 && groupadd -g 5678 taskmesh && useradd -u 5678 -g 5678 -d /var/lib/taskmesh -s /usr/sbin/nologin taskmesh \
 && install -d -o 5678 -g 5678 -m 0750 /var/lib/taskmesh
RUN ln -s taskmesh-dp /usr/local/bin/kuma-dp
COPY --chmod=755 envoy /usr/local/bin/
COPY --chmod=755 taskmesh-dp /usr/local/bin/

LABEL org.opencontainers.image.title="Taskmesh sidecar" org.opencontainers.image.licenses=Apache-2.0
ENV HOME=/var/lib/taskmesh
VOLUME ["/var/lib/taskmesh", "/tmp"]
USER 5678:5678
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["taskmesh-dp", "wait", "--timeout", "2s"]
ENTRYPOINT ["taskmesh-dp"]
CMD ["run"]
