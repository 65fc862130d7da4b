"""The section of the page about the tracks: a row and a map for each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from understudy.evaluation.evaluation import autonomy
from understudy.evaluation.scores import EpisodeScore, Spread
from understudy.evaluation.traces import Trace
from understudy.report.inputs import ReportInputs
from understudy.report.maps import draw_map
from understudy.report.markup import count, figure, key, missing, percent, section, table
from understudy.report.starts import all_withheld, in_seconds, reasons_in_words

__all__ = ["tracks_section"]

Episodes = Sequence[tuple[Trace, EpisodeScore]]

_HEADINGS = (
    *("track", "episodes", "fewest laps", "off road", "interventions", "driven by policy", "autonomy"),
    *("mean speed", "off centre, mean", "off centre, 95th percentile", "off centre, largest"),
)


def tracks_section(inputs: ReportInputs) -> str:
    """A row and a map for every track."""
    evaluation = inputs.evaluation
    groups: dict[str, list[tuple[Trace, EpisodeScore]]] = {}
    for trace, score in zip(evaluation.traces, evaluation.episodes, strict=True):
        groups.setdefault(score.track, []).append((trace, score))
    rows = [_row(name, episodes) for name, episodes in groups.items()]
    if len(rows) > 1:
        rows.append(_row("all", list(zip(evaluation.traces, evaluation.episodes, strict=True))))
    total = evaluation.summary
    clean = total.clean_share_interval
    sentence = (
        f"{round(total.clean_share * total.episodes)} of {count(total.episodes, 'episode')} never left the road "
        f"(95% interval of that rate: {clean.low:.0%} to {clean.high:.0%}, Wilson). Rings on the maps mark where the "
        "wheel changed hands, in the colour of who took it."
    )
    extents = [trace.track.extent_m for trace in evaluation.traces if trace.track] or [(1.0, 1.0)]
    extent = (max(width for width, _ in extents), max(height for _, height in extents))
    maps = [
        _map(f"map{index}", name, episodes, inputs.demonstrations, extent)
        for index, (name, episodes) in enumerate(groups.items())
    ]
    return section(
        "tracks",
        "Track by track",
        f"<p>{escape(sentence)}</p>",
        '<div class="stack">',
        table(_HEADINGS, rows, total=len(rows) > 1),
        key(
            ("policy", "policy drives"),
            ("expert", "expert drives"),
            ("halt", "stopping"),
            ("shown", "shown by the expert in the demonstrations"),
        ),
        f'<div class="grid maps">{"".join(maps)}</div>',
        "</div>",
    )


def _row(name: str, episodes: Episodes) -> tuple[str, ...]:
    scores = [score for _, score in episodes]
    ticks = sum(sum(score.ticks.values()) for score in scores)
    policy = sum(score.ticks["policy"] for score in scores)
    elapsed_s, interventions = sum(score.elapsed_s for score in scores), sum(score.interventions for score in scores)
    off = Spread.of(np.abs(np.concatenate([trace.status.get("cross_track_m", np.empty(0)) for trace, _ in episodes])))
    speed = Spread.of(np.concatenate([trace.poses.speed_m_s for trace, _ in episodes]))
    return (
        name,
        str(len(scores)),
        f"{min(score.laps for score in scores):.3g}",
        str(sum(score.off_track for score in scores)),
        str(interventions),
        percent(policy / ticks if ticks else None),
        percent(autonomy(interventions, elapsed_s, policy / ticks if ticks else None)),
        "–" if speed is None else f"{speed.mean:.1f} m/s",
        *(("–",) * 3 if off is None else (f"{metres:.2f} m" for metres in (off.mean, off.p95, off.maximum))),
    )


def _wheel(episodes: Episodes) -> str:
    """Whether the policy had the wheel at the starts, and how often it lost it."""
    starts = all_withheld(trace for trace, _ in episodes)
    why = reasons_in_words(starts)
    if starts and all(start.for_good for start in starts) and len(starts) == len(episodes):
        return f"The gate never gave the policy the wheel ({why})."
    lost = sum(hand_over.before == "policy" for _, score in episodes for hand_over in score.hand_overs)
    words = {0: "The policy never lost the wheel", 1: "The policy lost the wheel once"}.get(
        lost, f"The policy lost the wheel {lost} times"
    )
    if not starts:
        return f"{words}."
    return f"The gate withheld the wheel for {in_seconds(starts)} at the start ({why}). {words} after that."


def _map(
    anchor: str,
    name: str,
    episodes: Episodes,
    demonstrations: Sequence[Trace],
    extent_m: tuple[float, float],
) -> str:
    track = episodes[0][0].track
    if track is None:
        return missing(f"No map of {name}: its edges were not recorded.")
    shown = [trace for trace in demonstrations if trace.track and trace.track.identity == track.identity]
    sentence = _wheel(episodes)
    if demonstrations and not shown:
        sentence += " The expert never showed this track."
    return figure(draw_map(anchor, track, episodes, shown, extent_m), f"{name}, {track.length_m:.0f} m", sentence)
