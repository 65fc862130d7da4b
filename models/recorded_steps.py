"""Many equal steps of gradient descent on small networks, where what takes time is Python and not arithmetic.

One step, its gradients included, is recorded as a list of tensor operations (``make_fx``), and whole stretches of steps
run through TorchScript's interpreter without coming back to Python. A recording takes a tenth of a second; nothing is
compiled. More in ``docs/decisions/0011-steps-are-recorded.md``.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

__all__ = ["Loss", "RecordedSteps"]

Loss = Callable[[list[Tensor]], Tensor]
"""Rows of a lesson, some tensors ``(size, ...)``, to their mean loss."""

Gradient = Callable[[list[Tensor]], tuple[Tensor, Tensor]]


class RecordedSteps:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) on one recorded step, repeated.

    All weights that learn become parts of one vector, so that Adam is a handful of operations and not one for each
    layer: the parameters are views of it until :meth:`close`.

    Args:
        weights: what may learn; those that the loss does not depend on are left alone.
        loss: of one lesson.
        example: a lesson of the size that will be learned from.
        decay: penalty on the squared weights.
        longest: a gradient of all weights together that is longer is shortened to it.

    Raises:
        RuntimeError: a loss that cannot be recorded, since what is computed depends on numbers that it computes.
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
            self._weights = torch.cat([weight.detach().flatten() for weight in self._learning])
            mean, square = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
            self._adam = ([self._weights], [mean], [square], [torch.zeros(())])
            self._point_into(self._weights)
            try:
                self._stretch = _record(self._gradient, example)
            except BaseException:
                self.close()
                raise

    def run(self, rows: list[Tensor], rates: Sequence[float]) -> float:
        """A step at each rate, on ``len(rates)`` lessons of the example's size that follow one another in ``rows``.

        Returns:
            The sum of their losses.
        """
        with torch.inference_mode():
            return float(self._stretch(*self._adam, rows, list(rates), self._decay, self._size))

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


def _that_learn(loss: Tensor, weights: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Those that the loss depends on."""
    gradients = torch.autograd.grad(loss, list(weights), allow_unused=True)
    return [weight for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]


def _record(gradient: Gradient, example: list[Tensor]) -> Any:
    """The stretch of steps with ``gradient``, for lessons of the example's size."""
    # Not the bound method itself: of one, the recorder counts the object as an argument.
    recorded = make_fx(lambda rows: gradient(rows))(example)
    with torch.no_grad(), warnings.catch_warnings():
        # Deprecated upstream, and without a successor that neither needs a compiler nor goes through Python.
        warnings.simplefilter("ignore", DeprecationWarning)
        step = torch.jit.trace(recorded, (example,), check_trace=False)  # type: ignore[no-untyped-call]
        return torch.jit.script(_Stretch(step))


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


class _Stretch(nn.Module):
    """The loop in TorchScript; ``step`` takes one lesson and gives its loss and gradient."""

    def __init__(self, step: Any) -> None:
        super().__init__()
        self.step = step

    def forward(
        self,
        weights: list[Tensor],
        mean: list[Tensor],
        square: list[Tensor],
        steps: list[Tensor],
        rows: list[Tensor],
        rates: list[float],
        decay: float,
        size: int,
    ) -> Tensor:
        total = torch.zeros([])
        for index, rate in enumerate(rates):
            start = index * size
            end = start + size
            loss, gradient = self.step([part[start:end] for part in rows])
            adam_step(weights, mean, square, steps, gradient, rate, decay)
            total.add_(loss)
        return total
