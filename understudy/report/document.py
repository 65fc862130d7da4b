"""The frame of every page: one HTML file that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from understudy.report.stylesheet import stylesheet

__all__ = ["html_document"]


def html_document(
    *,
    title: str,
    lead: str,
    links: Sequence[tuple[str, str]],
    tiles: Sequence[str],
    sections: Sequence[str],
) -> str:
    """A page.

    Args:
        title: heading, as plain text.
        lead: the result in a sentence or two, as plain text.
        links: ``(anchor, words)`` of its sections.
        tiles: headline figures, as ``markup.tile`` makes them.
        sections: as ``markup.section`` makes them.
    """
    items = "".join(f'<li><a href="#{anchor}">{escape(words)}</a></li>' for anchor, words in links)
    body = "\n".join(sections)
    name = escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} · Understudy report</title>
<style>
{stylesheet()}
</style>
</head>
<body>
<header>
<p class="brand">Understudy report</p>
<h1>{name}</h1>
<p class="lead">{escape(lead)}</p>
<nav aria-label="Sections"><ul>{items}</ul></nav>
<div class="tiles">{"".join(tiles)}</div>
</header>
<main>
{body}
</main>
<footer>An understudy learns a part by watching the lead, plays it on stage, and hands it back the moment it is unsure.
</footer>
</body>
</html>
"""
