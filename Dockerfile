# docker build -t mammolab . && docker run --rm -v "$PWD/build:/mammolab/build" mammolab
FROM python:3.11-slim

# OpenMP, which torch and scikit-learn load.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /mammolab
COPY . .
RUN ./run_all.sh setup

ENTRYPOINT ["./run_all.sh"]
