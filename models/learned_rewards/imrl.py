"""Internal model from observations for reward shaping (Kimura et al. 2018, arXiv:1806.01267).

A model of where the expert goes next is learned once from its states; whoever goes where it says is rewarded.
Pseudo-code, with θ the model and ψ a bounded function::

    θ downhill on E_expert ‖θ(s) - s'‖²                 Imrl (before the first round)
    repeat
        τ ~ π                                            imitate
        r = -ψ(‖s' - θ(s)‖)                              Imrl.rewards
        π one step of PPO towards more of it             imitate

Two forms of ψ: ``tanh(e)``, with which the paper's best rewards are made, and ``min(e, 1)``. The model predicts the
*change* of a state, in deviations of the expert's changes: what one action does is a hundredth of a state's range, and
an error in units of that range would not notice it.

The reward is never positive, so that it would favour short episodes; with the absorbing state it does not (see
:class:`Transitions`). There the model knows without learning: an expert who was ever there stayed (error 0), and where
none ever was the learner is as wrong as can be (ψ = 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.errors import TrainingError
from models.learned_rewards.loop import Experience, Floats, LearnedReward
from models.learned_rewards.transitions import Transitions
from models.recorded_steps import RecordedSteps
from models.reinforcement import Shape
from models.reinforcement.networks import TwoLayers
from models.reinforcement.statistics import RunningStatistics
from models.trajectories import Trajectories

__all__ = ["ErrorForm", "Imrl", "ImrlConfig", "imrl"]

Float32s = npt.NDArray[np.float32]


class ErrorForm(StrEnum):
    """ψ: how an error becomes a cost within [0, 1]."""

    TANH = "tanh"
    """``tanh(e)``."""
    LINEAR = "linear"
    """``min(e, 1)``."""

    def of(self, errors: Floats) -> Floats:
        """Costs of errors ``(M,)`` of 0 or more."""
        return np.tanh(errors) if self is ErrorForm.TANH else np.minimum(errors, 1.0)


@dataclass(frozen=True)
class ImrlConfig:
    """Options of the reward."""

    form: ErrorForm = ErrorForm.TANH
    # Divides errors, which are root mean squares over a state's numbers, in deviations of the expert's changes: where
    # ψ begins to saturate.
    tolerance: float = 1.0
    # Units of both hidden layers, steps of gradient descent, rows of each, and Adam's learning rate to begin with.
    width: int = 128
    updates: int = 4000
    minibatch: int = 256
    rate: float = 2e-3
    absorbing: bool = True

    def __post_init__(self) -> None:
        """Reject what cannot work."""
        if min(self.width, self.updates, self.minibatch) < 1 or self.rate <= 0.0 or self.tolerance <= 0.0:
            raise TrainingError(
                "options of IMRL are out of range", found=self, expected="counts of at least 1, positive numbers"
            )


class Imrl(LearnedReward):
    """How well the expert's model says where one went; its figure is the model's root mean square error on the expert.

    Args:
        expert: the expert's steps.
        config: the options.
        seed: of weights and of the order of rows.
    """

    def __init__(self, expert: Transitions, config: ImrlConfig, seed: int) -> None:
        self._config, self._visited = config, expert.absorbed > 0
        size = expert.observations.shape[1]
        self._states, self._changes = RunningStatistics(size), RunningStatistics(size)
        self._states.add(expert.observations)
        self._changes.add(expert.next_observations - expert.observations)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = TwoLayers(size, config.width, size)
        self._fit(expert, np.random.default_rng(np.random.SeedSequence([seed, 0x696D726C])))
        self.model_error = float(np.sqrt(np.square(self.errors(expert)).mean()))

    def _fit(self, expert: Transitions, random: np.random.Generator) -> None:
        config = self._config
        rows = [torch.from_numpy(part) for part in self._inputs(expert)]
        example = [part[torch.zeros(config.minibatch, dtype=torch.int64)] for part in rows]
        steps = RecordedSteps(list(self.model.parameters()), self._loss, example)
        order = torch.from_numpy(random.integers(0, len(expert), config.updates * config.minibatch))
        falling = config.rate * (1.0 - np.arange(config.updates) / config.updates)
        steps.run([part[order] for part in rows], falling.tolist())
        steps.close()

    def _loss(self, rows: list[Tensor]) -> Tensor:
        states, changes = rows
        loss: Tensor = (self.model(states) - changes).square().mean()
        return loss

    def _inputs(self, seen: Transitions) -> tuple[Float32s, Float32s]:
        """States and changes, normalised, ``(M, O)`` each."""
        changes = seen.next_observations - seen.observations
        return self._states.normalise(seen.observations), self._changes.normalise(changes)

    def errors(self, seen: Transitions) -> Floats:
        """``‖s' - θ(s)‖``, root mean square over a state's numbers in deviations of the expert's changes, ``(M,)``."""
        states, changes = self._inputs(seen)
        with torch.inference_mode():
            predicted = self.model(torch.from_numpy(states)).numpy()
        errors: Floats = np.sqrt(np.square(changes - predicted).mean(axis=1)).astype(np.float64)
        return errors

    def learn(self, experience: Experience) -> float:
        """Nothing more: the model is the expert's alone."""
        return self.model_error

    def rewards(self, experience: Experience) -> Floats:
        """``-ψ(e / tolerance)``, ``(T · N,)``."""
        return -self._config.form.of(self.errors(experience.seen) / self._config.tolerance)

    def absorbing_reward(self) -> float:
        """0 where the expert was there, else the largest cost."""
        return 0.0 if self._visited else -1.0


def imrl(shape: Shape, shown: Trajectories, config: ImrlConfig, seed: int) -> Imrl:
    """The reward; ``imitate`` makes a policy of it. Actions of the demonstrations are not looked at.

    Raises:
        TrainingError: the demonstrations are of another task.
    """
    expert = Transitions.of_expert(shown.without_actions(), shape, absorbing=config.absorbing)
    return Imrl(expert, config, seed)
