# The command line tool. Build: see control-plane.Dockerfile.
ARG BASE=debian:bookworm-slim
FROM ${BASE}

RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends bash busybox-static ca-certificates hostname \
      libboost-json1.81.0 libboost-url1.81.0 libfmt9 libnghttp2-14 libprotobuf-lite32 libspdlog1.10 libssl3 libstdc++6 libyaml-cpp0.7 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
 && ln -sf bash /bin/sh && mkdir /busybox && ln -s /bin/busybox /busybox/busybox && ln -s /bin/busybox /usr/local/bin/wget \
 && groupadd -g 5678 taskmesh && useradd -u 5678 -g 5678 -d /var/lib/taskmesh -s /usr/sbin/nologin taskmesh \
 && install -d -o 5678 -g 5678 -m 0750 /var/lib/taskmesh
RUN ln -s taskmeshctl /usr/local/bin/kumactl
COPY --chmod=755 taskmeshctl /usr/local/bin/

LABEL org.opencontainers.image.title="Taskmesh CLI" org.opencontainers.image.licenses=Apache-2.0
ENV HOME=/var/lib/taskmesh
VOLUME ["/var/lib/taskmesh"]
USER 5678:5678
ENTRYPOINT ["taskmeshctl"]
CMD ["help"]
