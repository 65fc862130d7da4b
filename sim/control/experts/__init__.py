"""Experts of the control tasks, each made here: by a regulator, by planning, or by a search for a policy."""

from __future__ import annotations

from models.errors import SimulationError
from models.trajectories import Trajectories
from sim.control.rollouts import Act, roll_out
from sim.control.task import ControlTask

__all__ = ["demonstrate", "expert"]


def expert(task: ControlTask) -> Act:
    """Observations ``(N, O)`` to actions ``(N,)``; what an expert has to plan, it plans when it is first asked.

    Raises:
        SimulationError: nobody is an expert of that task here.
    """
    # Each is imported when it is wanted: one plans with SciPy, which a world alone does not need.
    if task.name == "cartpole":
        from sim.control.experts.cartpole import expert as regulator

        return regulator
    if task.name == "acrobot":
        from sim.control.experts.acrobot import expert as swinger

        return swinger
    if task.name == "mountain-car":
        from sim.control.experts.mountain_car import expert as planner

        return planner
    raise SimulationError(f"there is no expert of {task.name}", expected="cartpole, acrobot or mountain-car")


def demonstrate(task: ControlTask, episodes: int, seed: int) -> Trajectories:
    """Whole episodes of the task's expert; equal seeds give equal ones."""
    if task.name == "driving":
        from sim.control.driving import Driving
        from sim.control.driving import demonstrate as drive

        assert isinstance(task, Driving)
        return drive(task, episodes, seed)
    return roll_out(task, expert(task), episodes, seed)
