"""Maximum-entropy inverse reinforcement learning (Ziebart et al. 2008), with a finite horizon.

The least committed distribution of trajectories that has the expert's features is ``P(τ) ∝ exp θᵀμ(τ)``, with
``μ(τ) = Σ_t φ(s_t)``; θ maximises the likelihood of the demonstrations. Pseudo-code::

    μ_E = mean over demonstrations of Σ_t φ(s_t)
    repeat
        π = soft value iteration of the reward θᵀφ          plan, backwards
        D_t(s) = where π is at time t                       forward pass
        ∇L = μ_E - Σ_t Σ_s D_t(s) φ(s)                      expert's features minus expected features
        step θ uphill                                       L-BFGS: L is concave
    return θ, π

Both sides of the gradient are *sums* over the same T states. (A slide of the ICML deck averages the expert's side over
T; against visits that are summed, no reward then makes the gradient zero.) Where actions have chance outcomes, L is the
dual of maximum *causal* entropy (Ziebart 2010), ``L(θ) = θᵀμ_E - E[V_0(s_0)]``; where they have none it is
the log-likelihood itself, ``θᵀμ_E - log Z``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from models.errors import TrainingError
from models.rewards.apprenticeship import Progress, Round, require_fitting
from models.rewards.demonstrations import Demonstrations
from models.rewards.mdp import Floats, TabularMdp
from models.rewards.planning import SoftPlan, soft_value_iteration, state_visits

__all__ = ["MaxEnt", "likelihood_and_gradient", "log_probability", "max_ent"]


@dataclass(frozen=True, eq=False)
class MaxEnt:
    """What was learned.

    Attributes:
        theta: ``(K,)`` weights of the reward ``θᵀφ``.
        plan: the soft policies under it, ``(T - 1, S, A)``, and values.
        expected: ``(K,)`` features that they are expected to collect.
        rounds: one record a step of the optimiser; the figure is the log-likelihood of a demonstration, less the
            penalty.
        converged: whether the gradient is as small as was asked for.
    """

    theta: Floats
    plan: SoftPlan
    expected: Floats
    rounds: tuple[Round, ...]
    converged: bool


def likelihood_and_gradient(
    mdp: TabularMdp, features: Floats, expert: Floats, theta: Floats, penalty: float = 0.0
) -> tuple[float, Floats]:
    """``L(θ) = θᵀμ_E - E[V_0] - penalty/2 ‖θ‖²`` and its gradient ``(K,)``.

    Args:
        mdp: the world; its start is the demonstrations'.
        features: φ, ``(S, K)``.
        expert: ``(K,)``, the demonstrations' mean sum of features over the horizon.
        theta: ``(K,)``.
        penalty: on large weights.
    """
    plan = soft_value_iteration(mdp, features @ theta)
    expected = state_visits(mdp, plan.policies).sum(axis=0) @ features
    likelihood = theta @ expert - mdp.start @ plan.values[0] - 0.5 * penalty * theta @ theta
    return float(likelihood), expert - expected - penalty * theta


def max_ent(
    mdp: TabularMdp,
    features: Floats,
    demonstrations: Demonstrations,
    *,
    penalty: float = 1e-3,
    iterations: int = 300,
    tolerance: float = 1e-4,
    progress: Progress | None = None,
) -> MaxEnt:
    """Find the reward under which the demonstrations are likeliest.

    Args:
        mdp: the world; trajectories start where the demonstrations do.
        features: φ, ``(S, K)``.
        demonstrations: as long as the world's horizon.
        penalty: on large weights, ``penalty/2 ‖θ‖²``. Without one a θ that explains a feature which the expert never
            shows is infinite.
        iterations: the most steps of the optimiser.
        tolerance: of the gradient's largest element, in units of features summed over the horizon.
        progress: told after every step.

    Raises:
        TrainingError: the demonstrations are not of this world, or features do not fit.
    """
    demonstrations.require_within(mdp)
    expert = demonstrations.feature_counts(features)
    require_fitting(mdp, features, expert)
    if not penalty >= 0.0:
        raise TrainingError("the penalty on large weights must not be negative", found=penalty)
    world = replace(mdp, start=demonstrations.start(mdp.state_count))
    rounds: list[Round] = []

    def downhill(theta: Floats) -> tuple[float, Floats]:
        likelihood, gradient = likelihood_and_gradient(world, features, expert, theta, penalty)
        return -likelihood, -gradient

    def record(intermediate_result: object) -> None:  # SciPy looks at the argument's name
        rounds.append(Round(len(rounds) + 1, -float(getattr(intermediate_result, "fun"))))  # noqa: B009
        if progress is not None:
            progress(rounds[-1], iterations)

    found = minimize(
        downhill,
        np.zeros(features.shape[1]),
        jac=True,
        method="L-BFGS-B",
        callback=record,
        options={"maxiter": iterations, "gtol": tolerance, "ftol": 0.0, "maxfun": 20 * iterations},
    )
    plan = soft_value_iteration(world, features @ found.x)
    expected = state_visits(world, plan.policies).sum(axis=0) @ features
    converged = bool(np.abs(expert - expected - penalty * found.x).max() <= tolerance)
    return MaxEnt(found.x, plan, expected, tuple(rounds), converged)


def log_probability(plan: SoftPlan, demonstrations: Demonstrations) -> Floats:
    """``Σ_t log π_t(a_t | s_t)`` of each demonstration, ``(N,)`` nats: how well a reward explains what was done."""
    steps = np.arange(demonstrations.actions.shape[1])
    chosen = plan.policies[steps, demonstrations.states[:, :-1], demonstrations.actions]
    logs: Floats = np.log(np.maximum(chosen, 1e-300)).sum(axis=1)
    return logs
