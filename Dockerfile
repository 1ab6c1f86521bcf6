# One image for every process of docker-compose.yml; the command says which.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 REMAP_SIGTERM=SIGQUIT
WORKDIR /app
COPY requirements.txt ./
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE alembic.ini ./
COPY channels channels
COPY worker worker
RUN pip install --no-cache-dir --no-deps --no-build-isolation --no-index . \
 && useradd --create-home campaigns && mkdir /data && chown campaigns /data
USER campaigns
ENV DATA_DIR=/data
CMD ["campaigns", "--help"]
