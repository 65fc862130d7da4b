"""Labels for a vehicle that stands beside where it was recorded: it steers back to the recorded path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.augment.augmentation import Examples
from models.augment.recovery import PLANNED_SHARE, return_path, steering_curvature
from models.augment.vehicle import Vehicle
from models.data import FloatArray
from models.errors import TrainingError

__all__ = ["YawRateReading", "recovering_actions", "with_yaw_rate"]

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class YawRateReading:
    """Where an observation says how fast the vehicle turns.

    In demonstrations the measured yaw rate is nearly the commanded one. A policy that sees it while the *picture*
    is shifted learns "what I already do, plus a correction", and correction upon correction then adds up when it
    drives (de Haan et al. 2019, "Causal Confusion in Imitation Learning"). A vehicle that is off its path was thrown
    there and has not reacted yet, or is on its way back; so the reading is drawn between these two.

    Attributes:
        key: of the stream, a vector.
        dimension: of it, rad/s, positive to the left.
    """

    key: str
    dimension: int


def recovering_actions(
    examples: Examples,
    left_m: Float64Array,
    turn_rad: Float64Array,
    recovery_m: Float64Array,
    vehicle: Vehicle,
) -> FloatArray:
    """Actions ``(N, chunk, A)`` of a vehicle that returns to the recorded path.

    The recorded action's curvature stands for that of the path. Step ``i`` of a chunk is the return's own curvature
    where the vehicle will then be, so a chunk that is driven to its end follows one plan.

    Args:
        examples: what was recorded, on the path.
        left_m: ``(N,)`` how far to the left of the recorded vehicle this one stands.
        turn_rad: ``(N,)`` how far it is turned to the left of it.
        recovery_m: ``(N,)`` distance after which it is back if it asks for a label at every tick.
        vehicle: what the actions mean.
    """
    actions = examples.actions
    speeds, road = vehicle.read(actions)
    travelled = np.cumsum(speeds, axis=1) * examples.period_s
    travelled = np.concatenate([np.zeros((len(examples), 1)), travelled[:, :-1]], axis=1)
    here = road[:, :1]
    planned_m = PLANNED_SHARE * recovery_m[:, None]
    path = return_path(left_m[:, None], turn_rad[:, None], here, planned_m, travelled)
    changed = vehicle.steer(actions, steering_curvature(*path, road))
    moved = (left_m != 0.0) | (turn_rad != 0.0)
    return np.where(moved[:, None, None], changed, actions)


def with_yaw_rate(
    examples: Examples, actions: FloatArray, reading: YawRateReading, vehicle: Vehicle, random: np.random.Generator
) -> npt.NDArray[np.float32]:
    """The stream ``(N, frames, dims)`` with yaw rates between the recorded ones and those of ``actions``."""
    rows = examples.stream(reading.key)
    if rows.ndim != 3 or not 0 <= reading.dimension < rows.shape[2]:
        raise TrainingError(
            "the yaw rate is not in that stream",
            found=f"{reading}, rows of shape {rows.shape[2:]}",
            expected="a vector, and the number of its yaw rate, counted from 0",
        )
    speeds, recorded = vehicle.read(examples.actions[:, 0])
    _, recovering = vehicle.read(actions[:, 0])
    changed = np.array(rows, np.float32)
    share = random.uniform(0.0, 1.0, len(examples))
    changed[..., reading.dimension] += (share * speeds * (recovering - recorded)).astype(np.float32)[:, None]
    return changed
