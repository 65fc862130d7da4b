#!/usr/bin/env bash
# ROS, then our nodes, then whatever was asked for: understudy, ros2 launch, ros2 run.
set -e
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /opt/understudy/setup.bash
exec "$@"
