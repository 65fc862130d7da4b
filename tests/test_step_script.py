"""Operations that were watched once and written down: compiled, they do the same with other numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.step_script import StepRecorder

ROWS, WIDTH = 6, 4
WEIGHT = torch.linspace(-1.0, 1.0, WIDTH * WIDTH).reshape(WIDTH, WIDTH)


def _several(rows: Tensor) -> Tensor:
    first, *_, last = rows.unbind(dim=1)
    variance, mean = torch.var_mean(rows, dim=1)
    top, places = rows.topk(2, dim=1)
    left, right = rows.split([1, WIDTH - 1], dim=1)
    return first + last + variance + mean + top.sum(dim=1) + places[:, 0] + left[:, 0] * right.sum(dim=1)


def _in_place(rows: Tensor) -> Tensor:
    sums = torch.zeros(ROWS)
    sums += rows[:, 0]
    view = sums[1:]
    view.mul_(2.0)
    return sums


def _picked(rows: Tensor) -> Tensor:
    places = (rows.abs() * 100.0).to(torch.int64) % WIDTH
    return rows.gather(1, places).sum(dim=1) + WEIGHT[places[:, 0]].sum(dim=1) + rows[:, places[0]].sum(dim=1)


def _slope(rows: Tensor) -> Tensor:
    rows = rows.detach().requires_grad_()
    (slope,) = torch.autograd.grad((rows @ WEIGHT).tanh().square().sum(), rows)
    return slope.sum(dim=1)


CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "layers": lambda rows: functional.layer_norm(functional.linear(rows, WEIGHT, WEIGHT[0]).relu(), (WIDTH,)).sum(1),
    "choice": lambda rows: functional.cross_entropy(rows, (rows[:, 0] > 0.0).to(torch.int64), reduction="none"),
    "several results": _several,
    "in place": _in_place,
    "picked": _picked,
    "derivatives": _slope,
    "numbers": lambda rows: rows.clamp(-math.inf, 0.5).sum(1) + torch.full((ROWS,), 1e-7) + rows.new_ones(()),
    "a number for all": lambda rows: torch.where(rows.isnan(), -1, rows).std() * torch.arange(ROWS),
    "chance": lambda rows: rows.sum(1) + torch.randn(ROWS) + functional.dropout(rows, 0.5).sum(1),
    "nothing done": lambda rows: rows[:, 0].detach(),
}


def _repeated(case: Callable[[Tensor], Tensor], seen: Tensor) -> Callable[[Tensor], Tensor]:
    with StepRecorder({"rows": seen}) as recorder:
        name = recorder.name(case(seen))
    held = [f"held{place} = held[{place}]" for place in range(len(recorder.held))]
    lines = "\n    ".join([*held, *recorder.lines, f"return {name}"])
    script = torch.jit.CompilationUnit(f"def again(rows: Tensor, held: List[Tensor]) -> Tensor:\n    {lines}\n").again
    return lambda rows: script(rows, recorder.held)  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
def test_what_was_written_down_is_what_was_done(name: str) -> None:
    """Catches an argument lost on the way, a result mistaken for another one, and a number taken for a constant."""
    case = CASES[name]
    torch.manual_seed(0)
    seen, other = torch.randn(2, ROWS, WIDTH)
    again = _repeated(case, seen)
    for rows in (other, seen):
        torch.manual_seed(1)
        expected = case(rows)
        torch.manual_seed(1)
        torch.testing.assert_close(again(rows), expected)


def test_what_is_held_may_change_in_place() -> None:
    """Catches a transpose of the weights as they were when the step was recorded."""
    weight = torch.ones(WIDTH, WIDTH)
    rows = torch.randn(ROWS, WIDTH)
    again = _repeated(lambda seen: functional.linear(seen, weight).sum(dim=1), rows)
    weight[0] = 5.0
    torch.testing.assert_close(again(rows), (rows @ weight.T).sum(dim=1))


def test_a_result_that_python_looks_at_cannot_be_repeated() -> None:
    """Catches a recording of whichever way the first rows went."""
    with pytest.raises(RuntimeError, match="without Python"):
        _repeated(lambda rows: rows if float(rows.sum()) > 0.0 else -rows, torch.ones(ROWS, WIDTH))
