"""The tasks of ``understudy learn``, by name: classic control, and the simulated car by its state."""

from __future__ import annotations

from sim.control import TASKS, ControlTask

__all__ = ["task_named"]


def task_named(name: str) -> ControlTask:
    """One of ``sim.control.TASKS``, or ``driving``, whose module loads PyBullet and is imported only then."""
    if name in TASKS:
        return TASKS[name]
    from sim.control.driving import DRIVING

    assert name == DRIVING.name, name
    return DRIVING
