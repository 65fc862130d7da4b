"""The simulated robots that can be learned on in process, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from models.contract import Contract
from models.errors import TrainingError
from models.interactive import Collector, InProcess
from understudy.learning.settings import LearnSettings

__all__ = ["COLLECTORS", "open_collector"]


@contextmanager
def _driving(settings: LearnSettings, contract: Contract) -> Iterator[Collector]:
    """The car, its expert, a stand-in for the person beside it, and what actions cost."""
    from sim.driving.in_process import DrivingCosts, DrivingDriver, DrivingTask, InProcessDriving, Overseer

    with InProcessDriving(DrivingTask(settings.places), contract) as world:
        driver = DrivingDriver(world)
        yield InProcess(world, driver, Overseer(), DrivingCosts(world, driver))


@contextmanager
def _grasping(settings: LearnSettings, contract: Contract) -> Iterator[Collector]:
    """The arm and its expert; nobody stands beside it, and nobody knows what an action would cost."""
    from sim.grasping.in_process import GraspingDriver, GraspingTask, InProcessGrasping

    with InProcessGrasping(GraspingTask(settings.places), contract) as world:
        yield InProcess(world, GraspingDriver(world))


COLLECTORS: Mapping[str, Callable[[LearnSettings, Contract], AbstractContextManager[Collector]]] = {
    "driving": _driving,
    "grasping": _grasping,
}


def open_collector(settings: LearnSettings, contract: Contract) -> AbstractContextManager[Collector]:
    """Whoever drives the rounds; raises ``TrainingError`` for a robot that cannot be learned on in process yet."""
    if settings.robot not in COLLECTORS:
        raise TrainingError(
            f"interactive learning of the robot {settings.robot!r} is not there yet",
            expected="one of " + ", ".join(COLLECTORS),
        )
    if settings.robot == "grasping" and settings.make_rule().needs_human:
        raise TrainingError(
            "nobody stands beside the simulated arm who could take over", found=settings.rule, expected="another rule"
        )
    return COLLECTORS[settings.robot](settings, contract)
