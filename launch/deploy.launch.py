"""Deploy a policy bundle: it drives the simulated car, the gate watches it, the expert takes over, all is recorded."""

from pathlib import Path

from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

# The same list as in understudy/stacks.py; a test compares them.
NODES = ("sim", "expert", "policy", "gate", "recorder")
PARAMS = Path(__file__).parent / "params" / "driving.yaml"


def generate_launch_description() -> LaunchDescription:
    """The nodes, with the parameters of ``params_file`` and the few that differ from one deployment to the next."""
    overrides = {
        "sim": {"exit_when_done": True, "wait_for_nodes": ["expert", "policy", "gate", "recorder"]},
        "policy": {"bundle": LaunchConfiguration("bundle")},
        "gate": {"enable_policy": True},
        "recorder": {"directory": LaunchConfiguration("directory")},
    }
    return LaunchDescription(
        [
            DeclareLaunchArgument("params_file", default_value=str(PARAMS), description="parameters of all nodes"),
            DeclareLaunchArgument("bundle", description="the policy to deploy (policy.onnx)"),
            DeclareLaunchArgument("directory", default_value="recordings", description="folder of the bags"),
            *[
                Node(
                    package="il_nodes",
                    executable=name,
                    name=name,
                    output="screen",
                    parameters=[LaunchConfiguration("params_file"), overrides.get(name, {})],
                    # The expert drives on without the policy; without any other node the run is over.
                    on_exit=None if name == "policy" else Shutdown(),
                )
                for name in NODES
            ],
        ]
    )
