"""Recorded steps of small networks do what torch's own engine and optimiser do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

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
