"""Score recorded episodes: how far the policy drove, how well, and who had the wheel.

Reads the bags of a deployment (``evaluate``) and returns frozen numbers. Nothing is scored twice: laps, excursions,
interventions and damage are the simulator's own counts from ``/sim/status``, who drove is the gate's own word from
``/gate/decision``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.errors import RecordingError
from understudy.deployments import dry_episodes
from understudy.evaluation.scores import EpisodeScore, Evaluation, HandOver, Interval, Spread, Summary
from understudy.evaluation.trace_reader import read_trace
from understudy.evaluation.traces import DRIVERS, POLICY, Float64Array, Trace

__all__ = [
    "EpisodeScore",
    "Evaluation",
    "HandOver",
    "Interval",
    "Spread",
    "Summary",
    "action_pairs",
    "autonomy",
    "evaluate",
    "evaluate_traces",
    "score_episode",
    "track_names",
    "wilson_interval",
]

INTERVENTION_COST_S = 6.0  # DAVE-2: what a person needs to take over, re-centre the car and hand back
Z_95 = 1.959964  # two-sided 95 % quantile of the standard normal distribution
RESAMPLES = 2000  # of the bootstrap; its own error is then well below the interval's width


def evaluate(bags: Sequence[Path]) -> Evaluation:
    """Score the episodes of a deployment.

    Raises:
        RecordingError: no bags, or one that cannot be read: an evaluation never leaves an episode out in silence.
    """
    paths = [Path(bag) for bag in bags]
    # The robot's own controller may have published commands beside a gate that did not.
    dry = {folder: dry_episodes(folder) for folder in {path.parent for path in paths}}
    traces = [read_trace(path) for path in paths]
    return evaluate_traces(
        [replace(one, dry_run=True) if one.path.name in dry[one.path.parent] else one for one in traces]
    )


def evaluate_traces(traces: Sequence[Trace]) -> Evaluation:
    """Score traces that were read already; see ``evaluate``."""
    if not traces:
        raise RecordingError("there is no recorded episode to evaluate", fix="deploy a policy and record it first")
    names = track_names(traces)
    scores = tuple(score_episode(trace, names[index]) for index, trace in enumerate(traces))
    return Evaluation(summary=_summarise(scores, traces), episodes=scores, traces=tuple(traces))


def track_names(traces: Sequence[Trace]) -> tuple[str, ...]:
    """A name for each trace's track or scene: what the simulator calls it, else a letter a centreline."""
    letters: dict[str, str] = {}
    names = []
    for trace in traces:
        told = trace.labels.get("track") or trace.labels.get("scene")
        if told:
            names.append(told)
        elif trace.track is None:
            names.append("unknown track" if trace.is_scored else "")
        else:
            letter = letters.setdefault(trace.track.identity, chr(ord("A") + len(letters) % 26))
            names.append(f"track {letter}")
    return tuple(names)


def score_episode(trace: Trace, track: str) -> EpisodeScore:
    """The numbers of one episode on the track of that name."""
    elapsed_s = _elapsed_s(trace)
    interventions = int(_last(trace, "interventions"))
    ticks = {driver: int(np.sum(trace.decisions.driver == code)) for code, driver in enumerate(DRIVERS)}
    _, error = action_pairs(trace)
    return EpisodeScore(
        episode_id=trace.episode_id,
        bag=trace.path.name,
        outcome=trace.outcome,
        track=track,
        laps=_last(trace, "laps"),
        progress_m=_last(trace, "progress_m"),
        off_track=int(_last(trace, "off_track_events")),
        interventions=interventions,
        damage=_last(trace, "damage"),
        elapsed_s=elapsed_s,
        autonomy=autonomy(interventions, elapsed_s, _share(ticks)),
        ticks=ticks,
        policy_share=_share(ticks),
        cross_track_m=Spread.of(np.abs(_score(trace, "cross_track_m"))),
        speed_m_s=Spread.of(trace.poses.speed_m_s),
        command_age_ms=Spread.of(_score(trace, "command_age_ms")),
        action_error={
            name: float(np.mean(np.abs(error[:, i]))) for i, name in enumerate(trace.action_names) if len(error)
        },
        hand_overs=_hand_overs(trace),
    )


def autonomy(interventions: int, elapsed_s: float, policy_share: float | None = None) -> float | None:
    """``1 - 6 s * interventions / elapsed``, at least 0; ``None`` when no time passed, or a policy never drove.

    Args:
        interventions: how often a person would have had to help.
        elapsed_s: of the drive.
        policy_share: share of the ticks that the policy drove; ``None`` where nobody knows.
    """
    if policy_share == 0:
        return None  # the expert's autonomy says nothing of the policy's
    return max(0.0, 1.0 - INTERVENTION_COST_S * interventions / elapsed_s) if elapsed_s > 0 else None


def action_pairs(trace: Trace) -> tuple[Float64Array, Float64Array]:
    """Expert actions ``(n, dims)`` and what the policy proposed minus them ``(n, dims)``, on equal observations.

    Where the policy abstained, in lock-step with NaN, there is nothing to compare.
    """
    _, of_expert, of_policy = np.intersect1d(trace.expert.stamps_ns, trace.proposals.stamps_ns, return_indices=True)
    expert = trace.expert.values[of_expert]
    error = trace.proposals.values[of_policy] - expert
    finite = np.isfinite(error).all(axis=1)
    return expert[finite], error[finite]


def wilson_interval(successes: int, trials: int) -> Interval:
    """Wilson's 95 % score interval for a success rate (Wilson 1927); trials are independent, at least one."""
    share, z2 = successes / trials, Z_95**2 / trials
    centre = (share + z2 / 2) / (1 + z2)
    reach = Z_95 / (1 + z2) * float(np.sqrt(share * (1 - share) / trials + z2 / (4 * trials)))
    return Interval(max(0.0, centre - reach), min(1.0, centre + reach))


def _score(trace: Trace, name: str) -> Float64Array:
    return trace.status.get(name, np.empty(0))


def _last(trace: Trace, name: str) -> float:
    """The last finite value of a running count, zero where it was never reported."""
    values = _score(trace, name)
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else 0.0


def _elapsed_s(trace: Trace) -> float:
    """The simulator's own time since its reset, where it says so; else from the first scored tick to the last."""
    told = _last(trace, "elapsed_s")
    if told > 0:
        return told
    stamps = next(s for s in (trace.status_stamps_ns, trace.decisions.stamps_ns, trace.poses.stamps_ns) if len(s))
    return float(stamps[-1] - stamps[0]) / 1e9


def _share(ticks: dict[str, int]) -> float | None:
    total = sum(ticks.values())
    return ticks[DRIVERS[POLICY]] / total if total else None


def _hand_overs(trace: Trace) -> tuple[HandOver, ...]:
    decisions = trace.decisions
    changes = np.flatnonzero(np.diff(decisions.driver)) + 1
    seconds = trace.elapsed_s(decisions.stamps_ns[changes]) if len(changes) else np.empty(0)
    nowhere = np.full((len(changes), 2), np.nan)
    where = trace.position_at(decisions.stamps_ns[changes]) if len(trace.poses.stamps_ns) else nowhere
    return tuple(
        HandOver(
            elapsed_s=float(second),
            before=DRIVERS[decisions.driver[index - 1]],
            after=DRIVERS[decisions.driver[index]],
            reason=decisions.reasons[index],
            x_m=float(x),
            y_m=float(y),
        )
        for index, second, (x, y) in zip(changes, seconds, where, strict=True)
    )


def _summarise(scores: Sequence[EpisodeScore], traces: Sequence[Trace]) -> Summary:
    elapsed_s = sum(score.elapsed_s for score in scores)
    interventions = sum(score.interventions for score in scores)
    ticks = {driver: sum(score.ticks[driver] for score in scores) for driver in DRIVERS}
    clean = sum(score.off_track == 0 for score in scores)
    laps_minimum: dict[str, float] = {}
    for score in scores:
        laps_minimum[score.track] = min(score.laps, laps_minimum.get(score.track, score.laps))
    errors = np.concatenate([action_pairs(trace)[1] for trace in traces])
    losses = Counter(h.reason for score in scores for h in score.hand_overs if h.before == DRIVERS[POLICY])
    return Summary(
        episodes=len(scores),
        laps_total=sum(score.laps for score in scores),
        laps_minimum=laps_minimum,
        off_track=sum(score.off_track for score in scores),
        interventions=interventions,
        damage=sum(score.damage for score in scores),
        elapsed_s=elapsed_s,
        autonomy=autonomy(interventions, elapsed_s, _share(ticks)),
        ticks=ticks,
        policy_share=_share(ticks),
        policy_share_interval=_bootstrap_share(scores),
        clean_share=clean / len(scores),
        clean_share_interval=wilson_interval(clean, len(scores)),
        cross_track_m=Spread.of(np.abs(np.concatenate([_score(trace, "cross_track_m") for trace in traces]))),
        speed_m_s=Spread.of(np.concatenate([trace.poses.speed_m_s for trace in traces])),
        command_age_ms=Spread.of(np.concatenate([_score(trace, "command_age_ms") for trace in traces])),
        action_error={
            name: float(np.mean(np.abs(errors[:, i]))) for i, name in enumerate(traces[0].action_names) if len(errors)
        },
        hand_overs=sum(len(score.hand_overs) for score in scores),
        reasons=dict(losses.most_common()),
    )


def _bootstrap_share(scores: Sequence[EpisodeScore]) -> Interval | None:
    """Percentile bootstrap over episodes of the policy's share of all ticks; fixed seed, so that it can be repeated."""
    policy = np.array([score.ticks[DRIVERS[POLICY]] for score in scores], dtype=np.float64)
    total = np.array([sum(score.ticks.values()) for score in scores], dtype=np.float64)
    if len(scores) < 3 or not total.all():
        return None
    picks = np.random.default_rng(0).integers(0, len(scores), size=(RESAMPLES, len(scores)))
    low, high = np.percentile(policy[picks].sum(axis=1) / total[picks].sum(axis=1), [2.5, 97.5])
    return Interval(float(low), float(high))
