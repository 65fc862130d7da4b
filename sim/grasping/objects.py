"""What lies on the table: boxes and cylinders, and how far they reach. Plain NumPy, no PyBullet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.errors import SimulationError
from sim.grasping.kinematics import Array

__all__ = ["ObjectPose", "ObjectShape", "SceneObject", "extents"]


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """A box, or a cylinder that stands along its own ``z``.

    Attributes:
        kind: ``box`` or ``cylinder``.
        size_m: along the object's own x, y, z; a cylinder's x and y are its diameter.
    """

    kind: Literal["box", "cylinder"]
    size_m: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Reject shapes without a volume.

        Raises:
            SimulationError: when a size is not positive, or a cylinder is not round.
        """
        if not all(math.isfinite(side) and side > 0.0 for side in self.size_m):
            raise SimulationError("an object's sizes must be positive", found=self.size_m)
        if self.kind == "cylinder" and self.size_m[0] != self.size_m[1]:
            raise SimulationError("a cylinder's x and y are one diameter", found=self.size_m)

    @property
    def volume_m3(self) -> float:
        """Content in cubic metres."""
        x, y, z = self.size_m
        return x * y * z * (math.pi / 4.0 if self.kind == "cylinder" else 1.0)


@dataclass(frozen=True, slots=True)
class ObjectPose:
    """Where an object is.

    Attributes:
        position_m: its centre in the base frame.
        quaternion: x, y, z, w to the base frame.
    """

    position_m: tuple[float, float, float]
    quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0)

    def rotation(self) -> Array:
        """``(3, 3)`` to the base frame."""
        x, y, z, w = self.quaternion
        return np.array(
            [
                [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
                [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
                [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
            ]
        )


@dataclass(frozen=True, slots=True)
class SceneObject:
    """A shape at a pose."""

    shape: ObjectShape
    pose: ObjectPose


def extents(objects: Sequence[SceneObject], directions: Array) -> Array:
    """How far objects reach from their centres: ``(objects, directions)`` metres.

    Exact support functions: a box reaches ``sum |d . axis| size / 2``, a cylinder ``|d . axis| height / 2`` along its
    axis and its radius across.

    Args:
        objects: at least one.
        directions: ``(directions, 3)`` unit vectors in the base frame.
    """
    rotations = np.array([item.pose.rotation() for item in objects])
    sizes = np.array([item.shape.size_m for item in objects])
    round_ones = np.array([item.shape.kind == "cylinder" for item in objects])
    # Components of every direction along every object's own axes: (objects, directions, axes).
    along = np.abs(np.einsum("kb,nba->nka", directions, rotations))
    reach = 0.5 * along * sizes[:, None, :]
    across = 0.5 * sizes[:, None, 0] * np.sqrt(np.clip(1.0 - along[:, :, 2] ** 2, 0.0, None))
    found: Array = np.where(round_ones[:, None], across, reach[:, :, 0] + reach[:, :, 1]) + reach[:, :, 2]
    return found
