"""The road in steps, driven in the simulator: the expert's demonstrations, and how well a policy does there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from models.rewards.demonstrations import Demonstrations
from models.rewards.mdp import Floats
from sim.driving.expert import Expert, ExpertConfig
from sim.driving.metrics import DrivingStatus
from sim.driving.world import DrivingConfig, DrivingWorld
from sim.tabular.lane import CELLS, CURVATURES_PER_M, LOOK_AHEAD_M, SPEED_M_S, STATES, STEP_TICKS

__all__ = ["EXPERT", "demonstrate", "drive", "lane_state", "open_world"]

EXPERT = ExpertConfig(top_speed_m_s=SPEED_M_S, slowest_m_s=SPEED_M_S)
"""The simulator's expert at the speed of the table."""

# Two seconds after a standing start the car is at its speed.
_LAUNCH_TICKS = 40
# How far to the side and how much turned the car is thrown before each demonstration: it shows the way back.
_LATERAL_M, _HEADING_RAD = 1.4, 0.35
# A lap takes 23 to 34 s at the table's speed.
_LAP_LIMIT_S = 45.0


@contextmanager
def open_world() -> Iterator[DrivingWorld]:
    """A world without cameras: nothing here looks at pictures."""
    world = DrivingWorld(DrivingConfig(cameras=()))
    try:
        yield world
    finally:
        world.close()


def lane_state(world: DrivingWorld) -> Floats:
    """Cross-track error (m), heading error (rad), and the road's curvature just ahead (1/m), ``(3,)``."""
    status = world.status
    ahead = world.track.curvature_at(status.arc_length_m + LOOK_AHEAD_M)
    return np.array([status.cross_track_m, status.heading_error_rad, ahead])


def demonstrate(
    world: DrivingWorld,
    tracks: Sequence[int],
    pieces: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Demonstrations, Floats]:
    """The expert brings the thrown car back to the centre line, again and again.

    Args:
        world: any; it is reset.
        tracks: seeds.
        pieces: demonstrations on each.
        seed: of the throws.
        progress: told how many tracks are done, and how many there are.

    Returns:
        The demonstrations, and their states as numbers ``(N, 3)`` in SI units.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x6C616E65]))
    states, actions, numbers = [], [], []
    for done, track in enumerate(tracks, 1):
        world.reset(track)
        expert = Expert(world.track, EXPERT)
        for _ in range(_LAUNCH_TICKS):
            world.step(*_command(world, expert))
        for _ in range(pieces):
            world.push(random.uniform(-_LATERAL_M, _LATERAL_M), random.uniform(-_HEADING_RAD, _HEADING_RAD))
            walked, steered = _piece(world, expert)
            states.append(CELLS.index(np.array(walked)))
            actions.append(np.abs(np.subtract.outer(steered, CURVATURES_PER_M)).argmin(axis=1))
            numbers.extend(walked)
        if progress is not None:
            progress(done, len(tracks))
    return Demonstrations(np.array(states), np.array(actions)), np.array(numbers)


def _piece(world: DrivingWorld, expert: Expert) -> tuple[list[Floats], list[float]]:
    """One demonstration: the states, and the mean curvature (1/m) that was steered between each two of them."""
    walked, steered = [lane_state(world)], []
    for _ in range(STATES - 1):
        curvatures = []
        for _ in range(STEP_TICKS):
            speed, yaw_rate = _command(world, expert)
            world.step(speed, yaw_rate)
            curvatures.append(yaw_rate / speed)
        walked.append(lane_state(world))
        steered.append(float(np.mean(curvatures)))
    return walked, steered


def _command(world: DrivingWorld, expert: Expert) -> tuple[float, float]:
    car = world.state.car
    return expert.command_at(world.projection, car.yaw_rad, car.speed_m_s)


def drive(
    world: DrivingWorld, track: int, act: Callable[[Floats], tuple[float, float]], *, push_every_m: float = 15.0
) -> DrivingStatus:
    """One lap of a policy, thrown to alternate sides along the way; who leaves the road stays there.

    Args:
        world: any; it is reset.
        track: seed.
        act: ``lane_state`` in, speed (m/s) and yaw rate (rad/s) out.
        push_every_m: a metre to the left, then to the right, after so much progress each.
    """
    world.reset(track)
    pushes = 0
    while world.status.laps < 1 and world.status.elapsed_s < _LAP_LIMIT_S:
        world.step(*act(lane_state(world)))
        if world.status.progress_m >= (pushes + 1) * push_every_m:
            pushes += 1
            world.push(0.9 if pushes % 2 else -0.9)
    return world.status
