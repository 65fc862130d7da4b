"""One thing on a table, an arm that takes it, and eleven exact numbers to see it by: the world of the DART experiment.

The arm, its expert and the physics are those of ``understudy learn --robot grasping``; the scenes have no clutter, and
no camera is drawn, so that a try costs a fifth of a second and thousands can be made. What is left of the task is what
DART is about: an expert who comes down through a funnel, and a learner who knows only the middle of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from models.contract import Contract, parse_contract
from models.contract.yaml_tree import MAX_BYTES
from models.interactive import InProcess, Measure, Rule
from models.interactive.ports import Actor, Assignment, Notice
from models.interactive.records import Drive
from models.regular_file import read_regular_file
from sim.grasping.config import GraspingConfig
from sim.grasping.environment import STATE_KEY
from sim.grasping.grasps import target_width_m
from sim.grasping.in_process import GraspingDriver, GraspingTask, InProcessGrasping
from sim.grasping.scene import SceneConfig
from sim.grasping.state import GraspingState
from sim.grasping.world import CONTROL_HZ

__all__ = ["CONTRACT", "FEATURES", "LONGEST_TICKS", "Demonstrations", "exact_state", "open_table"]

ROBOT = Path(__file__).parent.parent.parent / "contracts" / "grasping.yaml"
#: The expert takes about three seconds.
TIME_LIMIT_S = 8.0
LONGEST_TICKS = round(TIME_LIMIT_S * CONTROL_HZ)
#: So many scenes that two episodes hardly ever meet in one.
SCENES = tuple(range(100_000))
FEATURES = (
    "tool.x",
    "tool.y",
    "tool.z",
    "tool.yaw",
    "gap",
    "target.x_from_tool",
    "target.y_from_tool",
    "target.z_from_tool",
    "turn.cosine",
    "turn.sine",
    "target.width",
)


def exact_state(state: GraspingState) -> npt.NDArray[np.float32]:
    """``(11,)`` float32: where the hand is, how far the target is from it, and how the target is turned to the fingers.

    Metres in the base frame, and rad. A box can be taken along either side, so that its turn against the hand means the
    same after a quarter: cosine and sine of four times the angle. Of a cylinder that stands the angle is 0.
    """
    tool, target = state.tool, state.target
    axes = target.pose.rotation().T
    angle = np.arctan2(axes[0, 1], axes[0, 0]) - tool.yaw_rad if target.shape.kind == "box" else 0.0
    turned = 4.0 * angle
    width = target_width_m(target, np.array([tool.yaw_rad]))[0]
    offset = np.subtract(target.pose.position_m, tool.position_m)
    numbers = [*tool.position_m, tool.yaw_rad, state.gap_m, *offset, np.cos(turned), np.sin(turned), width]
    return np.array(numbers, np.float32)


def _contract() -> Contract:
    """The arm's own, with the exact state in place of cameras and joints."""
    robot = yaml.safe_load(read_regular_file(ROBOT, MAX_BYTES))
    robot["robot_type"] = "understudy_arm_exact"
    robot["observations"] = {
        STATE_KEY: {
            "channel": {"topic": "/table/state", "type": "std_msgs/msg/Float32MultiArray"},
            "align": {"strategy": "hold", "timeline": "receive"},
            "select": list(FEATURES),
        }
    }
    del robot["trigger"], robot["gate"]
    return parse_contract(yaml.safe_dump(robot, sort_keys=False), "the exact arm")


CONTRACT = _contract()


@contextmanager
def open_table() -> Iterator[InProcess]:
    """Who collects at the table, and its expert."""
    task = GraspingTask(
        SCENES, GraspingConfig(scene=SceneConfig(fewest=0, most=0, blocked=0.0, leaning=0.0)), time_limit_s=TIME_LIMIT_S
    )
    with InProcessGrasping(task, CONTRACT, exact_state) as world:
        yield InProcess(world, GraspingDriver(world))


@dataclass(frozen=True)
class Demonstrations:
    """A collector that counts tries instead of ticks: rounds are equal in what a person counts, and none is cut off.

    Attributes:
        inner: who drives them.
        tries: of a round.
    """

    inner: InProcess
    tries: int

    @property
    def contract(self) -> Contract:
        """Of the robot."""
        return self.inner.contract

    @property
    def measure(self) -> Measure:
        """What deviations are."""
        return self.inner.measure

    def collect(self, rule: Rule, assignment: Assignment) -> Iterator[Drive]:
        """So many whole tries."""
        whole = replace(assignment, ticks=self.tries * LONGEST_TICKS, longest=None)
        return islice(self.inner.collect(rule, whole), self.tries)

    def score(self, actor: Actor, seeds: Sequence[int], notice: Notice | None = None) -> Mapping[str, float]:
        """As the inner one."""
        return self.inner.score(actor, seeds, notice)
