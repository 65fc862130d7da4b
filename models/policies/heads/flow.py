"""Flow matching: noise is carried to an action along a learned velocity, in a few steps."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.policies.heads.generator import GeneratorHead, two_layers
from models.policies.heads.head import HeadOptions, masked_sum
from models.policies.requirements import require

__all__ = ["FlowHead", "FlowOptions"]


@dataclass(frozen=True)
class FlowOptions(HeadOptions):
    """A flow from noise to actions; any distribution, steady to train, at the price of several passes a tick."""

    kind: str = field(default="flow", init=False)
    # Euler steps from noise to action; all of them are in the exported graph.
    steps: int = 8
    # Width of the two hidden layers of the velocity.
    hidden: int = 128

    def __post_init__(self) -> None:
        require(1 <= self.steps <= 100, "steps", self.steps, "1 to 100: each is a part of the exported graph")
        require(self.hidden >= 1, "hidden", self.hidden, "a positive width")

    def build(self, width: int, chunk: int, dims: int) -> FlowHead:
        """A network of the velocity."""
        return FlowHead(width, chunk, dims, self)


class FlowHead(GeneratorHead):
    """``da_t/dt = v(a_t, t, o)`` from ``a_0 ~ N(0, I)`` to the action ``a_1``, by Euler's method.

    Lipman et al. 2023, "Flow Matching for Generative Modeling" (arXiv:2210.02747), with the straight path of Liu et al.
    2023 (arXiv:2209.03003): ``a_t = (1 - t) a_0 + t a*`` has the velocity ``a* - a_0``, and the loss is
    ``E ‖v(a_t, t, o) - (a* - a_0)‖²`` over uniform t. Straight paths are what few steps suffice for; as a policy's
    head it is that of π0 (Black et al. 2024, arXiv:2410.24164).

    Beyond an episode's end a chunk has no expert: the path there leads to the mean action, zero, and no loss is taken.

    Args:
        width: of the features.
        chunk: actions per observation.
        dims: action dimensions; D is ``chunk * dims``.
        options: steps and size.
    """

    def __init__(self, width: int, chunk: int, dims: int, options: FlowOptions) -> None:
        count = chunk * dims
        super().__init__(chunk, dims, noise_width=count)
        self.steps = options.steps
        self.network = two_layers(count + 1 + width, options.hidden, count)

    def velocity(self, position: Tensor, time: Tensor, features: Tensor) -> Tensor:
        """``v``: ``(N, D)``, ``(N, 1)`` in [0, 1] and ``(N, width)`` to ``(N, D)``."""
        velocity: Tensor = self.network(torch.cat([position, time, features], dim=1))
        return velocity

    def sample(self, features: Tensor, noise: Tensor) -> Tensor:
        """Follow the velocity from ``noise``, ``steps`` steps of ``1 / steps``."""
        position = noise
        for step in range(self.steps):
            time = torch.full_like(position[:, :1], step / self.steps)
            position = position + self.velocity(position, time, features) / self.steps
        return position.reshape(-1, self.chunk, self.dims)

    def loss(self, features: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        """Squared error of the velocity at one random point of the path, ``(N,)``."""
        start = torch.randn_like(actions)
        time = torch.rand(len(actions), 1, 1, device=actions.device)
        # Zeros and not the actions beyond an episode's end, on which nothing may depend.
        known = actions * valid.unsqueeze(2)
        position = (1.0 - time) * start + time * known
        error = self.velocity(position.flatten(1), time.flatten(1), features).reshape_as(actions) - (known - start)
        return masked_sum(error.square(), valid)
