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

from models.bundle.noise import NOISE_INPUT
from models.data import FloatArray

__all__ = [
    "TOLERANCE",
    "AnswerErrors",
    "Answers",
    "Arrays",
    "KnownAnswer",
    "answer_errors",
    "noise_image",
    "noise_vector",
]

Arrays = Mapping[str, npt.NDArray[np.generic]]

# Largest accepted difference, of actions as a share of their range, of the probability, and of the state as a share of
# its limit. Other processors add up in another order and convolve with fewer bits kept: 1e-6 to 2e-5 were seen; a wrong
# weight shows far above 1e-3.
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


@dataclass(frozen=True, slots=True)
class Answers:
    """What a policy's graph gives for N observations.

    Attributes:
        action: ``(N, chunk, A)`` float32 in SI units.
        unsafe_probability: ``(N,)`` float32.
        state: ``(N, ...)`` float32, what a recurrent policy remembers from now on; ``None`` where there is none.
    """

    action: FloatArray
    unsafe_probability: FloatArray
    state: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class AnswerErrors:
    """Largest differences between two answers; what is not finite or of another shape is infinitely wrong.

    Attributes:
        action: as a share of each dimension's range.
        unsafe_probability: as it is.
        state: as a share of the state's limit; 0 where there is no state.
    """

    action: float
    unsafe_probability: float
    state: float = 0.0

    @property
    def worst(self) -> float:
        """The largest of them."""
        return max(self.action, self.unsafe_probability, self.state)

    def at_least(self, other: AnswerErrors) -> AnswerErrors:
        """The larger of each."""
        return AnswerErrors(
            max(self.action, other.action),
            max(self.unsafe_probability, other.unsafe_probability),
            max(self.state, other.state),
        )

    def __str__(self) -> str:
        """For a person."""
        text = f"action off by {self.action:.3g} of its range, unsafe_probability by {self.unsafe_probability:.3g}"
        return f"{text}, state by {self.state:.3g} of its limit" if self.state else text


@dataclass(frozen=True)
class KnownAnswer:
    """Questions and answers, one row an observation.

    Attributes:
        images: stream key to the shape of one stack, ``(frames, height, width, channels)``.
        vectors: stream key to ``(N, frames, D)`` float32 in SI units.
        action: ``(N, chunk, A)`` float32 in SI units.
        unsafe_probability: ``(N,)`` float32.
        previous_state: ``(N, ...)`` float32, what a recurrent policy is asked to go on from; ``None`` without one.
        state: ``(N, ...)`` float32, what it then remembers.
        noise: ``(N, width)`` float32, what a policy that acts by drawing is fed; ``None`` for one that does not draw.
        rows: the numbers of the questions, which their images are made from; ``None`` for 0 to N - 1. Questions on
            which the policy wavers between two alternatives are left out: there another processor may rightly differ.
    """

    images: Mapping[str, tuple[int, ...]]
    vectors: Mapping[str, FloatArray]
    action: FloatArray
    unsafe_probability: FloatArray
    previous_state: FloatArray | None = None
    state: FloatArray | None = None
    noise: FloatArray | None = None
    rows: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """N."""
        return len(self.action)

    @property
    def answers(self) -> Answers:
        """The answers alone."""
        return Answers(self.action, self.unsafe_probability, self.state)

    def question(self, index: int) -> dict[str, npt.NDArray[np.generic]]:
        """One row of the question: stream key to ``(frames, ...)``, and the noise ``(width,)`` where there is any."""
        number = index if self.rows is None else self.rows[index]
        asked: dict[str, npt.NDArray[np.generic]] = {
            key: noise_image(key, number, shape) for key, shape in self.images.items()
        }
        asked |= {key: rows[index] for key, rows in self.vectors.items()}
        return asked if self.noise is None else asked | {NOISE_INPUT: self.noise[index]}

    def errors(
        self, answer: Callable[[Arrays, FloatArray | None], Answers], span: FloatArray, state_limit: float = 1.0
    ) -> AnswerErrors:
        """Ask one row after the other, and compare.

        Args:
            answer: takes one observation by stream key, ``(frames, ...)``, and the state to go on from; gives one row.
            span: ``(A,)`` range of each action dimension.
            state_limit: of the state.
        """
        worst = AnswerErrors(0.0, 0.0)
        for index in range(self.count):
            state = None if self.previous_state is None else self.previous_state[index]
            found = answer(self.question(index), state)
            worst = worst.at_least(answer_errors(found, _row(self.answers, index), span, state_limit))
        return worst

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; a float32 survives a JSON number exactly."""
        values = {
            "noise": 'SHAKE-256 of "understudy known answer/<key>/<row>"',
            "images": {key: list(shape) for key, shape in self.images.items()},
            "vectors": {key: values.tolist() for key, values in self.vectors.items()},
            "action": self.action.tolist(),
            "unsafe_probability": self.unsafe_probability.tolist(),
        }
        if self.previous_state is not None and self.state is not None:
            values |= {"previous_state": self.previous_state.tolist(), "state": self.state.tolist()}
        if self.noise is not None:
            values["noise_input"] = self.noise.tolist()
        if self.rows is not None:
            values["rows"] = list(self.rows)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> KnownAnswer:
        """Read ``to_dict``; raises ``KeyError``, ``TypeError`` or ``ValueError`` when it is something else."""
        recurrent = "state" in values or "previous_state" in values
        answer = cls(
            images={str(key): tuple(int(size) for size in shape) for key, shape in values["images"].items()},
            vectors={str(key): np.array(rows, np.float32) for key, rows in values["vectors"].items()},
            action=np.array(values["action"], np.float32),
            unsafe_probability=np.array(values["unsafe_probability"], np.float32),
            previous_state=np.array(values["previous_state"], np.float32) if recurrent else None,
            state=np.array(values["state"], np.float32) if recurrent else None,
            noise=np.array(values["noise_input"], np.float32) if "noise_input" in values else None,
            rows=tuple(int(row) for row in values["rows"]) if "rows" in values else None,
        )
        if answer.action.ndim != 3 or answer.count == 0 or answer.unsafe_probability.shape != (answer.count,):
            raise ValueError(f"the known answer has actions of shape {answer.action.shape}")
        if any(rows.ndim != 3 or len(rows) != answer.count for rows in answer.vectors.values()):
            raise ValueError("the known answer's vectors do not match its actions")
        states = [state for state in (answer.previous_state, answer.state) if state is not None]
        if any(state.ndim < 2 or len(state) != answer.count or state.shape != states[0].shape for state in states):
            raise ValueError("the known answer's states do not match its actions")
        if answer.noise is not None and (answer.noise.ndim != 2 or len(answer.noise) != answer.count):
            raise ValueError("the known answer's noise does not match its actions")
        if answer.rows is not None and (len(answer.rows) != answer.count or min(answer.rows) < 0):
            raise ValueError("the known answer's rows do not match its actions")
        return answer


def answer_errors(found: Answers, expected: Answers, span: FloatArray, state_limit: float) -> AnswerErrors:
    """Largest differences: of actions as a share of ``span (A,)``, of the probability, of states of their limit."""
    return AnswerErrors(
        _largest(found.action, expected.action, span),
        _largest(found.unsafe_probability, expected.unsafe_probability, 1.0),
        _largest(found.state, expected.state, state_limit),
    )


def _largest(found: FloatArray | None, expected: FloatArray | None, unit: FloatArray | float) -> float:
    if found is None and expected is None:
        return 0.0
    if found is None or expected is None or found.shape != expected.shape:
        return float("inf")
    error = float(np.max(np.abs(found - expected) / unit))
    return error if np.isfinite(error) else float("inf")


def _row(answers: Answers, index: int) -> Answers:
    rows = slice(index, index + 1)
    state = None if answers.state is None else answers.state[rows]
    return Answers(answers.action[rows], answers.unsafe_probability[rows], state)
