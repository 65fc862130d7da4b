"""Record demonstrations: the expert drives the simulated car, or your robot, through the gate, one bag an episode."""

from pathlib import Path

from launch import LaunchDescription
from understudy.stacks.launching import describe


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the nodes that they decide about; ``ros2 launch il_nodes collect.launch.py --show-args``."""
    return describe("collect", Path(__file__).resolve().parent)
