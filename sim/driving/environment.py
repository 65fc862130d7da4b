"""``gymnasium.make("Understudy/Driving-v0")``: the driving world as a Gymnasium environment.

Observations carry the robot contract's stream keys, actions its SI units, so a policy that was trained here can be
compared with one that drives over ROS 2. Call ``sim.register()`` first.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import gymnasium
import numpy as np
import numpy.typing as npt

from models.errors import SimulationError
from sim.driving.cameras import CHASE_CAMERA
from sim.driving.expert import Expert, ExpertConfig
from sim.driving.metrics import DrivingStatus
from sim.driving.world import CONTROL_HZ, DrivingConfig, DrivingWorld
from sim.image_spaces import image_key, image_spaces

__all__ = ["DrivingEnvironment"]

ObservationDict = dict[str, npt.NDArray[Any]]

STATE_KEY = "observation.state"
# As the limits in contracts/driving.yaml: speed (m/s), yaw rate (rad/s).
ACTION_LOW = (0.0, -2.5)
ACTION_HIGH = (8.0, 2.5)
# Beyond anything that the car reaches upright; a car that flips may turn faster, and its reading is cut.
_STATE_BOUND = 30.0
_STATUS_NAMES = tuple(field.name for field in fields(DrivingStatus))


class DrivingEnvironment(gymnasium.Env[ObservationDict, npt.NDArray[np.float32]]):  # type: ignore[misc]
    """Drive along the road.

    Observation: ``observation.images.<camera>`` ``(H, W, 3)`` uint8 RGB for every chosen camera (``front``), and
    ``observation.state`` ``(2,)`` float32: forward speed (m/s) and yaw rate (rad/s).
    Action: ``(2,)`` float32: wanted speed (m/s) and yaw rate (rad/s).
    Reward: metres of progress along the centre line in this step.
    Terminated: ``base_link`` left the road (unless ``terminate_off_track`` is off). Truncated: laps or time are up.
    Info: every field of ``DrivingStatus``, ``autonomy``, ``expert_action`` ``(2,)`` float32 (what the expert would do
    now) and ``seed`` (of the world: ``reset(seed=...)`` with it repeats the episode).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": CONTROL_HZ}

    def __init__(
        self,
        config: DrivingConfig | None = None,
        *,
        cameras: tuple[str, ...] = ("front",),
        laps: int = 1,
        time_limit_s: float = 60.0,
        terminate_off_track: bool = True,
        expert: ExpertConfig | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Open a world.

        Args:
            config: of the world; ``None`` for the default, which draws another track for every seed.
            cameras: names of the cameras in the observation.
            laps: after which an episode is truncated.
            time_limit_s: simulated time after which it is truncated.
            terminate_off_track: whether leaving the road ends the episode.
            expert: how the expert in ``info`` drives.
            render_mode: ``"rgb_array"`` lets ``render`` show the car from behind.

        Raises:
            SimulationError: when a camera does not exist, or a limit is not positive.
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise SimulationError("the driving environment cannot be shown so", found=render_mode, expected="rgb_array")
        if laps < 1 or not time_limit_s > 0.0:
            raise SimulationError("an episode needs a length", found=f"laps {laps}, time_limit_s {time_limit_s}")
        self.render_mode = render_mode
        self._laps, self._time_limit_s, self._terminate_off_track = laps, time_limit_s, terminate_off_track
        self._expert_config = expert
        self._image_keys = {name: image_key(name) for name in cameras}
        self.world = DrivingWorld(config)
        spaces = image_spaces(self.world, cameras, None if render_mode is None else CHASE_CAMERA.name)
        spaces[STATE_KEY] = gymnasium.spaces.Box(-_STATE_BOUND, _STATE_BOUND, (2,), np.float32)
        self.observation_space = gymnasium.spaces.Dict(spaces)
        self.action_space = gymnasium.spaces.Box(np.array(ACTION_LOW, np.float32), np.array(ACTION_HIGH, np.float32))
        self._seed = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObservationDict, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: of the world, and of the seeds of the episodes after it; ``None`` draws the next one.
            options: ``start_m``, the arc length to start at.

        Raises:
            SimulationError: when an option is unknown.
        """
        super().reset(seed=seed)
        known = dict(options or {})
        start_m = known.pop("start_m", None)
        if known:
            raise SimulationError("unknown option of reset", found=", ".join(map(str, known)), expected="start_m")
        self._seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self.world.reset(self._seed, start_m=start_m)
        self._expert = Expert(self.world.track, self._expert_config)
        return self._observe(), self._info()

    def step(self, action: npt.NDArray[np.float32]) -> tuple[ObservationDict, float, bool, bool, dict[str, Any]]:
        """Drive for 50 ms; see the class for what comes back.

        Raises:
            SimulationError: when the action is not two finite numbers.
        """
        wanted = np.asarray(action, dtype=np.float64)
        if wanted.shape != (2,):
            raise SimulationError("an action is speed and yaw rate", found=f"shape {wanted.shape}", expected="(2,)")
        before = self.world.status.progress_m
        self.world.step(float(wanted[0]), float(wanted[1]))
        status = self.world.status
        terminated = self._terminate_off_track and status.off_track
        truncated = status.laps >= self._laps or status.elapsed_s >= self._time_limit_s
        return self._observe(), status.progress_m - before, terminated, truncated, self._info()

    def render(self) -> npt.NDArray[np.uint8] | None:
        """Show the car from behind, ``(240, 320, 3)`` uint8; ``None`` without a render mode."""
        return self.world.render(CHASE_CAMERA.name) if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def expert_action(self) -> npt.NDArray[np.float32]:
        """``(2,)`` float32: what the expert would do now."""
        car = self.world.state.car
        command = self._expert.command_at(self.world.projection, car.yaw_rad, car.speed_m_s)
        return np.array(command, dtype=np.float32)

    def _observe(self) -> ObservationDict:
        observation: ObservationDict = {key: self.world.render(name) for name, key in self._image_keys.items()}
        car = self.world.state.car
        state = np.array([car.speed_m_s, car.yaw_rate_rad_s], dtype=np.float32)
        observation[STATE_KEY] = np.clip(state, -_STATE_BOUND, _STATE_BOUND)
        return observation

    def _info(self) -> dict[str, Any]:
        status = self.world.status
        return {
            **{name: getattr(status, name) for name in _STATUS_NAMES},
            "autonomy": status.autonomy,
            "expert_action": self.expert_action(),
            "seed": self._seed,
        }
