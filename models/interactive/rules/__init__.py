"""The table: one algorithm a file, by the name it has on the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from models.errors import TrainingError
from models.interactive.rule import Rule
from models.interactive.rules.behavioral_cloning import BehavioralCloningRule
from models.interactive.rules.dagger import Dagger
from models.interactive.rules.dart import Dart
from models.interactive.rules.human_gated import HumanGated
from models.interactive.rules.safe_dagger import SafeDagger
from models.interactive.rules.searn import Searn
from models.interactive.rules.smile import Smile

__all__ = [
    "RULES",
    "BehavioralCloningRule",
    "Dagger",
    "Dart",
    "HumanGated",
    "SafeDagger",
    "Searn",
    "Smile",
    "make_rule",
]

RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (BehavioralCloningRule, Dagger, Smile, Searn, SafeDagger, Dart, HumanGated)
}


def make_rule(name: str, options: Mapping[str, Any] | None = None) -> Rule:
    """The rule of a name; unknown names and options raise ``TrainingError``."""
    if name not in RULES:
        raise TrainingError(f"there is no interactive algorithm {name!r}", expected="one of " + ", ".join(RULES))
    rule = RULES[name]
    known: list[str] = [entry.name for entry in dataclasses.fields(rule)] if dataclasses.is_dataclass(rule) else []
    for option in options or {}:
        if option not in known:
            expected = "one of " + ", ".join(known) if known else "no options"
            raise TrainingError(f"{name} has no option {option!r}", expected=expected)
    return rule(**(options or {}))
