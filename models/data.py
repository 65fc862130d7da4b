"""The only things that cross boundaries between packages: frozen dataclasses of arrays.

Stamps are integer nanoseconds on the clock of the message that carried them (header stamps); they are never wall time
unless the robot's clock is. Arrays are never written to after construction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Action", "FloatArray", "Observation", "Proposal"]

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy sees at one tick, raw: before any resizing or normalisation, which live in the bundle's graph.

    Attributes:
        stamp_ns: header stamp of the sample that triggered the tick.
        arrays: stream key to array with a leading memory axis, oldest frame first: images ``(frames, height, width,
            channels)`` uint8, vectors ``(frames, dims)`` float32 in SI units.
        source_stamps_ns: stream key to the stamp of the newest sample used for it.
        episode_id: the episode it belongs to, empty outside one.
        starts_memory: True when memory was reset at this tick (episode start, clock jump, or gap), so that all
            frames of the stack repeat this one.
    """

    stamp_ns: int
    arrays: Mapping[str, npt.NDArray[np.generic]]
    source_stamps_ns: Mapping[str, int]
    episode_id: str = ""
    starts_memory: bool = False

    def digest(self) -> str:
        """Hex BLAKE2b-128 over the stamp and every array's key, dtype, shape and bytes; equal iff these are equal."""
        state = hashlib.blake2b(str(self.stamp_ns).encode(), digest_size=16)
        for key in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[key])
            state.update(f"{key}|{array.dtype.str}|{array.shape}".encode())
            state.update(array.tobytes())
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Action:
    """One action in SI units, in the order of the contract's action dimensions.

    Attributes:
        stamp_ns: stamp of the observation (or robot state) that it answers.
        values: ``(dims,)`` float32.
    """

    stamp_ns: int
    values: FloatArray


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a policy would do: a chunk of actions, and how likely it is that the expert would not agree.

    Attributes:
        stamp_ns: stamp of the newest observation used.
        actions: ``(chunk, dims)`` float32 in SI units; row ``i`` is meant for ``i`` ticks after ``stamp_ns``.
        unsafe_probability: in [0, 1]; NaN counts as unsafe.
        names: the action dimensions' names, as the sender believes them to be.
    """

    stamp_ns: int
    actions: FloatArray
    unsafe_probability: float
    names: tuple[str, ...]
