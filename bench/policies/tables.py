"""Tables of an experiment: a kind of trial, or a condition, to the names of what is compared, to what was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["of_each"]

FoundT = TypeVar("FoundT")
MadeT = TypeVar("MadeT")


def of_each(table: Mapping[str, Mapping[str, FoundT]], make: Callable[[FoundT], MadeT]) -> dict[str, dict[str, MadeT]]:
    """The same table with what ``make`` makes of each entry."""
    return {kind: {name: make(found) for name, found in row.items()} for kind, row in table.items()}
