"""Which robots are simulated ones of ours: what drives them, and what their owners are told, differs."""

from __future__ import annotations

__all__ = ["is_simulated", "robot_option", "simulated_robot"]

#: ``robot_type`` of the contracts that come with a simulator, and what ``--robot`` calls that one.
_SIMULATED = {"understudy_car": "driving", "understudy_arm": "grasping"}
#: What ``--robot`` is where nobody says it.
_USUAL = "driving"


def is_simulated(robot_type: str) -> bool:
    """Whether a contract's ``robot_type`` names a robot that this repository simulates."""
    return robot_type in _SIMULATED


def simulated_robot(robot_type: str) -> str:
    """What ``--robot`` calls the robot of a contract's ``robot_type``; empty when it is not one of ours."""
    return _SIMULATED.get(robot_type, "")


def robot_option(robot: str) -> str:
    """`` --robot NAME`` for a printed command; empty where it may be left out."""
    return "" if robot == _USUAL else f" --robot {robot}"
