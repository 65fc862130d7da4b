"""Where things lie at the start of an episode, by seed. Plain NumPy, no PyBullet.

The first object is the target. Clutter lies anywhere, or against the target so that the fingers find no room, or leans
on it; the world lets everything settle before an episode starts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.errors import SimulationError
from sim.grasping.footprints import clearances_m
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject

__all__ = ["SceneConfig", "draw_scene"]

# Against the way in which seeds 0, 1, 2, ... of different parts of a world would resemble each other.
_STREAM = 0x7461626C
# Tries for one place before an object is left out; a table that full is cluttered enough.
_TRIES = 60


@dataclass(frozen=True, slots=True)
class SceneConfig:
    """What scenes are like. All lengths in metres, in the base frame.

    Attributes:
        x_m: range of the centres of everything, away from the arm.
        y_m: range of the centres of everything, sideways.
        border_m: the target keeps this much from the ends of these ranges.
        fewest: clutter objects at least.
        most: clutter objects at most.
        blocked: probability that one to three of them stand against the target.
        leaning: probability that one of them leans on the target.
        spacing_m: free space between objects that do not touch on purpose.
    """

    x_m: tuple[float, float] = (0.36, 0.62)
    y_m: tuple[float, float] = (-0.24, 0.24)
    border_m: float = 0.05
    fewest: int = 4
    most: int = 8
    blocked: float = 0.6
    leaning: float = 0.2
    spacing_m: float = 0.01

    def __post_init__(self) -> None:
        """Reject scenes that cannot be drawn.

        Raises:
            SimulationError: when a range is empty or a probability is none.
        """
        for name in ("x_m", "y_m"):
            low, high = getattr(self, name)
            if not low + 2.0 * self.border_m < high:
                raise SimulationError(f"SceneConfig.{name} leaves no room for the target", found=(low, high))
        if not 0 <= self.fewest <= self.most:
            raise SimulationError("no number of clutter objects", found=f"fewest {self.fewest}, most {self.most}")
        for name in ("blocked", "leaning"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SimulationError(f"SceneConfig.{name} is a probability", found=getattr(self, name))


def draw_scene(seed: int, config: SceneConfig) -> tuple[SceneObject, ...]:
    """The target, then the clutter, none of them inside another.

    Raises:
        SimulationError: when the seed is negative.
    """
    if seed < 0:
        raise SimulationError("a scene's seed must not be negative", found=seed)
    rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM]))
    target_x = float(rng.uniform(config.x_m[0] + config.border_m, config.x_m[1] - config.border_m))
    target_y = float(rng.uniform(config.y_m[0] + config.border_m, config.y_m[1] - config.border_m))
    placed = [_standing(_target_shape(rng), target_x, target_y, float(rng.uniform(-math.pi, math.pi)))]
    count = int(rng.integers(config.fewest, config.most + 1))
    close = int(rng.integers(1, 4)) if rng.random() < config.blocked else 0
    leaning = int(rng.random() < config.leaning)
    for index in range(count):
        item: SceneObject | None
        if index < leaning:
            item = _leaning(rng, placed[0])
        elif index < leaning + close:
            item = _against(rng, placed, config)
        else:
            item = _anywhere(rng, placed, config)
        if item is not None:
            placed.append(item)
    return tuple(placed)


def _target_shape(rng: np.random.Generator) -> ObjectShape:
    """Something that the gripper (8 cm) can hold along either of its sides."""
    if rng.random() < 0.5:
        x, y, z = rng.uniform((0.030, 0.030, 0.035), (0.050, 0.050, 0.060)).tolist()
        return ObjectShape("box", (x, y, z))
    diameter, height = rng.uniform((0.032, 0.035), (0.050, 0.060)).tolist()
    return ObjectShape("cylinder", (diameter, diameter, height))


def _clutter_shape(rng: np.random.Generator) -> ObjectShape:
    """Low enough to pass below the hand, whose fingers are 7 cm long."""
    if rng.random() < 0.6:
        x, y, z = rng.uniform((0.020, 0.025, 0.020), (0.060, 0.070, 0.060)).tolist()
        return ObjectShape("box", (x, y, z))
    diameter, height = rng.uniform((0.025, 0.025), (0.060, 0.060)).tolist()
    return ObjectShape("cylinder", (diameter, diameter, height))


def _standing(shape: ObjectShape, x_m: float, y_m: float, yaw_rad: float) -> SceneObject:
    quaternion = (0.0, 0.0, math.sin(yaw_rad / 2.0), math.cos(yaw_rad / 2.0))
    return SceneObject(shape, ObjectPose((x_m, y_m, shape.size_m[2] / 2.0), quaternion))


def _anywhere(rng: np.random.Generator, placed: list[SceneObject], config: SceneConfig) -> SceneObject | None:
    shape = _clutter_shape(rng)
    for _ in range(_TRIES):
        x, y, yaw = rng.uniform((config.x_m[0], config.y_m[0], -math.pi), (config.x_m[1], config.y_m[1], math.pi))
        item = _standing(shape, float(x), float(y), float(yaw))
        if clearances_m(item, placed).min() > config.spacing_m:
            return item
    return None


def _against(rng: np.random.Generator, placed: list[SceneObject], config: SceneConfig) -> SceneObject | None:
    """Up to 6 mm from the target, and clear of everything else."""
    shape = _clutter_shape(rng)
    target = placed[0].pose.position_m
    for _ in range(_TRIES):
        bearing, yaw = rng.uniform(-math.pi, math.pi, 2).tolist()
        gap = float(rng.uniform(0.001, 0.006))
        # Moved outwards in steps of a millimetre until that much is free.
        for distance in np.arange(0.03, 0.12, 0.001).tolist():
            item = _standing(
                shape, target[0] + distance * math.cos(bearing), target[1] + distance * math.sin(bearing), yaw
            )
            clearances = clearances_m(item, placed)
            if clearances[0] > gap:
                break
        inside = config.x_m[0] <= item.pose.position_m[0] <= config.x_m[1]
        inside = inside and config.y_m[0] <= item.pose.position_m[1] <= config.y_m[1]
        if inside and clearances.min() > min(gap, 0.002):
            return item
    return None


def _leaning(rng: np.random.Generator, target: SceneObject) -> SceneObject:
    """A plate that stands on its edge beside the target, tilted so that it falls against it."""
    width, height = rng.uniform((0.040, 0.055), (0.060, 0.075)).tolist()
    shape = ObjectShape("box", (0.012, width, height))
    bearing, tilt = float(rng.uniform(-math.pi, math.pi)), float(rng.uniform(0.30, 0.45))
    reach = max(target.shape.size_m[:2]) * 0.71
    distance = reach + 0.5 * (height * math.sin(tilt) + 0.012 * math.cos(tilt)) + 0.002
    x, y, _ = target.pose.position_m
    # Turned about z towards the target, then about its own y so that the top comes nearer.
    turn, lean = bearing, -tilt
    quaternion = (
        -math.sin(turn / 2.0) * math.sin(lean / 2.0),
        math.cos(turn / 2.0) * math.sin(lean / 2.0),
        math.sin(turn / 2.0) * math.cos(lean / 2.0),
        math.cos(turn / 2.0) * math.cos(lean / 2.0),
    )
    z = 0.5 * (height * math.cos(tilt) + 0.012 * math.sin(tilt)) + 0.001
    return SceneObject(
        shape, ObjectPose((x + distance * math.cos(bearing), y + distance * math.sin(bearing), z), quaternion)
    )
