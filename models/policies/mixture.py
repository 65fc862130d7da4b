"""Several policies as one: the member that acts is drawn anew at every tick (SMILe, SEARN)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from models.errors import TrainingError
from models.interactive.mixture import cumulative_weights
from models.policies.acting import ActingPolicy
from models.policies.encoder import Encoder
from models.policies.policy import Policy
from models.policies.specification import PolicySpecification, StreamShape

__all__ = ["MixturePolicy"]


class MixturePolicy(ActingPolicy):
    """All members answer, and the drawn one's answer counts, so that the graph needs no branches.

    The first number of the noise draws the member by inverting the cumulative weights, exactly as
    :class:`models.interactive.mixture.Mixture` does in process; the others are the member's own noise.

    Args:
        members: without a recurrent memory, of one robot and one chunk length.
        weights: of each; scaled to add up to 1.

    Raises:
        TrainingError: weights that are none, or members that cannot act for one another.
    """

    cumulative: Tensor

    def __init__(self, members: Sequence[Policy], weights: Sequence[float]) -> None:
        super().__init__()
        if not members or len(members) != len(weights):
            raise TrainingError("every member of a mixture has a weight", found=f"{len(members)} and {len(weights)}")
        _require_alike(members)
        total = math.fsum(weights)
        self.register_buffer("cumulative", torch.tensor(cumulative_weights(weights), dtype=torch.float32))
        self.weights = tuple(weight / total for weight in weights)
        self.members = nn.ModuleList(members)
        self.minimum, self.maximum = members[0].minimum, members[0].maximum

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The members."""
        return tuple(member for member in self.members if isinstance(member, Policy))

    @property
    def specification(self) -> PolicySpecification:
        """The first member's; the others differ in weights and statistics, at most in their networks."""
        return self.policies[0].specification

    @property
    def jumps(self) -> bool:
        """Between members."""
        return True

    @property
    def noise_width(self) -> int:
        """One number for the draw, and what the member that takes most needs."""
        return 1 + max(member.noise_width for member in self.policies)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Nothing."""
        return (0,)

    @property
    def state_limit(self) -> float:
        """Of nothing."""
        return 1.0

    def inputs(self) -> list[tuple[StreamShape, Encoder]]:
        """Those of the first member."""
        return self.policies[0].inputs()

    def initial_state(self, batch: int) -> Tensor:
        """Refused: there is none."""
        raise TrainingError("a mixture keeps no state", found="a mixture of policies with a stack")

    def forward(self, raw: Mapping[str, Tensor], noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``action (N, chunk, A)`` in SI units and ``unsafe_probability (N,)`` of the drawn members."""
        if noise is None:
            noise = torch.randn(len(next(iter(raw.values()))), self.noise_width)
        uniform = 0.5 * (1.0 + torch.erf(noise[:, :1] / math.sqrt(2.0)))
        drawn = (self.cumulative <= uniform).sum(dim=1).clamp_max(len(self.members) - 1)
        answers = [
            member(raw, noise[:, 1 : 1 + member.noise_width] if member.noise_width else None)
            for member in self.policies
        ]
        return _pick(torch.stack([action for action, _ in answers], dim=1), drawn), _pick(
            torch.stack([unsafe for _, unsafe in answers], dim=1), drawn
        )

    def step(
        self, raw: Mapping[str, Tensor], state: Tensor, noise: Tensor | None = None
    ) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Refused: there is no state."""
        raise TrainingError("a mixture keeps no state", found="a mixture of policies with a stack")


def _pick(rows: Tensor, drawn: Tensor) -> Tensor:
    """Row ``drawn (N,)`` of each ``(N, K, ...)``; not a product with zeros, which would spread one member's NaN."""
    index = drawn.reshape(-1, *[1] * (rows.dim() - 1)).expand(-1, 1, *rows.shape[2:])
    return rows.gather(1, index).squeeze(1)


def _require_alike(members: Sequence[Policy]) -> None:
    first = members[0]
    recurrent = next((member for member in members if member.is_recurrent), None)
    if recurrent is not None:
        raise TrainingError(
            "a mixture of policies that remember is not supported: members that do not act would have to remember too",
            found=f"memory={recurrent.specification.config.memory!r}",
            expected="memory='stack'",
        )
    for member in members[1:]:
        ours, theirs = first.specification, member.specification
        same = (
            (ours.streams, ours.frames, ours.action_names, ours.config.chunk)
            == (theirs.streams, theirs.frames, theirs.action_names, theirs.config.chunk)
            and torch.equal(first.minimum, member.minimum)
            and torch.equal(first.maximum, member.maximum)
        )
        if not same:
            raise TrainingError("the members of a mixture are for different robots, or of different chunk lengths")
