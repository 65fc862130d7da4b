"""Driving in process: demonstrations by the expert into a dataset, and a policy's drive under pushes.

No ROS: frames come from the driving world, and stacks are gathered as the live assembler gathers them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.demonstrations import demonstrated
from models.contract import Contract, Memory
from models.episodes import Episode, EpisodeDataset, write_dataset
from sim.driving.expert import Expert
from sim.driving.world import PERIOD_S, DrivingWorld

__all__ = ["Act", "Drive", "Push", "demonstrate", "draw_pushes", "drive", "expert_act"]

Arrays = dict[str, npt.NDArray[np.generic]]
# Observations by stream key, stacked, in; speed (m/s) and yaw rate (rad/s) out.
Act = Callable[[Arrays], tuple[float, float]]

IMAGE, STATE = "observation.images.", "observation.state"
# A lap takes the expert 14 to 26 s; a policy that is not round by then is judged by what it did.
LAP_LIMIT_S = 45.0
# A car that does not get on needs a person as much as one that leaves the road: slower than this for so long.
STALLED_M_S, STALLED_S = 0.3, 3.0


@dataclass(frozen=True, slots=True)
class Push:
    """Where a car is thrown when it has come so far.

    Attributes:
        at_m: progress since the start.
        lateral_m: place beside the centre line, to the left.
        heading_rad: heading relative to the road's, to the left.
    """

    at_m: float
    lateral_m: float
    heading_rad: float


@dataclass(frozen=True, slots=True)
class Drive:
    """How one drive went.

    Attributes:
        elapsed_s: simulated time.
        interventions: times that a person had to put the car back: more than 1 m off centre, or stalled.
        progress_m: along the centre line.
        laps: whole laps.
        mean_abs_cross_track_m: over all steps.
        trace: ``(ticks, 2)`` progress (m) and cross-track error (m).
    """

    elapsed_s: float
    interventions: int
    progress_m: float
    laps: int
    mean_abs_cross_track_m: float
    trace: npt.NDArray[np.float64]


def observe(world: DrivingWorld, keys: Sequence[str]) -> Arrays:
    """One frame of each stream."""
    car = world.state.car
    state = np.array([car.speed_m_s, car.yaw_rate_rad_s], np.float32)
    return {key: state if key == STATE else world.render(key.removeprefix(IMAGE)) for key in keys}


def demonstrate(path: Path, contract: Contract, tracks: Sequence[int], world: DrivingWorld) -> EpisodeDataset:
    """One lap of the expert on each track, undisturbed and on the centre line, as a dataset."""
    return write_dataset(path, (_lap(contract, track, world) for track in tracks), contract)


def _lap(contract: Contract, track: int, world: DrivingWorld) -> Episode:
    keys = [stream.key for stream in contract.observations]
    world.reset(track)
    expert = Expert(world.track)
    frames: dict[str, list[npt.NDArray[np.generic]]] = {key: [] for key in keys}
    actions, stamps = [], []
    while world.status.laps < 1 and world.status.elapsed_s < LAP_LIMIT_S:
        car = world.state.car
        for key, frame in observe(world, keys).items():
            frames[key].append(frame)
        actions.append(expert.command_at(world.projection, car.yaw_rad, car.speed_m_s))
        stamps.append(world.state.stamp_ns)
        world.step(*actions[-1])
    return demonstrated(
        f"track-{track}",
        np.array(stamps, np.int64),
        {key: np.stack(rows) for key, rows in frames.items()},
        np.array(actions, np.float32),
    )


def draw_pushes(
    seed: int, length_m: float, *, every_m: float, lateral_m: tuple[float, float], heading_rad: float
) -> list[Push]:
    """Throws along a lap, equal for equal seeds: to either side by ``lateral_m``, turned by up to ``heading_rad``."""
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x70757368]))
    places = np.arange(every_m, length_m, every_m)
    side = random.choice([-1.0, 1.0], len(places))
    lateral = side * random.uniform(*lateral_m, len(places))
    heading = random.uniform(-heading_rad, heading_rad, len(places))
    return [Push(*map(float, row)) for row in np.stack([places, lateral, heading], axis=1)]


def drive(world: DrivingWorld, act: Act, pushes: Sequence[Push], keys: Sequence[str], memory: Memory) -> Drive:
    """One lap of a world that was just reset; a person recentres the car at every intervention, and it drives on.

    Args:
        world: with the car at the start.
        act: what drives.
        pushes: along the lap.
        keys: streams that ``act`` sees.
        memory: how many frames of each.
    """
    frames, stride = memory.frames, memory.stride
    past: deque[Arrays] = deque(maxlen=(frames - 1) * stride + 1)
    waiting = deque(sorted(pushes, key=lambda push: push.at_m))
    interventions, slow_ticks, trace = 0, 0, []
    while world.status.laps < 1 and world.status.elapsed_s < LAP_LIMIT_S:
        past.append(observe(world, keys))
        picks = [past[max(0, len(past) - 1 - back * stride)] for back in range(frames - 1, -1, -1)]
        world.step(*act({key: np.stack([pick[key] for pick in picks]) for key in keys}))
        trace.append((world.status.progress_m, world.status.cross_track_m))
        slow_ticks = slow_ticks + 1 if abs(world.state.car.speed_m_s) < STALLED_M_S else 0
        if abs(world.status.cross_track_m) > 1.0 or slow_ticks * PERIOD_S >= STALLED_S:
            interventions, slow_ticks = interventions + 1, 0
            world.recover()
            past.clear()
        elif waiting and world.status.progress_m >= waiting[0].at_m:
            push = waiting.popleft()
            world.push(push.lateral_m, push.heading_rad)
    status = world.status
    return Drive(
        status.elapsed_s, interventions, status.progress_m, status.laps, status.mean_abs_cross_track_m, np.array(trace)
    )


def expert_act(world: DrivingWorld) -> Act:
    """The expert on the world's track, to see that a push can be recovered from; it needs no frames."""
    expert = Expert(world.track)

    def act(_: Arrays) -> tuple[float, float]:
        car = world.state.car
        return expert.command_at(world.projection, car.yaw_rad, car.speed_m_s)

    return act
