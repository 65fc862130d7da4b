"""The page of an interactive learning: what the rounds cost and brought, who drove them, and where they led."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.interactive import Learning, Measure, RoundRecord

__all__ = ["InteractiveInputs", "rate", "write_interactive_report"]


@dataclass(frozen=True)
class InteractiveInputs:
    """What the page shows.

    Attributes:
        settings: of the learning, by name.
        source: where its algorithm was published.
        learned: the result and its rounds.
        measure: what deviations are.
        bundle: path of the exported policy.
        command: what makes the page again.
    """

    settings: Mapping[str, object]
    source: str
    learned: Learning
    measure: Measure
    bundle: str
    command: str


def rate(outcome: Mapping[str, float]) -> float:
    """How often it goes wrong: falls a lap, or failures a try. NaN without drives.

    A drive that came nowhere counts as a tenth of a lap, so that it has a rate.
    """
    if "tries" in outcome:
        return share(outcome["failures"], outcome["tries"])
    if "falls" not in outcome:
        return float("nan")
    return outcome["falls"] / max(outcome.get("laps", 0.0), 0.1)


def write_interactive_report(path: Path, inputs: InteractiveInputs) -> Path:
    """Write the page, replacing one that is there; raises ``UnderstudyError`` as ``write_report`` does."""
    from understudy.report import write_page

    def draw() -> str:
        from understudy.report.interactive_page import render_interactive_page

        return render_interactive_page(inputs)

    return write_page(path, draw)


def rate_words(rounds: Sequence[RoundRecord]) -> str:
    """What :func:`rate` is of this robot."""
    return "failures a try" if any("tries" in record.collected.outcome for record in rounds) else "falls a lap"


def of_policy(rounds: Sequence[RoundRecord]) -> list[float]:
    """The rate of each round's policy alone."""
    return [rate(record.validation) for record in rounds]


def of_round(rounds: Sequence[RoundRecord]) -> list[float]:
    """The rate while each round's data were collected."""
    return [rate(record.collected.outcome) for record in rounds]


def share(part: float, whole: float) -> float:
    """Of a whole; NaN of nothing."""
    return part / whole if whole else float(np.nan)
