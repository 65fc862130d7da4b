"""The operators of ``apply``: small array transforms that run after ``select``, forward when recording and observing.

Serving an action runs them back to front through ``inverse``. Only operators with an inverse may stand on an action.
Operators keep the dtype of what they are given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

__all__ = ["OPERATOR_NAMES", "Clamp", "Operator", "Rad2Deg", "Resize", "wire_operators"]

Array = npt.NDArray[Any]

MAX_RESIZE = 8192
"""Pixels; beyond every camera, so that a slip of the finger fails at load and not by filling the memory."""


class Operator(ABC):
    """One step of ``apply``; immutable and comparable by value."""

    name: ClassVar[str]
    on_images: ClassVar[bool]
    on_vectors: ClassVar[bool]
    on_actions: ClassVar[bool]

    @property
    @abstractmethod
    def args(self) -> object:
        """The arguments as the contract's YAML writes them; ``None`` where there are none."""

    @abstractmethod
    def forward(self, array: Array) -> Array:
        """From the message's units to the stream's."""

    @abstractmethod
    def inverse(self, array: Array) -> Array:
        """From the stream's units to the message's; raises TypeError where information is lost for good."""


@dataclass(frozen=True)
class Rad2Deg(Operator):
    """Radians on the wire, degrees in the stream."""

    name: ClassVar[str] = "rad2deg"
    on_images: ClassVar[bool] = False
    on_vectors: ClassVar[bool] = True
    on_actions: ClassVar[bool] = True

    @property
    def args(self) -> object:
        """It takes none."""
        return None

    def forward(self, array: Array) -> Array:
        """Radians to degrees."""
        return np.rad2deg(array).astype(_float_dtype(array), copy=False)

    def inverse(self, array: Array) -> Array:
        """Degrees to radians."""
        return np.deg2rad(array).astype(_float_dtype(array), copy=False)


@dataclass(frozen=True)
class Clamp(Operator):
    """Clip every element into ``[minimum, maximum]``, both ways; NaN stays NaN, for clamping is no check."""

    minimum: float
    maximum: float
    name: ClassVar[str] = "clamp"
    on_images: ClassVar[bool] = True
    on_vectors: ClassVar[bool] = True
    on_actions: ClassVar[bool] = True

    @property
    def args(self) -> object:
        """``{min, max}``."""
        return {"min": self.minimum, "max": self.maximum}

    def forward(self, array: Array) -> Array:
        """Clip."""
        # Python float bounds would promote integer arrays to float64; the cast brings the dtype back.
        return np.clip(array, self.minimum, self.maximum).astype(array.dtype, copy=False)

    def inverse(self, array: Array) -> Array:
        """Clip: the bound has to hold for the outgoing command too."""
        return self.forward(array)


@dataclass(frozen=True)
class Resize(Operator):
    """Nearest-neighbour resize of an ``(H, W)`` or ``(H, W, C)`` image to ``(height, width)``, in pixels.

    Row ``i`` of the result is row ``round(i * (H - 1) / (height - 1))`` of the source, halves to even: the first and
    the last rows coincide, and enlarging treats top and bottom alike. The same for columns.
    """

    height: int
    width: int
    name: ClassVar[str] = "resize"
    on_images: ClassVar[bool] = True
    on_vectors: ClassVar[bool] = False
    on_actions: ClassVar[bool] = False

    @property
    def args(self) -> object:
        """``[height, width]``."""
        return [self.height, self.width]

    def forward(self, array: Array) -> Array:
        """Resize; an image that has the size already is returned as it is, not copied."""
        if array.shape[:2] == (self.height, self.width):
            return array
        rows = np.round(np.linspace(0, array.shape[0] - 1, self.height)).astype(np.intp)
        columns = np.round(np.linspace(0, array.shape[1] - 1, self.width)).astype(np.intp)
        # One axis after the other: gathering whole rows first is several times faster than a two-axis gather.
        return array[rows][:, columns]

    def inverse(self, array: Array) -> Array:
        """Pixels that were left out do not come back."""
        raise TypeError(f"resize has no inverse, so it cannot serve an action of shape {array.shape}")


OPERATOR_NAMES = (Rad2Deg.name, Clamp.name, Resize.name)


def wire_operators(operators: tuple[Operator, ...]) -> tuple[Operator, ...]:
    """The same pipeline for a stream that stays in the units of the wire: ``rad2deg`` goes, later bounds are converted.

    Actions are in SI units everywhere in Understudy. ``[rad2deg, clamp: {min: -90, max: 90}]`` bounds the command to
    ±90 degrees; in wire units that is ``[clamp: {min: -pi/2, max: pi/2}]``.
    """
    per_wire_unit = 1.0
    result: list[Operator] = []
    for operator in operators:
        if isinstance(operator, Rad2Deg):
            per_wire_unit *= 180.0 / np.pi
        elif isinstance(operator, Clamp):
            result.append(Clamp(operator.minimum / per_wire_unit, operator.maximum / per_wire_unit))
        else:
            result.append(operator)
    return tuple(result)


def _float_dtype(array: Array) -> np.dtype[Any]:
    return array.dtype if np.issubdtype(array.dtype, np.floating) else np.dtype(np.float64)
