# The image of one service. Build it from the root of the repository:
#   docker build --build-arg SERVICE=auth-service --tag vestibule/auth-service .
ARG BASE=docker.io/library/python:3.13-slim

FROM ${BASE} AS build
ARG SERVICE
RUN python -m pip install --no-cache-dir --root-user-action ignore uv==0.13.9
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/app
WORKDIR /src
COPY pyproject.toml uv.lock ./
COPY protos protos
COPY chassis chassis
COPY ${SERVICE} ${SERVICE}
# ENTRYPOINT cannot name the service's module, so what `python -m` would run has one path in every image.
RUN uv sync --frozen --no-dev --no-editable --package vestibule-${SERVICE} \
    && cp ${SERVICE}/src/*/__main__.py /app/main.py

# For the development loop: source in place, and the process restarts when a file changes.
FROM build AS dev
ARG SERVICE
RUN uv sync --frozen --no-dev --package vestibule-${SERVICE} && uv pip install --python /app watchfiles==1.2.0
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1
RUN chown --recursive 65532:65532 /src
USER 65532:65532
ENTRYPOINT ["watchfiles", "--filter", "python", "python /app/main.py", "/src"]

FROM ${BASE} AS release
ARG SERVICE
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="vestibule/${SERVICE}" \
      org.opencontainers.image.description="${SERVICE} of Vestibule" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Nothing in a pod installs packages. The base image has no bytecode of the standard library, and a pod with a
# read-only root cannot write it: without this, each start would compile it.
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
    && rm -rf /usr/local/lib/python3.*/ensurepip /root/.cache \
    && python -m compileall -q -j 0 -x '/(test|tests|idlelib|lib2to3|tkinter|turtledemo|site-packages)/' /usr/local/lib/python3.*
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 VESTIBULE_REVISION=${REVISION}
USER 65532:65532
ENTRYPOINT ["python", "/app/main.py"]
