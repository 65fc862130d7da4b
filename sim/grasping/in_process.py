"""The grasping world as interactive learning sees it: a world that waits, and its expert."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.contract import Contract
from models.data import FloatArray, Observation
from models.errors import SimulationError
from models.interactive.frames import FrameStack
from models.interactive.ports import Measure
from sim.grasping.environment import STATE_KEY, state_vector
from sim.grasping.expert import Expert, ExpertConfig
from sim.grasping.scene import draw_scene
from sim.grasping.state import GraspingState
from sim.grasping.world import GraspingConfig, GraspingWorld

__all__ = ["GraspingDriver", "GraspingTask", "InProcessGrasping"]

Describe = Callable[[GraspingState], npt.NDArray[np.float32]]
"""A state to the numbers that a policy sees of it, float32."""

IMAGE = "observation.images."
#: What a try of full length costs beside a failure's 1: of two policies that grasp equally often the faster is better.
_TIME_COST = 0.1
#: The table is about this wide; what is further away is as far.
_FARTHEST_M = 0.5


@dataclass(frozen=True)
class GraspingTask:
    """What is grasped.

    Attributes:
        scenes: seeds of the scenes; an episode's own seed chooses one, and whatever the world leaves to chance.
        world: the arm, the clutter, the cameras.
        expert: how the expert moves.
        time_limit_s: simulated time after which a try has failed.
    """

    scenes: tuple[int, ...]
    world: GraspingConfig = field(default_factory=GraspingConfig)
    expert: ExpertConfig = field(default_factory=ExpertConfig)
    time_limit_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.scenes or min(self.scenes) < 0 or not self.time_limit_s > 0.0:
            found = f"scenes {self.scenes}, {self.time_limit_s} s"
            raise SimulationError("an episode needs a scene and a length", found=found)


class InProcessGrasping:
    """A grasping world for ``models.interactive``; use it as a context manager, or call :meth:`close`.

    A try is over when the target was held 10 cm up for a second, when it cannot be reached any more, or when time is
    up; the last two are failures. A failure costs 1, and a try up to a tenth more, by how long it took.

    Args:
        task: what is grasped.
        contract: of the robot; its streams are the world's cameras and ``observation.state``.
        describe: what ``observation.state`` holds; by itself what the arm's contract selects.

    Attributes:
        measure: distance of the tool from the target, metres.

    Raises:
        SimulationError: the contract wants what this arm does not have.
    """

    measure = Measure("distance of the tool from the target", "m", _FARTHEST_M)

    def __init__(self, task: GraspingTask, contract: Contract, describe: Describe = state_vector) -> None:
        self.task, self.contract, self._describe = task, contract, describe
        self._keys = [stream.key for stream in contract.observations]
        self.world = GraspingWorld(task.world)
        try:
            self._require_streams()
        except SimulationError:
            self.close()
            raise
        self._stack = FrameStack(contract.memory)
        self.reset(0)

    def _require_streams(self) -> None:
        cameras = [IMAGE + name for name in self.world.camera_names]
        for key in self._keys:
            if key not in (STATE_KEY, *cameras):
                raise SimulationError(f"the simulated arm has no {key!r}", expected=", ".join([STATE_KEY, *cameras]))

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def __enter__(self) -> InProcessGrasping:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self, seed: int) -> None:
        """Lay one of the scenes, the arm at home and open."""
        random = np.random.default_rng(np.random.SeedSequence([seed, 0x6772]))
        scene = self.task.scenes[int(random.integers(len(self.task.scenes)))]
        self.world.reset(seed, scene=draw_scene(scene, self.task.world.scene))
        self._starts, self._seen = True, None

    _seen: Observation | None

    def observe(self) -> Observation:
        """Frames of the contract's streams, stacked."""
        if self._seen is None:
            arrays = {key: self._frame(key) for key in self._keys}
            self._seen = self._stack.push(self.world.state.stamp_ns, arrays, starts=self._starts)
        return self._seen

    def _frame(self, key: str) -> npt.NDArray[np.generic]:
        return self._describe(self.world.state) if key == STATE_KEY else self.world.render(key.removeprefix(IMAGE))

    def step(self, action: FloatArray) -> bool:
        """Move for 50 ms; whether the try is over."""
        x, y, z, yaw_rate, opening = (float(value) for value in action)
        self.world.step((x, y, z, yaw_rate, opening))
        self._starts, self._seen = False, None
        return self._is_over

    @property
    def _is_over(self) -> bool:
        status = self.world.status
        return status.success or status.lost or status.elapsed_s >= self.task.time_limit_s

    @property
    def deviation(self) -> float:
        """Distance of the tool from the target, metres."""
        state = self.world.state
        return float(np.linalg.norm(state.tool.position_m - np.array(state.target.pose.position_m)))

    def outcome(self) -> Mapping[str, float]:
        """``cost``, ``tries`` that are over, ``failures`` of them, ``drops``, ``collisions`` and ``seconds``."""
        status = self.world.status
        over = float(self._is_over)
        failed = over * float(not status.success)
        return {
            "cost": failed + _TIME_COST * status.elapsed_s / self.task.time_limit_s,
            "tries": over,
            "failures": failed,
            "drops": float(status.drops),
            "collisions": float(status.collisions),
            "seconds": status.elapsed_s,
        }


class GraspingDriver:
    """The expert, who knows where everything lies."""

    def __init__(self, grasping: InProcessGrasping) -> None:
        self._grasping = grasping
        self._expert = Expert(grasping.task.expert)

    def action(self, observation: Observation) -> FloatArray:
        """``(5,)`` velocity of the tool (m/s), yaw rate (rad/s), speed of the gap (m/s)."""
        return np.array(self._expert.command(self._grasping.world.state), np.float32)
