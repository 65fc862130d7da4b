"""Imitating latent policies from observation, ILPO (Edwards, Sahni, Schroecker & Isbell 2019, algorithm 1).

What the expert did is explained by *latent* actions first, without acting at all; a few steps in the world then tell
which real action each of them is. Pseudo-code::

    step 1, from (s, s') of the demonstrations
        θ ← θ - ∇ min_z ‖G_θ(s, z) - s'‖²                   some latent action explains each step
        ω ← ω - ∇ ‖Σ_z π_ω(z | s) G_θ(s, z) - s'‖²           and it is likely; no gradient through G
    step 2, in the world
        z ← argmax_z π_ω(z | s)
        a ← argmax_a π_ξ(a | z, s), or with probability ε any action
        s' ← what a leads to;  z' ← argmin_z ‖G_θ(s, z) - s'‖    what it was, in latent actions
        ξ ← ξ + ∇ log π_ξ(a | z', s)
    return π(a | s) = π_ξ(a | argmax_z π_ω(z | s), s)

G predicts the change of the state, in units of how much states change. It has one trunk and a *linear* layer for each
z: where the expert is a function of the state, a generator that could bend as sharply as it switches would explain
every step with one and the same z, and nothing would be left to remap.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.data import FloatArray
from models.errors import TrainingError
from models.learners.reproducible import reproducible
from models.observation_only.networks import Fitting, fit, normalizer_of, perceptron
from models.observation_only.ports import Act, Worlds
from models.trajectories import Trajectories

__all__ = ["Ilpo", "IlpoRound", "IlpoSettings", "LatentPolicy", "ilpo"]


@dataclass(frozen=True)
class IlpoSettings:
    """Options; those that make no sense raise ``TrainingError``.

    Attributes:
        latents: z; as many as there are actions, or a few more.
        trunk: width of the generator's only hidden layer.
        width: of the hidden layers of both policies.
        latent: how generator and latent policy are fitted.
        interactions: steps in the world.
        epsilon: share of them with an action drawn at random.
        rounds: into which the interactions are divided; after each the remapping is fitted to all of them so far.
        remapping: how, each time.
    """

    latents: int = 3
    trunk: int = 16
    width: int = 64
    latent: Fitting = field(default_factory=lambda: Fitting(steps=4000))
    interactions: int = 2000
    epsilon: float = 0.2
    rounds: int = 5
    remapping: Fitting = field(default_factory=lambda: Fitting(steps=500))

    def __post_init__(self) -> None:
        enough = self.latents >= 2 and self.rounds >= 1 and self.interactions >= self.rounds
        if not enough or not 0.0 <= self.epsilon <= 1.0:
            raise TrainingError(
                "no such run of ILPO",
                found=f"{self.latents} latent, {self.interactions} steps, {self.rounds} rounds, ε {self.epsilon}",
                expected="two latent actions, a step a round, and ε within [0, 1]",
            )


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


class LatentPolicy(nn.Module):
    """π_ω(z | s), and the generator G_θ(s, z) of the next state.

    Args:
        before: ``(M, O)`` states of the demonstrations.
        after: ``(M, O)`` the next ones.
        settings: sizes.
    """

    def __init__(self, before: Tensor, after: Tensor, settings: IlpoSettings) -> None:
        super().__init__()
        self.state, self.change = normalizer_of(before), normalizer_of(after - before)
        inputs, self.latents = before.shape[1], settings.latents
        self.trunk = nn.Sequential(nn.Linear(inputs, settings.trunk), nn.Tanh())
        self.heads = nn.Linear(settings.trunk + inputs, self.latents * inputs)
        self.policy = perceptron(inputs, self.latents, settings.width)

    def changes(self, before: Tensor) -> Tensor:
        """``G_θ(s, z) - s`` in units of the change, ``(M, O)`` to ``(M, Z, O)``."""
        seen = self.state(before)
        outputs: Tensor = self.heads(torch.cat([self.trunk(seen), seen], dim=1))
        return outputs.reshape(len(before), self.latents, -1)

    def errors(self, before: Tensor, after: Tensor) -> Tensor:
        """``‖G_θ(s, z) - s'‖²``, ``(M, Z)``."""
        apart: Tensor = self.changes(before) - self.change(after - before).unsqueeze(1)
        return apart.square().mean(dim=2)

    def forward(self, before: Tensor) -> Tensor:
        """Logits of π_ω, ``(M, O)`` to ``(M, Z)``."""
        logits: Tensor = self.policy(self.state(before))
        return logits

    def loss(self, before: Tensor, after: Tensor) -> Tensor:
        """Both losses; neither sends a gradient to what the other fits."""
        nearest = self.errors(before, after).min(dim=1).values.mean()
        guessed = (self(before).softmax(dim=1).unsqueeze(2) * self.changes(before).detach()).sum(dim=1)
        apart: Tensor = guessed - self.change(after - before)
        return nearest + apart.square().mean()


class Ilpo(nn.Module):
    """π(a | s): the latent policy and the remapping behind it.

    Args:
        latent: of step 1.
        action_count: K.
        width: of the remapping's hidden layers.
    """

    def __init__(self, latent: LatentPolicy, action_count: int, width: int) -> None:
        super().__init__()
        self.latent, self.action_count = latent, action_count
        self.remapping = perceptron(latent.state.mean.shape[0] + latent.latents, action_count, width)

    def remap(self, observations: Tensor, latents: Tensor) -> Tensor:
        """Logits of π_ξ(a | z, s), ``(M, O)`` and ``(M,)`` to ``(M, K)``."""
        known = torch.eye(self.latent.latents)[latents]
        logits: Tensor = self.remapping(torch.cat([self.latent.state(observations), known], dim=1))
        return logits

    def act(self, observations: FloatArray) -> npt.NDArray[np.int64]:
        """The likeliest real action of the likeliest latent one, ``(M, O)`` to ``(M,)``."""
        with torch.no_grad():
            rows = torch.from_numpy(observations)
            return self.remap(rows, self.latent(rows).argmax(dim=1)).argmax(dim=1).numpy()


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
        latent = LatentPolicy(before, after, settings)
        fit(latent.parameters(), lambda rows: latent.loss(*rows), [before, after], settings.latent)
        with torch.no_grad():
            used = int(torch.bincount(latent.errors(before, after).argmin(dim=1)).count_nonzero())
        policy = Ilpo(latent.requires_grad_(False), action_count, settings.width)
        states: list[Tensor] = []
        known: list[Tensor] = []
        done: list[Tensor] = []
        steps, share = 0, settings.interactions // settings.rounds
        for number in range(1, settings.rounds + 1):
            while steps < number * share:
                here, actions, latents = _interact(worlds, policy, settings.epsilon, random)
                states.append(here)
                known.append(latents)
                done.append(actions)
                steps += len(actions)
            _fit_remapping(policy, torch.cat(states), torch.cat(known), torch.cat(done), settings.remapping)
            asked = time.monotonic()
            score = float("nan") if evaluate is None else evaluate(policy.act)
            apart_s += time.monotonic() - asked
            rounds.append(IlpoRound(number, steps, time.monotonic() - began - apart_s, used, score))
            if progress is not None:
                progress(rounds[-1])
    return policy.eval(), tuple(rounds)


def _interact(
    worlds: Worlds, policy: Ilpo, epsilon: float, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """One ε-greedy step of all worlds: observations ``(N, O)``, actions ``(N,)``, and what they were in latent ones."""
    here = worlds.observations
    actions = policy.act(here)
    strays = random.random(len(here)) < epsilon
    actions = np.where(strays, random.integers(policy.action_count, size=len(here)), actions)
    worlds.step(actions)
    rows = torch.from_numpy(here)
    with torch.no_grad():
        latents = policy.latent.errors(rows, torch.from_numpy(worlds.final_observations)).argmin(dim=1)
    return rows, torch.from_numpy(actions), latents


def _fit_remapping(policy: Ilpo, states: Tensor, latents: Tensor, actions: Tensor, fitting: Fitting) -> None:
    """``max Σ log π_ξ(a | z, s)``."""
    fit(
        policy.remapping.parameters(),
        lambda rows: functional.cross_entropy(policy.remap(rows[0], rows[1]), rows[2]),
        [states, latents, actions],
        fitting,
    )
