"""One run of a tabular learner: from demonstrations to a reward, a policy, and how good both are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from models.rewards.apprenticeship import Apprentice, Progress, Round
from models.rewards.demonstrations import Demonstrations, path_probability
from models.rewards.max_margin import max_margin
from models.rewards.maxent import max_ent
from models.rewards.mdp import Floats
from models.rewards.mixture import PolicyMixture
from models.rewards.mwal import both_signs, mwal
from models.rewards.projection import projection
from sim.tabular.task import TabularTask

__all__ = ["FIGURES", "LEARNERS", "Learned", "Settings", "learn"]

LEARNERS = ("maxent", "max-margin", "projection", "mwal")

FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "maxent": "log-likelihood of a demonstration",
        "max-margin": "margin: distance to the expert's features",
        "projection": "distance to the expert's features",
        "mwal": "least advantage over the expert",
    }
)
"""What a round's figure is, by learner."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How long a learner works.

    Attributes:
        epsilon: max-margin and projection end this close to the expert.
        iterations: the most rounds; of MWAL the very number.
        penalty: of MaxEnt, on large weights.
    """

    epsilon: float = 0.01
    iterations: int = 500
    penalty: float = 1e-3


@dataclass(frozen=True, eq=False)
class Learned:
    """What a run found.

    Attributes:
        learner: its name.
        task: the world.
        theta: ``(K,)`` weights of the reward; see the learner for which.
        rounds: one record a round; :data:`FIGURES` says what its figure is.
        converged: whether it ended because it was done.
        mixture: the policies of max-margin, projection and MWAL, one of which is drawn an episode.
        policy: one policy that does as they do, ``(S, A)``; of MaxEnt the soft policies, ``(T - 1, S, A)``.
        figures: how good it is, by name; see :func:`learn`.
    """

    learner: str
    task: TabularTask
    theta: Floats
    rounds: tuple[Round, ...]
    converged: bool
    mixture: PolicyMixture | None
    policy: Floats
    figures: Mapping[str, float]

    @property
    def reward(self) -> Floats:
        """``(S,)``."""
        reward: Floats = self.task.features @ self.theta
        return reward

    @property
    def acting(self) -> Floats:
        """``(S, A)``: what acts where nobody counts steps; of MaxEnt the policy with the whole horizon before it."""
        return self.policy if self.policy.ndim == 2 else self.policy[0]


def learn(
    task: TabularTask,
    learner: str,
    demonstrations: Demonstrations,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Learned:
    """Run one learner.

    MWAL, whose weights are never negative, gets features in both signs where it is not known that more is better.

    The figures, where they can be told: ``share``, the value of what was learned under the true reward, 0 for acting at
    random and 1 for the expert; ``ratio``, the plain quotient of the two values; ``soft_share`` of MaxEnt, the same of
    its soft policy, where the others are of the best policy of its reward; ``shown``, how often the demonstrated paths
    are walked, where nobody knows the true reward.

    Args:
        task: a finite one for MaxEnt, a discounted one for the others.
        learner: one of :data:`LEARNERS`.
        demonstrations: of the task's horizon.
        settings: the default when not given.
        progress: told after every round.
    """
    settings = settings or Settings()
    if learner == "maxent":
        return _maxent(task, demonstrations, settings, progress)
    demonstrations.require_within(task.mdp)
    expert = demonstrations.discounted_features(task.features, task.mdp.discount)
    theta, found = _play(task, learner, expert, settings, progress)
    mixture = found.mixture
    figures = {}
    if task.true_weights is not None:
        value = mixture.value(task.mdp, task.true_reward)
        figures = {"share": task.share_of_expert(value), "ratio": value / task.value(task.expert)}
    elif task.is_deterministic:
        walked = [path_probability(task.mdp, policy, demonstrations.states).sum() for policy in mixture.policies]
        figures = {"shown": float(mixture.weights @ np.array(walked))}
    policy = mixture.stationary(task.mdp)
    return Learned(learner, task, theta, found.rounds, found.converged, mixture, policy, figures)


def _play(
    task: TabularTask, learner: str, expert: Floats, settings: Settings, progress: Progress | None
) -> tuple[Floats, Apprentice]:
    """Max-margin, projection or MWAL; θ with one weight a feature."""
    if learner == "mwal":
        both = not task.signed
        features = both_signs(task.features) if both else task.features
        aim = np.append(expert, -expert) if both else expert
        found = mwal(task.mdp, features, aim, iterations=settings.iterations, progress=progress)
        count = task.features.shape[1]
        return found.theta[:count] - found.theta[count:] if both else found.theta, found
    run: Callable[..., Apprentice] = {"max-margin": max_margin, "projection": projection}[learner]
    found = run(
        task.mdp,
        task.features,
        expert,
        epsilon=settings.epsilon,
        iterations=settings.iterations,
        progress=progress,
    )
    return found.theta, found


def _maxent(
    task: TabularTask, demonstrations: Demonstrations, settings: Settings, progress: Progress | None
) -> Learned:
    found = max_ent(
        task.mdp,
        task.features,
        demonstrations,
        penalty=settings.penalty,
        iterations=settings.iterations,
        progress=progress,
    )
    figures = {}
    if task.true_weights is not None:
        value = task.value(task.best_policy(task.features @ found.theta))
        figures = {
            "share": task.share_of_expert(value),
            "ratio": value / task.value(task.expert),
            "soft_share": task.share_of_expert(task.value(found.plan.policies)),
        }
    elif task.is_deterministic:
        walked = path_probability(task.mdp, found.plan.policies, demonstrations.states)
        figures = {"shown": float(walked.sum())}
    return Learned("maxent", task, found.theta, found.rounds, found.converged, None, found.plan.policies, figures)
