"""The headline figures, each held against its goal."""

from __future__ import annotations

from dataclasses import dataclass

from understudy.evaluation.scores import Evaluation
from understudy.report.inputs import Goals
from understudy.report.markup import count, percent
from understudy.report.starts import all_withheld, in_seconds, reasons_in_words

__all__ = ["Headline", "headlines", "verdict"]


@dataclass(frozen=True, slots=True)
class Headline:
    """One figure: what it is, what it came to, what was wanted, and whether that was met (``None``: not measured).

    A figure that is not ``judged`` is for information, and decides nothing; its ``goal`` is a remark.
    """

    label: str
    value: str
    goal: str
    met: bool | None
    judged: bool = True


def headlines(evaluation: Evaluation, goals: Goals) -> tuple[Headline, ...]:
    """The figures that decide whether the run is a success, and the age of a command (see ``evaluation.goals``)."""
    total = evaluation.summary
    laps = min(total.laps_minimum.values())
    age = total.command_age_ms
    age_goal = goals.command_age_p99_ms
    tick_ms = evaluation.traces[0].period_s * 1000
    figures = (
        Headline("fewest laps of an episode", f"{laps:.3g}", f"≥ {goals.laps:.3g}", laps >= goals.laps),
        Headline(
            "times off the road", str(total.off_track), f"≤ {goals.off_track}", total.off_track <= goals.off_track
        ),
        Headline(
            "driven by the policy",
            percent(total.policy_share),
            f"≥ {goals.policy_share:.0%}",
            None if total.policy_share is None else total.policy_share >= goals.policy_share,
        ),
        Headline(
            "autonomy",
            percent(total.autonomy),
            f"≥ {goals.autonomy:.0%}",
            None if total.autonomy is None else total.autonomy >= goals.autonomy,
        ),
        Headline(
            "age of a command, 99th percentile",
            "–" if age is None else f"{age.p99:.1f} ms",
            f"one tick is {tick_ms:.0f} ms" if age_goal is None else f"≤ {age_goal:.0f} ms",
            None if age is None or age_goal is None else age.p99 <= age_goal,
            judged=age_goal is not None,
        ),
    )
    # On a robot of one's own nobody counts laps, excursions, interventions, or how old a command was on arrival.
    return figures if evaluation.is_scored else figures[2:3]


def verdict(evaluation: Evaluation) -> str:
    """The whole result in two or three sentences."""
    total = evaluation.summary
    dry = "Dry run: no command was sent, the gate only decided. " if evaluation.dry_run else ""
    tracks = len(total.laps_minimum)
    minutes = total.elapsed_s / 60
    length = f"{minutes:.1f} minutes" if minutes >= 1.5 else f"{total.elapsed_s:.0f} seconds"
    laps, where = count(total.laps_total, "lap"), f"on {count(tracks, 'track')}"
    left = {0: "never left the road", 1: "left the road once"}.get(
        total.off_track, f"left the road {total.off_track} times"
    )
    first = f"{dry}In {length} {where} the car drove {laps} and {left}."
    if not evaluation.is_scored:
        first = (
            f"{dry}{length[0].upper()}{length[1:]} of {count(total.episodes, 'episode')} were recorded on the robot."
        )
    if total.policy_share is None:
        return f"{first} Who drove was not recorded."
    return f"{first} The policy had the wheel {percent(total.policy_share)} of the time; the gate {_gate(evaluation)}."


def _gate(evaluation: Evaluation) -> str:
    """What the gate did with the wheel, at the starts of episodes and later."""
    starts = all_withheld(evaluation.traces)
    if not any(score.ticks["policy"] for score in evaluation.episodes):
        return f"never gave it away ({reasons_in_words(starts)})"
    lost = sum(evaluation.summary.reasons.values())
    taken = {0: "never took it away", 1: "took it away once"}.get(lost, f"took it away {lost} times")
    if not starts:
        return taken
    episodes = evaluation.summary.episodes
    which = f"all {episodes}" if len(starts) == episodes else f"{len(starts)} of {episodes}"
    where = "at the start" if episodes == 1 else f"in all at the start of {which} episodes"
    return f"withheld it for {in_seconds(starts)} {where} ({reasons_in_words(starts)}) and later {taken}"
