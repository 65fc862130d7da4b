#!/usr/bin/env bash
# Installs Understudy on a robot, on top of ROS 2 Jazzy from apt; the Dockerfile and CI run these same steps.
#
#   sudo docker/install.sh apt                 Ubuntu packages
#   docker/install.sh pip VENV [EXTRA ...]     Python packages into a virtual environment; extras: sim, train
#   docker/install.sh gpu VENV                 CUDA and cuDNN for ONNX Runtime (x86_64 with an NVIDIA driver)
#   docker/install.sh workspace VENV FOLDER    our nodes, as the ROS package il_nodes, into FOLDER
#
# PYTHON names the Python of the environment (python3). SYSTEM_SITE_PACKAGES=1 lets it see apt's rclpy.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$here")"

install_apt() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  # ROS's package server keeps the newest version only, so versions are pinned by the base image's digest instead.
  apt-get install --yes --no-install-recommends \
    python3-colcon-common-extensions python3-venv python3-numpy python3-yaml python3-zstandard \
    ros-jazzy-launch-ros ros-jazzy-ros2launch ros-jazzy-rmw-fastrtps-cpp ros-jazzy-sros2 ros-jazzy-joy \
    ros-jazzy-sensor-msgs ros-jazzy-geometry-msgs ros-jazzy-nav-msgs ros-jazzy-trajectory-msgs \
    ros-jazzy-diagnostic-msgs ros-jazzy-lifecycle-msgs ros-jazzy-std-srvs
  rm -rf /var/lib/apt/lists/*
}

pip_install() {
  local venv="$1"
  shift
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir \
    --constraint "$here/constraints.txt" "$@"
}

# The dependencies in pyproject.toml, and those of the extras that are named, one a line.
dependencies() {
  "$1/bin/python" - "$root/pyproject.toml" "${@:2}" <<'PYTHON'
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    project = tomllib.load(file)["project"]
for requirement in project["dependencies"] + [r for e in sys.argv[2:] for r in project["optional-dependencies"][e]]:
    print(requirement)
PYTHON
}

install_pip() {
  local venv="$1" list
  local options=()
  if [[ -n "${SYSTEM_SITE_PACKAGES:-}" ]]; then options+=(--system-site-packages); fi
  if [[ ! -x "$venv/bin/python" ]]; then "${PYTHON:-python3}" -m venv "${options[@]}" "$venv"; fi
  list="$(mktemp)"
  dependencies "$@" >"$list"
  # NumPy by name: whatever the dependencies allow, it has to be the constraints' one.
  pip_install "$venv" numpy --requirement "$list"
  rm -f "$list"
}

install_gpu() {
  # The same ONNX Runtime, with the CUDA libraries that it loads from beside itself.
  pip_install "$1" 'onnxruntime-gpu[cuda,cudnn]'
}

install_workspace() {
  local venv="$1" folder="$2" build
  build="$(mktemp -d)"
  # colcon calls setup.py, which newer ones no longer allow.
  pip_install "$venv" 'setuptools<80'
  # With the environment's Python, so that the first line of each node's program names it.
  (cd "$build" && "$venv/bin/python" -c 'import sys; from colcon_core.command import main; sys.exit(main())' \
    --log-base log build --merge-install --base-paths "$root/ros2_ws/src" --build-base build --install-base "$folder")
  rm -rf "$build"
}

case "${1:-}" in
  apt) install_apt ;;
  pip) install_pip "${@:2}" ;;
  gpu) install_gpu "$2" ;;
  workspace) install_workspace "$2" "$(mkdir -p "$3" && cd "$3" && pwd)" ;;
  *)
    sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
