"""What was recorded of a live episode becomes a drive of a round: ticks, labels, who drove, what it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.contract import Contract
from models.episodes import EXPERT, Episode
from models.errors import RecordingError
from models.interactive import Answer, Assignment, Drive, Measure, Moment, Rule, Tally
from understudy.evaluation.traces import Trace, newest_at

__all__ = ["recorded_drive"]


def recorded_drive(bag: Path, contract: Contract, measure: Measure, rule: Rule, assignment: Assignment) -> Drive:
    """The drive that a bag holds, cut where the round's ticks are used up.

    The gate has decided who drove. The expert's answer to every tick is in the bag; as in process it counts as asked
    for where the expert drove, or where the rule keeps the tick.

    Args:
        bag: of one episode, finished.
        contract: of the robot.
        measure: what deviations are.
        rule: what is kept.
        assignment: its ``ticks`` are those that are left.

    Raises:
        RecordingError: it cannot be learned from.
    """
    from il_nodes.bags import BagReader
    from il_nodes.dataset.recorded_episode import read_episode
    from understudy.evaluation.trace_reader import read_trace

    reader = BagReader(bag)
    if reader.quarantine:
        raise RecordingError(f"{bag.name} is not for training", found=reader.quarantine)
    recorded = read_episode(reader, contract)
    episode, trace = _first_ticks(recorded.episode, assignment.ticks), read_trace(bag)
    if not trace.is_scored:
        raise RecordingError(f"{bag.name} does not say what happened", found="nothing on /sim/status")
    by_expert = episode.driver == EXPERT
    kept = np.array([_keeps(rule, assignment, bool(expert)) for expert in by_expert], np.bool_)
    last_ns = int(episode.stamps_ns[-1])
    deviations = np.abs(trace.status["cross_track_m"])[newest_at(trace.status_stamps_ns, episode.stamps_ns)]
    outcome = {**_outcome(trace, contract, measure, last_ns), "unlabelled": float(recorded.unlabelled)}
    tally = Tally.of(episode.driver, kept | by_expert, kept, np.nan_to_num(deviations), measure.limit, outcome)
    meta = {**episode.meta, **{key: f"{value:g}" for key, value in outcome.items()}}
    return Drive(replace(episode, weights=kept.astype(np.float32), meta=meta), tally)


def _keeps(rule: Rule, assignment: Assignment, expert_acts: bool) -> bool:
    """By the rule, from the second round on; what the expert did in the first one is kept."""
    if assignment.actor is None:
        return True
    # Who drives was the gate's business; rules that can be learned live keep by that alone.
    nothing = Answer(np.empty(0, np.float32))
    return rule.keeps(Moment(assignment.number, 0.0, 0.0, nothing, expert_acts and rule.needs_human), expert_acts)


def _first_ticks(episode: Episode, most: int) -> Episode:
    if len(episode) <= most:
        return episode

    def cut(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        return rows[:most]

    return replace(
        episode,
        stamps_ns=episode.stamps_ns[:most],
        observations={key: cut(rows) for key, rows in episode.observations.items()},
        actions=episode.actions[:most],
        executed=episode.executed[:most],
        driver=episode.driver[:most],
        starts_memory=episode.starts_memory[:most],
    )


def _outcome(trace: Trace, contract: Contract, measure: Measure, last_ns: int) -> Mapping[str, float]:
    """What ``sim.driving.in_process`` counts, of the car's own reports up to a stamp.

    A car that stands still is put back by nobody here, and so is no fall.
    """
    from sim.driving.metrics import INTERVENTION_COST_S

    told = trace.status_stamps_ns <= last_ns
    off = np.nan_to_num(np.abs(trace.status["cross_track_m"][told]))
    falls = _newest(trace.status["off_track_events"][told])
    beside_s = contract.period_s * float(np.minimum(1.0, off / measure.limit).sum())
    length_m = trace.track.length_m if trace.track is not None else np.inf
    return {
        "cost": beside_s + INTERVENTION_COST_S * falls,
        "falls": falls,
        "laps": max(0.0, _newest(trace.status["progress_m"][told]) / length_m),
        "damage": _newest(trace.status["damage"][told]),
        "seconds": _newest(trace.status["elapsed_s"][told]),
    }


def _newest(values: npt.NDArray[np.float64]) -> float:
    """The last count that was told; 0 before any."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else 0.0
