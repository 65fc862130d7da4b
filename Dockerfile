# Understudy on a robot or a Jetson: ROS 2 Jazzy from apt (aarch64 has no rclpy wheels), Python packages in one
# environment that sees it, our nodes as a ROS package. See docs/docker.md.
#
#   docker build -t understudy .                                          ONNX Runtime on the CPU (x86_64, aarch64)
#   docker build -t understudy:gpu --target robot-gpu .                   and on an NVIDIA GPU (x86_64)
#   docker build -t understudy:full --build-arg EXTRAS="sim train" .      with simulators and training

# The index of amd64 and arm64, of September 2026.
ARG BASE=ros:jazzy-ros-base@sha256:c3706ef0a0aa45413c07803cf433602f543b22e45b4855f6fca955c2d8ecc4e8

FROM ${BASE} AS base
COPY docker/install.sh docker/constraints.txt /opt/source/docker/
RUN /opt/source/docker/install.sh apt

FROM base AS build
ARG EXTRAS=""
ENV SYSTEM_SITE_PACKAGES=1
COPY pyproject.toml /opt/source/
# Word by word: EXTRAS is a list.
# hadolint ignore=SC2086
RUN /opt/source/docker/install.sh pip /opt/venv ${EXTRAS}
COPY ros2_ws /opt/source/ros2_ws
COPY contracts /opt/source/contracts
COPY launch /opt/source/launch
COPY security /opt/source/security
COPY models /opt/source/models
COPY sim /opt/source/sim
COPY il_nodes /opt/source/il_nodes
COPY understudy /opt/source/understudy
RUN /opt/source/docker/install.sh workspace /opt/venv /opt/understudy

FROM build AS build-gpu
RUN /opt/source/docker/install.sh gpu /opt/venv

FROM base AS runtime
# Numeric, so that an orchestrator can see that it is not root. A gamepad needs: docker run --group-add input
RUN useradd --create-home --uid 10001 --groups dialout,video understudy \
 && ln -s /opt/understudy/lib/il_nodes/understudy /usr/local/bin/understudy
COPY docker/entrypoint.sh /usr/local/bin/understudy-entrypoint
COPY --from=build /opt/understudy /opt/understudy
USER 10001
WORKDIR /home/understudy
ENV ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
    RMW_IMPLEMENTATION=rmw_fastrtps_cpp \
    PYTHONUNBUFFERED=1
ENTRYPOINT ["understudy-entrypoint"]
CMD ["understudy", "doctor"]
# No HEALTHCHECK: the gate, on /diagnostics, says more than a process that answers, and a restart is never its cure.

FROM runtime AS robot-gpu
COPY --from=build-gpu /opt/venv /opt/venv
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# The last stage is what a plain "docker build" makes.
FROM runtime AS robot
COPY --from=build /opt/venv /opt/venv
