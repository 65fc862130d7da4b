"""How far ONNX Runtime is from torch. Imports torch; only an export needs it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.bundle.known_answer import Answers, answer_errors
from models.bundle.metadata import Parity
from models.bundle.session import Session
from models.bundle.torch_answers import (
    Arrays,
    follow,
    noise_rows,
    random_observations,
    torch_answer,
    wavering,
)
from models.errors import BundleError
from models.policies.acting import ActingPolicy
from models.policies.checkpoint import Checkpoint

__all__ = ["measure_parity"]

# Largest accepted difference between torch and ONNX Runtime: of actions as a share of their range, of the probability,
# and of states as a share of their limit. float32 sums in another order differ by about 1e-6.
PARITY_LIMIT = 1e-5
# At least this many observations are compared, half of them from the dataset where it has as many.
PARITY_OBSERVATIONS = 320
# Ticks that a recurrent policy is followed for, each side feeding back its own state, so that errors may add up.
PARITY_STEPS = 32
# Rounding in another order moves a number by about 1e-6 of it; thrice that finds every tie that rounding can break.
ROUNDING = 3e-6
# A policy that wavers more often than this has not learned to choose, or is broken.
MOST_UNDECIDED = 0.5


def measure_parity(checkpoint: Checkpoint, content: bytes) -> Parity:
    """Compare on observations from the dataset and on random ones, or raise ``BundleError``."""
    policy = checkpoint.policy
    real = next((len(rows) for rows in checkpoint.probe.values()), 0)
    noise = random_observations(policy, PARITY_OBSERVATIONS - min(real, PARITY_OBSERVATIONS // 2))
    rows = {key: np.concatenate([checkpoint.probe[key], noise[key]]) if real else noise[key] for key in noise}
    rows |= noise_rows(policy, len(next(iter(rows.values()))))
    steps = PARITY_STEPS if policy.is_recurrent else 1

    def expect(asked: ActingPolicy, arrays: Arrays) -> Answers:
        return follow(lambda one, state: torch_answer(asked, one, state), asked, arrays, steps)

    expected = expect(policy, rows)
    decided = ~_from_then_on(wavering(policy, expect, rows, ROUNDING), steps)
    undecided = int((~decided).sum())
    if undecided > MOST_UNDECIDED * len(decided):
        raise BundleError(
            "the policy wavers between alternatives, so that torch's own answers depend on rounding",
            found=f"{undecided} of {len(decided)} answers at a tie",
            fix="train it for longer, or with fewer bins or modes",
        )
    found = follow(Session(content, {}, threads=1).run, policy, rows, steps)
    span = checkpoint.contract.action_maximum - checkpoint.contract.action_minimum
    errors = answer_errors(_rows(found, decided), _rows(expected, decided), span, policy.state_limit)
    parity = Parity(len(decided), errors.action, errors.unsafe_probability, errors.state, steps, undecided)
    # Written so that NaN fails as well.
    if not errors.worst <= PARITY_LIMIT:
        raise BundleError(
            "the exported graph does not compute what torch computes",
            found=f"{parity}",
            expected=f"errors of at most {PARITY_LIMIT:g}",
            fix="this is a defect of the export or of a library version: report it with the versions",
        )
    return parity


def _from_then_on(wavers: npt.NDArray[np.bool_], steps: int) -> npt.NDArray[np.bool_]:
    """A sequence that took another turn at one tick is another sequence at all later ones."""
    turned: npt.NDArray[np.bool_] = np.logical_or.accumulate(wavers.reshape(steps, -1), axis=0).reshape(-1)
    return turned


def _rows(answers: Answers, chosen: npt.NDArray[np.bool_]) -> Answers:
    state = None if answers.state is None else answers.state[chosen]
    return Answers(answers.action[chosen], answers.unsafe_probability[chosen], state)
