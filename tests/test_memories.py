"""What every memory has to do, whichever state it keeps. Each kind is held to all of it, as a part of a policy."""

from __future__ import annotations

import pytest
import torch
from part_samples import DIMS, MEMORIES, WIDTH, blind_policy, states, tensors
from torch import Tensor

from models.policies.memory import Memory
from models.policies.parts import RECURRENT_MEMORIES, build_memory
from models.policies.recurrent_memory import CELL_CLIP, LstmMemory
from models.policies.specification import MEMORIES as KINDS
from models.policies.specification import PolicyConfig

RECURRENT = [name for name in MEMORIES if name != "stack"]


def _memory(name: str, seed: int = 0) -> Memory:
    torch.manual_seed(seed)
    return build_memory(PolicyConfig(features=WIDTH, **MEMORIES[name]), 3, DIMS)


def _start(memory: Memory, count: int) -> Tensor:
    return torch.zeros(count, *memory.state_shape)


def test_every_kind_has_a_case() -> None:
    """Catches a memory that was added without being held to any of this."""
    assert set(MEMORIES) == set(KINDS) == {"stack", *RECURRENT_MEMORIES}


@pytest.mark.parametrize("name", MEMORIES)
def test_shapes(name: str) -> None:
    memory = _memory(name)
    frames = torch.randn(4, 3, 2, 5, 6)
    assert memory.fold(frames).shape == (4, memory.channels(2), 5, 6)
    features, state = memory.step(torch.randn(4, WIDTH), _start(memory, 4))
    assert features.shape == (4, memory.width)
    assert state.shape == (4, *memory.state_shape)
    features, state = memory.unroll(torch.randn(4, 7, WIDTH), _start(memory, 4))
    assert features.shape == (4, 7, memory.width)
    assert state.shape == (4, *memory.state_shape)


@pytest.mark.parametrize("name", MEMORIES)
def test_unrolling_is_stepping_with_restarts(name: str) -> None:
    """Catches a learner that trains on other features than those the robot will compute."""
    memory, features = _memory(name), torch.randn(3, 6, WIDTH)
    starts = torch.zeros(3, 6, dtype=torch.bool)
    starts[1, 3] = starts[2, 0] = True
    whole, last = memory.unroll(features, _start(memory, 3), starts)
    state = _start(memory, 3)
    for tick in range(6):
        state = torch.where(starts[:, tick, None], torch.zeros_like(state), state)
        one, state = memory.step(features[:, tick], state)
        torch.testing.assert_close(whole[:, tick], one)
    torch.testing.assert_close(last, state)


@pytest.mark.parametrize("name", MEMORIES)
def test_the_past_reaches_the_present_if_there_is_a_state(name: str) -> None:
    """Catches a state that is detached between ticks or leaks across a restart, and weights that nothing moves."""
    memory = _memory(name)
    for starts, reach in ((None, [True] * 3), (torch.tensor([[False, True, False]]), [False, True, True])):
        features = torch.randn(1, 3, WIDTH, requires_grad=True)
        remembered, _ = memory.unroll(features, _start(memory, 1), starts)
        torch.autograd.backward(remembered[:, -1].sum())
        assert features.grad is not None
        expected = reach if name in RECURRENT else [False, False, True]
        assert (features.grad[0].abs().sum(dim=1) > 0).tolist() == expected
    assert all(weight.grad is not None and bool((weight.grad != 0).any()) for weight in memory.parameters())


@pytest.mark.parametrize("name", RECURRENT)
def test_a_healthy_state_stays_within_its_limit(name: str) -> None:
    """Catches a limit that resets a policy for nothing: the largest weights and inputs do not lead beyond it."""
    memory = _memory(name).eval()
    with torch.inference_mode():
        for weight in memory.parameters():
            weight.copy_(1e3 * torch.randn_like(weight))
        _, state = memory.unroll(1e6 * torch.randn(64, 100, WIDTH), _start(memory, 64))
    assert float(state.abs().max()) <= memory.state_limit


@pytest.mark.parametrize("name", RECURRENT)
def test_a_state_that_is_no_number_shows(name: str) -> None:
    """Catches a bound on the state that turns NaN into a number, which the runtime would take for healthy."""
    memory = _memory(name)
    for poisoned in range(memory.state_shape[0]):
        state = _start(memory, 1)
        state[0, poisoned] = float("nan")
        assert bool(torch.isnan(memory.step(torch.zeros(1, WIDTH), state)[1]).any())


@pytest.mark.parametrize("name", MEMORIES)
def test_equal_seeds_give_equal_memories(name: str) -> None:
    features = torch.randn(2, 4, WIDTH)
    found = [memory.unroll(features, _start(memory, 2))[0] for memory in (_memory(name, seed) for seed in (1, 1, 2))]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2]) == (name == "stack")


def test_an_lstm_forgets_little_at_first_and_its_cell_is_bounded() -> None:
    """Catches a bias laid on another gate: one tick with nothing to see keeps most of the cell."""
    memory = LstmMemory(1, WIDTH, 50)
    with torch.no_grad():
        for name, weight in memory.cell.named_parameters():
            if name.startswith("weight"):
                weight.zero_()
        memory.cell.bias_hh.zero_()
        state = torch.cat([torch.zeros(1, 50), torch.full((1, 50), 4.0)], dim=1)
        kept = memory.step(torch.zeros(1, WIDTH), state)[1][:, 50:]
        assert float(kept.min()) > 0.65 * 4.0
        memory.cell.bias_ih.fill_(100.0)
        for _ in range(70):
            state = memory.step(torch.zeros(1, WIDTH), state)[1]
    assert float(state.max()) == CELL_CLIP


# -- the policy's own previous action ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECURRENT)
def test_the_previous_action_is_a_part_of_the_state(name: str) -> None:
    """Catches an action that is fed back in other units, unlimited, or not at all."""
    policy = blind_policy(2, previous_action=True, **MEMORIES[name])
    rows = tensors(states(4))
    with torch.inference_mode():
        (action, _), state = policy.step(rows, policy.initial_state(4))
        torch.testing.assert_close(policy.action_normalizer.inverse(state[:, -DIMS:]), action[:, 0])
        before = policy.step(rows, state)[0][0]
        state[:, -1] += 1.0
        assert bool((policy.step(rows, state)[0][0] != before).any())
        policy.head.get_submodule("output").bias.data.fill_(1e6)  # type: ignore[operator, union-attr]
        _, state = policy.step(rows, policy.initial_state(4))
    assert float(state.abs().max()) <= policy.state_limit


def test_unrolling_a_policy_that_sees_its_own_action_is_stepping() -> None:
    """Catches a learner whose policy sees another action of its own than the robot's does, restarts included."""
    policy = blind_policy(2, previous_action=True, **MEMORIES["gru"])
    rows = tensors(states(15))
    prepared = {key: values.reshape(3, 5, *values.shape[1:]) for key, values in policy.prepare(rows).items()}
    starts = torch.zeros(3, 5, dtype=torch.bool)
    starts[1, 2] = True
    with torch.inference_mode():
        features, last = policy.unroll(prepared, policy.initial_state(3), starts)
        state = policy.initial_state(3)
        for tick in range(5):
            state[starts[:, tick]] = 0.0
            raw = {key: values.reshape(3, 5, *values.shape[1:])[:, tick] for key, values in rows.items()}
            (action, _), state = policy.step(raw, state)
            torch.testing.assert_close(policy.limit(policy.choose(features[:, tick])), action)
    torch.testing.assert_close(last, state)


def test_taught_actions_take_the_place_of_its_own() -> None:
    """Catches an inverted branch (the error of the lecture's code): what is taught is shown, else its own action is."""
    policy = blind_policy(2, previous_action=True, **MEMORIES["rnn"])
    prepared = {
        key: values.reshape(2, 4, *values.shape[1:]) for key, values in policy.prepare(tensors(states(8))).items()
    }
    taught = torch.randn(2, 4, DIMS)

    def features(shown: Tensor | None, expert: Tensor | None = taught) -> Tensor:
        with torch.inference_mode():
            return policy.unroll(prepared, policy.initial_state(2), None, expert, shown)[0]

    always, never = torch.ones(2, 4, dtype=torch.bool), torch.zeros(2, 4, dtype=torch.bool)
    with torch.inference_mode():
        expected = policy.memory.unroll(
            torch.cat(
                [policy.perceive({k: v.flatten(0, 1) for k, v in prepared.items()}).reshape(2, 4, -1), taught], 2
            ),
            torch.zeros(2, *policy.memory.state_shape),
        )[0]
    torch.testing.assert_close(features(always), expected)
    assert torch.equal(features(None), features(always))
    assert torch.equal(features(never), features(None, None))
    assert not torch.equal(features(never), features(always))
