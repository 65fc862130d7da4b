"""Which policy answers an observation, before, during and after a swap; recurrent states and overlapping chunks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exported_bundles import export_small

from il_nodes.policy.running_policy import RunningPolicy
from models.chunks import TemporalEnsemble
from models.data import Observation, Proposal
from models.errors import ObservationError
from models.runtime import PolicyRuntime

PERIOD_NS = 20_000_000
WARM_UP = 3
CAMERA, STATE = "observation.images.front", "observation.state"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A policy whose memory is the stack, and a recurrent one."""
    directory = tmp_path_factory.mktemp("bundles")
    return (
        export_small(directory / "stack.onnx", seed=1),
        export_small(directory / "recurrent.onnx", seed=2, warm_up_ticks=WARM_UP),
    )


def load(path: Path) -> PolicyRuntime:
    return PolicyRuntime.load(path, provider="cpu")


def observation(tick: int, *, starts_memory: bool = False, size: int = 16) -> Observation:
    random = np.random.default_rng(tick)
    arrays = {
        CAMERA: random.integers(0, 256, (2, size, 24, 3), dtype=np.uint8),
        STATE: random.normal(size=(2, 2)).astype(np.float32),
    }
    stamp_ns = tick * PERIOD_NS
    return Observation(stamp_ns, arrays, dict.fromkeys(arrays, stamp_ns), starts_memory=starts_memory)


def same(one: Proposal | None, other: Proposal | None) -> bool:
    return one is not None and other is not None and one.actions.tobytes() == other.actions.tobytes()


def test_a_recurrent_policy_is_heard_once_it_is_warm(bundles: tuple[Path, Path]) -> None:
    """FAULTS 15. Catches proposals of a cold state, at the start, after a reset, after a dropped tick."""
    policy, reference = RunningPolicy(load(bundles[1])), load(bundles[1])
    answers = [policy.propose(observation(tick)) for tick in range(6)]
    expected = [reference.predict(observation(tick)) for tick in range(6)]
    assert [answer is None for answer in answers] == [True] * WARM_UP + [False] * 3
    assert all(same(*pair) for pair in zip(answers[WARM_UP:], expected[WARM_UP:], strict=True))
    policy.restart()
    assert policy.propose(observation(6)) is None
    for tick in range(7, 11):
        answer = policy.propose(observation(tick))
    assert answer is not None
    assert policy.propose(observation(12)) is None, "tick 11 was dropped"
    assert dict(policy.runtime.resets) == {"asked": 1, "dropped": 1}


def test_overtaken_observations_enter_the_state(bundles: tuple[Path, Path]) -> None:
    """Catches a state that starts anew each time two frames arrive at once."""
    policy, reference = RunningPolicy(load(bundles[1])), load(bundles[1])
    for tick in range(6):
        policy.propose(observation(tick))
    policy.overlook(observation(6), fit=True)
    policy.overlook(observation(7), fit=True)
    for tick in range(9):
        expected = reference.predict(observation(tick))
    assert same(policy.propose(observation(8)), expected)
    # What nobody may act on does not enter it, and is missed as a dropped tick.
    policy.overlook(observation(9), fit=False)
    assert policy.propose(observation(10)) is None
    # The first frame of an episode is unfit: its memory starts all the same.
    for tick in range(11, 15):
        policy.propose(observation(tick))
    policy.overlook(observation(15, starts_memory=True), fit=False)
    assert policy.propose(observation(16)) is None


def test_the_old_policy_proposes_until_the_new_one_is_warm(bundles: tuple[Path, Path]) -> None:
    """FAULTS 21. Catches a missed tick, a proposal of a cold successor, and one whose state began too late."""
    policy = RunningPolicy(load(bundles[0]))
    old, new = load(bundles[0]), load(bundles[1])
    policy.propose(observation(0))
    policy.replace(load(bundles[1]), at_once=False)
    assert policy.successor is not None
    for tick in range(1, WARM_UP + 1):
        assert same(policy.propose(observation(tick)), old.predict(observation(tick)))
        new.predict(observation(tick))
    assert policy.swaps == 0
    for tick in range(WARM_UP + 1, WARM_UP + 4):
        assert same(policy.propose(observation(tick)), new.predict(observation(tick)))
        assert policy.swaps == 1
    assert policy.successor is None


def test_swaps_that_need_not_wait(bundles: tuple[Path, Path]) -> None:
    """A policy without a state takes over between two ticks; so does any policy while nobody waits for proposals."""
    policy = RunningPolicy(load(bundles[1]))
    successor = load(bundles[0])
    policy.replace(successor, at_once=False)
    assert policy.runtime is successor
    recurrent = load(bundles[1])
    policy.replace(recurrent, at_once=True)
    assert policy.runtime is recurrent
    assert policy.swaps == 2


def test_a_successor_that_cannot_see_is_dropped(bundles: tuple[Path, Path]) -> None:
    """Catches a running policy that is dragged down by its successor."""
    policy = RunningPolicy(load(bundles[1]))
    successor = load(bundles[1])
    assert policy.misfit(successor) == ""
    policy.replace(successor, at_once=False)
    with pytest.raises(ObservationError, match="trained on"):
        policy.propose(observation(0, size=8))
    assert policy.successor is None
    assert "trained on" in policy.problem
    assert "(2, 8, 24, 3)" in policy.misfit(successor)
    policy.replace(successor, at_once=False)
    policy.drop_successor()
    assert policy.runtime is not successor


def test_chunks_are_ensembled_within_one_policy_and_one_memory(bundles: tuple[Path, Path]) -> None:
    """Catches averages over a reset, over an episode's start, or over two policies."""
    policy = RunningPolicy(load(bundles[0]), TemporalEnsemble(PERIOD_NS * 1e-9, 0.5))
    plain, ensemble = load(bundles[0]), TemporalEnsemble(PERIOD_NS * 1e-9, 0.5)
    for tick in range(3):
        expected = ensemble.add(plain.predict(observation(tick)))
        assert same(policy.propose(observation(tick)), expected)
    assert not same(expected, plain.predict(observation(2)))
    assert same(policy.propose(observation(3, starts_memory=True)), plain.predict(observation(3)))
    policy.overlook(observation(4, starts_memory=True), fit=True)
    assert same(policy.propose(observation(5)), plain.predict(observation(5)))
    policy.restart()
    assert same(policy.propose(observation(6)), plain.predict(observation(6)))
    policy.replace(load(bundles[0]), at_once=False)
    assert same(policy.propose(observation(7)), plain.predict(observation(7)))
