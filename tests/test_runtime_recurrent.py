"""A recurrent policy on the robot: its state goes on, and starts anew where it must (row 15 of the fault table)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from policy_samples import SMALL_BUNDLE, STATE, small_observation
from recurrent_samples import LIMIT, recurrent_contract, speed, write_accumulator

from models.data import Observation
from models.errors import ObservationError
from models.runtime import PolicyRuntime

WARM_UP = 2


@pytest.fixture
def runtime(tmp_path: Path) -> PolicyRuntime:
    """Its first action is the sum of what it was shown."""
    return PolicyRuntime.load(write_accumulator(tmp_path / "policy.onnx"), recurrent_contract(), provider="cpu")


def _sum(runtime: PolicyRuntime, observation: Observation) -> float:
    return float(runtime.predict(observation).actions[0, 0])


def test_the_state_goes_on_from_tick_to_tick(runtime: PolicyRuntime) -> None:
    """Catches a state that is not fed back, fed back twice, or one tick old (two buffers that take turns)."""
    assert runtime.is_recurrent
    assert [_sum(runtime, speed(1.0, tick)) for tick in range(7)] == [1, 2, 3, 4, 5, 6, 7]
    assert not runtime.resets
    assert runtime.dropped_ticks == 0


def test_reset_zeroes_and_warms_up(runtime: PolicyRuntime) -> None:
    for tick in range(5):
        runtime.predict(speed(1.0, tick))
    assert runtime.is_warm
    runtime.reset()
    assert not runtime.is_warm
    sums, warm = [], []
    for tick in range(5, 9):
        sums.append(_sum(runtime, speed(1.0, tick)))
        warm.append(runtime.is_warm)
    assert sums == [1, 2, 3, 4]
    assert warm == [False] * WARM_UP + [True] * 2
    assert runtime.resets == {"asked": 1}


@pytest.mark.parametrize(
    ("observation", "reason", "dropped"),
    [
        (speed(1.0, 5, starts_memory=True), "episode", 0),
        (speed(1.0, 6), "dropped", 1),
        (speed(1.0, 9), "dropped", 4),
        (speed(1.0, 40), "gap", 0),
        (speed(1.0, 4), "backwards", 0),
        (speed(1.0, 0), "backwards", 0),
    ],
)
def test_a_broken_sequence_starts_anew(
    runtime: PolicyRuntime, observation: Observation, reason: str, dropped: int
) -> None:
    """Catches a policy that drives on with a memory in which a tick is missing or that is another episode's."""
    for tick in range(5):
        runtime.predict(speed(1.0, tick))
    assert runtime.is_warm
    assert _sum(runtime, observation) == 1.0
    assert not runtime.is_warm
    assert runtime.resets == {reason: 1}
    assert runtime.dropped_ticks == dropped


@pytest.mark.parametrize("poison", [LIMIT * 1.1, -LIMIT * 1.1, 3e38, -3e38])
def test_a_poisoned_state_is_thrown_away(runtime: PolicyRuntime, poison: float) -> None:
    """Catches a state beyond its limit that drives on: NaN for this tick, zeros after it, and a warm-up."""
    for tick in range(4):
        runtime.predict(speed(1.0, tick))
    proposal = runtime.predict(speed(poison, 4))
    assert np.isnan(proposal.actions).all()
    assert math.isnan(proposal.unsafe_probability)
    assert proposal.actions.shape == (1, 2)
    assert not runtime.is_warm
    assert runtime.resets == {"poisoned": 1}
    assert [_sum(runtime, speed(1.0, tick)) for tick in range(5, 8)] == [1, 2, 3]
    assert runtime.is_warm


def test_a_state_that_overflows_is_thrown_away(tmp_path: Path) -> None:
    """Catches infinity and NaN in a state: it doubles every tick, and the inputs are all harmless."""
    path = write_accumulator(tmp_path / "policy.onnx", gain=2.0, warm_up_ticks=0)
    runtime = PolicyRuntime.load(path, provider="cpu")
    finite = [bool(np.isfinite(runtime.predict(speed(1.0, tick)).actions).all()) for tick in range(21)]
    # 2^n - 1 passes 100 at the seventh tick, and then again every seven.
    assert finite == ([True] * 6 + [False]) * 3
    assert runtime.resets == {"poisoned": 3}
    assert runtime.is_warm


def test_poison_at_the_first_tick_counts(runtime: PolicyRuntime) -> None:
    """Catches a count that misses a state which was poisoned before it remembered anything else."""
    runtime.predict(speed(3e38, 0))
    assert runtime.resets == {"poisoned": 1}


def test_a_refused_observation_is_a_missing_tick(runtime: PolicyRuntime) -> None:
    """Catches a state that goes on as if it had seen the tick whose sensors were broken."""
    for tick in range(4):
        runtime.predict(speed(1.0, tick))
    with pytest.raises(ObservationError, match=STATE):
        runtime.predict(speed(math.nan, 4))
    assert runtime.is_warm
    assert _sum(runtime, speed(1.0, 5)) == 1.0
    assert runtime.resets == {"dropped": 1}


def test_warming_up_the_processor_leaves_no_memory(runtime: PolicyRuntime) -> None:
    """Catches a state that remembers the zeros, or the known question, with which a runtime is exercised at load."""
    assert _sum(runtime, speed(1.0, 0)) == 1.0
    runtime.warm_up()
    assert _sum(runtime, speed(1.0, 1)) == 1.0


@pytest.mark.parametrize(("asked", "expected"), [(None, 7), (0, 0), (3, 3)])
def test_how_long_to_warm_up_is_the_bundles_choice_or_the_callers(
    tmp_path: Path, asked: int | None, expected: int
) -> None:
    path = write_accumulator(tmp_path / "policy.onnx", warm_up_ticks=7)
    runtime = PolicyRuntime.load(path, provider="cpu", warm_up_ticks=asked)
    warm = []
    for tick in range(10):
        runtime.predict(speed(0.0, tick))
        warm.append(runtime.is_warm)
    assert warm.index(True) == expected


def test_two_runtimes_of_one_bundle_share_no_state(tmp_path: Path) -> None:
    """Catches buffers that belong to the file: during a swap two runtimes see the same observations."""
    path = write_accumulator(tmp_path / "policy.onnx")
    first, second = (PolicyRuntime.load(path, provider="cpu") for _ in range(2))
    for tick in range(3):
        first.predict(speed(2.0, tick))
    assert _sum(second, speed(1.0, 3)) == 1.0
    assert _sum(first, speed(2.0, 3)) == 8.0


def test_proposals_are_not_overwritten_by_later_ones(runtime: PolicyRuntime) -> None:
    """Catches an output buffer handed out instead of a copy: a proposal may be looked at a tick later."""
    proposals = [runtime.predict(speed(1.0, tick)) for tick in range(4)]
    assert [float(one.actions[0, 0]) for one in proposals] == [1, 2, 3, 4]


def test_a_policy_with_a_stack_is_always_warm() -> None:
    """Catches resets and warm-ups of policies that have nothing to forget."""
    runtime = PolicyRuntime.load(SMALL_BUNDLE, provider="cpu")
    assert not runtime.is_recurrent
    for stamp_ns in (0, 10**12, 5):
        runtime.predict(small_observation(1, stamp_ns))
        assert runtime.is_warm
    runtime.reset()
    assert runtime.is_warm
    assert not runtime.resets
    assert runtime.dropped_ticks == 0
