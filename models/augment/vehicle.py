"""The vehicle behind the labels: which numbers of an action steer it, what they mean, and what it can do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.data import FloatArray
from models.errors import TrainingError

__all__ = ["Steering", "Vehicle", "require_dimensions"]

Float64Array = npt.NDArray[np.float64]
Steering = Literal["yaw_rate", "steering_angle", "curvature"]

# A curvature cannot be read off a yaw rate at standstill; below this speed the quotient is that of this speed.
_SLOWEST_M_S = 0.1


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A car-like vehicle, whose actions are a speed and a steering command.

    Attributes:
        wheelbase_m: from the rear axle to the front one.
        largest_steering_rad: of the bicycle's front wheel.
        lateral_acceleration_m_s2: where a recovery would exceed it, the vehicle goes slower.
        largest_yaw_rate_rad_s: the same for the yaw rate that may be commanded.
        steering: what the steering command is: a ``yaw_rate`` (rad/s, as ``geometry_msgs/Twist``), a
            ``steering_angle`` (rad, of the bicycle's front wheel) or a ``curvature`` (1/m); all positive to the left.
        speed_dimension: of the action, m/s.
        steering_dimension: of the action.
    """

    wheelbase_m: float
    largest_steering_rad: float
    lateral_acceleration_m_s2: float
    largest_yaw_rate_rad_s: float
    steering: Steering = "yaw_rate"
    speed_dimension: int = 0
    steering_dimension: int = 1

    def __post_init__(self) -> None:
        """Reject a vehicle that cannot steer.

        Raises:
            TrainingError: when a value is out of range.
        """
        for name in ("wheelbase_m", "largest_steering_rad", "lateral_acceleration_m_s2", "largest_yaw_rate_rad_s"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise TrainingError(f"Vehicle.{name} must be positive", found=value)
        if self.largest_steering_rad >= math.pi / 2.0:
            raise TrainingError(
                "Vehicle.largest_steering_rad must be below a quarter turn", found=self.largest_steering_rad
            )
        if self.steering not in ("yaw_rate", "steering_angle", "curvature"):
            raise TrainingError(
                "unknown steering command", found=self.steering, expected="yaw_rate, steering_angle or curvature"
            )
        if min(self.speed_dimension, self.steering_dimension) < 0 or self.speed_dimension == self.steering_dimension:
            raise TrainingError(
                "a vehicle is commanded by a speed and a steering command",
                found=f"speed_dimension={self.speed_dimension}, steering_dimension={self.steering_dimension}",
                expected="two different numbers, counted from 0",
            )

    @property
    def largest_curvature_per_m(self) -> float:
        """Of the tightest arc it can drive: ``tan(steering) / wheelbase``."""
        return math.tan(self.largest_steering_rad) / self.wheelbase_m

    def read(self, actions: FloatArray) -> tuple[Float64Array, Float64Array]:
        """Speeds (m/s) and curvatures (1/m) that ``actions (..., A)`` command.

        Raises:
            TrainingError: the action has fewer numbers.
        """
        require_dimensions(actions, self.speed_dimension, self.steering_dimension)
        speeds = actions[..., self.speed_dimension].astype(np.float64)
        command = actions[..., self.steering_dimension].astype(np.float64)
        if self.steering == "yaw_rate":
            return speeds, command / np.maximum(speeds, _SLOWEST_M_S)
        if self.steering == "steering_angle":
            return speeds, np.tan(command) / self.wheelbase_m
        return speeds, command

    def steer(self, actions: FloatArray, curvatures: Float64Array) -> FloatArray:
        """``actions (..., A)`` with other curvatures ``(...)``, as fast as before where the limits allow that."""
        limit = self.largest_curvature_per_m
        curvatures = np.clip(curvatures, -limit, limit)
        bend = np.maximum(np.abs(curvatures), 1e-6)
        speeds = actions[..., self.speed_dimension].astype(np.float64)
        speeds = np.minimum(speeds, np.sqrt(self.lateral_acceleration_m_s2 / bend))
        speeds = np.minimum(speeds, self.largest_yaw_rate_rad_s / bend)
        changed = np.array(actions)
        changed[..., self.speed_dimension] = speeds
        changed[..., self.steering_dimension] = self._command(speeds, curvatures)
        return changed

    def _command(self, speeds: Float64Array, curvatures: Float64Array) -> Float64Array:
        if self.steering == "yaw_rate":
            return np.maximum(speeds, _SLOWEST_M_S) * curvatures
        if self.steering == "steering_angle":
            found: Float64Array = np.arctan(self.wheelbase_m * curvatures)
            return found
        return curvatures


def require_dimensions(actions: FloatArray, *dimensions: int) -> None:
    """Raise ``TrainingError`` unless ``actions (..., A)`` have all these numbers, counted from 0."""
    if max(dimensions) >= actions.shape[-1]:
        raise TrainingError(
            "the action does not have as many numbers as the augmentation reads",
            found=f"{actions.shape[-1]} numbers, of which number {max(dimensions)} is asked for",
            expected=f"0 to {actions.shape[-1] - 1}",
            fix="say where the contract's action holds speed and steering (speed_dimension, steering_dimension)",
        )
