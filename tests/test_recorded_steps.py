"""Recorded steps of small networks do what torch's own engine and optimiser do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.learned_rewards.discriminator import gradient_penalty
from models.recorded_steps import RecordedSteps

SIZE, LESSONS = 16, 40


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def _rows() -> list[Tensor]:
    torch.manual_seed(1)
    inputs = torch.randn(SIZE * LESSONS, 3)
    return [inputs, inputs.sum(dim=1, keepdim=True).sin()]


def test_rows_of_one_example_are_not_taken_for_each_other() -> None:
    """Catches a step that reads the second argument for the first, since both examples were the same tensor."""
    weight = nn.Parameter(torch.zeros(1))
    same = torch.zeros(SIZE)
    steps = RecordedSteps([weight], lambda rows: (weight * (rows[0] - rows[1])).mean(), [same, same])
    steps.run([torch.ones(SIZE), torch.zeros(SIZE)], [0.1])
    steps.close()
    assert float(weight.detach()) == pytest.approx(-0.1)


@pytest.mark.parametrize("longest", [float("inf"), 0.05], ids=["as they are", "shortened"])
@pytest.mark.parametrize("penalty", [0.0, 1.0], ids=["plain", "second derivatives"])
def test_recorded_steps_are_those_of_the_engine(longest: float, penalty: float) -> None:
    """Catches a slope that was recorded as a constant, a gradient that is not shortened, and lessons out of order."""
    recorded, engine = _network(), _network()

    def loss(network: nn.Module, rows: list[Tensor]) -> Tensor:
        error = (network(rows[0]) - rows[1]).square().mean()
        return error + penalty * gradient_penalty(network, rows[0]) if penalty else error

    rows = _rows()
    steps = RecordedSteps(
        list(recorded.parameters()), lambda part: loss(recorded, part), [part[:SIZE] for part in rows], longest=longest
    )
    total = steps.run(rows, [0.01 * (1 - step / LESSONS) for step in range(LESSONS)])
    steps.close()
    optimiser = torch.optim.Adam(engine.parameters())
    expected = 0.0
    for step in range(LESSONS):
        lesson = [part[step * SIZE : (step + 1) * SIZE] for part in rows]
        optimiser.zero_grad()
        one = loss(engine, lesson)
        one.backward()
        nn.utils.clip_grad_norm_(engine.parameters(), longest)
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / LESSONS)
        optimiser.step()
        expected += float(one.detach())
    assert total == pytest.approx(expected, rel=1e-4)
    for found, wanted, first in zip(recorded.parameters(), engine.parameters(), _network().parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5)
        assert float((wanted - first).detach().abs().max()) > 1e-2


def test_a_step_that_changes_when_it_is_repeated_is_refused() -> None:
    """Catches a number from outside torch, which a recording can only take for a constant."""
    network = _network()
    before = [weight.detach().clone() for weight in network.parameters()]

    def loss(rows: list[Tensor]) -> Tensor:
        return (network(rows[0]) - torch.from_numpy(rows[1].numpy() * 1.0)).square().mean()

    with pytest.raises(RuntimeError, match="something else"):
        RecordedSteps(list(network.parameters()), loss, [part[:SIZE] for part in _rows()])
    for weight, wanted in zip(network.parameters(), before, strict=True):
        assert torch.equal(weight, wanted)
        assert weight.untyped_storage().nbytes() == weight.numel() * weight.element_size()


def test_recording_leaves_no_trace() -> None:
    """Catches weights or moments that the recording moved, and draws that it took from torch's generator."""
    network, wanted = _network(), _network()
    example = [part[:SIZE] for part in _rows()]
    torch.manual_seed(3)
    steps = RecordedSteps(
        list(network.parameters()),
        lambda rows: (network(functional.dropout(rows[0])) - rows[1]).square().mean(),
        example,
    )
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), wanted.parameters(), strict=True))
    assert not any(bool(moment[0].any()) for moment in steps._adam[1:])
