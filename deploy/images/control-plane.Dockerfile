# The control plane. Build: tools/images makes the context (build/images/context) and the image without a container engine;
# with one: docker build -f deploy/images/control-plane.Dockerfile build/images/context
ARG BASE=debian:bookworm-slim
FROM ${BASE}

# A shell that hands its process over to the last command (`sh -c "…; kuma-cp run"` hears SIGTERM), and what the published
# templates call: hostname, /busybox/busybox with wget.
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends bash busybox-static ca-certificates hostname \
      libboost-json1.81.0 libboost-url1.81.0 libfmt9 libnghttp2-14 libprotobuf-lite32 libspdlog1.10 libssl3 libstdc++6 libyaml-cpp0.7 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
 && ln -sf bash /bin/sh && mkdir /busybox && ln -s /bin/busybox /busybox/busybox && ln -s /bin/busybox /usr/local/bin/wget \
 && groupadd -g 5678 taskmesh && useradd -u 5678 -g 5678 -d /var/lib/taskmesh -s /usr/sbin/nologin taskmesh \
 && install -d -o 5678 -g 5678 -m 0750 /var/lib/taskmesh
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends libpq5 libprometheus-cpp-core1.0 libprotobuf32 libsqlite3-0 libxxhash0 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
 && ln -s taskmesh-cp /usr/local/bin/kuma-cp
COPY --chmod=755 taskmesh-cp /usr/local/bin/

LABEL org.opencontainers.image.title="Taskmesh control plane" org.opencontainers.image.licenses=Apache-2.0
ENV HOME=/var/lib/taskmesh KUMA_GENERAL_WORK_DIR=/var/lib/taskmesh
VOLUME ["/var/lib/taskmesh"]
USER 5678:5678
EXPOSE 5678 5680 5681 5682
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["/busybox/busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:5680/healthy"]
ENTRYPOINT ["taskmesh-cp"]
CMD ["run"]
