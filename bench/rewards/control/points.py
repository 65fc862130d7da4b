"""Policies on the way, kept as a unit: of ours, and of other libraries' in an environment of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from bench.rewards.control.peers.order import Point
from bench.units import Units

__all__ = ["as_dicts", "kept_points"]


def kept_points(
    units: Units, name: str, settings: Mapping[str, object], run: Callable[[], Sequence[Point]]
) -> list[Point]:
    """The points of one training, or those of an earlier run.

    Args:
        units: keep them.
        name: of the unit.
        settings: what decides about them, JSON-able.
        run: trains.
    """
    found = units.get(name, settings, lambda: {"points": as_dicts(run())})
    return [Point(**point) for point in found["points"]]


def as_dicts(points: Sequence[Point]) -> list[dict[str, object]]:
    """JSON-able."""
    return [asdict(point) for point in points]
