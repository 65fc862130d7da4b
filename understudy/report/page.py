"""Put the sections together into one HTML file."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.evaluation.grasps import GraspVerdict
from understudy.evaluation.scores import EpisodeScore
from understudy.evaluation.traces import Trace
from understudy.report.document import html_document
from understudy.report.film import Film, make_film
from understudy.report.grasping import (
    grasp_film,
    grasp_film_section,
    grasp_headlines,
    grasp_verdict,
    scenes_section,
)
from understudy.report.headlines import Headline, headlines, verdict
from understudy.report.inputs import ReportInputs
from understudy.report.making import learning_section, making_section
from understudy.report.markup import tile
from understudy.report.sections import (
    film_section,
    precision_section,
    reaction_section,
    wheel_section,
)
from understudy.report.tracks import tracks_section

__all__ = ["render_page"]

_LINKS = (
    ("film", "Film"),
    ("tracks", "Tracks"),
    ("wheel", "Who drove"),
    ("precision", "Precision"),
    ("reaction", "Reaction"),
    ("learning", "Learning"),
    ("making", "How it was made"),
)
# Sections about what only a simulator measures.
_SIMULATED = frozenset({"tracks", "reaction"})


@dataclass(frozen=True, slots=True)
class _Story:
    """What the page tells of a robot of one kind: links, figures, the result in words, and the sections."""

    links: tuple[tuple[str, str], ...]
    figures: tuple[Headline, ...]
    verdict: str
    sections: tuple[str, ...]


def _drive(inputs: ReportInputs) -> _Story:
    scored = inputs.evaluation.is_scored
    return _Story(
        tuple(link for link in _LINKS if scored or link[0] not in _SIMULATED),
        headlines(inputs.evaluation, inputs.goals),
        verdict(inputs.evaluation),
        (
            film_section(_film(inputs), inputs),
            *((tracks_section(inputs),) if scored else ()),
            wheel_section(inputs),
            precision_section(inputs),
            *((reaction_section(inputs),) if scored else ()),
        ),
    )


def _grasps(inputs: ReportInputs, grasps: GraspVerdict) -> _Story:
    links = tuple(link for link in _LINKS if link[0] not in ("tracks", "precision"))
    links = tuple((name, "Who moved it" if name == "wheel" else title) for name, title in links)
    film = grasp_film(grasps) if inputs.film else None
    return _Story(
        (links[0], ("scenes", "Scenes"), *links[1:]),
        grasp_headlines(grasps),
        grasp_verdict(grasps),
        (grasp_film_section(film), scenes_section(grasps), wheel_section(inputs), reaction_section(inputs)),
    )


def render_page(inputs: ReportInputs) -> str:
    """The whole report as HTML that needs nothing from anywhere else."""
    story = _drive(inputs) if inputs.grasps is None else _grasps(inputs, inputs.grasps)
    judged = [one for one in story.figures if one.judged]
    met = sum(one.met is True for one in judged)
    return html_document(
        title=inputs.title,
        lead=f"{story.verdict} {met} of {len(judged)} goals met.",
        links=story.links,
        tiles=[tile(one.label, one.value, one.goal, one.met, judged=one.judged) for one in story.figures],
        sections=(*story.sections, learning_section(inputs), making_section(inputs)),
    )


def _film(inputs: ReportInputs) -> Film | None:
    """Film of the most telling episode: one with hand-overs that the policy still drives most of, else the longest."""
    if not inputs.film:
        return None

    def interest(pair: tuple[Trace, EpisodeScore]) -> tuple[bool, float]:
        share = pair[1].policy_share or 0.0
        return bool(pair[1].hand_overs) and share > 0.5, share * pair[1].elapsed_s

    pairs = zip(inputs.evaluation.traces, inputs.evaluation.episodes, strict=True)
    for trace, _ in sorted(pairs, key=interest, reverse=True):
        film = make_film(trace, camera=inputs.camera)
        if film is not None:
            return film
    return None
