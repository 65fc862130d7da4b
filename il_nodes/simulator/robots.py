"""Which robots can be simulated, by name. A robot's world is imported when it is asked for, not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType

from il_nodes.ros.node import UnderstudyNode
from il_nodes.simulator.robot import ScriptedExpert, SimulatedRobot

__all__ = ["ROBOTS", "robot_of", "scripted_expert_of"]

#: Name to the module and class of the robot, and of its expert.
ROBOTS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = MappingProxyType(
    {
        "driving": (("driving_robot", "DrivingRobot"), ("driving_expert", "DrivingExpert")),
        "grasping": (("grasping_robot", "GraspingRobot"), ("grasping_expert", "GraspingExpert")),
    }
)


def _name(node: UnderstudyNode) -> str:
    return node.parameter("robot", "driving", "which robot is simulated", choices=tuple(ROBOTS))


def robot_of(node: UnderstudyNode) -> SimulatedRobot:
    """The robot that the node's parameter ``robot`` names, with its parameters declared."""
    module, name = ROBOTS[_name(node)][0]
    made: SimulatedRobot = getattr(importlib.import_module(f"il_nodes.simulator.{module}"), name)(node)
    return made


def scripted_expert_of(node: UnderstudyNode) -> ScriptedExpert:
    """The expert of the robot that the node's parameter ``robot`` names, with its parameters declared."""
    module, name = ROBOTS[_name(node)][1]
    made: ScriptedExpert = getattr(importlib.import_module(f"il_nodes.simulator.{module}"), name)(node)
    return made
