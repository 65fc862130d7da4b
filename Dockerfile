# Understudy on a robot or a Jetson: ROS 2 Jazzy from apt (aarch64 has no rclpy wheels), Python packages in one
# environment that sees it. Build:  docker build -t understudy .        (robot side, ONNX Runtime on the CPU)
#         docker build --build-arg EXTRAS=sim,train -t understudy:full .      (with simulators and training)
FROM ros:jazzy-ros-base AS build
ARG EXTRAS=""
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-venv python3-pip \
      ros-jazzy-rmw-fastrtps-cpp ros-jazzy-trajectory-msgs ros-jazzy-diagnostic-msgs \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/understudy
COPY pyproject.toml README.md ./
COPY models models
COPY sim sim
COPY il_nodes il_nodes
COPY understudy understudy
# apt's message extensions are built against NumPy 1.26; OpenCV 4.10 is the last line that allows it.
RUN python3 -m venv --system-site-packages /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir 'numpy==1.26.4' 'opencv-python-headless==4.10.0.84' \
 && /opt/venv/bin/pip install --no-cache-dir "numpy==1.26.4" ".${EXTRAS:+[${EXTRAS}]}"

FROM ros:jazzy-ros-base
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ros-jazzy-rmw-fastrtps-cpp ros-jazzy-trajectory-msgs \
      ros-jazzy-diagnostic-msgs \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 understudy
COPY --from=build /opt/venv /opt/venv
COPY --chown=understudy contracts /home/understudy/contracts
COPY --chown=understudy launch /home/understudy/launch
USER understudy
WORKDIR /home/understudy
ENV PATH=/opt/venv/bin:$PATH \
    ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST \
    RMW_IMPLEMENTATION=rmw_fastrtps_cpp
ENTRYPOINT ["/ros_entrypoint.sh", "understudy"]
CMD ["doctor"]
