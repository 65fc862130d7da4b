"""PMI-IL: how likely the expert would go from s to s', as a reward; learned by telling next states apart (PMI deck).

A model that discriminates takes the place of one that generates. Pseudo-code::

    f(s', s) = exp(φ₁(s')ᵀ φ₂(s) / κ)                        φ₁, φ₂ unit vectors, κ the scale they are fitted at
    repeat
        L = -E log  f(s_{t+1}, s_t) / Σ_{s_j ∈ X} f(s_j, s_t)     InfoNCE; X: s_{t+1} and M - 1 others of p_E(s')
        descend L
    keep the φ with the best next-state top-1 (equation 20), not those with the lowest L
    r(s, s') = φ₁(s')ᵀ φ₂(s)                                  "cosine": the pointwise mutual information, scaled
    r(s, s') = log softmax_{s_j ∈ X ∪ {s'}} φ₁(s_j)ᵀ φ₂(s) / τ   at s': "softmax", with temperature τ
    π ← argmax E[Σ r(s, s')] + λ H(π)                         any reinforcement learner

Where the deck's equations 17, 18 and 21 have ``-log softmax``, that is the loss; the reward is ``+log softmax``.
Equation 19 is a cosine only because φ are unit vectors here, and these need a κ: without one, f is at most e² times
larger for the true next state than for the worst. X holds M states in all, one of them true (equation 14 counts M + 1).
The negatives of the reward are states that the expert goes to, or those that the agent does (:class:`PmiReward`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data import FloatArray
from models.errors import TrainingError
from models.learners.reproducible import reproducible
from models.observation_only.networks import Fitting, fit, normalizer_of, perceptron
from models.trajectories import Trajectories

__all__ = ["NextStateModel", "PmiCheck", "PmiReward", "PmiSettings", "fit_next_state_model", "next_state_top_1"]

FORMS = ("softmax", "cosine")
NEGATIVES = ("expert", "agent")

Successors = Callable[[FloatArray], FloatArray]
"""Observations ``(M, O)`` to what each of K actions would lead to, ``(M, K, O)``."""


@dataclass(frozen=True)
class PmiSettings:
    """How the model is fitted; options that make no sense raise ``TrainingError``.

    Attributes:
        embedding: length of φ.
        width: of the hidden layers.
        octaves: of waves that states are shown as, besides themselves.
        scale: κ.
        fitting: steps of all rounds together; the batch is M, the true next state and the others.
        rounds: after each the model is examined.
        held_out: share of the demonstrations, one at least, that it is examined on.
    """

    embedding: int = 32
    width: int = 128
    octaves: int = 0
    scale: float = 0.1
    fitting: Fitting = field(default_factory=lambda: Fitting(steps=4000))
    rounds: int = 8
    held_out: float = 0.1

    def __post_init__(self) -> None:
        sizes = self.embedding >= 1 and self.octaves >= 0
        if not (self.scale > 0.0 and self.rounds >= 1 and 0.0 < self.held_out < 1.0 and sizes):
            raise TrainingError(
                "no such next-state model",
                found=f"scale {self.scale}, {self.rounds} rounds, held out {self.held_out}, φ of {self.embedding}, "
                f"{self.octaves} octaves",
                expected="a positive scale and length of φ, a round, a share between 0 and 1, no fewer octaves than 0",
            )


@dataclass(frozen=True)
class PmiCheck:
    """One examination.

    Attributes:
        steps: of the optimiser so far.
        loss: InfoNCE on the training pairs.
        top_1: share of held-out next states that are told from what other actions would have led to.
        kept: whether this was the best so far.
    """

    steps: int
    loss: float
    top_1: float
    kept: bool


class NextStateModel(nn.Module):
    """φ₁ of the next state and φ₂ of the state, unit vectors.

    Args:
        before: ``(M, O)`` states whose statistics are the scale of both.
        settings: sizes.
    """

    def __init__(self, before: Tensor, settings: PmiSettings) -> None:
        super().__init__()
        self.normalizer = normalizer_of(before)
        self._octaves = settings.octaves
        inputs = before.shape[1] * (1 + 2 * settings.octaves)
        self.phi_1 = perceptron(inputs, settings.embedding, settings.width)
        self.phi_2 = perceptron(inputs, settings.embedding, settings.width)

    def next_states(self, after: Tensor) -> Tensor:
        """φ₁, ``(..., O)`` to ``(..., E)``."""
        return functional.normalize(self.phi_1(self._seen(after)), dim=-1)

    def states(self, before: Tensor) -> Tensor:
        """φ₂, ``(..., O)`` to ``(..., E)``."""
        return functional.normalize(self.phi_2(self._seen(before)), dim=-1)

    def _seen(self, rows: Tensor) -> Tensor:
        """A state in deviations, and waves of it.

        One action moves a state by a hundredth of its range, which a perceptron of the state alone is slow to see
        (Tancik et al. 2020, arXiv:2006.10739).
        """
        seen = self.normalizer(rows)
        waves = [wave(2.0**octave * seen) for octave in range(self._octaves) for wave in (torch.sin, torch.cos)]
        return torch.cat([seen, *waves], dim=-1)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """``φ₁(s')ᵀ φ₂(s)`` of pairs ``(M, O)``, ``(M,)`` within [-1, 1]."""
        return (self.next_states(after) * self.states(before)).sum(dim=-1)


def info_nce(model: NextStateModel, before: Tensor, after: Tensor, scale: float) -> Tensor:
    """The loss of ``(M, O)`` pairs: each next state against those of the other pairs; a scalar, nats."""
    scores = model.states(before) @ model.next_states(after).T / scale
    return functional.cross_entropy(scores, torch.arange(len(before)))


def fit_next_state_model(
    demonstrations: Trajectories,
    successors: Successors,
    settings: PmiSettings,
    seed: int,
    progress: Callable[[PmiCheck], None] | None = None,
) -> tuple[NextStateModel, tuple[PmiCheck, ...]]:
    """Fit f to demonstrations without actions, and keep the one with the best next-state top-1.

    Args:
        demonstrations: at least two.
        successors: what actions would have led to, of a world that can be asked; used for the choice only.
        settings: how.
        seed: of weights and order.
        progress: told after every examination.

    Raises:
        TrainingError: there is no demonstration to examine on.
    """
    if demonstrations.count < 2:
        raise TrainingError("nothing is left to examine the model on", found="1 demonstration", expected="2 or more")
    apart = max(1, round(settings.held_out * demonstrations.count))
    held_out, kept = demonstrations.only(range(apart)), demonstrations.only(range(apart, demonstrations.count))
    before, after = (torch.from_numpy(part) for part in kept.pairs)
    checks: list[PmiCheck] = []
    with reproducible(seed):
        model = NextStateModel(before, settings)
        best, weights = -math.inf, model.state_dict()

        def examine(steps: int, loss: float) -> None:
            nonlocal best, weights
            found = next_state_top_1(model, *held_out.pairs, successors)
            checks.append(PmiCheck(steps, loss, found, found > best))
            if found > best:
                best, weights = found, {name: tensor.clone() for name, tensor in model.state_dict().items()}
            if progress is not None:
                progress(checks[-1])

        fit(
            model.parameters(),
            lambda rows: info_nce(model, rows[0], rows[1], settings.scale),
            [before, after],
            settings.fitting,
            every=math.ceil(settings.fitting.steps / settings.rounds),
            examine=examine,
        )
        model.load_state_dict(weights)
    return model.eval(), tuple(checks)


def next_state_top_1(model: NextStateModel, before: FloatArray, after: FloatArray, successors: Successors) -> float:
    """Share of pairs whose next state f ranks above all that other actions would have led to (equation 20).

    The true one is the candidate nearest to ``after (M, O)``. Where actions lead to the same place they tie, and no
    tie counts as right unless it is with the true one itself.
    """
    candidates = torch.from_numpy(successors(before))
    pairs_before, pairs_after = torch.from_numpy(before), torch.from_numpy(after)
    true = (candidates - pairs_after.unsqueeze(1)).square().sum(dim=2).argmin(dim=1)
    with torch.inference_mode():
        scores = (model.next_states(candidates) * model.states(pairs_before).unsqueeze(1)).sum(dim=2)
    same = (candidates == candidates.gather(1, true.view(-1, 1, 1).expand(-1, 1, candidates.shape[2]))).all(dim=2)
    others = scores.masked_fill(same, -torch.inf).amax(dim=1)
    return float((scores.gather(1, true.unsqueeze(1))[:, 0] > others).float().mean())


class PmiReward:
    """A reward of ``(s, s')``.

    Args:
        model: f.
        form: ``softmax`` or ``cosine``.
        temperature: τ of the softmax.
        negatives: ``expert``: states that the expert goes to, drawn once; ``agent``: those of the batch itself.
        marginal: ``(M, O)`` states to draw the expert's from.
        count: negatives beside the true next state.
        seed: of their draw.

    Raises:
        TrainingError: there is no such form, temperature, or source of negatives.
    """

    def __init__(
        self,
        model: NextStateModel,
        marginal: FloatArray,
        *,
        form: str = "softmax",
        temperature: float = 0.1,
        negatives: str = "expert",
        count: int = 256,
        seed: int = 0,
    ) -> None:
        if form not in FORMS or negatives not in NEGATIVES or not temperature > 0.0:
            raise TrainingError(
                "no such reward of PMI",
                found=f"form {form!r}, negatives {negatives!r}, temperature {temperature}",
                expected=f"{' or '.join(FORMS)}; {' or '.join(NEGATIVES)}; above 0",
            )
        self._model, self._form, self._temperature, self._count = model, form, temperature, count
        self._random = torch.Generator().manual_seed(seed)
        self._negatives: Tensor | None = None
        if negatives == "expert":
            rows = torch.from_numpy(marginal)
            with torch.inference_mode():
                self._negatives = model.next_states(rows[self._drawn(len(rows))])

    def __call__(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Observations ``(M, O)`` and where they led ``(M, O)`` to rewards ``(M,)``: up to 0, or within [-1, 1]."""
        with torch.inference_mode():
            states = self._model.states(torch.from_numpy(before))
            reached = self._model.next_states(torch.from_numpy(after))
            true = (states * reached).sum(dim=1)
            if self._form == "cosine":
                return true.numpy()
            negatives = reached[self._drawn(len(reached))] if self._negatives is None else self._negatives
            scores = torch.cat([true.unsqueeze(1), states @ negatives.T], dim=1) / self._temperature
            return torch.log_softmax(scores, dim=1)[:, 0].numpy()

    def _drawn(self, rows: int) -> Tensor:
        return torch.randint(rows, (min(self._count, rows),), generator=self._random)
