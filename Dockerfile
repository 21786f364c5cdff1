# The page (python -m neural_style web) and the command line in a container. docs/container.md says how to use it.
#
#   docker build --tag neural-style .                                    CPU
#   docker build --tag neural-style:gpu --build-arg EXTRAS=web,gpu .     NVIDIA GPU
#
# Both have the same base: TensorFlow's packages bring CUDA and cuDNN in the versions that it was built for. An image of
# NVIDIA's would bring them a second time, in others.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG EXTRAS=web
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source
COPY setup.py setup.cfg pyproject.toml README.md LICENSE ./
COPY weights/registry.json weights/builtin.npz weights/
COPY examples/lakeside.jpg examples/swirls.jpg examples/
COPY neural_style neural_style
# Gradio asks for a Pillow below 13, whose decoders have known flaws. It works with 13, so that replaces it.
RUN python3 -m venv /opt/neural-style \
    && /opt/neural-style/bin/pip install --no-cache-dir ".[${EXTRAS}]" \
    && /opt/neural-style/bin/pip install --no-cache-dir --no-deps --upgrade "pillow>=13"
# The network that runs use, so that containers need none. WEIGHTS=builtin leaves it out.
ARG WEIGHTS=imagenet-8bit
ENV NEURAL_STYLE_CACHE=/opt/cache KERAS_HOME=/opt/cache/keras
RUN mkdir -p /opt/cache/keras \
    && if [ "${WEIGHTS}" != builtin ]; then /opt/neural-style/bin/neural-style weights fetch "${WEIGHTS}"; fi

FROM ${BASE}
RUN useradd --uid 1000 --create-home --shell /usr/sbin/nologin painter \
    && mkdir /pictures \
    && chown painter:painter /pictures
COPY --from=build /opt/neural-style /opt/neural-style
COPY --from=build --chown=1000:1000 /opt/cache /opt/cache
ENV PATH=/opt/neural-style/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NEURAL_STYLE_CACHE=/opt/cache \
    KERAS_HOME=/opt/cache/keras \
    GRADIO_ANALYTICS_ENABLED=False \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
WORKDIR /pictures
VOLUME ["/opt/cache", "/pictures"]
EXPOSE 7860
# Any answer counts, also that one must log in.
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 CMD ["python3", "-c", "\
import http.client; page = http.client.HTTPConnection('127.0.0.1', 7860, timeout=8); \
page.request('GET', '/'); raise SystemExit(page.getresponse().status >= 500)"]
# No user and no password here: give NEURAL_STYLE_AUTH when the container is started.
ENTRYPOINT ["neural-style"]
CMD ["web", "--host", "0.0.0.0", "--port", "7860"]
