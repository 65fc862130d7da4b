"""The sections of the page about the drive: film, who drove, how precisely, how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from understudy.evaluation.evaluation import action_pairs
from understudy.evaluation.scores import EpisodeScore
from understudy.evaluation.traces import EXPERT, POLICY, Float64Array, Trace
from understudy.report.distributions import draw_agreement, draw_command_age, draw_cross_track
from understudy.report.film import Film
from understudy.report.inputs import ReportInputs
from understudy.report.markup import bars, data_uri, figure, key, missing, percent, section, table
from understudy.report.reasons import in_words
from understudy.report.starts import Withheld, all_withheld, in_seconds, start_reason
from understudy.report.timelines import draw_drivers, draw_unsafe

__all__ = ["film_section", "precision_section", "reaction_section", "wheel_section"]

MOST_ROWS = 12  # episodes in one timeline: more would not be read
MOST_STRIPS = 8

Episodes = Sequence[tuple[Trace, EpisodeScore]]


def film_section(film: Film | None, inputs: ReportInputs) -> str:
    """The film and how to read it."""
    if film is None:
        why = "the recordings hold no camera images" if inputs.film else "it was not asked for"
        return section("film", "What the policy saw", missing(f"No film: {why}."))
    size = f'width="{film.width}" height="{film.height}"'
    paths = ("Band and line on the road", "where this steering leads, and where the expert's would.")
    words = (
        ("Pill", "who has the wheel: the policy (blue), the expert (orange), or nobody, so the car stops (pink)."),
        ("Arc and needle", "the steering that the car was given."),
        ("Hollow pointer", "what the expert would have steered on the same picture."),
        ("Bar", "the speed."),
    )
    shown = words if inputs.camera is None else (words[0], paths, *words[1:])
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in shown)
    return section(
        "film",
        "What the policy saw",
        '<div class="card film"><picture>'
        f'<source media="print, (prefers-reduced-motion: reduce)" srcset="{data_uri(film.still, "image/webp")}">'
        f'<img {size} alt="The drive seen through the front camera" src="{data_uri(film.data, "image/webp")}">'
        f"</picture><div><h3>Seconds {film.start_s:.0f} to {film.end_s:.0f} of episode {escape(film.episode_id)}</h3>"
        f"<dl>{terms}</dl></div></div>",
    )


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of who moved the robot, of one kind of robot."""

    title: str
    unknown: str
    policy: str
    expert: str
    halt: str
    when: str
    always: str
    withheld: str


_OF_A_CAR = _Words(
    title="Who had the wheel, and why",
    unknown="The gate's decisions were not recorded, so nobody can tell who drove.",
    policy="policy drives",
    expert="expert drives",
    halt="stopping",
    when="Who drove when",
    always="The policy had the wheel from the first tick and never lost it.",
    withheld="Why the policy did not have the wheel",
)
_OF_AN_ARM = _Words(
    title="Who moved the arm, and why",
    unknown="The gate's decisions were not recorded, so nobody can tell who moved the arm.",
    policy="policy moves it",
    expert="expert moves it",
    halt="holding still",
    when="Who moved it when",
    always="The policy had the arm from the first tick and never lost it.",
    withheld="Why the policy did not have the arm",
)


def wheel_section(inputs: ReportInputs) -> str:
    """Who moved the robot when and why, and how sure the policy was."""
    evaluation = inputs.evaluation
    pairs = zip(evaluation.traces, evaluation.episodes, strict=True)
    decided = [(trace, score) for trace, score in pairs if len(trace.decisions.stamps_ns)]
    words = _OF_A_CAR if inputs.grasps is None else _OF_AN_ARM
    if not decided:
        return section("wheel", words.title, missing(words.unknown))
    total = evaluation.summary
    more = f" The first {MOST_ROWS} of {len(decided)} episodes." if len(decided) > MOST_ROWS else ""
    spread = total.policy_share_interval
    parts = [
        key(("policy", words.policy), ("expert", words.expert), ("halt", words.halt)),
        '<div class="stack">',
        figure(
            draw_drivers("drivers", decided[:MOST_ROWS]),
            words.when,
            "Unbroken blue is the goal; above a break stands why it was not the policy, where there is room." + more,
            wide=True,
        ),
        _unsafe_figure(decided, inputs.unsafe_threshold),
        _reasons(total.reasons, all_withheld(evaluation.traces), words),
        "</div>",
    ]
    if spread is not None:
        share = f"The policy's share of all ticks is {percent(total.policy_share)}"
        parts.insert(
            0, f"<p>{share} (95% interval over episodes: {percent(spread.low)} to {percent(spread.high)}).</p>"
        )
    return section("wheel", words.title, *parts)


def _unsafe_figure(episodes: Episodes, given_threshold: float | None) -> str:
    watched = [pair for pair in episodes if _has_unsafe(pair[0])]
    if not watched:
        return missing("No unsafe probability was recorded: the policy has no safety classifier, or never proposed.")
    threshold = watched[0][0].unsafe_threshold if given_threshold is None else given_threshold
    more = f" The first {MOST_STRIPS} of {len(watched)} episodes." if len(watched) > MOST_STRIPS else ""
    return figure(
        draw_unsafe("unsafe", watched[:MOST_STRIPS], threshold),
        "How unsure the policy was",
        "The policy's own estimate that the expert would act differently: above the dashed line at "
        f"{threshold:.2f} the expert takes over (shaded)." + more,
        wide=True,
    )


def _has_unsafe(trace: Trace) -> bool:
    return bool(np.isfinite(trace.proposed_unsafe).any() or np.isfinite(trace.decisions.unsafe_probability).any())


def _reasons(reasons: Mapping[str, int], starts: Sequence[Withheld], words: _Words) -> str:
    """Why the policy lost the wheel, and why it did not have it at the start."""
    if not reasons and not starts:
        return missing(words.always)
    rows = [(f"lost: {in_words(reason)}", times, f"{times} ×") for reason, times in reasons.items()]
    for when, for_good in (("withheld at the start", False), ("never given", True)):
        groups: dict[str, list[Withheld]] = {}
        for start in starts:
            if start.for_good == for_good:
                groups.setdefault(start.reason, []).append(start)
        rows += [
            (f"{when}: {start_reason(reason)}", len(group), f"{len(group)} ×, {in_seconds(group)}")
            for reason, group in groups.items()
        ]
    return f'<div class="card"><h3>{words.withheld}</h3>{bars(rows)}</div>'


def precision_section(inputs: ReportInputs) -> str:
    """How close to the centre, and how close to the expert."""
    traces = inputs.evaluation.traces
    demonstrated, remark = _demonstrated(inputs.demonstrations)
    groups = [
        ("policy", "policy", _distances(traces, POLICY)),
        (demonstrated, "expert", _distances(inputs.demonstrations, None)),
    ]
    if not len(groups[1][2]):
        groups[1], remark = ("expert, when it drove", "expert", _distances(traces, EXPERT)), ""
    groups = [group for group in groups if len(group[2])]
    parts = []
    if groups:
        half_width = traces[0].track.half_width_m if traces[0].track else None
        sentence = f"Further left is closer to the middle of the road.{remark}"
        parts.append(
            figure(draw_cross_track("offcentre", groups, half_width), "Distance from the centreline", sentence)
        )
    else:
        parts.append(missing("No distance from the centreline was recorded."))
    pairs = [action_pairs(trace) for trace in traces]
    expert, difference = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
    if len(expert):
        last = len(traces[0].action_names) - 1
        name = _dimension(traces[0].action_names[last])
        error = float(np.mean(np.abs(difference[:, last])))
        # A trace carries no units; those of a twist are known.
        unit = " rad/s" if "angular" in traces[0].action_names[last] else ""
        sentence = f"Every dot is one tick; on the line both agree. They differ by {error:.3f}{unit} on average."
        drawing = draw_agreement(
            "agreement", f"{name} ({unit.strip()})" if unit else name, expert[:, last], difference[:, last]
        )
        parts.append(figure(drawing, "What the policy proposed, and what the expert would have done", sentence))
    else:
        parts.append(missing("Policy and expert never answered the same observation, so they cannot be compared."))
    return section("precision", "How precisely it drove", f'<div class="grid">{"".join(parts)}</div>')


def _demonstrated(demonstrations: Sequence[Trace]) -> tuple[str, str]:
    """What the demonstrations' distances are called, and what to know about them."""
    noise = [trace.status.get("disturbance_rad", np.empty(0)) for trace in demonstrations]
    known = np.concatenate([np.empty(0), *noise])
    known = known[np.isfinite(known)]
    if not len(known):
        return "expert, in the demonstrations", ""
    if not known.any():
        return "expert, undisturbed", " The policy should lie where the expert lies."
    size = f"{float(np.sqrt(np.mean(known**2))):.2f} rad"
    remark = (
        f" The steering of the demonstrations was disturbed on purpose (by {size} RMS), so that they show how to come "
        "back: this is not how close the expert stays by itself."
    )
    return "expert, disturbed on purpose", remark


def _dimension(name: str) -> str:
    return {"twist.angular.z": "yaw rate", "angular.z": "yaw rate", "twist.linear.x": "speed"}.get(name, name)


def _distances(traces: Sequence[Trace], driver: int | None) -> Float64Array:
    """Absolute distances from the centreline, metres, of the ticks of one driver (``None``: of all)."""
    found = [np.empty(0)]
    for trace in traces:
        values = np.abs(trace.status.get("cross_track_m", np.empty(0)))
        keep = np.isfinite(values)
        if driver is not None and len(values):
            if not len(trace.decisions.stamps_ns):
                continue
            keep &= trace.driver_at(trace.status_stamps_ns) == driver
        found.append(values[keep])
    return np.concatenate(found)


def reaction_section(inputs: ReportInputs) -> str:
    """Age of the commands."""
    traces = inputs.evaluation.traces
    ages = np.concatenate([_ages_ms(trace) for trace in traces])
    spread = inputs.evaluation.summary.command_age_ms
    title = "How fast it reacted"
    if spread is None or spread.maximum <= 0:
        why = "No command age was recorded: a run in lock-step waits for each command and so measures none."
        return section("reaction", title, missing(why))
    sentence = (
        "Age is the time from the camera picture to the command that answers it: half arrive within "
        f"{spread.p50:.1f} ms (the median), 99% within {spread.p99:.1f} ms (the 99th percentile), "
        f"the slowest of {spread.count} after {spread.maximum:.1f} ms."
    )
    period_ms = traces[0].period_s * 1000
    drawing = draw_command_age("age", ages, period_ms)
    rows = [
        _age_row(_short_name(score, inputs.evaluation.episodes), _ages_ms(trace), period_ms)
        for trace, score in zip(traces, inputs.evaluation.episodes, strict=True)
        if score.command_age_ms is not None
    ]
    headings = ("ms", "median", "99th percentile", "slowest", "later than a tick", "unanswered")
    late = table(headings, [*rows, _age_row("all", ages, period_ms)], total=True, caption="Episode by episode")
    cards = figure(drawing, "Age of the commands", sentence) + late
    return section("reaction", title, f'<div class="grid">{cards}</div>')


def _short_name(score: EpisodeScore, episodes: Sequence[EpisodeScore]) -> str:
    """The episode's track where its id ends with that and no other episode drove it, else the id."""
    alone = sum(other.track == score.track for other in episodes) == 1
    return score.track if alone and score.episode_id.endswith(score.track) else score.episode_id


def _ages_ms(trace: Trace) -> Float64Array:
    """Ages ``(n,)`` as the ticks report them, NaN for a command that never came.

    A tick reports the age of the command before it, so the first one has nothing to report.
    """
    ages = trace.status.get("command_age_ms", np.empty(0))
    return ages[1:] if len(ages) and not np.isfinite(ages[0]) else ages


def _age_row(name: str, ages_ms: Float64Array, period_ms: float) -> tuple[str, ...]:
    known = ages_ms[np.isfinite(ages_ms)]
    p50, p99 = np.percentile(known, [50, 99])
    late = int(np.sum(known > period_ms))
    return name, f"{p50:.1f}", f"{p99:.1f}", f"{known.max():.1f}", str(late), str(len(ages_ms) - len(known))
