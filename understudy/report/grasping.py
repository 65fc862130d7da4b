"""The parts of the page that only a robot that grasps has: headline figures, its film, and the scenes one by one."""

from __future__ import annotations

from html import escape

import numpy as np

from understudy.evaluation.grasps import GraspScore, GraspVerdict
from understudy.evaluation.scores import Interval
from understudy.evaluation.trace_reader import read_frames
from understudy.evaluation.traces import Trace, newest_at
from understudy.report.film import FRAMES_PER_S, Film, encode_film
from understudy.report.headlines import Headline
from understudy.report.instruments import draw_driver
from understudy.report.markup import count, data_uri, missing, percent, section, table

__all__ = ["grasp_film", "grasp_film_section", "grasp_headlines", "grasp_verdict", "scenes_section"]

# The end of an episode is what counts: the grasp, the lift, the hold.
_FILM_S = 15.0


def grasp_headlines(verdict: GraspVerdict) -> tuple[Headline, ...]:
    """The figures that decide, and those beside them."""
    goals, total, scenes = verdict.goals, verdict.evaluation.summary, len(verdict.grasps)
    age = total.command_age_ms
    return (
        Headline(
            "targets held up",
            f"{verdict.successes} of {scenes}",
            f"≥ {goals.success:.0%} ({_range(verdict.interval)})",
            verdict.met["success"],
        ),
        Headline(
            "held up by the policy alone",
            f"{verdict.alone} of {scenes}",
            f"≥ {goals.alone:.0%} ({_range(verdict.alone_interval)})",
            verdict.met["alone"],
        ),
        Headline(
            "moved by the policy",
            percent(total.policy_share),
            f"≥ {goals.policy_share:.0%}",
            None if total.policy_share is None else verdict.met["policy_share"],
        ),
        Headline(
            "time to success, median",
            "–" if verdict.median_s is None else f"{verdict.median_s:.1f} s",
            "simulated time",
            None,
            judged=False,
        ),
        Headline(
            "age of a command, 99th percentile",
            "–" if age is None else f"{age.p99:.1f} ms",
            f"one tick is {verdict.evaluation.traces[0].period_s * 1000:.0f} ms",
            None,
            judged=False,
        ),
    )


def _range(interval: Interval) -> str:
    return f"95 %: {interval.low:.0%} to {interval.high:.0%}"


def grasp_verdict(verdict: GraspVerdict) -> str:
    """The whole result in two sentences."""
    scenes = len(verdict.grasps)
    first = f"In {count(scenes, 'scene')} that training never saw, {verdict.successes} targets were held up"
    alone = f"{verdict.alone} of them by the policy alone"
    share = verdict.evaluation.summary.policy_share
    who = f"the policy moved the arm {percent(share)} of the time"
    return f"{first}, {alone}; {'who moved the arm was not recorded' if share is None else who}."


def grasp_film(verdict: GraspVerdict) -> Film | None:
    """The end of the most telling episode: one that the policy did alone, else a success, else the first."""
    pairs = zip(verdict.grasps, verdict.evaluation.traces, strict=True)
    for _, trace in sorted(pairs, key=lambda pair: (pair[0].alone, pair[0].success), reverse=True):
        film = _film_of(trace)
        if film is not None:
            return film
    return None


def _film_of(trace: Trace) -> Film | None:
    if not len(trace.decisions.stamps_ns):
        return None
    end_ns = int(trace.decisions.stamps_ns[-1])
    stamps, images = read_frames(trace.path, end_ns - int(_FILM_S * 1e9), end_ns)
    if not len(stamps):
        return None
    wanted = np.arange(stamps[0], stamps[-1] + 1, 1_000_000_000 // FRAMES_PER_S, dtype=np.int64)
    picks = np.unique(newest_at(stamps, wanted))
    drivers, seconds = trace.driver_at(stamps[picks]), trace.elapsed_s(stamps[picks])
    frames = [
        draw_driver(images[pick], int(driver), float(second))
        for pick, driver, second in zip(picks, drivers, seconds, strict=True)
    ]
    return encode_film(frames, len(frames) - 1, trace.episode_id, float(seconds[0]), float(seconds[-1]))


def grasp_film_section(film: Film | None) -> str:
    """The film and how to read it."""
    title = "What the policy saw"
    if film is None:
        return section("film", title, missing("No film: the recordings hold no camera images."))
    size = f'width="{film.width}" height="{film.height}"'
    words = "who moves the arm: the policy (blue), the expert (orange), or nobody, so that it holds still (pink)."
    return section(
        "film",
        title,
        '<div class="card film"><picture>'
        f'<source media="print, (prefers-reduced-motion: reduce)" srcset="{data_uri(film.still, "image/webp")}">'
        f'<img {size} alt="The grasp seen through the overhead camera" src="{data_uri(film.data, "image/webp")}">'
        f"</picture><div><h3>Seconds {film.start_s:.0f} to {film.end_s:.0f} of episode {escape(film.episode_id)}</h3>"
        f"<dl><dt>Pill</dt><dd>{escape(words)}</dd></dl></div></div>",
    )


def scenes_section(verdict: GraspVerdict) -> str:
    """Success scene by scene."""
    headings = ("scene", "held up", "by the policy alone", "after", "highest lift", "dropped", "pushed", "policy moved")
    rows = [_row(grasp) for grasp in verdict.grasps]
    return section("scenes", "Scene by scene", table(headings, rows))


def _row(grasp: GraspScore) -> tuple[str, ...]:
    return (
        grasp.scene,
        "yes" if grasp.success else "out of reach" if grasp.lost else "no",
        "yes" if grasp.alone else "no",
        f"{grasp.success_s:.1f} s" if grasp.success else "–",
        f"{100 * grasp.lift_m:.0f} cm",
        f"{grasp.drops} ×",
        f"{grasp.pushes} ×",
        percent(grasp.policy_share),
    )
