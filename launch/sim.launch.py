"""The simulated car alone: drive it from anywhere with ``geometry_msgs/TwistStamped`` on ``/cmd_vel``."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

# The same list as in understudy/stacks.py; a test compares them.
NODES = ("sim",)
PARAMS = Path(__file__).parent / "params" / "driving.yaml"


def generate_launch_description() -> LaunchDescription:
    """The nodes, with the parameters of ``params_file`` and the few that differ from one deployment to the next."""
    overrides = {"sim": {"wait_for_nodes": [""]}}
    return LaunchDescription(
        [
            DeclareLaunchArgument("params_file", default_value=str(PARAMS), description="parameters of all nodes"),
            *[
                Node(
                    package="il_nodes",
                    executable=name,
                    name=name,
                    output="screen",
                    parameters=[LaunchConfiguration("params_file"), overrides.get(name, {})],
                    on_exit=Shutdown(),
                )
                for name in NODES
            ],
        ]
    )
