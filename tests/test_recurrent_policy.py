"""Policies with a state: stepped, unrolled over sequences, exported, and run on the robot's side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from policy_samples import CAMERA, CONTRACT, IMAGE, RECURRENT_CONTRACT, STATE, small_checkpoint, small_policy
from recurrent_samples import PERIOD_NS, recurrent_contract
from torch import Tensor

from models.bundle import export_bundle, inspect_bundle, verify_bundle
from models.data import Observation
from models.errors import BundleError, TrainingError
from models.policies import Policy, PolicyConfig
from models.policies.checkpoint import Checkpoint
from models.policies.recurrent_memory import GruMemory
from models.runtime import PolicyRuntime

WIDTH, TICKS = 6, 40
GRU: dict[str, Any] = {"memory": "gru", "memory_features": WIDTH, "memory_warm_up": 3, "chunk": 2}


def _policy(seed: int = 0, text: str = RECURRENT_CONTRACT) -> Policy:
    return small_policy(seed, text, **GRU)


def _sequences(count: int, ticks: int, frames: int = 1) -> dict[str, npt.NDArray[np.generic]]:
    random = np.random.default_rng(7)
    return {
        CAMERA: random.integers(0, 256, (count, ticks, frames, *IMAGE), dtype=np.uint8),
        STATE: random.normal(size=(count, ticks, frames, 2)).astype(np.float32),
    }


def _prepared(policy: Policy, rows: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Tensor]:
    """``(N, T, frames, C, ...)``, as a learner holds them."""
    shape = rows[STATE].shape[:2]
    flat = policy.prepare({key: torch.from_numpy(array).flatten(0, 1) for key, array in rows.items()})
    return {key: ticks.reshape(*shape, *ticks.shape[1:]) for key, ticks in flat.items()}


def _tick(rows: Mapping[str, npt.NDArray[np.generic]], tick: int) -> dict[str, Tensor]:
    return {key: torch.from_numpy(array[:, tick]) for key, array in rows.items()}


# -- the state itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 3])
def test_unrolling_is_stepping(frames: int) -> None:
    """Catches a learner that trains on other features than those the robot will compute, resets included."""
    policy = _policy(text=RECURRENT_CONTRACT.replace("frames: 1", f"frames: {frames}"))
    rows = _sequences(3, 9, frames)
    starts = torch.zeros(3, 9, dtype=torch.bool)
    starts[0, 4] = starts[2, 0] = starts[2, 8] = True
    with torch.inference_mode():
        features, last = policy.unroll(_prepared(policy, rows), policy.initial_state(3), starts)
        actions, unsafe = policy.limit(policy.head(features.flatten(0, 1))), policy.safety(features.flatten(0, 1))
        state = policy.initial_state(3)
        for tick in range(9):
            state[starts[:, tick]] = 0.0
            (action, probability), state = policy.step(_tick(rows, tick), state)
            torch.testing.assert_close(actions.reshape(3, 9, 2, 2)[:, tick], action, rtol=0, atol=1e-5)
            torch.testing.assert_close(unsafe.reshape(3, 9)[:, tick], probability, rtol=0, atol=1e-6)
    torch.testing.assert_close(last, state, rtol=0, atol=1e-6)


def test_a_sequence_in_pieces_is_the_whole_sequence() -> None:
    """Catches a state lost between the pieces of truncated backpropagation."""
    policy, rows = _policy(), _sequences(2, 8)
    prepared = _prepared(policy, rows)
    with torch.inference_mode():
        whole, last = policy.unroll(prepared, policy.initial_state(2))
        first, state = policy.unroll({key: ticks[:, :5] for key, ticks in prepared.items()}, policy.initial_state(2))
        second, state = policy.unroll({key: ticks[:, 5:] for key, ticks in prepared.items()}, state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-6)


def test_gradients_reach_back_to_the_start_and_no_further() -> None:
    """Catches a state that is detached between ticks (nothing is learned about the past), or leaks across a reset."""
    memory = GruMemory(1, 4, WIDTH)
    for starts, reach in ((None, [True, True, True]), (torch.tensor([[False, True, False]]), [False, True, True])):
        features = torch.randn(1, 3, 4, requires_grad=True)
        state = torch.zeros(1, *memory.state_shape).requires_grad_()
        remembered, _ = memory.unroll(features, state, starts)
        torch.autograd.backward(remembered[:, -1].sum())
        assert features.grad is not None
        assert (features.grad[0].abs().sum(dim=1) > 0).tolist() == reach
        reached_state = state.grad is not None and bool((state.grad != 0).any())
        assert reached_state == (starts is None)


def test_a_reset_gets_rid_of_nan() -> None:
    """Catches a reset by multiplication, after which NaN is still NaN."""
    memory = GruMemory(1, 4, WIDTH).eval()
    poisoned = torch.full((1, WIDTH), float("nan"))
    with torch.inference_mode():
        remembered, state = memory.unroll(torch.zeros(1, 2, 4), poisoned, torch.tensor([[False, True]]))
    assert torch.isnan(remembered[:, 0]).all()
    assert torch.isfinite(remembered[:, 1]).all()
    assert torch.isfinite(state).all()


def test_a_healthy_state_stays_within_its_limit() -> None:
    """Catches a limit that resets a policy for nothing: the largest weights and inputs do not lead beyond it."""
    memory = GruMemory(1, 4, WIDTH).eval()
    with torch.inference_mode():
        for weight in memory.parameters():
            weight.copy_(1e3 * torch.randn_like(weight))
        _, state = memory.unroll(1e6 * torch.randn(64, 50, 4), torch.zeros(64, *memory.state_shape))
    assert float(state.abs().max()) <= memory.state_limit


def test_a_state_is_learnt_from() -> None:
    """Catches weights of the memory that training never reaches: remember what was seen ten ticks ago."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        memory, read = GruMemory(1, 1, 8), torch.nn.Linear(8, 1)
        optimiser = torch.optim.Adam([*memory.parameters(), *read.parameters()], 2e-2)
        errors = []
        for _ in range(150):
            shown = torch.randint(0, 2, (32, 1, 1)).float() * 2 - 1
            features = torch.cat([shown, torch.zeros(32, 9, 1)], dim=1)
            remembered, _ = memory.unroll(features, torch.zeros(32, *memory.state_shape))
            error = (read(remembered[:, -1]) - shown[:, 0]).square().mean()
            optimiser.zero_grad()
            torch.autograd.backward(error)
            optimiser.step()
            errors.append(float(error.detach()))
    assert errors[0] > 0.5
    assert errors[-1] < 0.05


def test_a_tick_without_its_past_is_refused() -> None:
    """Catches a learner for stacks that trains a recurrent policy as if every tick were the first."""
    policy, rows = _policy(), _sequences(2, 1)
    with pytest.raises(TrainingError, match="without the ticks before"):
        policy(_tick(rows, 0))
    stacked = small_policy()
    with pytest.raises(TrainingError, match="keeps no state"):
        stacked.initial_state(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": "grue"}, "did you mean 'gru'"),
        ({"memory": "gru", "memory_features": 0}, "memory_features"),
        ({"memory": "gru", "memory_warm_up": -1}, "memory_warm_up"),
        ({"memory_features": 32}, "would have no effect"),
        ({"memory_warm_up": 9}, "would have no effect"),
    ],
)
def test_contradictions_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        PolicyConfig.from_dict(options)


def test_a_checkpoint_brings_the_state_back(tmp_path: Path) -> None:
    """Catches weights of the memory, or its kind, that a checkpoint forgets."""
    checkpoint = small_checkpoint(3, RECURRENT_CONTRACT, **GRU)
    checkpoint.save(tmp_path / "checkpoint")
    loaded = Checkpoint.load(tmp_path / "checkpoint").policy
    rows = _tick(_sequences(2, 1), 0)
    state = torch.full((2, WIDTH), 0.5)
    with torch.inference_mode():
        (expected, _), after = checkpoint.policy.step(rows, state)
        (found, _), found_after = loaded.step(rows, state)
    assert torch.equal(found, expected)
    assert torch.equal(found_after, after)


# -- exported ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "policy.onnx"
    export_bundle(small_checkpoint(text=RECURRENT_CONTRACT, **GRU), path)
    return path


def test_export_equals_torch_over_many_ticks(exported: Path) -> None:
    """Catches an error that adds up through the state, and a comparison that never feeds the state back."""
    parity = inspect_bundle(exported).metadata.parity
    assert parity.steps >= 20
    assert parity.observations >= 256
    assert 0.0 <= parity.action <= 1e-5
    assert 0.0 <= parity.unsafe_probability <= 1e-5
    assert 0.0 < parity.state <= 1e-5


def test_bundle_says_how_its_state_is_to_be_treated(exported: Path) -> None:
    bundle = verify_bundle(exported, recurrent_contract())
    assert bundle.is_recurrent
    assert bundle.state_shape == (WIDTH,)
    assert bundle.state_limit == GruMemory.state_limit
    assert {entry.name for entry in bundle.inputs} == {CAMERA, STATE}
    assert bundle.metadata.recurrence is not None
    assert bundle.metadata.recurrence.warm_up_ticks == 3
    known = bundle.metadata.known_answer
    assert known.previous_state is not None
    assert known.state is not None
    assert known.previous_state.shape == known.state.shape == (4, WIDTH)
    assert float(np.abs(known.previous_state).max()) > 0.5


def test_the_runtime_follows_torch(exported: Path) -> None:
    """Catches a state that the robot keeps otherwise than the policy did: forty ticks, then a reset, then ten more."""
    runtime = PolicyRuntime.load(exported, recurrent_contract(), provider="cpu")
    policy, rows = _policy(), _sequences(1, TICKS)
    span = runtime.bundle.action_span
    with torch.inference_mode():
        for length in (TICKS, 10):
            runtime.reset()
            state = policy.initial_state(1)
            for tick in range(length):
                (action, unsafe), state = policy.step(_tick(rows, tick), state)
                arrays = {key: array[0, tick] for key, array in rows.items()}
                proposal = runtime.predict(Observation(tick * PERIOD_NS, arrays, {}))
                assert float(np.max(np.abs(proposal.actions - action[0].numpy()) / span)) <= 1e-5
                assert proposal.unsafe_probability == pytest.approx(float(unsafe[0]), abs=1e-5)
                assert runtime.is_warm == (tick >= 3)
    assert runtime.resets == {"asked": 1}


def test_the_state_matters(exported: Path) -> None:
    """Catches an exported graph that ignores its state, which equal answers on zeros would never show."""
    runtime = PolicyRuntime.load(exported, provider="cpu")
    rows = _sequences(1, 2)
    ticks = [{key: array[0, tick] for key, array in rows.items()} for tick in range(2)]
    runtime.predict(Observation(0, ticks[0], {}))
    with_a_past = runtime.predict(Observation(PERIOD_NS, ticks[1], {})).actions
    runtime.reset()
    without = runtime.predict(Observation(2 * PERIOD_NS, ticks[1], {})).actions
    assert float(np.max(np.abs(with_a_past - without))) > 1e-3


@pytest.mark.parametrize(("text", "options"), [(CONTRACT, GRU), (RECURRENT_CONTRACT, {})])
def test_a_contract_that_disagrees_about_memory_is_refused(tmp_path: Path, text: str, options: dict[str, Any]) -> None:
    """Catches a recurrent policy on a robot whose contract resets nothing, and the reverse."""
    checkpoint = small_checkpoint(text=text, **options)
    with pytest.raises(BundleError, match="disagree about memory"):
        export_bundle(checkpoint, tmp_path / "policy.onnx")
