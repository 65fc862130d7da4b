"""A perceptron, and how it is fitted: the same for every learner here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import TrainingError
from models.policies.normalization import Normalizer
from models.recorded_steps import Loss, RecordedSteps

__all__ = ["Fitting", "fit", "normalizer_of", "perceptron"]

# A dimension that moved less than this share of what the others did is noise of rounding, and is not blown up.
_FLOOR = 1e-5
# Steps between two returns to Python, where nothing is to be examined.
_STRETCH = 250


@dataclass(frozen=True)
class Fitting:
    """How long a network is fitted.

    Attributes:
        steps: of the optimiser.
        batch_size: rows a step.
        learning_rate: of Adam at the start; it falls to zero along half a cosine.
    """

    steps: int = 2000
    batch_size: int = 256
    learning_rate: float = 2e-3


def perceptron(inputs: int, outputs: int, width: int = 64, depth: int = 2) -> nn.Sequential:
    """Linear layers with a rectifier between each two."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), nn.ReLU()]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def normalizer_of(rows: Tensor) -> Normalizer:
    """Mean and deviation of ``(M, D)``."""
    return Normalizer(rows.mean(dim=0).numpy(), rows.std(dim=0, correction=0).numpy(), _FLOOR)


def fit(
    parameters: Iterable[nn.Parameter],
    loss: Loss,
    columns: Sequence[Tensor],
    fitting: Fitting,
    *,
    every: int = 0,
    examine: Callable[[int, float], None] | None = None,
) -> float:
    """Minimise the mean of ``loss`` over batches of rows, by Adam; the steps are recorded and run without Python.

    Args:
        parameters: what is fitted.
        loss: the columns of a batch, ``(B, ...)`` each, to a scalar.
        columns: ``(M, ...)`` each; every row is drawn once before any is drawn again. Torch's generator draws.
        fitting: how long.
        every: so many steps, and at the end, ``examine`` is called.
        examine: takes the steps so far and the mean loss since the last examination.

    Returns:
        The mean loss of the last steps.

    Raises:
        TrainingError: the loss is not finite.
    """
    batches = _batches(len(columns[0]), fitting.batch_size)
    first = next(batches)
    steps = RecordedSteps(list(parameters), loss, [column[first] for column in columns])
    falling = [
        0.5 * fitting.learning_rate * (1.0 + math.cos(math.pi * i / fitting.steps)) for i in range(fitting.steps)
    ]
    mean = math.nan
    try:
        for start in range(0, fitting.steps, every or _STRETCH):
            rates = falling[start : start + (every or _STRETCH)]
            order = torch.cat([next(batches) for _ in rates])
            mean = steps.run([column[order] for column in columns], rates) / len(rates)
            if not math.isfinite(mean):
                raise TrainingError("the fit diverged", found=f"loss {mean}", fix="lower the learning rate")
            if examine is not None:
                examine(start + len(rates), mean)
    finally:
        steps.close()
    return mean


def _batches(rows: int, size: int) -> Iterator[Tensor]:
    """Indices ``(B,)``, in a new order whenever too few are left."""
    size = min(size, rows)
    while True:
        order = torch.randperm(rows)
        for start in range(0, rows - size + 1, size):
            yield order[start : start + size]
