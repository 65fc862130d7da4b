"""Score recorded grasps: which targets were held up, how fast, and whether the policy did it by itself.

Success is the simulator's own word on ``/sim/status``: 10 cm above where it lay, for a second without a break.
Who moved the arm is the gate's, as on the road.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from understudy.evaluation.evaluation import wilson_interval
from understudy.evaluation.scores import EpisodeScore, Evaluation, Interval
from understudy.evaluation.traces import DRIVERS, POLICY, Trace

__all__ = ["GraspGoals", "GraspScore", "GraspVerdict", "is_grasping", "read_grasp_goals", "score_grasp"]

# Less than a start on which the gate waits for the policy's first proposal.
_MOSTLY = 0.9


def is_grasping(traces: Sequence[Trace]) -> bool:
    """Whether these are grasps: whether the simulator scored a lift in all of them."""
    return bool(traces) and all("lift_m" in trace.status for trace in traces)


@dataclass(frozen=True, slots=True)
class GraspGoals:
    """What grasps are held against.

    Attributes:
        success: share of the scenes whose target was held up, by whomever, at least.
        alone: share of the scenes whose target the policy held up by itself, at least.
        policy_share: share of ticks that the policy moves the arm, at least.
    """

    success: float = 0.5
    alone: float = 0.5
    policy_share: float = 0.5


def read_grasp_goals(path: Path) -> GraspGoals:
    """What was kept of the last evaluation; the defaults where there is nothing, or nothing that can be read."""
    try:
        kept = json.loads(path.read_text())
        return GraspGoals(float(kept["success"]), float(kept["alone"]), float(kept["policy_share"]))
    except (OSError, ValueError, KeyError, TypeError):
        return GraspGoals()


@dataclass(frozen=True, slots=True)
class GraspScore:
    """One episode.

    Attributes:
        scene: its name.
        success: whether the target was held up for long enough.
        success_s: when that was, simulated seconds; NaN without.
        alone: whether the policy did it by itself: it moved the arm nearly all the time and never lost it.
        lift_m: the highest that the target was.
        drops: times it was dropped.
        pushes: times the gripper began to touch clutter.
        collisions: times something touched that should not.
        lost: whether the target ended out of reach.
        elapsed_s: simulated time.
        policy_share: share of decisions that were the policy's; ``None`` without decisions.
    """

    scene: str
    success: bool
    success_s: float
    alone: bool
    lift_m: float
    drops: int
    pushes: int
    collisions: int
    lost: bool
    elapsed_s: float
    policy_share: float | None


def score_grasp(trace: Trace, episode: EpisodeScore) -> GraspScore:
    """The numbers of one episode, of which ``episode`` knows who moved the arm."""

    def values(name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        found = trace.status.get(name, np.zeros(1))
        known = found[np.isfinite(found)]
        return known if len(known) else np.zeros(1)

    success = bool(values("success")[-1])
    lost_it = any(change.before == DRIVERS[POLICY] for change in episode.hand_overs)
    share = episode.policy_share
    return GraspScore(
        scene=trace.labels.get("scene", episode.track),
        success=success,
        success_s=float(values("success_s")[-1]) if success else math.nan,
        alone=success and share is not None and share >= _MOSTLY and not lost_it,
        lift_m=float(values("lift_m").max()),
        drops=int(values("drops")[-1]),
        pushes=int(values("pushes")[-1]),
        collisions=int(values("collisions")[-1]),
        lost=bool(values("lost")[-1]),
        elapsed_s=episode.elapsed_s,
        policy_share=share,
    )


@dataclass(frozen=True)
class GraspVerdict:
    """An evaluation of grasps held against goals; the same face as the road's ``Verdict``."""

    evaluation: Evaluation
    goals: GraspGoals

    @cached_property
    def grasps(self) -> tuple[GraspScore, ...]:
        """One score an episode, in the order of the evaluation."""
        pairs = zip(self.evaluation.traces, self.evaluation.episodes, strict=True)
        return tuple(score_grasp(trace, episode) for trace, episode in pairs)

    @property
    def successes(self) -> int:
        """Scenes whose target was held up, by whomever."""
        return sum(grasp.success for grasp in self.grasps)

    @property
    def alone(self) -> int:
        """Scenes whose target the policy held up by itself."""
        return sum(grasp.alone for grasp in self.grasps)

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the success rate; scenes are independent."""
        return wilson_interval(self.successes, len(self.grasps))

    @property
    def alone_interval(self) -> Interval:
        """The same for the policy by itself."""
        return wilson_interval(self.alone, len(self.grasps))

    @property
    def median_s(self) -> float | None:
        """Half the successes took no longer."""
        times = [grasp.success_s for grasp in self.grasps if grasp.success]
        return float(np.median(times)) if times else None

    @property
    def met(self) -> Mapping[str, bool]:
        """Goal to whether it was met; what was not measured was not met."""
        return {
            "success": self.successes >= self.goals.success * len(self.grasps),
            "alone": self.alone >= self.goals.alone * len(self.grasps),
            "policy_share": (self.evaluation.summary.policy_share or 0.0) >= self.goals.policy_share,
        }

    @property
    def all_met(self) -> bool:
        """Whether every goal was met."""
        return all(self.met.values())

    def as_json(self) -> dict[str, object]:
        """The numbers and the verdicts."""
        total, age = self.evaluation.summary, self.evaluation.summary.command_age_ms
        return {
            "ok": self.all_met,
            "success": self.successes / len(self.grasps),
            "success_interval": asdict(self.interval),
            "success_alone": self.alone / len(self.grasps),
            "success_alone_interval": asdict(self.alone_interval),
            "success_by_scene": {grasp.scene: grasp.success for grasp in self.grasps},
            "median_s": self.median_s,
            "policy_share": total.policy_share,
            "command_age_p50_ms": None if age is None else round(age.p50, 2),
            "command_age_p99_ms": None if age is None else round(age.p99, 2),
            "episodes": total.episodes,
            "elapsed_s": total.elapsed_s,
            "hand_overs": total.hand_overs,
            "reasons": dict(total.reasons),
            "goals_met": self.met,
        }

    def as_text(self) -> str:
        """The same for a person, one line a goal."""
        total, goals, count = self.evaluation.summary, self.goals, len(self.grasps)
        share = "-" if total.policy_share is None else f"{total.policy_share:.1%}"
        rows = {
            "success": ("held up", f"{self.successes} of {count} scenes ({_range(self.interval)})", goals.success),
            "alone": ("by itself", f"{self.alone} of {count} scenes ({_range(self.alone_interval)})", goals.alone),
            "policy_share": ("policy moved", share, goals.policy_share),
        }
        lines = [
            f"  {'met   ' if self.met[key] else 'MISSED'}  {name:<14}{value}  (goal: at least {goal:.0%})"
            for key, (name, value, goal) in rows.items()
        ]
        if self.median_s is not None:
            lines.append(f"          {'time':<14}{self.median_s:.1f} s to success, median")
        if total.command_age_ms is not None:
            age = total.command_age_ms
            lines.append(f"          {'command age':<14}{age.p50:.1f} ms median, {age.p99:.1f} ms p99")
        return "\n".join(lines)


def _range(interval: Interval) -> str:
    return f"95 %: {interval.low:.0%} to {interval.high:.0%}"
