"""One tick as a node sees it: with its observation, or with the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from models.data import Observation

__all__ = ["ObservedTick"]


@dataclass(frozen=True, slots=True)
class ObservedTick:
    """One tick of the trigger, with what may be made of it.

    Attributes:
        stamp_ns: its stamp.
        observation: what was seen; ``None`` when no observation could be made.
        problem: why nobody may act on it; empty if one may.
    """

    stamp_ns: int
    observation: Observation | None
    problem: str = ""
