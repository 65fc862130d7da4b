"""What torch answers, and how far ONNX Runtime is from it. Imports torch; only an export needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from models.bundle.known_answer import Answers, KnownAnswer, answer_errors, noise_image, noise_vector
from models.bundle.metadata import Parity
from models.bundle.session import Session
from models.bundle.signature import STATE_INPUT
from models.data import FloatArray
from models.errors import BundleError
from models.policies import Policy
from models.policies.checkpoint import Checkpoint

__all__ = ["known_answer", "measure_parity", "random_observations", "state_limit"]

# Largest accepted difference between torch and ONNX Runtime: of actions as a share of their range, of the probability,
# and of states as a share of their limit. float32 sums in another order differ by about 1e-6.
PARITY_LIMIT = 1e-5
# At least this many observations are compared, half of them from the dataset where it has as many.
PARITY_OBSERVATIONS = 320
# Ticks that a recurrent policy is followed for, each side feeding back its own state, so that errors may add up.
PARITY_STEPS = 32
# Rows of the known answer: enough that a unit which is dead on one is alive on another.
KNOWN_ANSWERS = 4

Arrays = Mapping[str, npt.NDArray[np.generic]]
Answer = Callable[[Arrays, FloatArray | None], Answers]


def measure_parity(checkpoint: Checkpoint, content: bytes) -> Parity:
    """Compare on observations from the dataset and on random ones, or raise ``BundleError``."""
    policy = checkpoint.policy
    real = next((len(rows) for rows in checkpoint.probe.values()), 0)
    noise = random_observations(policy, PARITY_OBSERVATIONS - min(real, PARITY_OBSERVATIONS // 2))
    rows = {key: np.concatenate([checkpoint.probe[key], noise[key]]) if real else noise[key] for key in noise}
    steps = PARITY_STEPS if policy.specification.config.is_recurrent else 1
    expected = _follow(lambda arrays, state: _torch_answer(policy, arrays, state), policy, rows, steps)
    found = _follow(Session(content, {}, threads=1).run, policy, rows, steps)
    span = checkpoint.contract.action_maximum - checkpoint.contract.action_minimum
    errors = answer_errors(found, expected, span, state_limit(policy))
    parity = Parity(len(expected.action), errors.action, errors.unsafe_probability, errors.state, steps)
    # Written so that NaN fails as well.
    if not errors.worst <= PARITY_LIMIT:
        raise BundleError(
            "the exported graph does not compute what torch computes",
            found=f"{parity}",
            expected=f"errors of at most {PARITY_LIMIT:g}",
            fix="this is a defect of the export or of a library version: report it with the versions",
        )
    return parity


def _follow(answer: Answer, policy: Policy, rows: Arrays, steps: int) -> Answers:
    """Answers to all rows, cut into sequences of ``steps`` ticks through each of which the state is fed back."""
    count = len(next(iter(rows.values()))) // steps
    state = None if policy.recurrence is None else policy.initial_state(count).numpy()
    found = []
    for step in range(steps):
        one = answer({key: values[step : count * steps : steps] for key, values in rows.items()}, state)
        found.append(one)
        state = one.state
    states = [one.state for one in found if one.state is not None]
    return Answers(
        np.concatenate([one.action for one in found]),
        np.concatenate([one.unsafe_probability for one in found]),
        np.concatenate(states) if states else None,
    )


def known_answer(policy: Policy) -> KnownAnswer:
    """Questions of noise, and what torch answers."""
    frames = policy.specification.frames
    images: dict[str, tuple[int, ...]] = {}
    vectors: dict[str, FloatArray] = {}
    rows: dict[str, npt.NDArray[np.generic]] = {}
    for stream, encoder in policy.inputs():
        shape = (frames, *stream.shape)
        if stream.is_image:
            images[stream.key] = shape
            rows[stream.key] = np.stack([noise_image(stream.key, index, shape) for index in range(KNOWN_ANSWERS)])
        else:
            mean, scale = encoder.normalizer.mean.numpy(), encoder.normalizer.scale.numpy()
            noise = [noise_vector(stream.key, index, mean, scale, frames) for index in range(KNOWN_ANSWERS)]
            vectors[stream.key] = np.stack(noise)
            rows[stream.key] = vectors[stream.key]
    state = _noise_states(policy)
    found = _torch_answer(policy, rows, state)
    return KnownAnswer(images, vectors, found.action, found.unsafe_probability, state, found.state)


def _noise_states(policy: Policy) -> FloatArray | None:
    """``(KNOWN_ANSWERS, *S)`` within 1, or within the state's limit where that is less."""
    if policy.recurrence is None:
        return None
    shape = policy.recurrence.state_shape
    noise = np.stack([noise_image(STATE_INPUT, index, shape) for index in range(KNOWN_ANSWERS)])
    states: FloatArray = ((noise - 127.5) / 127.5 * min(1.0, state_limit(policy))).astype(np.float32)
    return states


def random_observations(policy: Policy, count: int) -> dict[str, npt.NDArray[np.generic]]:
    """Uniform pixels, and vectors three times as wide as the dataset's; the same numbers every time."""
    random = np.random.default_rng(0)
    rows: dict[str, npt.NDArray[np.generic]] = {}
    for stream, encoder in policy.inputs():
        shape = (count, policy.specification.frames, *stream.shape)
        if stream.is_image:
            rows[stream.key] = random.integers(0, 256, shape, dtype=np.uint8)
        else:
            normal = encoder.normalizer.inverse(torch.from_numpy(3.0 * random.standard_normal(shape, np.float32)))
            rows[stream.key] = normal.numpy()
    return rows


def state_limit(policy: Policy) -> float:
    """Of the policy's state; 1 where there is none."""
    return 1.0 if policy.recurrence is None else policy.recurrence.state_limit


def _torch_answer(policy: Policy, rows: Arrays, state: FloatArray | None) -> Answers:
    raw = {key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in rows.items()}
    with torch.inference_mode():
        if state is None:
            action, unsafe = policy(raw)
            return Answers(action.numpy(), unsafe.numpy())
        (action, unsafe), following = policy.step(raw, torch.from_numpy(np.ascontiguousarray(state)))
    return Answers(action.numpy(), unsafe.numpy(), following.numpy())
