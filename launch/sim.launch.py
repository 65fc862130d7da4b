"""The simulated car alone: drive it from anywhere with ``geometry_msgs/TwistStamped`` on ``/cmd_vel``."""

from pathlib import Path

from launch import LaunchDescription
from understudy.stacks.launching import describe


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the nodes that they decide about; ``ros2 launch il_nodes sim.launch.py --show-args``."""
    return describe("sim", Path(__file__).resolve().parent)
