"""Imitating latent policies from observation, ILPO (Edwards, Sahni, Schroecker & Isbell 2019, algorithm 1).

What the expert did is explained by *latent* actions first, without acting at all; a few steps in the world then tell
which real action each of them is. Pseudo-code::

    step 1, from (s, s') of the demonstrations
        θ ← θ - ∇ min_z ‖G_θ(s, z) - s'‖²                   some latent action explains each step
        ω ← ω - ∇ ‖Σ_z π_ω(z | s) G_θ(s, z) - s'‖²           and it is likely; no gradient through G
    step 2, in the world
        z ← argmax_z π_ω(z | s)
        a ← argmax_a π_ξ(a | z, s), or with probability ε any action
        s' ← what a leads to;  e_z ← ‖G_θ(s, z) - s'‖²          how far it is from what each z stands for
        ξ ← ξ + Σ_z ∇ log π_ξ(a | z, s) (1 + e_z)⁻² / b(a | s)
    return π(a | s) = π_ξ(a | argmax_z π_ω(z | s), s)

The paper takes the nearest z alone, however far it is, and does not divide by b, the probability with which step 2 took
a. There is always some nearest z; where the expert never does but one thing, all that other actions lead to counts as
that, and most of what is learned from is what the policy prefers to do: a remapping that began wrong takes its own
habit for what z means. So a step speaks for a z as much as it looks like it, and rare actions as much as usual ones.

The networks are in :mod:`models.observation_only.latent`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.learners.reproducible import reproducible
from models.observation_only.latent import Ilpo, IlpoSettings, LatentPolicy
from models.observation_only.networks import Fitting, fit
from models.observation_only.ports import Act, Worlds
from models.observation_only.transitions import drawn_at_random
from models.trajectories import Trajectories

__all__ = ["Ilpo", "IlpoRound", "IlpoSettings", "LatentPolicy", "ilpo"]


@dataclass(frozen=True)
class IlpoRound:
    """One round of step 2.

    Attributes:
        number: from 1.
        steps: of the learner in its worlds, so far.
        seconds: since the beginning of step 1, evaluations left out.
        latents_used: how many different z the demonstrations are explained by.
        score: what ``evaluate`` said of the policy; NaN where nobody was asked.
    """

    number: int
    steps: int
    seconds: float
    latents_used: int
    score: float


@dataclass(frozen=True, eq=False)
class _Lived:
    """Steps of the learner: observations ``(M, O)``, actions ``(M,)``, how much each speaks for each z ``(M, Z)``."""

    before: Tensor
    actions: Tensor
    weights: Tensor


def ilpo(
    worlds: Worlds,
    demonstrations: Trajectories,
    action_count: int,
    settings: IlpoSettings,
    seed: int,
    evaluate: Callable[[Act], float] | None = None,
    progress: Callable[[IlpoRound], None] | None = None,
) -> tuple[Ilpo, tuple[IlpoRound, ...]]:
    """Learn from demonstrations without actions.

    Args:
        worlds: in which the learner may act; no reward is looked at.
        demonstrations: of which only the observations are.
        action_count: K.
        settings: how much.
        seed: of weights, order, and ε.
        evaluate: drives the policy, to be reported; it decides nothing.
        progress: told after every round of step 2.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x696C706F]))
    before, after = (torch.from_numpy(part) for part in demonstrations.pairs)
    rounds: list[IlpoRound] = []
    apart_s, began = 0.0, time.monotonic()
    with reproducible(seed):
        fitted = [_fit_latent(before, after, settings) for _ in range(settings.beginnings)]
        latent = min(fitted, key=lambda one: one[1])[0]
        policy = Ilpo(latent.requires_grad_(False), action_count, settings.width)
        used = int(torch.bincount(latent.explain(before, after)).count_nonzero())
        lived: list[_Lived] = []
        share = settings.interactions // settings.rounds
        # Who knows nothing yet tries everything.
        wander, epsilon = drawn_at_random(action_count, random, settings.hold), 1.0
        for number in range(1, settings.rounds + 1):
            while _steps(lived) < number * share:
                lived.append(_interact(worlds, policy, wander, epsilon, random))
            epsilon = settings.epsilon
            _fit_remapping(policy, lived, settings.remapping)
            asked = time.monotonic()
            score = float("nan") if evaluate is None else evaluate(policy.act)
            apart_s += time.monotonic() - asked
            rounds.append(IlpoRound(number, _steps(lived), time.monotonic() - began - apart_s, used, score))
            if progress is not None:
                progress(rounds[-1])
    return policy.eval(), tuple(rounds)


def _fit_latent(before: Tensor, after: Tensor, settings: IlpoSettings) -> tuple[LatentPolicy, float]:
    """Step 1, and its loss at the end."""
    latent = LatentPolicy(before, after, settings)
    loss = fit(latent.parameters(), lambda rows: latent.loss(*rows), [before, after], settings.latent)
    return latent, loss


def _steps(lived: list[_Lived]) -> int:
    return sum(len(one.actions) for one in lived)


def _interact(worlds: Worlds, policy: Ilpo, wander: Act, epsilon: float, random: np.random.Generator) -> _Lived:
    """One ε-greedy step of all worlds."""
    here = worlds.observations
    preferred = policy.act(here)
    actions: npt.NDArray[np.int64] = np.where(random.random(len(here)) < epsilon, wander(here), preferred)
    worlds.step(actions)
    likely = (1.0 - epsilon) * (actions == preferred) + epsilon / policy.action_count
    rows = torch.from_numpy(here)
    rarity = torch.from_numpy((1.0 / likely).astype(np.float32))
    with torch.no_grad():
        explained = (1.0 + policy.latent.errors(rows, torch.from_numpy(worlds.final_observations))) ** -2.0
    return _Lived(rows, torch.from_numpy(actions), rarity.unsqueeze(1) * explained)


def _fit_remapping(policy: Ilpo, lived: list[_Lived], fitting: Fitting) -> None:
    """``max Σ log π_ξ(a | z, s) / b(a | s)``."""

    def loss(rows: list[Tensor]) -> Tensor:
        before, actions, weights = rows
        logs = policy.remaps(before).log_softmax(dim=2)
        said = logs.gather(2, actions.reshape(-1, 1, 1).expand(-1, logs.shape[1], 1)).squeeze(2)
        return -(weights * said).sum(dim=1).mean()

    columns = [torch.cat([getattr(one, name) for one in lived]) for name in ("before", "actions", "weights")]
    fit(policy.remapping.parameters(), loss, columns, fitting)
