"""Which robots are simulated ones of ours: what drives them, and what their owners are told, differs."""

from __future__ import annotations

__all__ = ["is_simulated"]

#: ``robot_type`` of the contracts that come with a simulator.
_SIMULATED = frozenset({"understudy_car", "understudy_arm"})


def is_simulated(robot_type: str) -> bool:
    """Whether a contract's ``robot_type`` names a robot that this repository simulates."""
    return robot_type in _SIMULATED
