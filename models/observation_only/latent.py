"""The networks of ILPO: latent policy, generator of next states, and the remapping to real actions.

The generator predicts the *change* of the state, in units of how much states change. It has one trunk and a *linear*
layer for each z: where the expert is a function of the state, a generator that could bend as sharply as it switches
would explain every step with one and the same z, and nothing would be left to remap.

Errors count by how exact the generator is in each number of a state, which it learns too: an action shows in velocities
first, and the error of a position, however small, would hide it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.data import FloatArray
from models.errors import TrainingError
from models.observation_only.networks import Fitting, normalizer_of, perceptron
from models.policies.vector_encoder import OUTLIER_DEVIATIONS

__all__ = ["Ilpo", "IlpoSettings", "LatentPolicy"]

# Logarithm of the most exact that a generator may take itself for, in deviations of a change.
_FINEST = -7.0


@dataclass(frozen=True)
class IlpoSettings:
    """Options; those that make no sense raise ``TrainingError``.

    Attributes:
        latents: z; as many as there are actions, or a few more.
        trunk: width of the generator's only hidden layer.
        width: of the hidden layers of both policies.
        latent: how generator and latent policy are fitted.
        beginnings: how often, from other weights; those with the lowest loss are kept.
        interactions: steps in the world.
        epsilon: share of them with an action drawn at random; all of the first round's are.
        hold: steps for which an action drawn at random is kept.
        rounds: into which the interactions are divided; after each the remapping is fitted to all of them so far.
        remapping: how, each time.
    """

    latents: int = 3
    trunk: int = 16
    width: int = 64
    latent: Fitting = field(default_factory=lambda: Fitting(steps=4000))
    beginnings: int = 1
    interactions: int = 2000
    epsilon: float = 0.2
    hold: int = 1
    rounds: int = 5
    remapping: Fitting = field(default_factory=lambda: Fitting(steps=500))

    def __post_init__(self) -> None:
        enough = self.latents >= 2 and self.interactions >= self.rounds
        enough = enough and min(self.beginnings, self.rounds, self.hold) >= 1
        if not enough or not 0.0 < self.epsilon <= 1.0:
            raise TrainingError(
                "no such run of ILPO",
                found=f"{self.latents} latent, {self.interactions} steps, {self.rounds} rounds, ε {self.epsilon}, "
                f"hold {self.hold}, {self.beginnings} beginnings",
                expected="two latent actions, a step a round, ε above 0 and up to 1, held for a step, a beginning",
            )


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
        self.spread = nn.Parameter(torch.zeros(inputs))
        self.policy = perceptron(inputs, self.latents, settings.width)

    def seen(self, before: Tensor) -> Tensor:
        """States in deviations, cut where an exported policy cuts them."""
        return self.state(before).clamp(-OUTLIER_DEVIATIONS, OUTLIER_DEVIATIONS)  # type: ignore[no-any-return]

    def changes(self, before: Tensor) -> Tensor:
        """``G_θ(s, z) - s`` in units of the change, ``(M, O)`` to ``(M, Z, O)``."""
        seen = self.seen(before)
        outputs: Tensor = self.heads(torch.cat([self.trunk(seen), seen], dim=1))
        return outputs.reshape(len(before), self.latents, -1)

    def errors(self, before: Tensor, after: Tensor) -> Tensor:
        """``‖G_θ(s, z) - s'‖²``, ``(M, Z)``: each number's in units of how exact it is."""
        apart: Tensor = self.changes(before) - self.change(after - before).unsqueeze(1)
        return (apart * self._exactness).square().mean(dim=2)

    def explain(self, before: Tensor, after: Tensor) -> Tensor:
        """The latent action that explains each step best, ``(M,)``."""
        with torch.no_grad():
            return self.errors(before, after).argmin(dim=1)

    def forward(self, before: Tensor) -> Tensor:
        """Logits of π_ω, ``(M, O)`` to ``(M, Z)``."""
        logits: Tensor = self.policy(self.seen(before))
        return logits

    def loss(self, before: Tensor, after: Tensor) -> Tensor:
        """Both losses; neither sends a gradient to what the other fits."""
        nearest = self.errors(before, after).min(dim=1).values.mean() - 2.0 * self._exactness.log().mean()
        guessed = (self(before).softmax(dim=1).unsqueeze(2) * self.changes(before).detach()).sum(dim=1)
        apart: Tensor = (guessed - self.change(after - before)) * self._exactness.detach()
        return nearest + apart.square().mean()

    @property
    def _exactness(self) -> Tensor:
        """``(O,)``, 1 / σ of a normal distribution around the generator's prediction."""
        return torch.exp(-self.spread.clamp(min=_FINEST))


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
        self.remapping = perceptron(latent.state.mean.shape[0], latent.latents * action_count, width)

    def remaps(self, observations: Tensor) -> Tensor:
        """Logits of π_ξ(a | z, s) for every z, ``(M, O)`` to ``(M, Z, K)``."""
        logits: Tensor = self.remapping(self.latent.seen(observations))
        return logits.reshape(len(observations), self.latent.latents, self.action_count)

    def remap(self, observations: Tensor, latents: Tensor) -> Tensor:
        """Logits of π_ξ(a | z, s), ``(M, O)`` and ``(M,)`` to ``(M, K)``."""
        index = latents.reshape(-1, 1, 1).expand(-1, 1, self.action_count)
        return self.remaps(observations).gather(1, index).squeeze(1)

    def act(self, observations: FloatArray) -> npt.NDArray[np.int64]:
        """The likeliest real action of the likeliest latent one, ``(M, O)`` to ``(M,)``."""
        with torch.no_grad():
            rows = torch.from_numpy(observations)
            return self.remap(rows, self.latent(rows).argmax(dim=1)).argmax(dim=1).numpy()
