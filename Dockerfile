# fame in a container, with the versions of requirements.lock:
#
#     docker build -t fame .
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" --shm-size 8g fame extract videos -o work
#
# `--user` makes what it writes yours. `--shm-size`: loader processes pass batches on in /dev/shm, of which Docker gives
# 64 MB; a training says how much it needs before it starts, and `fame doctor` how much there is.
#
# On Linux, PyTorch brings CUDA's libraries along, so this image trains on a GPU as well: add `--gpus all`, which needs
# NVIDIA's driver and its Container Toolkit on the host. To build on NVIDIA's own image:
#
#     docker build -t fame --build-arg BASE=nvidia/cuda:13.0.0-base-ubuntu24.04 .
ARG BASE=python:3.12-slim
FROM ${BASE}

# NVIDIA's images have no Python.
RUN command -v python3 || { apt-get update && apt-get install -y --no-install-recommends python3-venv && rm -rf /var/lib/apt/lists/*; }

RUN python3 -m venv /opt/fame
ENV PATH=/opt/fame/bin:$PATH
WORKDIR /opt/fame/src

# The tools of development come along: what builds the package is among them, and of some 7 GB they are 0.3.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY fame_cli fame_cli
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

# Compiled kernels and fonts, for any user: one given by --user has no home.
ENV XDG_CACHE_HOME=/tmp/cache MPLCONFIGDIR=/tmp/cache/matplotlib
RUN useradd --create-home fame
USER fame
WORKDIR /data
ENTRYPOINT ["fame"]
CMD ["--help"]
