"""Pictures from beside the recorded place: warped, and as the simulator really shows them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.policies.variants import FRONT
from models.augment import Motion, View
from models.augment.ground_plane import ground_points
from models.augment.view import Fill
from sim.driving.world import DrivingWorld

__all__ = ["Pair", "WarpErrors", "look_aside", "warp_errors"]

UINT8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pair:
    """One place and another one beside it.

    Attributes:
        recorded: what the front camera sees on the centre line, ``(height, width, 3)``.
        moved: what it really sees from the vehicle that was moved.
        motion: from the one to the other.
        curvature_per_m: of the road.
    """

    recorded: UINT8Array
    moved: UINT8Array
    motion: Motion
    curvature_per_m: float

    def view(self, fill: Fill = "road", curved: bool = True) -> View:
        """What warps ``recorded`` into what should be ``moved``."""
        return View(FRONT.camera, FRONT.camera, self.motion, self.curvature_per_m if curved else 0.0, fill)


@dataclass(frozen=True, slots=True)
class WarpErrors:
    """Mean absolute differences to the real picture, in grey levels of 255, on the ground.

    Attributes:
        seen: of ground that the recorded picture shows, warped.
        seen_unwarped: of the same pixels, left where they were.
        unseen_road: of the rest, filled along the road's arc.
        unseen_ahead: filled straight ahead.
        unseen_border: filled with the picture's border.
        unseen_black: left black.
        unseen_share: of the ground's pixels.
    """

    seen: float
    seen_unwarped: float
    unseen_road: float
    unseen_ahead: float
    unseen_border: float
    unseen_black: float
    unseen_share: float


def look_aside(world: DrivingWorld, arc_length_m: float, left_m: float, turn_rad: float) -> Pair:
    """Pictures on the centre line at a place, and from beside it."""
    world.place_on_track(arc_length_m)
    recorded, road = world.render(), world.projection.curvature_per_m
    world.place_on_track(arc_length_m, left_m, turn_rad)
    return Pair(recorded, world.render(), Motion(left_m, turn_rad), road)


def warp_errors(world: DrivingWorld, poses: int) -> WarpErrors:
    """Compare at random places of random tracks, from up to 0.8 m and 0.2 rad aside."""
    random = np.random.default_rng(0)
    sums = dict.fromkeys(WarpErrors.__dataclass_fields__, 0.0)
    pixels = {"seen": 0, "unseen": 0}
    is_ground = ground_points(FRONT.camera)[1]
    for index in range(poses):
        if index % 10 == 0:
            world.reset(200_000 + index)
        aside = look_aside(world, *map(float, random.uniform([0.0, -0.8, -0.2], [world.track.length_m, 0.8, 0.2])))
        _, was_seen = aside.view().sources()
        seen, unseen = is_ground & was_seen, is_ground & ~was_seen
        pixels["seen"] += int(seen.sum())
        pixels["unseen"] += int(unseen.sum())
        sums["seen_unwarped"] += _difference(aside.recorded, aside.moved, seen)
        sums["seen"] += _difference(aside.view().warp(aside.recorded), aside.moved, seen)
        fills: list[tuple[str, View]] = [("road", aside.view()), ("ahead", aside.view(curved=False))]
        fills += [("border", aside.view("border")), ("black", aside.view("black"))]
        for name, view in fills:
            sums[f"unseen_{name}"] += _difference(view.warp(aside.recorded), aside.moved, unseen)
    means = {name: total / pixels[name.split("_")[0]] for name, total in sums.items() if name != "unseen_share"}
    share = pixels["unseen"] / (pixels["seen"] + pixels["unseen"])
    return WarpErrors(**{name: round(value, 3) for name, value in means.items()}, unseen_share=round(share, 4))


def _difference(one: UINT8Array, other: UINT8Array, where: npt.NDArray[np.bool_]) -> float:
    """Sum over pixels of the channels' mean absolute difference."""
    return math.fsum(np.abs(one[where].astype(np.float64) - other[where]).mean(axis=-1))
