"""The simulated car on drawn tracks, seen by its place on the road: any number of cars at once, no PyBullet, no camera.

The dynamics are those of :class:`sim.driving.kart.KartWorld` (a test holds them equal), which in turn is held against
the car in PyBullet. What is seen is what the simulator's node publishes on ``/lane``: see :mod:`sim.driving.lane`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.data import FloatArray
from models.errors import SimulationError
from models.trajectories import Trajectories
from sim.control.rollouts import roll_out
from sim.control.task import Actions, Booleans, ControlTask, Floats
from sim.driving.car import SLOWEST_STEERED_M_S, STEERING_GAIN, WHEELBASE_M, CarConfig
from sim.driving.expert import Expert
from sim.driving.kart import GRIP_M_S2
from sim.driving.lane import LOOK_AHEADS_M, OBSERVED
from sim.driving.roads import Roads, wrap_angles
from sim.driving.track import Projection, TrackConfig
from sim.simulated_world import PERIOD_S, PHYSICS_STEPS

__all__ = ["DRIVING", "Driving", "demonstrate"]

# Columns of a state: position (m) and heading (rad) on the map, forward speed (m/s), steering angle (rad), yaw rate
# (rad/s); the track's number, and there arc length (m), cross-track error (m) and heading error (rad).
X, Y, YAW, SPEED, STEERING, YAW_RATE, ROAD, ARC, CROSS, HEADING = range(10)

_STEP_S = PERIOD_S / PHYSICS_STEPS
_CAR = CarConfig()
_HALF_WIDTH_M = TrackConfig().width_m / 2.0
# Episodes begin within this distance of the centre line, turned by up to so much, at up to this speed: what a
# policy gets itself into, and a car at rest.
_START_CROSS_M, _START_HEADING_RAD, _START_SPEED_M_S = 1.0, 0.3, 5.0


@dataclass(frozen=True)
class Driving(ControlTask):
    """The reward is metres along the centre line; the episode has come to its end where the car is off the road.

    Actions are the commands of the driving contracts: speed (m/s) and yaw rate (rad/s), cut to the limits. Nobody here
    limits how fast a command changes, as the gate does.

    Attributes:
        tracks: seeds of the tracks, each as likely as any other.
    """

    name: str = "driving"
    gymnasium_id: str = ""
    observation_names: tuple[str, ...] = OBSERVED
    action_count: int = 0
    action_values: tuple[tuple[float, ...], ...] = ()
    action_low: tuple[float, ...] = (0.0, -2.5)
    action_high: tuple[float, ...] = (8.0, 2.5)
    # Ten seconds, in which the expert drives about half a lap.
    horizon: int = 200
    solved_at: float | None = None
    tracks: tuple[int, ...] = tuple(range(50_000, 50_012))

    @property
    def roads(self) -> Roads:
        """The tracks, drawn when they are first asked for."""
        return Roads.of_seeds(self.tracks)

    def start(self, rng: np.random.Generator, count: int) -> Floats:
        """Anywhere on any track, beside the centre line and turned, slow or fast."""
        states = np.zeros((count, 10))
        roads = rng.integers(len(self.tracks), size=count)
        states[:, ROAD] = roads
        states[:, ARC] = rng.random(count) * self.roads.lengths_m[roads]
        states[:, CROSS] = rng.uniform(-_START_CROSS_M, _START_CROSS_M, count)
        states[:, HEADING] = rng.uniform(-_START_HEADING_RAD, _START_HEADING_RAD, count)
        states[:, SPEED] = rng.uniform(0.0, _START_SPEED_M_S, count)
        x, y, heading = self.roads.poses(roads, states[:, ARC])
        states[:, X] = x - states[:, CROSS] * np.sin(heading)
        states[:, Y] = y + states[:, CROSS] * np.cos(heading)
        states[:, YAW] = wrap_angles(heading + states[:, HEADING])
        self._place(states)
        return states

    def step(self, states: Floats, actions: Actions) -> tuple[Floats, Floats, Booleans]:
        """One control step of 50 ms."""
        there = states.copy()
        x, y, yaw, speed, steering = states[:, :YAW_RATE].T.copy()
        wanted_speed, wanted_steering = _aims(np.clip(actions, self.action_low, self.action_high))
        turn, gain = _CAR.steering_rate_rad_s * _STEP_S, _CAR.acceleration_m_s2 * _STEP_S
        for _ in range(PHYSICS_STEPS):
            steering += np.clip(STEERING_GAIN * (wanted_steering - steering), -turn, turn)
            speed += np.clip(wanted_speed - speed, -gain, gain)
            sharpest = _CAR.friction * GRIP_M_S2 / np.maximum(speed, 0.1) ** 2
            curvature = np.clip(np.tan(steering) / WHEELBASE_M, -sharpest, sharpest)
            way = speed * _STEP_S
            middle = yaw + 0.5 * way * curvature
            x, y, yaw = x + way * np.cos(middle), y + way * np.sin(middle), yaw + way * curvature
        there[:, :ROAD] = np.stack([x, y, wrap_angles(yaw), speed, steering, speed * curvature], axis=1)
        self._place(there)
        half = self.roads.lengths_m[states[:, ROAD].astype(np.int64)] / 2.0
        progress = (there[:, ARC] - states[:, ARC] + half) % (2.0 * half) - half
        return there, progress, np.abs(there[:, CROSS]) > _HALF_WIDTH_M

    def observe(self, states: Floats) -> FloatArray:
        """Place on the road, motion, and how the road bends ahead."""
        roads = states[:, ROAD].astype(np.int64)
        ahead = [self.roads.curvatures(roads, states[:, ARC] + distance) for distance in LOOK_AHEADS_M]
        seen = [*states[:, [CROSS, HEADING, SPEED, YAW_RATE]].T, *ahead]
        return np.stack(seen, axis=1).astype(np.float32)

    def states_of(self, observations: FloatArray) -> Floats:
        """Refused: what is seen does not say on which track, and where on it."""
        raise SimulationError("what a car sees of the road does not say where it is", found=self.name)

    def _place(self, states: Floats) -> None:
        """Fill in where on the track positions are; the arc lengths in there are where to look."""
        roads = states[:, ROAD].astype(np.int64)
        arcs, cross_track, headings = self.roads.project(roads, states[:, X], states[:, Y], states[:, ARC])
        states[:, ARC], states[:, CROSS] = arcs, cross_track
        states[:, HEADING] = wrap_angles(states[:, YAW] - headings)


DRIVING = Driving()
"""The tracks that are learned on."""


def demonstrate(task: Driving, episodes: int, seed: int) -> Trajectories:
    """Whole episodes of the simulator's expert, who knows more than is seen: the whole track, and where on it it is."""
    experts = [Expert(track) for track in task.roads.tracks]

    def act(states: FloatArray) -> Actions:
        commands = []
        for row in states.tolist():
            here = Projection(row[ARC], row[CROSS], row[YAW] - row[HEADING], 0.0)
            commands.append(experts[int(row[ROAD])].command_at(here, row[YAW], row[SPEED]))
        return np.array(commands, np.float32)

    return roll_out(task, act, episodes, seed, exact=True)


def _aims(commands: Floats) -> tuple[Floats, Floats]:
    """Speeds (m/s) and steering angles (rad) that commands ask for: :func:`sim.driving.car.steering_of` in arrays."""
    speed = np.clip(commands[:, 0], 0.0, _CAR.top_speed_m_s)
    steering = np.arctan(WHEELBASE_M * commands[:, 1] / np.maximum(speed, SLOWEST_STEERED_M_S))
    return speed, np.clip(steering, -_CAR.largest_steering_rad, _CAR.largest_steering_rad)
