"""Record demonstrations: the expert drives the simulated car through the gate, one bag an episode."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

# The same list as in understudy/stacks.py; a test compares them.
NODES = ("sim", "expert", "gate", "recorder")
PARAMS = Path(__file__).parent / "params" / "driving.yaml"


def generate_launch_description() -> LaunchDescription:
    """The nodes, with the parameters of ``params_file`` and the few that differ from one deployment to the next."""
    overrides = {
        "sim": {"exit_when_done": True},
        "recorder": {"directory": LaunchConfiguration("directory")},
    }
    return LaunchDescription(
        [
            DeclareLaunchArgument("params_file", default_value=str(PARAMS), description="parameters of all nodes"),
            DeclareLaunchArgument("directory", default_value="recordings", description="folder of the bags"),
            *[
                Node(
                    package="il_nodes",
                    executable=name,
                    name=name,
                    output="screen",
                    parameters=[LaunchConfiguration("params_file"), overrides.get(name, {})],
                    # Without its world, its gate or its recorder a run is over.
                    on_exit=Shutdown(),
                )
                for name in NODES
            ],
        ]
    )
