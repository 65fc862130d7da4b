"""Deploy a policy bundle: it drives, the gate watches it, the expert takes over, all is recorded."""

from pathlib import Path

from launch import LaunchDescription
from understudy.stacks.launching import describe


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the nodes that they decide about; ``ros2 launch il_nodes deploy.launch.py --show-args``."""
    return describe("deploy", Path(__file__).resolve().parent)
