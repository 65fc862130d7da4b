"""Checks of options, with messages for the person who wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from models.errors import TrainingError

__all__ = ["did_you_mean", "require", "require_choice"]


def require(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise ``TrainingError`` about the option ``name`` unless ``holds``."""
    if not holds:
        raise TrainingError(f"policy option {name} is out of range", found=value, expected=expected)


def require_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raise ``TrainingError``, naming the nearest choice, unless ``value`` is one."""
    known = list(choices)
    if value not in known:
        raise TrainingError(
            f"unknown {name} {value!r}", expected="one of " + ", ".join(known), fix=did_you_mean(value, known)
        )


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """A question with the nearest choice, or nothing where none is near."""
    near = get_close_matches(value, list(choices), 1)
    return f"did you mean {near[0]!r}?" if near else ""
