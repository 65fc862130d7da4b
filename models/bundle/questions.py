"""The questions whose answers a bundle carries. Imports torch; only an export needs it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.bundle.known_answer import Answers, KnownAnswer, noise_image, noise_vector
from models.bundle.noise import NOISE_INPUT
from models.bundle.signature import STATE_INPUT
from models.bundle.torch_answers import Arrays, noise_rows, torch_answer, wavering
from models.data import FloatArray
from models.errors import BundleError
from models.policies.acting import ActingPolicy

__all__ = ["known_answer"]

# Rows of the known answer: enough that a unit which is dead on one is alive on another.
KNOWN_ANSWERS = 4
# Questions tried for a policy that chooses between alternatives, of which those are kept that it does not waver on.
CANDIDATES = 64
# Processors were seen to be off by up to 2e-5. A jump has to stand out from that, and from `TOLERANCE`.
OTHER_PROCESSORS = 2e-5


def known_answer(policy: ActingPolicy) -> KnownAnswer:
    """Questions of noise, and what torch answers."""
    numbers = _decided(policy) if policy.jumps else list(range(KNOWN_ANSWERS))
    images = {stream.key: _shape(policy, stream.shape) for stream, _ in policy.inputs() if stream.is_image}
    rows = _questions(policy, numbers)
    state = _states(policy, numbers)
    found = torch_answer(policy, rows, state)
    vectors = {key: np.asarray(rows[key], np.float32) for key in rows if key not in images and key != NOISE_INPUT}
    noise = np.asarray(rows[NOISE_INPUT], np.float32) if NOISE_INPUT in rows else None
    plain = numbers == list(range(len(numbers)))
    return KnownAnswer(
        images,
        vectors,
        found.action,
        found.unsafe_probability,
        state,
        found.state,
        noise,
        None if plain else tuple(numbers),
    )


def _decided(policy: ActingPolicy) -> list[int]:
    """The first questions on which the policy does not waver."""
    candidates = list(range(CANDIDATES))
    states = _states(policy, candidates)

    def answer(asked: ActingPolicy, rows: Arrays) -> Answers:
        return torch_answer(asked, rows, states)

    firm = np.flatnonzero(~wavering(policy, answer, _questions(policy, candidates), OTHER_PROCESSORS))
    if len(firm) < KNOWN_ANSWERS:
        raise BundleError(
            "the policy wavers between alternatives whatever it is asked, so that no answer of it can be replayed",
            found=f"{len(firm)} firm answers to {CANDIDATES} questions",
            expected=f"at least {KNOWN_ANSWERS}",
            fix="train it for longer, or with fewer bins or modes",
        )
    return [int(number) for number in firm[:KNOWN_ANSWERS]]


def _questions(policy: ActingPolicy, numbers: list[int]) -> dict[str, npt.NDArray[np.generic]]:
    """The observations of these numbers, ``(N, frames, ...)`` by stream key, and the noise by its input's name."""
    frames = policy.specification.frames
    rows: dict[str, npt.NDArray[np.generic]] = {}
    for stream, encoder in policy.inputs():
        if stream.is_image:
            shape = _shape(policy, stream.shape)
            rows[stream.key] = np.stack([noise_image(stream.key, number, shape) for number in numbers])
        else:
            mean, scale = encoder.normalizer.mean.numpy(), encoder.normalizer.scale.numpy()
            vectors = [noise_vector(stream.key, number, mean, scale, frames) for number in numbers]
            rows[stream.key] = np.stack(vectors)
    return rows | {key: values[numbers] for key, values in noise_rows(policy, max(numbers) + 1).items()}


def _states(policy: ActingPolicy, numbers: list[int]) -> FloatArray | None:
    """``(N, *S)`` within 1, or within the state's limit where that is less."""
    if not policy.is_recurrent:
        return None
    noise = np.stack([noise_image(STATE_INPUT, number, policy.state_shape) for number in numbers])
    states: FloatArray = ((noise - 127.5) / 127.5 * min(1.0, policy.state_limit)).astype(np.float32)
    return states


def _shape(policy: ActingPolicy, frame: tuple[int, ...]) -> tuple[int, ...]:
    return (policy.specification.frames, *frame)
