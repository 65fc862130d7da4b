"""The sections of the page of an interactive learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.interactive import RoundRecord
from understudy.report.document import html_document
from understudy.report.interactive import InteractiveInputs, of_policy, of_round, rate_words
from understudy.report.markup import again, definitions, fact_tile, figure, key, missing, percent, section, table
from understudy.report.rounds import (
    draw_against_data,
    draw_asked,
    draw_deviations,
    draw_drivers_by_round,
    draw_switches,
)

__all__ = ["render_interactive_page"]

_TITLES = {
    "bc": "Behavioural cloning",
    "dagger": "DAgger",
    "smile": "SMILe",
    "searn": "SEARN",
    "safedagger": "SafeDAgger",
    "dart": "DART",
    "human-gated": "Human-gated DAgger",
}
_LINKS = (
    ("brought", "What it brought"),
    ("drove", "Who drove"),
    ("drift", "Where it drove"),
    ("rounds", "The rounds"),
    ("making", "How it was made"),
)


def render_interactive_page(inputs: InteractiveInputs) -> str:
    """The whole page as HTML that needs nothing from anywhere else."""
    rounds = inputs.learned.records
    name = str(inputs.settings["rule"])
    return html_document(
        title=f"{_TITLES.get(name, name)}, {len(rounds)} rounds",
        lead=_lead(inputs),
        links=_LINKS,
        tiles=_tiles(inputs),
        sections=(_brought(rounds), _drove(rounds), _drift(inputs), _table(rounds), *_making(inputs)),
    )


def _lead(inputs: InteractiveInputs) -> str:
    members = inputs.learned.members
    if len(members) > 1:
        heaviest = max(members, key=lambda number: members[number])
        return (
            f"The result is a mixture of the {len(members)} policies: which one acts is drawn at every tick. "
            f"That of round {heaviest + 1} weighs most, {percent(members[heaviest])}."
        )
    best = next(iter(members)) + 1
    if any(record.validation for record in inputs.learned.records):
        return f"The result is the policy of round {best}, which drove best alone."
    return f"The result is the policy of round {best}, the last one; none drove alone for comparison."


def _tiles(inputs: InteractiveInputs) -> list[str]:
    rounds = inputs.learned.records
    result = of_policy(rounds)[max(inputs.learned.members)]
    ticks = sum(record.collected.ticks for record in rounds)
    queries = sum(record.collected.queries for record in rounds)
    by_expert = sum(record.collected.expert_ticks for record in rounds)
    switches = sum(record.collected.switches for record in rounds)
    figures = (
        (f"{rate_words(rounds)}, alone", _number(result), "where every policy acted alone for comparison"),
        ("labels of the expert", f"{queries:,}", f"{percent(queries / ticks)} of {ticks:,} ticks"),
        ("driven by the expert", percent(by_expert / ticks), "of all rounds' ticks"),
        ("changes of driver", f"{switches:,}", f"{1000 * switches / ticks:.1f} in 1000 ticks"),
    )
    return [fact_tile(*one) for one in figures]


def _brought(rounds: Sequence[RoundRecord]) -> str:
    if not np.isfinite(of_policy(rounds) + of_round(rounds)).any():
        return section("brought", "What it brought", missing("This robot does not count what goes wrong."))
    words = rate_words(rounds)
    drawing = draw_against_data("against", rounds, words, of_policy(rounds), of_round(rounds))
    sentence = (
        "Each point is a round. Blue: its policy alone, from starts that are the same for all. Grey: the episodes that "
        "its data come from, whoever acted."
    )
    asked = "Coloured: ticks at which the expert said what to do, by driving or by being asked."
    cards = figure(drawing, f"{words.capitalize()} against data", sentence) + figure(
        draw_asked("asked", rounds), "What it cost", asked
    )
    return section("brought", "What it brought, and what it cost", f'<div class="grid">{cards}</div>')


def _drove(rounds: Sequence[RoundRecord]) -> str:
    cards = figure(
        draw_drivers_by_round("drivers", rounds), "Who drove", "The first round is the expert's alone."
    ) + figure(
        draw_switches("switches", rounds),
        "How often the driver changed",
        "A person who had to follow each change would have to be that quick.",
    )
    words = key(("expert", "expert drives"), ("policy", "policy drives"))
    return section("drove", "Who drove", words, f'<div class="grid">{cards}</div>')


def _drift(inputs: InteractiveInputs) -> str:
    drawing = draw_deviations("drift", inputs.learned.records, inputs.measure)
    sentence = (
        f"The {inputs.measure.name} in each round, by who drove. Where blue lies far from where orange lay in round 1, "
        "the policy meets what the expert never showed."
    )
    words = key(("expert", "while the expert drove"), ("policy", "while the policy drove"))
    return section("drift", "Where it drove", words, figure(drawing, "Drift of the states", sentence, wide=True))


def _table(rounds: Sequence[RoundRecord]) -> str:
    headings = (
        "round",
        "ticks",
        "asked",
        "expert drove",
        "changes",
        "learned from",
        f"{rate_words(rounds)}, alone",
        "cost a try" if rate_words(rounds) == "failures a try" else "cost a tick",
    )
    rows = [
        (
            str(record.number + 1),
            f"{record.collected.ticks:,}",
            f"{record.collected.queries:,}",
            percent(record.collected.expert_ticks / record.collected.ticks),
            str(record.collected.switches),
            f"{record.learned_from:,}",
            _number(alone),
            "–" if record.score is None else f"{-record.score:.4f}",
        )
        for record, alone in zip(rounds, of_policy(rounds), strict=True)
    ]
    parts = [table(headings, rows, caption="Round by round")]
    judged = [record for record in rounds if isinstance(record.report.get("safety"), Mapping)]
    if judged:
        parts.append(_safety_table(judged))
    noisy = [record for record in rounds if record.noise is not None]
    if noisy:
        parts.append(_noise_table(noisy))
    return section("rounds", "The rounds", *parts)


def _safety_table(rounds: Sequence[RoundRecord]) -> str:
    headings = ("round", "τ", "unsafe", "flagged", "precision", "recall", "precision at ½", "recall at ½")
    rows = []
    for record in rounds:
        safety = record.report["safety"]
        shares = ("unsafe_share", "flagged_share", "precision", "recall", "precision_at_half", "recall_at_half")
        rows.append((str(record.number + 1), f"{safety['tau']:.3g}", *(percent(safety[name]) for name in shares)))
    return table(headings, rows, caption="The safety classifier, on held-out episodes")


def _noise_table(rounds: Sequence[RoundRecord]) -> str:
    rows = [
        (str(record.number + 1), ", ".join(f"{np.sqrt(row[i]):.3g}" for i, row in enumerate(record.noise or ())))
        for record in rounds
    ]
    return table(("round", "standard deviation of the noise, a dimension each"), rows, caption="What pushed the expert")


def _making(inputs: InteractiveInputs) -> tuple[str]:
    seconds: dict[str, float] = {}
    for record in inputs.learned.records:
        for name, value in record.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + value
    facts = {
        "Algorithm": f"{inputs.settings['rule']} ({inputs.source})",
        "Policy": inputs.bundle,
        "Weights": {str(number + 1): round(weight, 4) for number, weight in inputs.learned.members.items()},
        "Time": ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()),
        **{name: value for name, value in inputs.settings.items() if name != "rule"},
    }
    return (section("making", "How it was made", again(inputs.command), definitions("Settings", facts)),)


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "–"
