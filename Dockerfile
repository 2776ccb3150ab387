# syntax=docker/dockerfile:1
# The server with its local edge. Two volumes: /data, and /config for the root key and the list of destroyed keys.
#
#   docker build -t incamera .
#   docker run -p 8443:8443 -v incamera-data:/data -v incamera-config:/config incamera

FROM python:3.11-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY . .
# The web app is built by hatch_build.py with a Node from PyPI.
RUN python -m venv /opt/incamera && /opt/incamera/bin/pip install ".[server,edge]"

FROM python:3.11-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin incamera \
    && install -d -o incamera -g incamera -m 0700 /data /config
COPY --from=build /opt/incamera /opt/incamera
USER incamera
ENV PATH=/opt/incamera/bin:$PATH XDG_CONFIG_HOME=/config PYTHONDONTWRITEBYTECODE=1
VOLUME ["/data", "/config"]
EXPOSE 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import ssl, urllib.request; urllib.request.urlopen('https://localhost:8443/healthz', context=ssl._create_unverified_context(), timeout=4)"]
# Other listeners: override the command, for example with --behind-proxy.
CMD ["incamera", "serve", "--data", "/data", "--host", "0.0.0.0", "--port", "8443", "--own-ca"]
