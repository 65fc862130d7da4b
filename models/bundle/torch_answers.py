"""What torch answers, to what, and where it has no one answer. Imports torch; only an export needs it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from models.bundle.known_answer import Answers
from models.bundle.noise import NOISE_INPUT
from models.data import FloatArray
from models.policies.acting import ActingPolicy

__all__ = ["Answer", "Arrays", "follow", "noise_rows", "random_observations", "torch_answer", "wavering"]

# Copies of a policy with disturbed weights that must agree with it. Near a tie each disagrees with about even odds, so
# that one tie in 256 is missed, and ties are rare to begin with.
DISTURBED_COPIES = 8
# A difference of this many times the disturbance, as a share of an action's range, is a jump: what is smooth follows
# its weights, and the weights of some layers add up.
JUMP = 20.0

Arrays = Mapping[str, npt.NDArray[np.generic]]
Answer = Callable[[Arrays, FloatArray | None], Answers]


def torch_answer(policy: ActingPolicy, rows: Arrays, state: FloatArray | None) -> Answers:
    """``(N, frames, ...)`` by stream key, the noise under its input's name, and states, to N answers."""
    raw = {key: torch.from_numpy(np.ascontiguousarray(values)) for key, values in rows.items()}
    noise = raw.pop(NOISE_INPUT, None)
    with torch.inference_mode():
        if state is None:
            action, unsafe = policy(raw, noise)
            return Answers(action.numpy(), unsafe.numpy())
        (action, unsafe), following = policy.step(raw, torch.from_numpy(np.ascontiguousarray(state)), noise)
    return Answers(action.numpy(), unsafe.numpy(), following.numpy())


def follow(answer: Answer, policy: ActingPolicy, rows: Arrays, steps: int) -> Answers:
    """Answers to all rows, cut into sequences of ``steps`` ticks through each of which the state is fed back.

    Step by step: the answers to the first tick of every sequence come first.
    """
    count = len(next(iter(rows.values()))) // steps
    state: FloatArray | None = policy.initial_state(count).numpy() if policy.is_recurrent else None
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


def wavering(
    policy: ActingPolicy, answer: Callable[[ActingPolicy, Arrays], Answers], rows: Arrays, size: float
) -> npt.NDArray[np.bool_]:
    """Which rows a policy answers otherwise when its weights and its noise change by rounding, ``(N,)``.

    A policy that chooses between alternatives jumps where two of them tie. Torch and another runtime add up in another
    order, and right at a tie both are right; a comparison there says nothing about the export.

    Args:
        policy: in evaluation mode.
        answer: of a policy to all rows.
        rows: the observations.
        size: of the disturbance, as a share of each number.
    """
    expected = answer(policy, rows)
    differs = np.zeros(len(expected.action), np.bool_)
    if not policy.jumps:
        return differs
    span = (policy.maximum - policy.minimum).numpy()
    random = torch.Generator().manual_seed(0)
    for _ in range(DISTURBED_COPIES):
        other = copy.deepcopy(policy)
        with torch.no_grad():
            for weight in other.parameters():
                weight.mul_(1.0 + size * torch.randn(weight.shape, generator=random))
        disturbed = dict(rows)
        if NOISE_INPUT in rows:
            noise = torch.from_numpy(np.asarray(rows[NOISE_INPUT], np.float32))
            disturbed[NOISE_INPUT] = (noise + size * torch.randn(noise.shape, generator=random)).numpy()
        found = answer(other, disturbed)
        # Written so that NaN counts as equal here: it is the comparison's business to refuse it.
        differs |= (np.abs(found.action - expected.action) / span > JUMP * size).any(axis=(1, 2))
    return differs


def random_observations(policy: ActingPolicy, count: int) -> dict[str, npt.NDArray[np.generic]]:
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


def noise_rows(policy: ActingPolicy, count: int) -> dict[str, npt.NDArray[np.generic]]:
    """``(count, noise_width)`` by the input's name, the same every time; nothing of a policy that does not draw."""
    if not policy.noise_width:
        return {}
    return {NOISE_INPUT: np.random.default_rng(1).standard_normal((count, policy.noise_width), np.float32)}
