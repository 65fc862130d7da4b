"""Behavioural cloning from observation, BCO(α) (Torabi, Warnell & Stone 2018, algorithm 1).

Nobody recorded what the expert did, but the learner can find out what its *own* actions do. Pseudo-code::

    I ← transitions (s, a, s') of a random policy
    repeat
        θ ← argmax Σ_I log p_θ(a | s, s')               inverse dynamics: what leads from s to s'
        ã ← argmax p_θ(a | s, s')  for (s, s') of D     what the expert must have done
        φ ← argmax Σ_D log π_φ(ã | s)                   behavioural cloning
        I ← I ∪ α |D| transitions of π_φ                what its actions do where the expert goes
    return π_φ

D are the demonstrations, states only. The inverse model never sees them before it is asked about them, for they hold no
actions. (A caption of the PMI deck says otherwise.) With α = 0, or one round, this is plain BCO.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from models.data import FloatArray
from models.errors import TrainingError
from models.learners.reproducible import reproducible
from models.observation_only.action_kinds import ActionKind, kind_of
from models.observation_only.networks import Fitting, fit, normalizer_of, perceptron
from models.observation_only.ports import Act, Actions, Worlds
from models.observation_only.transitions import Transitions, collect
from models.policies import Policy
from models.trajectories import Trajectories

__all__ = ["BcoRound", "BcoSettings", "InverseDynamics", "bco", "clone"]

# Transitions that the inverse model is examined on, and not fitted to.
_HELD_OUT = 0.1


@dataclass(frozen=True)
class BcoSettings:
    """Options; those that make no sense raise ``TrainingError``.

    Attributes:
        alpha: learner's transitions a round, as a share of the expert's.
        rounds: of the loop.
        exploration: transitions of the random policy, before the first round.
        hold: steps for which the random policy keeps an action.
        inverse: how the inverse model is fitted.
        cloning: how the policy is fitted.
        width: of the inverse model's hidden layers.
    """

    alpha: float = 0.5
    rounds: int = 5
    exploration: int = 10_000
    hold: int = 1
    inverse: Fitting = field(default_factory=Fitting)
    cloning: Fitting = field(default_factory=Fitting)
    width: int = 64

    def __post_init__(self) -> None:
        if not (self.alpha >= 0.0 and self.rounds >= 1 and self.exploration >= 10 and self.hold >= 1):
            raise TrainingError(
                "no such run of BCO",
                found=f"alpha {self.alpha}, {self.rounds} rounds, {self.exploration} transitions, hold {self.hold}",
                expected="alpha of 0 or more, a round, ten transitions, and actions that are held for a step",
            )


@dataclass(frozen=True)
class BcoRound:
    """One round of the loop.

    Attributes:
        number: from 1.
        steps: of the learner in its worlds, so far.
        seconds: since the beginning, evaluations left out.
        inverse_accuracy: share of its own held-out actions that the inverse model infers; of their variance, where
            actions are vectors.
        confidence: mean probability that it gives to what it infers of the expert; NaN where actions are vectors.
        score: what ``evaluate`` said of the policy; NaN where nobody was asked.
    """

    number: int
    steps: int
    seconds: float
    inverse_accuracy: float
    confidence: float
    score: float


class InverseDynamics(nn.Module):
    """``p_θ(a | s, s')``: a perceptron that is shown the state and the change, each by its own scale.

    Args:
        lived: transitions whose statistics are the scales.
        kind: of actions.
        width: of the hidden layers.
    """

    def __init__(self, lived: Transitions, kind: ActionKind, width: int = 64) -> None:
        super().__init__()
        self.kind = kind
        before, after = torch.from_numpy(lived.before), torch.from_numpy(lived.after)
        self.state, self.change = normalizer_of(before), normalizer_of(after - before)
        self.layers = perceptron(2 * before.shape[1], kind.outputs, width)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """``(M, O)`` and ``(M, O)`` to what says which action, ``(M, outputs)``: see the kind."""
        outputs: Tensor = self.layers(torch.cat([self.state(before), self.change(after - before)], dim=1))
        return outputs


def bco(
    worlds: Worlds,
    demonstrations: Trajectories,
    policy: Policy,
    settings: BcoSettings,
    seed: int,
    evaluate: Callable[[Act], float] | None = None,
    progress: Callable[[BcoRound], None] | None = None,
) -> tuple[BcoRound, ...]:
    """Fit ``policy`` to demonstrations without actions.

    Args:
        worlds: in which the learner may act; no reward is looked at.
        demonstrations: of which only the observations are.
        policy: of ``choice_policy`` or ``command_policy``; it is changed in place.
        settings: how much.
        seed: of weights, order, and exploration.
        evaluate: drives the policy, to be reported; it decides nothing.
        progress: told after every round.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x62636F]))
    shown, following = demonstrations.pairs
    kind = kind_of(policy)
    rounds: list[BcoRound] = []
    apart_s, began = 0.0, time.monotonic()
    with reproducible(seed):
        lived = collect(worlds, kind.at_random(random, settings.hold), settings.exploration)
        for number in range(1, settings.rounds + 1):
            inverse, accuracy = _fit_inverse(lived, kind, settings)
            inferred, confidence = infer(inverse, shown, following)
            clone(policy, shown, inferred, settings.cloning)
            asked = time.monotonic()
            score = float("nan") if evaluate is None else evaluate(kind.likeliest(policy))
            apart_s += time.monotonic() - asked
            seconds = time.monotonic() - began - apart_s
            rounds.append(BcoRound(number, len(lived), seconds, accuracy, confidence, score))
            if progress is not None:
                progress(rounds[-1])
            if number < settings.rounds and settings.alpha > 0.0:
                lived += collect(worlds, kind.drawn(policy), round(settings.alpha * len(shown)))
    return tuple(rounds)


def _fit_inverse(lived: Transitions, kind: ActionKind, settings: BcoSettings) -> tuple[InverseDynamics, float]:
    """The inverse model of what the learner lived through, and its accuracy on a tenth of that."""
    model = InverseDynamics(lived, kind, settings.width)
    before, actions, after = (torch.from_numpy(part) for part in (lived.before, lived.actions, lived.after))
    order = torch.randperm(len(lived))
    held_out, kept = order.tensor_split([max(1, int(_HELD_OUT * len(lived)))])

    def loss(rows: list[Tensor]) -> Tensor:
        return kind.loss(model(rows[0], rows[2]), rows[1])

    fit(model.parameters(), loss, [before[kept], actions[kept], after[kept]], settings.inverse)
    with torch.inference_mode():
        return model, kind.share_found(model(before[held_out], after[held_out]), actions[held_out])


def infer(model: InverseDynamics, before: FloatArray, after: FloatArray) -> tuple[Actions, float]:
    """The likeliest action between each two observations ``(M, O)``, and its mean probability."""
    with torch.inference_mode():
        return model.kind.infer(model(torch.from_numpy(before), torch.from_numpy(after)))


def clone(policy: Policy, observations: FloatArray, actions: Actions, fitting: Fitting) -> float:
    """Behavioural cloning: ``max Σ log π(a | s)`` over rows ``(M, O)`` and M actions; the loss."""
    kind = kind_of(policy)
    shown, done = torch.from_numpy(observations), torch.from_numpy(actions)
    policy.train()
    loss = fit(
        [weight for name, weight in policy.named_parameters() if not name.startswith("safety.")],
        lambda rows: kind.cloning_loss(policy, rows[0], rows[1]),
        [shown, done],
        fitting,
    )
    policy.eval()
    return loss
