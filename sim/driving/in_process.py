"""The driving world as interactive learning sees it: a world that waits, its expert, and what actions lead to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.contract import Contract
from models.data import FloatArray, Observation
from models.errors import SimulationError
from models.interactive.frames import FrameStack
from models.interactive.ports import Environment, Measure
from sim.driving.expert import Expert, ExpertConfig
from sim.driving.kart import KartWorld
from sim.driving.metrics import INTERVENTION_COST_S
from sim.driving.track import Track, wrap_angle
from sim.driving.world import PERIOD_S, DrivingConfig, DrivingWorld

__all__ = ["DrivingCosts", "DrivingDriver", "DrivingTask", "InProcessDriving", "Overseer"]

IMAGE, STATE = "observation.images.", "observation.state"
#: A car that does not get on needs a person as much as one that leaves the road: slower than this for so long.
STALLED_M_S, STALLED_S = 0.3, 3.0


@dataclass(frozen=True)
class DrivingTask:
    """What is driven.

    Attributes:
        tracks: seeds of the tracks; an episode's own seed chooses one, where on it the car starts, and whatever the
            world leaves to chance.
        world: the road, the car, its cameras.
        expert: how the expert drives.
        laps: after which an episode is over.
        time_limit_s: simulated time after which it is over, too.
        puts_back: whether a car that left the road is put back on it, standing still; otherwise it stays where it went.
        pixel_noise: standard deviation of what a cheap camera adds to every pixel, of 255.
    """

    tracks: tuple[int, ...]
    world: DrivingConfig = field(default_factory=DrivingConfig)
    expert: ExpertConfig = field(default_factory=ExpertConfig)
    laps: float = 1.0
    time_limit_s: float = 45.0
    puts_back: bool = True
    pixel_noise: float = 0.0

    def __post_init__(self) -> None:
        if not self.tracks or not self.laps > 0.0 or not self.time_limit_s > 0.0:
            found = f"{len(self.tracks)} tracks, {self.laps} laps, {self.time_limit_s} s"
            raise SimulationError("an episode needs a track and a length", found=found)
        if not 0.0 <= self.pixel_noise <= 255.0:
            raise SimulationError("no such noise of a pixel", found=self.pixel_noise, expected="0 to 255")


class InProcessDriving:
    """A driving world for ``models.interactive``; use it as a context manager, or call :meth:`close`.

    A *fall* is a car that leaves the road, or that stands still for three seconds. The cost of an episode is in
    seconds: those beside the centre line, by how far the car is off as a share of half the road's width, and six for
    every fall, which is what DAVE-2 reckons an intervention costs (Bojarski et al. 2016, section 7.1).

    Args:
        task: what is driven.
        contract: of the robot; its streams are the world's cameras and ``observation.state``.
        make_world: what is driven in: PyBullet's world, or the kart's.

    Attributes:
        measure: distance from the centre line, metres.

    Raises:
        SimulationError: the contract wants what this car does not have.
    """

    def __init__(
        self,
        task: DrivingTask,
        contract: Contract,
        make_world: Callable[[DrivingConfig, int], DrivingWorld | KartWorld] = DrivingWorld,
    ) -> None:
        self.task, self.contract = task, contract
        self._keys = [stream.key for stream in contract.observations]
        self.world = make_world(task.world, task.tracks[0])
        try:
            self._require_streams()
        except SimulationError:
            self.close()
            raise
        self.measure = Measure("distance from the centre line", "m", self.world.track.width_m / 2.0)
        self._stack = FrameStack(contract.memory)
        self._tracks: dict[int, Track] = {}
        self.reset(0)

    def _require_streams(self) -> None:
        for key in self._keys:
            name = key.removeprefix(IMAGE)
            if key != STATE and (name == key or name not in self.world.camera_names):
                raise SimulationError(
                    f"the simulated car has no {key!r}",
                    expected=", ".join([STATE, *(IMAGE + camera for camera in self.world.camera_names)]),
                )

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def __enter__(self) -> InProcessDriving:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reset(self, seed: int) -> None:
        """Start on one of the tracks, somewhere on it, standing still on the centre line."""
        random = np.random.default_rng(np.random.SeedSequence([seed, 0x6C61]))
        number = self.task.tracks[int(random.integers(len(self.task.tracks)))]
        place = float(random.random())
        if number not in self._tracks:
            self._tracks[number] = Track.from_seed(number, self.task.world.track)
        self.world.reset(seed, track=self._tracks[number])
        self.world.place_on_track(place * self.world.track.length_m)
        self._grain = random
        self._falls, self._slow_ticks, self._cost_s = 0, 0, 0.0
        self._starts, self._seen = True, None

    def observe(self) -> Observation:
        """Frames of the contract's streams, stacked; memory starts anew where the car was put back."""
        if self._seen is None:
            arrays = {key: self._frame(key) for key in self._keys}
            self._seen = self._stack.push(self.world.state.stamp_ns, arrays, starts=self._starts)
        return self._seen

    _seen: Observation | None

    def _frame(self, key: str) -> npt.NDArray[np.generic]:
        if key != STATE:
            image = self.world.render(key.removeprefix(IMAGE))
            if self.task.pixel_noise == 0.0:
                return image
            noisy = image + self.task.pixel_noise * self._grain.standard_normal(image.shape, np.float32)
            return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
        car = self.world.state.car
        return np.array([car.speed_m_s, car.yaw_rate_rad_s], np.float32)

    def step(self, action: FloatArray) -> bool:
        """Drive for 50 ms, and put a fallen car back if that is the task; whether the episode is over."""
        was_off = self.world.status.off_track
        self.world.step(float(action[0]), float(action[1]))
        status = self.world.status
        self._starts, self._seen = False, None
        self._slow_ticks = self._slow_ticks + 1 if abs(self.world.state.car.speed_m_s) < STALLED_M_S else 0
        stalled = self._slow_ticks * PERIOD_S >= STALLED_S
        self._cost_s += PERIOD_S * min(1.0, self.deviation / self.measure.limit)
        if stalled or (status.off_track and not was_off):
            self._falls += 1
            self._cost_s += INTERVENTION_COST_S
            self._slow_ticks = 0
            if self.task.puts_back:
                self.world.recover()
                self._starts = True
        return self._laps >= self.task.laps or self.world.status.elapsed_s >= self.task.time_limit_s

    @property
    def deviation(self) -> float:
        """Distance from the centre line, metres."""
        return abs(self.world.status.cross_track_m)

    @property
    def _laps(self) -> float:
        return max(0.0, self.world.status.progress_m / self.world.track.length_m)

    def outcome(self) -> Mapping[str, float]:
        """``cost`` (s), ``falls``, ``laps``, ``damage`` (m driven off the road), ``seconds``."""
        status = self.world.status
        return {
            "cost": self._cost_s,
            "falls": float(self._falls),
            "laps": self._laps,
            "damage": status.damage,
            "seconds": status.elapsed_s,
        }


class DrivingDriver:
    """The expert of the world's track, who knows where the car is."""

    def __init__(self, driving: InProcessDriving) -> None:
        self._driving = driving
        self._expert: Expert | None = None

    @property
    def expert(self) -> Expert:
        """Of the track that is driven now."""
        if self._expert is None or self._expert.track is not self._driving.world.track:
            self._expert = Expert(self._driving.world.track, self._driving.task.expert)
        return self._expert

    def action(self, observation: Observation) -> FloatArray:
        """``(2,)`` speed (m/s) and yaw rate (rad/s)."""
        car = self._driving.world.state.car
        command = self.expert.command_at(self._driving.world.projection, car.yaw_rad, car.speed_m_s)
        return np.array(command, np.float32)


class Overseer:
    """Stands for a person at the wheel: takes over far from the centre line, hands back close to it.

    Args:
        takes_over_m: distance at which.
        hands_back_m: distance at which.
    """

    def __init__(self, takes_over_m: float = 0.6, hands_back_m: float = 0.15) -> None:
        if not 0.0 <= hands_back_m < takes_over_m:
            raise SimulationError(
                "a person hands back closer to the centre line than they take over",
                found=f"takes over at {takes_over_m} m, hands back at {hands_back_m} m",
            )
        self._takes_over_m, self._hands_back_m = takes_over_m, hands_back_m
        self._in_control = False

    def begin(self) -> None:
        """Hands off the wheel."""
        self._in_control = False

    def in_control(self, environment: Environment) -> bool:
        """Whether the person has the wheel at this tick."""
        limit = self._hands_back_m if self._in_control else self._takes_over_m
        self._in_control = environment.deviation > limit
        return self._in_control


class DrivingCosts:
    """What a turn at the wheel costs, by a model of the car: for SEARN's targets.

    The loss of imitation is not to be where the expert would be. So an action costs how far the car is, over the next
    second, from where the expert alone would have brought it: one tick of the candidate, the expert behind it. In
    seconds, by the distance as a share of half the road's width. (With the distance from the centre line in its place
    the cheapest turn is always the sharpest one back, and labels jump from side to side with every centimetre.)
    The car is a point that turns and moves as it is told (a unicycle), at the speed that it has; PyBullet is not asked,
    for it would have to drive on, and back.

    Args:
        driving: the world.
        driver: its expert.
    """

    #: Added to the expert's yaw rate, rad/s. Its own comes first, so that it is the label where all cost the same.
    OFFSETS = (0.0, -0.6, -0.3, 0.3, 0.6)
    #: Over a second an error has died out: the expert's convergence time is 0.35 s.
    STEP_S, STEPS = 0.1, 10

    def __init__(self, driving: InProcessDriving, driver: DrivingDriver) -> None:
        self._driving, self._driver = driving, driver

    def alternatives(self, expert: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The expert's action, and its speed with other yaw rates, ``(5, 2)``; what each costs, ``(5,)`` s."""
        low, high = self._driving.contract.action_minimum[1], self._driving.contract.action_maximum[1]
        rates = np.clip([float(expert[1]) + offset for offset in self.OFFSETS], low, high)
        ways = [self._led_by(float(rate)) for rate in rates]
        apart = [np.linalg.norm(way - ways[0], axis=1) for way in ways]
        costs = [self.STEP_S * float(np.minimum(1.0, gaps / self._driving.measure.limit).sum()) for gaps in apart]
        actions = np.stack([np.full(len(rates), expert[0]), rates], axis=1)
        return actions.astype(np.float32), np.array(costs, np.float32)

    def _led_by(self, yaw_rate_rad_s: float) -> npt.NDArray[np.float64]:
        """``(STEPS, 2)`` places of the car after one tick of that yaw rate, with the expert driving on."""
        world, expert = self._driving.world, self._driver.expert
        car, here = world.state.car, world.projection
        (x, y, _), yaw, speed = car.position_m, car.yaw_rad, max(0.0, car.speed_m_s)
        rate, duration, places = yaw_rate_rad_s, PERIOD_S, []
        for _ in range(self.STEPS):
            yaw = wrap_angle(yaw + rate * duration)
            x, y = x + speed * duration * math.cos(yaw), y + speed * duration * math.sin(yaw)
            places.append((x, y))
            here = world.track.project(x, y, here.arc_length_m)
            _, rate = expert.command_at(here, yaw, speed)
            duration = self.STEP_S
        return np.array(places)
