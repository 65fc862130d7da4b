"""Small pieces of HTML, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

__all__ = [
    "again",
    "bars",
    "count",
    "data_uri",
    "definitions",
    "fact_tile",
    "figure",
    "key",
    "missing",
    "percent",
    "run_section",
    "section",
    "table",
    "tile",
]


def percent(share: float | None, digits: int = 1) -> str:
    """A share as a percentage, a dash for none; a whole one without decimals."""
    return "–" if share is None else f"{share * 100:.{0 if share in (0.0, 1.0) else digits}f}%"


def count(number: float, noun: str) -> str:
    """The number and its noun, in the plural where that is due."""
    return f"{number:.3g} {noun}{'' if number == 1 else 's'}"


def data_uri(data: bytes, media_type: str) -> str:
    """The bytes as an address that needs no request."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def section(anchor: str, title: str, *parts: str) -> str:
    """A titled section."""
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>\n' + "\n".join(parts) + "\n</section>"


def figure(svg: str, title: str, sentence: str, *, wide: bool = False) -> str:
    """A drawing on a card, with its title and one sentence that says what to see."""
    kind = "card wide" if wide else "card"
    return (
        f'<figure class="{kind}"><figcaption><h3>{escape(title)}</h3><p>{escape(sentence)}</p></figcaption>'
        f'<div class="scroll">{svg}</div></figure>'
    )


def tile(label: str, value: str, goal: str, met: bool | None, *, judged: bool = True) -> str:
    """A headline figure with its goal and whether it was met; ``None`` when it was not measured.

    One that is not ``judged`` has no goal, and a remark in its place.
    """
    mark = {True: ("met", "✓ met"), False: ("failed", "✗ missed"), None: ("open", "not measured")}[met]
    verdict = f'<span class="mark">{mark[1]}</span> <span>goal {escape(goal)}</span>' if judged else escape(goal)
    return (
        f'<div class="tile {mark[0]}"><p class="label">{escape(label)}</p><p class="value">{escape(value)}</p>'
        f'<p class="goal">{verdict}</p></div>'
    )


def fact_tile(label: str, value: str, remark: str) -> str:
    """A headline figure that has no goal, and a remark on it."""
    return tile(label, value, remark, None, judged=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "", total: bool = False) -> str:
    """A table whose first column names the row; with ``total`` the last row sums the others up."""
    cells = [list(row) for row in rows]
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in headings)
    body = []
    for index, row in enumerate(cells):
        kind = ' class="total"' if total and index == len(cells) - 1 else ""
        columns = "".join(f"<td>{escape(text)}</td>" for text in row[1:])
        body.append(f'<tr{kind}><th scope="row">{escape(row[0])}</th>{columns}</tr>')
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="card scroll"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def again(command: str) -> str:
    """What a person types to have the page once more."""
    return f"<p>Make this page again: <code>{escape(command)}</code></p>"


def definitions(title: str, facts: Mapping[str, object]) -> str:
    """A card of labelled facts; long values break anywhere."""
    rows = "".join(f"<dt>{escape(str(label))}</dt><dd>{escape(_text(value))}</dd>" for label, value in facts.items())
    return f'<div class="card facts"><h3>{escape(title)}</h3><dl>{rows}</dl></div>'


def run_section(command: str, facts: Mapping[str, object]) -> str:
    """The section that says how a run was made, and how to make it again."""
    cards = f'<div class="grid small">{definitions("Run", facts)}</div>'
    return section("making", "How it was made", again(command), cards)


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """Horizontal bars: name, length (of the longest), and the number in words."""
    longest = max(length for _, length, _ in rows) or 1.0
    lines = "".join(
        f'<span>{escape(name)}</span><span class="bar" style="width:{100 * length / longest:.1f}%"></span>'
        f'<span class="number">{escape(words)}</span>'
        for name, length, words in rows
    )
    return f'<div class="bars">{lines}</div>'


def key(*entries: tuple[str, str]) -> str:
    """What the colours mean: ``(palette role, words)``."""
    items = "".join(
        f'<li><span style="background:var(--{role})"></span>{escape(words)}</li>' for role, words in entries
    )
    return f'<ul class="key">{items}</ul>'


def missing(sentence: str) -> str:
    """What is said in place of a part that cannot be shown."""
    return f'<p class="missing">{escape(sentence)}</p>'


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{label} {_text(item)}" for label, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)
