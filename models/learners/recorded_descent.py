"""The same descent for small networks on vectors, where what takes time is Python and not arithmetic.

A step of a network of two times 32 units takes torch's engine and optimiser half a millisecond, of which the arithmetic
is a twentieth. So one step, its gradients included, is recorded as a list of tensor operations (``make_fx``), and whole
stretches of an epoch run through TorchScript's interpreter without coming back to Python. A recording takes a tenth of
a second; nothing is compiled, for a compiler takes longer than such a training does. More in
``docs/decisions/0011-steps-are-recorded.md``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from models.learners.cloning_config import BehavioralCloningConfig
from models.learners.descent import Descent, mean_loss
from models.learners.lessons import Lessons

__all__ = ["RecordedDescent"]

# A recording takes as long as some 200 steps take without it.
FEWEST_STEPS = 400
# Lessons whose frames are gathered at once: bounds the memory for them.
STRETCH = 512

Gradient = Callable[[Tensor, Tensor, list[Tensor]], tuple[Tensor, Tensor]]


class RecordedDescent(Descent):
    """One recorded step, repeated; the operations and their order are those of ``EagerDescent``, and so are the draws.

    All weights that learn become parts of one vector, so that Adam is a handful of operations and not one for each
    layer: the policy's parameters are views of it until :meth:`close`. The policy must be in training mode.

    Raises:
        RuntimeError: a loss that cannot be recorded, since what is computed depends on numbers that it computes.
    """

    @staticmethod
    def pays(lessons: Lessons, config: BehavioralCloningConfig) -> bool:
        """Whether there are many equal and cheap steps: of vectors alone, in memory, as they were recorded."""
        policy, samples = lessons.policy, lessons.samples
        if policy.is_recurrent or samples.is_augmented or samples.is_weighted or not samples.preloaded:
            return False
        if any(stream.is_image for stream in policy.specification.streams):
            return False
        return config.epochs * (len(lessons.ticks) // lessons.size) >= FEWEST_STEPS

    def __init__(self, lessons: Lessons, config: BehavioralCloningConfig) -> None:
        super().__init__(lessons, config)
        self._keys = [stream.key for stream in lessons.policy.specification.streams]
        self._learning: Sequence[nn.Parameter] = list(lessons.policy.parameters())
        example = self._gather(lessons.ticks[: lessons.size])
        with torch.random.fork_rng(devices=[]):
            self._learning = _that_learn(self._loss(*example), self._learning)
            self._weights = torch.cat([weight.detach().flatten() for weight in self._learning])
            mean, square = torch.zeros_like(self._weights), torch.zeros_like(self._weights)
            self._adam = ([self._weights], [mean], [square], [torch.zeros(())])
            self._point_into(self._weights)
            try:
                self._stretch = _record(self._gradient, example)
            except BaseException:
                self.close()
                raise

    def epoch(self, alpha: float) -> float:
        """Stretches of whole lessons by the recording, and the smaller last lesson by torch's engine."""
        size = self._lessons.size
        order = self._lessons.shuffled_ticks()
        whole = len(order) - len(order) % size
        total = 0.0
        for start in range(0, whole, STRETCH * size):
            total += size * self._descend(order[start : min(start + STRETCH * size, whole)], size)
        if whole < len(order):
            loss, gradient = self._gradient(*self._gather(order[whole:]))
            total += (len(order) - whole) * float(loss)
            rate, decay = self._rate(self._steps), self._config.weight_decay
            with torch.no_grad():
                adam_step(*self._adam, gradient, rate, decay)
            self._steps += 1
        return total / len(order)

    def close(self) -> None:
        """Give the policy's parameters memory of their own again."""
        for weight in self._learning:
            weight.data = weight.data.clone()

    def _descend(self, ticks: Tensor, size: int) -> float:
        """Steps over ``ticks``, a whole number of lessons; the sum of their losses."""
        rates = [self._rate(self._steps + step) for step in range(len(ticks) // size)]
        decay = self._config.weight_decay
        with torch.inference_mode():
            total = self._stretch(*self._adam, *self._gather(ticks), rates, decay, size)
        self._steps += len(rates)
        return float(total)

    def _gather(self, ticks: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Targets, which of them count, and the frames of each stream in the order of the streams."""
        samples = self._lessons.samples
        inputs = samples.inputs(ticks)
        return samples.targets[ticks], samples.valid[ticks], [inputs[key] for key in self._keys]

    def _loss(self, targets: Tensor, valid: Tensor, inputs: list[Tensor]) -> Tensor:
        policy = self._lessons.policy
        return mean_loss(policy, policy.features(dict(zip(self._keys, inputs, strict=True))), targets, valid)

    def _gradient(self, targets: Tensor, valid: Tensor, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The loss, and its gradient by all weights that learn as one vector."""
        loss = self._loss(targets, valid, inputs)
        gradients = torch.autograd.grad(loss, list(self._learning))
        return loss.detach(), torch.cat([gradient.flatten() for gradient in gradients])

    def _point_into(self, weights: Tensor) -> None:
        parts = torch.split(weights, [weight.numel() for weight in self._learning])
        for weight, part in zip(self._learning, parts, strict=True):
            weight.data = part.view_as(weight)


def _that_learn(loss: Tensor, weights: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Those that the loss depends on: not the safety classifier's."""
    gradients = torch.autograd.grad(loss, list(weights), allow_unused=True)
    return [weight for weight, gradient in zip(weights, gradients, strict=True) if gradient is not None]


def _record(gradient: Gradient, example: tuple[Tensor, Tensor, list[Tensor]]) -> Any:
    """The stretch of steps with ``gradient``, for lessons of the example's size."""
    # Not the bound method itself: of one, the recorder counts the object as an argument.
    recorded = make_fx(lambda targets, valid, inputs: gradient(targets, valid, inputs))(*example)
    with torch.no_grad(), warnings.catch_warnings():
        # Deprecated upstream, and without a successor that neither needs a compiler nor goes through Python.
        warnings.simplefilter("ignore", DeprecationWarning)
        step = torch.jit.trace(recorded, example, check_trace=False)  # type: ignore[no-untyped-call]
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
        targets: Tensor,
        valid: Tensor,
        inputs: list[Tensor],
        rates: list[float],
        decay: float,
        size: int,
    ) -> Tensor:
        total = torch.zeros([])
        for index, rate in enumerate(rates):
            start = index * size
            end = start + size
            loss, gradient = self.step(targets[start:end], valid[start:end], [rows[start:end] for rows in inputs])
            adam_step(weights, mean, square, steps, gradient, rate, decay)
            total.add_(loss)
        return total
