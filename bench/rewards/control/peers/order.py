"""What a peer's side is told, and what it answers; it runs beside the peer, so it needs no library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.peers.order import PeerOrder

__all__ = ["Answer", "Order", "Point"]


@dataclass(frozen=True)
class Point:
    """How good a policy was on the way.

    Attributes:
        steps: of all environments together.
        seconds: of acting and learning; judging does not count.
        score: mean return of its likeliest actions.
    """

    steps: int
    seconds: float
    score: float


@dataclass(frozen=True)
class Order(PeerOrder):
    """One training.

    Attributes:
        gymnasium_id: of the environment that policies are judged in.
        steps: of all environments together, at most.
        seed: of everything.
        starts: seeds of the episodes that policies are judged by.
        until: a score that ends the training; None to go on to the end.
        demonstrations: an ``.npz`` of ``models.trajectories``; empty for none.
        options: of the library.
    """

    gymnasium_id: str
    steps: int
    seed: int
    starts: tuple[int, ...]
    until: float | None = None
    demonstrations: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """How it went.

    Attributes:
        points: the policy on the way, the last one at the end.
    """

    points: tuple[Point, ...]

    def to_json(self) -> str:
        """One line, to be the last."""
        return json.dumps(asdict(self))

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Answer:
        """Read what ``to_json`` wrote, parsed."""
        return cls(tuple(Point(**one) for one in values["points"]))
