"""A generator of actions and a discriminator that tells them from the expert's."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from models.policies.heads.generator import GeneratorHead, two_layers
from models.policies.heads.head import HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["AdversarialHead", "AdversarialOptions"]

# Draws with which the fit to held-out samples is estimated, see `score`.
SCORE_DRAWS = 8


@dataclass(frozen=True)
class AdversarialOptions(HeadOptions):
    """A generator against a discriminator; sharp, and the least steady of all heads to train."""

    kind: str = field(default="adversarial", init=False)
    # Numbers in the noise.
    latent: int = 4
    # Width of the two hidden layers of generator and discriminator.
    hidden: int = 64
    # Weight γ of the discriminator's gradient penalty; 0 turns it off, and the two then circle instead of settling.
    penalty: float = 0.5

    def __post_init__(self) -> None:
        require(self.latent >= 1, "latent", self.latent, "a positive width")
        require(self.hidden >= 1, "hidden", self.hidden, "a positive width")
        require(0.0 <= self.penalty < math.inf, "penalty", self.penalty, "a weight, 0 or more")

    def build(self, width: int, chunk: int, dims: int) -> AdversarialHead:
        """Generator and discriminator; the discriminator stays behind at export."""
        return AdversarialHead(width, chunk, dims, self)


class AdversarialHead(GeneratorHead):
    """A conditional generative adversarial network: Mirza & Osindero 2014 (arXiv:1411.1784).

    **The expert's label is 1**, the generator's 0; D is the logit of "expert". In every step of the one optimiser the
    two parts take one step each, on the same batch:

    - the discriminator minimises ``softplus(-D(a*)) + softplus(D(g(z))) + γ/2 ‖∇ D(a*)‖²``,
    - the generator minimises the non-saturating ``softplus(-D(g(z)))`` (Goodfellow et al. 2014, section 3).

    One backward pass serves both, since neither loss reaches the other's weights: the discriminator's sees a detached
    draw, the generator's a discriminator with detached weights. Adam keeps its moments per weight, so one Adam over the
    sum takes the very steps of two. That needs no second optimiser and no hook in the learner; a reversed gradient
    would need neither either, but is the saturating loss. The penalty on the expert's samples (R1, Mescheder et al.
    2018, arXiv:1801.04406) makes the game settle. Features learn from the generator alone.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions.
        options: sizes and γ.
    """

    def __init__(self, width: int, chunk: int, dims: int, options: AdversarialOptions) -> None:
        super().__init__(chunk, dims, noise_width=options.latent)
        self.penalty = options.penalty
        self.generator = two_layers(width + options.latent, options.hidden, chunk * dims)
        self.discriminator = two_layers(width + chunk * (dims + 1), options.hidden, 1)

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """``g(noise, o)``."""
        actions: Tensor = self.generator(torch.cat([features, noise], dim=1))
        return actions.reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Both losses in one number, ``(N,)``; its value says little, see :meth:`score`."""
        drawn = self._draw(features)
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        judged = functional_call(self.discriminator, fixed, (_seen(features.detach(), drawn, valid),))
        generator = functional.softplus(-judged.squeeze(1))
        return generator + self._discriminator_loss(features.detach(), actions, drawn.detach(), valid)

    def _discriminator_loss(self, features: Tensor, actions: Tensor, drawn: Tensor, valid: Tensor) -> Tensor:
        actions = actions.detach().requires_grad_(torch.is_grad_enabled())
        expert = self.discriminator(_seen(features, actions, valid)).squeeze(1)
        generated = self.discriminator(_seen(features, drawn, valid)).squeeze(1)
        loss = functional.softplus(-expert) + functional.softplus(generated)
        if torch.is_grad_enabled() and self.penalty > 0.0:
            (slope,) = torch.autograd.grad(expert.sum(), actions, create_graph=True)
            loss = loss + 0.5 * self.penalty * slope.square().sum(dim=(1, 2))
        return loss

    def _draw(self, features: Tensor) -> Tensor:
        return self.sample(features, torch.randn(len(features), self.noise_width, device=features.device))

    def score(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """The energy score ``E ‖g(z) - a*‖ - ½ E ‖g(z) - g(z')‖``, ``(N,)``, in place of the loss.

        The loss says who is winning and not how well the actions fit. This score is lowest for the expert's own
        distribution (Gneiting & Raftery 2007, section 4.2).
        """
        draws = [self._draw(features) for _ in range(SCORE_DRAWS)]
        error = sum(_distance(one, actions, valid) for one in draws) / SCORE_DRAWS
        spread = sum(_distance(one, other, valid) for one, other in pairwise(draws)) / (SCORE_DRAWS - 1)
        return torch.as_tensor(error - 0.5 * spread)

    @torch.no_grad()
    def diagnose(self, features: Tensor, actions: Tensor, valid: Tensor) -> dict[str, float]:
        """``discriminator_accuracy``: 0.5 where it cannot tell, 1 where the generator has lost."""
        expert = self.discriminator(_seen(features, actions, valid)) > 0.0
        generated = self.discriminator(_seen(features, self._draw(features), valid)) <= 0.0
        return {"discriminator_accuracy": float(torch.cat([expert, generated]).float().mean())}


def _seen(features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
    """What the discriminator sees: no actions beyond an episode's end, of the expert or of the generator."""
    return torch.cat([features, (actions * valid.unsqueeze(2)).flatten(1), valid], dim=1)


def _distance(first: Tensor, second: Tensor, valid: Tensor) -> Tensor:
    return masked_sum((first - second).square(), valid).sqrt()
