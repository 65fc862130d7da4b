"""Grasping in process: demonstrations by the expert into a dataset, and a policy's try in a scene. No ROS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.demonstrations import demonstrated
from models.contract import Contract
from models.data import FloatArray
from models.episodes import Episode, EpisodeDataset, write_dataset
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.environment import GraspingEnvironment
from sim.grasping.scene import SceneConfig
from sim.grasping.world import PERIOD_S, GraspingConfig
from understudy.stacks.grasps import DISTURBANCE_M_S, DISTURBANCE_RAD_S

__all__ = ["DISTURBED", "EASY", "PERIOD_NS", "Act", "Grasp", "demonstrate", "grasp", "table"]

Arrays = dict[str, npt.NDArray[np.generic]]
# The observations of one tick by stream key, and its stamp in nanoseconds, in; ``(5,)`` SI units out.
Act = Callable[[Arrays, int], FloatArray]

PERIOD_NS = round(PERIOD_S * 1e9)
# As in the arm's demo: the target and up to two things beside it, none against it.
EASY = SceneConfig(fewest=0, most=2, blocked=0.0, leaning=0.0)
# As in the arm's demo; the labels stay what the expert intended (DART).
DISTURBED = DisturbanceConfig(velocity_std_m_s=DISTURBANCE_M_S, yaw_rate_std_rad_s=DISTURBANCE_RAD_S, shoves_per_s=0.1)


@dataclass(frozen=True, slots=True)
class Grasp:
    """How one try went.

    Attributes:
        success: whether the target was held up for long enough.
        elapsed_s: simulated time, until then or until the end.
        lift_m: how high the target was at the end.
        nearest_m: least distance of the tool to the target.
    """

    success: bool
    elapsed_s: float
    lift_m: float
    nearest_m: float


def table(disturbances: DisturbanceConfig | None = None, time_limit_s: float = 12.0) -> GraspingEnvironment:
    """The arm over an easy table, both cameras on."""
    config = GraspingConfig(scene=EASY, disturbances=disturbances or DisturbanceConfig())
    return GraspingEnvironment(config, time_limit_s=time_limit_s, with_expert=False)


def demonstrate(
    path: Path, contract: Contract, scenes: Sequence[int], environment: GraspingEnvironment
) -> EpisodeDataset:
    """One grasp by the expert in each scene, as a dataset."""
    return write_dataset(path, (show(scene, environment) for scene in scenes), contract)


def show(scene: int, environment: GraspingEnvironment) -> Episode:
    """One grasp by the expert."""
    observation, _ = environment.reset(seed=scene)
    seen: list[Arrays] = []
    intended: list[FloatArray] = []
    ended = False
    while not ended:
        seen.append(observation)
        intended.append(environment.expert_action())
        observation, _, terminated, truncated, _ = environment.step(intended[-1])
        ended = terminated or truncated
    return demonstrated(
        f"scene-{scene}",
        PERIOD_NS * np.arange(1, len(seen) + 1, dtype=np.int64),
        {key: np.stack([frame[key] for frame in seen]) for key in seen[0]},
        np.array(intended, np.float32),
    )


def grasp(environment: GraspingEnvironment, scene: int, act: Act) -> Grasp:
    """One try in a scene by whatever ``act`` is."""
    observation, _ = environment.reset(seed=scene)
    nearest, tick, ended = np.inf, 0, False
    while not ended:
        tick += 1
        action = act(observation, tick * PERIOD_NS)
        observation, _, terminated, truncated, _ = environment.step(action)
        ended = terminated or truncated
        state = environment.world.state
        nearest = min(nearest, float(np.linalg.norm(np.subtract(state.target.pose.position_m, state.tool.position_m))))
    status = environment.world.status
    return Grasp(status.success, status.elapsed_s, status.lift_m, nearest)
