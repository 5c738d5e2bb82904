# The server with its dependencies as pinned in constraints.txt. What it keeps is under /data, where it runs.
FROM python:3.11-slim

WORKDIR /build
COPY LICENSE pyproject.toml constraints.txt ./
COPY src src
# Bytecode is compiled here: the user that runs the server may not write it, and without it a start takes seconds longer.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && pip install --no-cache-dir --compile --disable-pip-version-check -c constraints.txt '.[pg]' \
    && apt-get purge --yes --auto-remove gcc libc6-dev && rm -rf /build/* /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 bandstand \
    && install --directory --owner bandstand --group bandstand /data

USER bandstand
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENV PYTHONUNBUFFERED=1

HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health/live', timeout=2)"]

ENTRYPOINT ["bandstand"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8080"]
