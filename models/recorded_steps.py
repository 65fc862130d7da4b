"""Many equal steps of gradient descent on small networks, where what takes time is Python and not arithmetic.

One step, its gradients included, is recorded as a list of tensor operations (:mod:`models.step_script`), and whole
stretches of steps run through TorchScript's interpreter without coming back to Python. More in
``docs/decisions/0011-steps-are-recorded.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from models.step_script import StepRecorder

__all__ = ["Loss", "RecordedSteps"]

Loss = Callable[[list[Tensor]], Tensor]
"""Rows of a lesson, some tensors ``(size, ...)``, to their mean loss."""

Adam = tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]
"""Weights, mean and square of their gradient, and number of steps; a list of one each, see :func:`adam_step`."""

# Sums in another order differ by less, anything else by more; of the largest number, or of one that rounding leaves.
TOLERANCE = 1e-3
SMALLEST_SCALE = 1e-2
# Of the steps by which a recording is checked: the weights move by about as much.
CHECKED_RATE = 1e-3

_STRETCH = """
def stretch(
    weights: List[Tensor], mean: List[Tensor], square: List[Tensor], steps: List[Tensor], held: List[Tensor],
    rows: List[Tensor], rates: List[float], decay: float, size: int
) -> Tensor:
    {head}
    total = torch.ops.aten.zeros_like(steps[0])
    for index in range(len(rates)):
        {step}
        torch.ops.aten.add_(steps[0], 1.0)
        torch.ops.aten._fused_adam_(
            weights, [{gradient}], mean, square, [], steps,
            lr=rates[index], beta1=0.9, beta2=0.999, weight_decay=decay, eps=1e-08, amsgrad=False, maximize=False)
        torch.ops.aten.add_(total, {loss})
    return total
"""


class RecordedSteps:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) on one recorded step, repeated.

    All weights that learn become parts of one vector, so that Adam is a handful of operations and not one for each
    layer: the parameters are views of it until :meth:`close`.

    Args:
        weights: what may learn; those that the loss does not depend on are left alone.
        loss: of one lesson.
        example: a lesson of the size that will be learned from, and with a finite loss: the
            recording is checked on it.
        decay: penalty on the squared weights.
        longest: a gradient of all weights together that is longer is shortened to it.

    Raises:
        RuntimeError: a loss that cannot be recorded, since what is computed depends on numbers that it computes, or
            that does something else when it is repeated.
    """

    def __init__(
        self,
        weights: Sequence[nn.Parameter],
        loss: Loss,
        example: list[Tensor],
        *,
        decay: float = 0.0,
        longest: float = math.inf,
    ) -> None:
        self._loss, self._decay, self._longest = loss, decay, longest
        # The recorder takes two arguments that are the same tensor for one.
        example = [part.clone() for part in example]
        self._size = len(example[0])
        with torch.random.fork_rng(devices=[]):
            self._learning = _that_learn(loss(example), weights)
            start = torch.cat([weight.detach().flatten() for weight in self._learning])
            self._adam = _rested(start)
            self._point_into(self._adam[0][0])
            try:
                self._stretch, self._held = self._record(example)
                self._require_same(example)
            except BaseException:
                self.close()
                raise

    def run(self, rows: list[Tensor], rates: Sequence[float]) -> float:
        """A step at each rate, on ``len(rates)`` lessons of the example's size that follow one another in ``rows``.

        Returns:
            The sum of their losses.
        """
        with torch.inference_mode():
            total = self._stretch(*self._adam, self._held, rows, list(rates), self._decay, self._size)
        return float(total)

    def step(self, rows: list[Tensor], rate: float) -> float:
        """One step by torch's engine, on a lesson of any size; its loss."""
        loss, gradient = self._gradient(rows)
        with torch.no_grad():
            adam_step(*self._adam, gradient, rate, self._decay)
        return float(loss)

    def close(self) -> None:
        """Give the parameters memory of their own again."""
        for weight in self._learning:
            weight.data = weight.data.clone()

    def _gradient(self, rows: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient by all weights that learn as one vector."""
        loss = self._loss(rows)
        gradients = torch.autograd.grad(loss, list(self._learning))
        gradient = torch.cat([part.flatten() for part in gradients])
        if math.isfinite(self._longest):
            gradient = gradient * (self._longest / (gradient.norm() + 1e-6)).clamp(max=1.0)
        return loss.detach(), gradient

    def _point_into(self, weights: Tensor) -> None:
        parts = torch.split(weights, [weight.numel() for weight in self._learning])
        for weight, part in zip(self._learning, parts, strict=True):
            weight.data = part.view_as(weight)

    def _record(self, example: list[Tensor]) -> tuple[Any, list[Tensor]]:
        """The stretch of steps, for lessons of the example's size, and what it reads beside their rows."""
        # Copies: what else the loss may hold of the example is none of a lesson's rows.
        rows = {f"row{place}": part.clone() for place, part in enumerate(example)}
        with StepRecorder(rows) as recorder:
            loss, gradient = self._gradient(list(rows.values()))
        words = {"loss": recorder.name(loss), "gradient": recorder.name(gradient)}
        head = [f"all{place} = torch.ops.aten.split(rows[{place}], size)" for place in range(len(rows))]
        head += [f"held{place} = held[{place}]" for place in range(len(recorder.held))]
        step = [f"row{place} = all{place}[index]" for place in range(len(rows))] + recorder.lines
        text = _STRETCH.format(head="\n    ".join(head), step="\n        ".join(step), **words)
        return torch.jit.CompilationUnit(text).stretch, recorder.held

    def _require_same(self, example: list[Tensor]) -> None:
        """Take two steps, recorded and by torch's engine, and take them back.

        The second lesson and the weights that meet it are others than those of the recording: so a number that should
        have been computed, and was taken for a constant, shows.
        """
        start = self._adam[0][0].clone()
        others = torch.arange(self._size).square() % self._size
        rows = [torch.cat([part, part[others]]) for part in example]
        lessons = [[part[begin : begin + self._size] for part in rows] for begin in (0, self._size)]

        def result(take: Callable[[], float]) -> tuple[Tensor, Tensor]:
            torch.manual_seed(0)
            total, mean = torch.tensor(take()), self._adam[1][0].clone()
            self._adam[0][0].copy_(start)
            for moment in self._adam[1:]:
                moment[0].zero_()
            return total, mean

        found = result(lambda: self.run(rows, [CHECKED_RATE] * len(lessons)))
        wanted = result(lambda: sum(self.step(lesson, CHECKED_RATE) for lesson in lessons))
        for one, other in zip(found, wanted, strict=True):
            # What diverges may do so here as well: that is for whoever reads the loss.
            scale = max(float(other.nan_to_num().abs().max()), SMALLEST_SCALE)
            if not torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE * scale, equal_nan=True):
                words = f"loss {float(found[0])}, not {float(wanted[0])}"
                raise RuntimeError(f"a step that was recorded does something else when it is repeated: {words}")


def _that_learn(loss: Tensor, weights: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Those that the loss depends on."""
    gradients = torch.autograd.grad(loss, list(weights), allow_unused=True)
    return [weight for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]


def _rested(weights: Tensor) -> Adam:
    """Before the first step."""
    return [weights], [torch.zeros_like(weights)], [torch.zeros_like(weights)], [torch.zeros(())]


def adam_step(
    weights: list[Tensor],
    mean: list[Tensor],
    square: list[Tensor],
    steps: list[Tensor],
    gradient: Tensor,
    rate: float,
    decay: float,
) -> None:
    """One step of Adam in place, by the kernel of ``torch.optim.Adam(fused=True)``.

    Lists of one, and not made here: TorchScript takes a kernel that writes into a list of its own for one that does
    nothing, and leaves it out.

    Args:
        weights: ``(W,)``.
        mean: ``(W,)`` of the gradient so far.
        square: ``(W,)`` of its square.
        steps: how many there were, a number; counted here.
        gradient: ``(W,)``.
        rate: learning rate.
        decay: penalty on the squared weights.
    """
    steps[0].add_(1.0)
    torch._fused_adam_(
        weights,
        [gradient],
        mean,
        square,
        [],
        steps,
        lr=rate,
        beta1=0.9,
        beta2=0.999,
        weight_decay=decay,
        eps=1e-8,
        amsgrad=False,
        maximize=False,
    )
