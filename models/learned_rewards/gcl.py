"""Guided cost learning (Finn, Levine & Abbeel 2016, arXiv:1603.00448): maximum entropy with a network as reward.

Trajectories are as likely as ``P(τ) = exp(r_ψ(τ)) / Z``; ψ maximises the likelihood of the expert's, and Z is estimated
from trajectories that a policy samples, which in turn learns to sample where ``exp(r_ψ)`` is. Pseudo-code, with D_demo
the demonstrations and q the density of a sampled trajectory::

    repeat
        D_samp = τ ~ π_θ, joined by the demonstrations                          imitate, Gcl.learn
        w_j = exp(r_ψ(τ_j)) / q(τ_j), normalised in log space
        ψ uphill on E_demo[r_ψ(τ)] - log Ẑ:  E_demo[∇r_ψ] - Σ_j w_j ∇r_ψ(τ_j)   Gcl.learn
        θ one step of PPO towards more of r_ψ - log π_θ                         imitate

The second term of the gradient is subtracted; see :func:`log_partition`. The policy's reward has ``-log π_θ`` in it
because the distribution to be sampled is ``exp(r_ψ)``, entropy and all.

- *Densities.* Dynamics and starts are the same in P and q and cancel, so ``log q(τ) = Σ_t log π(a_t | s_t)``. Samples
  are of two kinds, the policy's and the demonstrations, so that q is the even mixture of the policy and of a policy
  cloned from the demonstrations, whose density nobody else knows (Finn et al. 2016, arXiv:1611.03852, section 3.2).
- *Pieces.* Weights of whole episodes of hundreds of steps differ by hundreds of nats, so that a single one has all the
  weight. Trajectories are therefore pieces of ``piece`` steps. The effective sample size says how well that goes; it is
  the reward's figure, as a share of the samples.
- *Vectors.* A bounded reward has no finite Z over all vectors, and a policy would be paid for an ever wider spread.
  Densities of vectors are therefore relative to a normal distribution whose deviation is half of the range: the same as
  the paper's cost of ``‖u‖²`` beside the network's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.errors import TrainingError
from models.learned_rewards.cloning import clone_policy
from models.learned_rewards.loop import Experience, Floats, LearnedReward
from models.learned_rewards.pieces import importance, log_partition
from models.learned_rewards.transitions import Transitions
from models.learned_rewards.views import ActionView
from models.recorded_steps import RecordedSteps
from models.reinforcement import Actor, Shape
from models.reinforcement.actor import SteeringActor
from models.reinforcement.networks import TwoLayers
from models.reinforcement.world import Actions, Integers
from models.trajectories import Trajectories

__all__ = ["Gcl", "GclConfig", "gcl"]

Float32s = npt.NDArray[np.float32]
# Of the cloned policy, so that nothing that a policy samples has a density of nearly zero.
UNIFORM_SHARE = 0.05


@dataclass(frozen=True)
class GclConfig:
    """Options of the reward."""

    # Steps of a trajectory's piece; whole episodes leave one sample with all the weight.
    piece: int = 8
    # Pieces of either kind in a step of gradient descent, and such steps a round.
    pieces: int = 64
    updates: int = 8
    rate: float = 1e-3
    width: int = 64
    # Rewards of a step lie within plus and minus this many nats; e⁵ to 1 is as good as certain.
    largest: float = 5.0
    # On squared rewards: shifting all of them changes no likelihood.
    penalty: float = 1e-2
    absorbing: bool = True

    def __post_init__(self) -> None:
        """Reject what cannot work."""
        counts_fit = min(self.piece, self.updates, self.width) >= 1 and self.pieces >= 2
        if not counts_fit or min(self.rate, self.largest) <= 0.0 or self.penalty < 0.0:
            raise TrainingError(
                "options of GCL are out of range",
                found=self,
                expected="counts of at least 1, at least 2 pieces, positive numbers",
            )


@dataclass(frozen=True, eq=False)
class Pieces:
    """Trajectories of one kind; the last is spent in the absorbing state.

    Attributes:
        rows: ``(P, W, F)``, what the reward sees of each step.
        log_densities: ``(P,)`` of each, ``log q(τ)``.
        absorbed: how many the last one stands for; each other stands for itself.
    """

    rows: Float32s
    log_densities: Float32s
    absorbed: float

    @property
    def counts(self) -> Float32s:
        """``(P,)``."""
        return np.append(np.ones(len(self.rows) - 1), self.absorbed).astype(np.float32)

    def draw(self, count: int, random: np.random.Generator) -> tuple[Float32s, Float32s, Float32s]:
        """Rows, densities and counts of so many: the last, and others at random; counts that add up to 1."""
        others = len(self.rows) - 1
        drawn = np.append(random.integers(0, others, count - 1), others)
        counts = np.append(np.full(count - 1, others / (count - 1)), self.absorbed)
        return self.rows[drawn], self.log_densities[drawn], (counts / counts.sum()).astype(np.float32)


class Gcl(LearnedReward):
    """A network of state and action as reward.

    Args:
        shape: of the task.
        expert: the expert's steps, with actions.
        actions: the same as a world takes them, ``(M,)`` or ``(M, A)``.
        clone: policy cloned from them.
        config: the options.
        seed: of weights and draws.
    """

    def __init__(
        self, shape: Shape, expert: Transitions, actions: Actions, clone: Actor, config: GclConfig, seed: int
    ) -> None:
        self._view, self._expert, self._actions = ActionView(shape, far=1.0), expert, actions
        self._clone, self._config = clone, config
        self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x67636C]))
        self._log_policy: Floats = np.zeros(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = TwoLayers(self._view.size, config.width, 1)
        row = torch.zeros(config.pieces, config.piece, self._view.size)
        densities, counts = torch.zeros(config.pieces), torch.full((config.pieces,), 1.0 / config.pieces)
        example = [row, densities, counts, row, densities, counts]
        self._steps = RecordedSteps(list(self._network.parameters()), self._loss, example)

    def learn(self, experience: Experience) -> float:
        """Some steps uphill; the effective sample size as a share of the samples, before them."""
        config, seen, rollout = self._config, experience.seen, experience.rollout
        self._view.notice(self._expert)
        self._view.notice(seen)
        steps, count = rollout.rewards.shape
        taken = rollout.actions.reshape(rollout.size, *rollout.actions.shape[2:])
        # Environment by environment, so that a piece is what followed in one of them; its rest is left out.
        order = np.arange(rollout.size).reshape(steps, count).T[:, : steps - steps % config.piece].ravel()
        self._log_policy = _logs(experience.actor, seen.observations, taken)
        sampled = self._cut(seen, taken, order, self._log_policy)
        of_expert = _logs(experience.actor, self._expert.observations, self._actions)
        shown = self._cut(self._expert, self._actions, np.arange(len(self._expert)), of_expert)
        effective = self._effective_share(shown, sampled)
        for _ in range(config.updates):
            lesson = [*shown.draw(config.pieces, self._random), *sampled.draw(config.pieces, self._random)]
            rows = [torch.from_numpy(part) for part in lesson]
            self._steps.run(rows, [config.rate * (1.0 - experience.done)])
        return effective

    def rewards(self, experience: Experience) -> Floats:
        """``r_ψ(s, a) - log π_θ(a | s)``, ``(T · N,)``, of the experience that was learned from last."""
        rows = torch.from_numpy(self._view.rows(experience.seen))
        with torch.inference_mode():
            rewards = self.step_rewards(rows).numpy().astype(np.float64)
        return rewards - self._log_policy

    def absorbing_reward(self) -> float:
        """Of a step in the absorbing state, where there is one thing to do and so no entropy."""
        with torch.inference_mode():
            return float(self.step_rewards(torch.from_numpy(self._view.absorbed()))[0])

    def step_rewards(self, rows: Tensor) -> Tensor:
        """``r_ψ`` of rows ``(..., F)``, ``(...)`` within plus and minus ``largest``."""
        largest = self._config.largest
        return largest * torch.tanh(self._network(rows).squeeze(-1) / largest)

    def _cut(self, seen: Transitions, actions: Actions, order: Integers, log_policy: Floats) -> Pieces:
        """Pieces of steps in this order, and one that is spent in the absorbing state."""
        length = self._config.piece
        order = order[: len(order) - len(order) % length]
        rows = self._view.rows(seen)[order].reshape(-1, length, self._view.size)
        log_clone = _logs(self._clone, seen.observations, actions)
        # Of vectors the normal distribution itself, whose relative density is 1.
        widest = math.log(UNIFORM_SHARE / max(1, self._clone.shape.action_count))
        log_clone = np.logaddexp(math.log(1.0 - UNIFORM_SHARE) + log_clone, widest)
        policy, clone = (logs[order].reshape(-1, length).sum(axis=1) for logs in (log_policy, log_clone))
        densities = np.append(np.logaddexp(policy, clone) - math.log(2.0), 0.0)
        still = np.repeat(self._view.absorbed()[None], length, axis=1)
        return Pieces(np.concatenate([rows, still]), densities.astype(np.float32), seen.absorbed / length)

    def _effective_share(self, shown: Pieces, sampled: Pieces) -> float:
        """Of all pieces of both kinds, each kind counting the same."""
        rewards, densities, counts = [], [], []
        for part in (shown, sampled):
            with torch.inference_mode():
                rewards.append(self.step_rewards(torch.from_numpy(part.rows)).sum(dim=1).numpy().astype(np.float64))
            densities.append(part.log_densities)
            counts.append(part.counts / part.counts.sum())
        found = importance(np.concatenate(rewards), np.concatenate(densities), np.concatenate(counts))
        return found.effective_share

    def _loss(self, rows: list[Tensor]) -> Tensor:
        """Minus the log-likelihood of the demonstrations; counts of either kind add up to 1."""
        shown, shown_densities, shown_counts, sampled, sampled_densities, sampled_counts = rows
        steps = self.step_rewards(torch.cat([shown, sampled]))
        rewards = steps.sum(dim=1)
        densities, counts = torch.cat([shown_densities, sampled_densities]), torch.cat([shown_counts, sampled_counts])
        likelihood = (shown_counts * rewards[: len(shown)]).sum() - log_partition(rewards, densities, counts)
        return self._config.penalty * steps.square().mean() - likelihood


def _logs(actor: Actor, observations: Float32s, actions: Actions) -> Floats:
    """``log π(a | o)`` of a policy, ``(M,)``; of vectors relative to a normal distribution half of their range wide."""
    with torch.inference_mode():
        seen = torch.from_numpy(actor.statistics.normalise(observations))
        logs, _ = actor.log_probabilities(seen, torch.from_numpy(actions))
    found = logs.numpy().astype(np.float64)
    if isinstance(actor, SteeringActor):
        halves = (actions.astype(np.float64) - actor.centre) / actor.reach
        found += 0.5 * np.square(halves).sum(axis=1) + 0.5 * math.log(2.0 * math.pi) * halves.shape[1]
    return found


def gcl(shape: Shape, shown: Trajectories, config: GclConfig, seed: int) -> Gcl:
    """The reward; ``imitate`` makes a policy of it.

    Raises:
        TrainingError: the demonstrations have no actions, are of another task, or are shorter than a piece.
    """
    expert = Transitions.of_expert(shown, shape, absorbing=config.absorbing)
    if shown.actions is None or len(expert) < config.piece:
        raise TrainingError(
            "guided cost learning needs demonstrations with actions, at least a piece long",
            found="no actions" if shown.actions is None else f"{len(expert)} steps",
            expected=f"actions, and at least {config.piece} steps",
        )
    actions = np.asarray(shown.actions, np.int64 if shape.action_count else np.float32)
    return Gcl(shape, expert, actions, clone_policy(shape, expert.observations, actions, seed), config, seed)
