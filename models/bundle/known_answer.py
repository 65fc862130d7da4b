"""A question whose answer the bundle carries, so that whoever loads it can tell whether it still computes the same.

Images are noise that any language can make: the bytes of SHAKE-256 over a short text. Vectors are few numbers and stand
in the metadata. The answers are torch's, so replaying them checks the export, the file, the runtime and the processor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import FloatArray

__all__ = ["KnownAnswer", "noise_image", "noise_vector"]

Arrays = Mapping[str, npt.NDArray[np.generic]]

# Largest accepted difference, of actions as a share of their range and of the probability. Other processors add up in
# another order and convolve with fewer bits kept: 1e-6 to 2e-5 were seen; a wrong weight shows far above 1e-3.
TOLERANCE = 1e-4


def noise_image(key: str, index: int, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """``SHAKE-256("understudy known answer/<key>/<index>")`` as a C-ordered uint8 array of ``shape``."""
    digest = hashlib.shake_256(f"understudy known answer/{key}/{index}".encode()).digest(int(np.prod(shape)))
    return np.frombuffer(digest, np.uint8).reshape(shape)


def noise_vector(key: str, index: int, mean: FloatArray, deviation: FloatArray, frames: int) -> FloatArray:
    """``(frames, D)`` float32 within two deviations of the mean, from the same kind of noise."""
    noise = noise_image(key, index, (frames, len(mean))).astype(np.float64)
    values: FloatArray = (mean + deviation * (noise - 127.5) / 63.75).astype(np.float32)
    return values


@dataclass(frozen=True)
class KnownAnswer:
    """Questions and answers, one row an observation.

    Attributes:
        images: stream key to the shape of one stack, ``(frames, height, width, channels)``.
        vectors: stream key to ``(N, frames, D)`` float32 in SI units.
        action: ``(N, chunk, A)`` float32 in SI units.
        unsafe_probability: ``(N,)`` float32.
    """

    images: Mapping[str, tuple[int, ...]]
    vectors: Mapping[str, FloatArray]
    action: FloatArray
    unsafe_probability: FloatArray

    @property
    def count(self) -> int:
        """N."""
        return len(self.action)

    def inputs(self) -> dict[str, npt.NDArray[np.generic]]:
        """The question: stream key to ``(N, frames, ...)``."""
        images: dict[str, npt.NDArray[np.generic]] = {
            key: np.stack([noise_image(key, index, shape) for index in range(self.count)])
            for key, shape in self.images.items()
        }
        return images | dict(self.vectors)

    def errors(
        self, answer: Callable[[Arrays], tuple[FloatArray, FloatArray]], span: FloatArray
    ) -> tuple[float, float]:
        """Largest differences of ``answer``: of actions as a share of ``span (A,)``, and of the probability.

        What is not finite or of another shape counts as infinitely wrong.
        """
        action, unsafe = answer(self.inputs())
        if action.shape != self.action.shape or unsafe.shape != self.unsafe_probability.shape:
            return float("inf"), float("inf")
        action_error = float(np.max(np.abs(action - self.action) / span))
        unsafe_error = float(np.max(np.abs(unsafe - self.unsafe_probability)))
        return (
            action_error if np.isfinite(action_error) else float("inf"),
            unsafe_error if np.isfinite(unsafe_error) else float("inf"),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; a float32 survives a JSON number exactly."""
        return {
            "noise": 'SHAKE-256 of "understudy known answer/<key>/<row>"',
            "images": {key: list(shape) for key, shape in self.images.items()},
            "vectors": {key: values.tolist() for key, values in self.vectors.items()},
            "action": self.action.tolist(),
            "unsafe_probability": self.unsafe_probability.tolist(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> KnownAnswer:
        """Read ``to_dict``; raises ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        answer = cls(
            images={str(key): tuple(int(size) for size in shape) for key, shape in values["images"].items()},
            vectors={str(key): np.array(rows, np.float32) for key, rows in values["vectors"].items()},
            action=np.array(values["action"], np.float32),
            unsafe_probability=np.array(values["unsafe_probability"], np.float32),
        )
        if answer.action.ndim != 3 or answer.count == 0 or answer.unsafe_probability.shape != (answer.count,):
            raise ValueError(f"the known answer has actions of shape {answer.action.shape}")
        if any(rows.ndim != 3 or len(rows) != answer.count for rows in answer.vectors.values()):
            raise ValueError("the known answer's vectors do not match its actions")
        return answer
