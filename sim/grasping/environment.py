"""``gymnasium.make("Understudy/Grasping-v0")``: the grasping world as a Gymnasium environment.

Observations carry the robot contract's stream keys, actions its SI units, so a policy that was trained here can be
compared with one that moves an arm over ROS 2. Call ``sim.register()`` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt

from models.errors import SimulationError
from sim.grasping.cameras import SHOW_CAMERA
from sim.grasping.expert import Expert, ExpertConfig
from sim.grasping.metrics import LIFT_M, GraspingStatus
from sim.grasping.objects import SceneObject
from sim.grasping.state import ACTION_NAMES, GraspingState
from sim.grasping.world import CONTROL_HZ, GraspingConfig, GraspingWorld
from sim.image_spaces import image_key, image_spaces

__all__ = ["STATE_KEY", "GraspingEnvironment", "state_vector"]

ObservationDict = dict[str, npt.NDArray[Any]]

STATE_KEY = "observation.state"
# As the limits in contracts/grasping.yaml: x, y, z (m/s), yaw rate (rad/s), speed of the gap (m/s).
ACTION_HIGH = (0.25, 0.25, 0.25, 1.5, 0.1)
# Nine joint positions (rad; the fingers' m), then the tool's x, y, z (m) and the first two numbers of its quaternion.
_STATE_SIZE = 14
# Beyond anything that the arm reaches: its joints turn up to 3.75 rad.
_STATE_BOUND = 5.0
_STATUS_NAMES = tuple(field.name for field in fields(GraspingStatus))


def state_vector(state: GraspingState) -> npt.NDArray[np.float32]:
    """``(14,)`` float32: what ``observation.state`` of the contract selects, in its order.

    The positions of the seven joints (rad) and of the two fingers (m), the tool's position in the base frame (m), and
    ``x`` and ``y`` of its quaternion. Of a hand that points down these are the cosine and the sine of half its yaw,
    and all of its quaternion that is not zero.
    """
    x, y, _, _ = state.tool_quaternion
    return np.array([*state.tool.joints_rad, *state.fingers_m, *state.tool.position_m, x, y], dtype=np.float32)


class GraspingEnvironment(gymnasium.Env[ObservationDict, npt.NDArray[np.float32]]):  # type: ignore[misc]
    """Take the red thing, whatever is in the way, and hold it up.

    Observation: ``observation.images.<camera>`` ``(H, W, 3)`` uint8 RGB for every chosen camera (``overhead`` and
    ``wrist``), and ``observation.state`` ``(14,)`` float32, see ``state_vector``.
    Action: ``(5,)`` float32: velocity of the tool along x, y and z of the base frame (m/s), yaw rate (rad/s,
    counter-clockwise from above) and speed of the gap between the fingers (m/s, negative closes). Zero holds still.
    Reward: what the target gains of the 10 cm that it has to be lifted, from 0 to 1, and 1 more on success.
    Terminated: it was held 10 cm up for a second, or it has left the table. Truncated: time is up.
    Info: every field of ``GraspingStatus``, ``expert_action`` ``(5,)`` float32 (what the expert would do now) and
    ``seed`` (of the world: ``reset(seed=...)`` with it repeats the episode).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}

    def __init__(
        self,
        config: GraspingConfig | None = None,
        *,
        cameras: tuple[str, ...] = ("overhead", "wrist"),
        time_limit_s: float = 30.0,
        expert: ExpertConfig | None = None,
        with_expert: bool = True,
        render_mode: str | None = None,
    ) -> None:
        """Open a world.

        Args:
            config: of the world; ``None`` for the default, which draws another scene for every seed.
            cameras: names of the cameras in the observation.
            time_limit_s: simulated time after which an episode is truncated.
            expert: how the expert in ``info`` moves.
            with_expert: whether ``info`` says what the expert would do, which costs a few tenths of a millisecond.
            render_mode: ``"rgb_array"`` lets ``render`` show the whole arm from the side.

        Raises:
            SimulationError: when a camera does not exist, or the limit is not positive.
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise SimulationError(
                "the grasping environment cannot be shown so", found=render_mode, expected="rgb_array"
            )
        if not time_limit_s > 0.0:
            raise SimulationError("an episode needs a length", found=f"time_limit_s {time_limit_s}")
        self.render_mode = render_mode
        self._time_limit_s, self._with_expert = time_limit_s, with_expert
        self._expert = Expert(expert)
        self._image_keys = {name: image_key(name) for name in cameras}
        self.world = GraspingWorld(config)
        spaces = image_spaces(self.world, cameras, None if render_mode is None else SHOW_CAMERA.name)
        spaces[STATE_KEY] = gymnasium.spaces.Box(-_STATE_BOUND, _STATE_BOUND, (_STATE_SIZE,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(spaces)
        high = np.array(ACTION_HIGH, np.float32)
        self.action_space = gymnasium.spaces.Box(-high, high)
        self._seed = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObservationDict, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: of the world, and of the seeds of the episodes after it; ``None`` draws the next one.
            options: ``scene``, a sequence of ``SceneObject`` (the target first) instead of a drawn scene.

        Raises:
            SimulationError: when an option is unknown.
        """
        super().reset(seed=seed)
        known = dict(options or {})
        scene: Sequence[SceneObject] | None = known.pop("scene", None)
        if known:
            raise SimulationError("unknown option of reset", found=", ".join(map(str, known)), expected="scene")
        self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self.world.reset(self._seed, scene=scene)
        return self._observe(), self._info()

    def step(self, action: npt.NDArray[np.float32]) -> tuple[ObservationDict, float, bool, bool, dict[str, Any]]:
        """Move for 50 ms; see the class for what comes back.

        Raises:
            SimulationError: when the action is not five finite numbers.
        """
        wanted = np.asarray(action, dtype=np.float64)
        if wanted.shape != (len(ACTION_NAMES),):
            raise SimulationError("an action is three speeds, a yaw rate and the gripper's speed", found=wanted.shape)
        before = self.world.status
        self.world.step(tuple(wanted.tolist()))
        status = self.world.status
        gained = _lifted(status) - _lifted(before) + float(status.success and not before.success)
        terminated = status.success or status.lost
        truncated = status.elapsed_s >= self._time_limit_s
        return self._observe(), gained, terminated, truncated, self._info()

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Show the arm from the side, ``(240, 320, 3)`` uint8; ``None`` without a render mode."""
        return self.world.render(SHOW_CAMERA.name) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def expert_action(self) -> npt.NDArray[np.float32]:
        """``(5,)`` float32: what the expert would do now."""
        return np.array(self._expert.command(self.world.state), dtype=np.float32)

    def _observe(self) -> ObservationDict:
        observation: ObservationDict = {key: self.world.render(name) for name, key in self._image_keys.items()}
        observation[STATE_KEY] = state_vector(self.world.state)
        return observation

    def _info(self) -> dict[str, Any]:
        status = self.world.status
        info = {**{name: getattr(status, name) for name in _STATUS_NAMES}, "seed": self._seed}
        if self._with_expert:
            info["expert_action"] = self.expert_action()
        return info


def _lifted(status: GraspingStatus) -> float:
    return min(max(status.lift_m / LIFT_M, 0.0), 1.0)
