"""Whether a deployment reached its goals: the few numbers that a run is judged by, and the verdict on each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from understudy.evaluation.scores import Evaluation
from understudy.report.inputs import Goals

__all__ = ["Verdict", "read_goals", "write_goals"]


def write_goals(path: Path, goals: Goals) -> None:
    """Keep goals beside the scores that were held against them."""
    path.write_text(json.dumps(asdict(goals), indent=2) + "\n")


def read_goals(path: Path) -> Goals:
    """What ``write_goals`` kept; the defaults where there is nothing, or nothing that can be read."""
    try:
        kept = json.loads(path.read_text())
        return Goals(
            laps=float(kept["laps"]),
            off_track=int(kept["off_track"]),
            policy_share=float(kept["policy_share"]),
            autonomy=float(kept["autonomy"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Goals()


@dataclass(frozen=True)
class Verdict:
    """An evaluation held against goals.

    Four goals decide. The age of a command is shown beside them and decides nothing: it is a property of the machine
    as much as of the policy, and one that hurts shows in the others.
    """

    evaluation: Evaluation
    goals: Goals

    @property
    def met(self) -> Mapping[str, bool]:
        """Goal to whether it was met; what was not measured was not met.

        On a robot of one's own nobody counts laps, excursions or interventions: what the policy drove is left.
        """
        total = self.evaluation.summary
        share = {"policy_share": (total.policy_share or 0.0) >= self.goals.policy_share}
        if not self.evaluation.is_scored:
            return share
        return {
            "laps": min(total.laps_minimum.values()) >= self.goals.laps,
            "off_track": total.off_track <= self.goals.off_track,
            **share,
            "autonomy": total.autonomy is not None and total.autonomy >= self.goals.autonomy,
        }

    @property
    def all_met(self) -> bool:
        """Whether every goal was met."""
        return all(self.met.values())

    def as_json(self) -> dict[str, object]:
        """The numbers and the verdicts; ages are wall-clock times, null in lock-step where none is measured."""
        total = self.evaluation.summary
        age = total.command_age_ms
        scored = self.evaluation.is_scored
        return {
            "ok": self.all_met,
            "laps": min(total.laps_minimum.values()) if scored else None,
            "laps_by_track": dict(total.laps_minimum) if scored else None,
            "off_track": total.off_track if scored else None,
            "interventions": total.interventions if scored else None,
            "policy_share": total.policy_share,
            "autonomy": total.autonomy if scored else None,
            "dry_run": self.evaluation.dry_run,
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
        total, goals = self.evaluation.summary, self.goals
        age = total.command_age_ms
        share = "-" if total.policy_share is None else f"{total.policy_share:.1%}"
        autonomy = "–" if total.autonomy is None else f"{total.autonomy:.1%}"
        rows = {
            "laps": (f"{min(total.laps_minimum.values()):g} in the worst episode", f"at least {goals.laps:g}"),
            "off_track": (f"{total.off_track} times", f"at most {goals.off_track}"),
            "policy_share": (share, f"at least {goals.policy_share:.0%}"),
            "autonomy": (autonomy, f"at least {goals.autonomy:.0%}"),
        }
        names = {"off_track": "off the road", "policy_share": "policy drove"}
        lines = [
            f"  {'met   ' if self.met[key] else 'MISSED'}  {names.get(key, key):<14}{value}  (goal: {goal})"
            for key, (value, goal) in rows.items()
            if key in self.met
        ]
        if self.evaluation.dry_run:
            lines.insert(0, "  dry run: no command was sent; who drove is what the gate decided")
        if age is not None:
            traces = self.evaluation.traces
            tick = f"  (one tick is {traces[0].period_s * 1000:g} ms)" if traces else ""
            lines.append(f"          {'command age':<14}{age.p50:.1f} ms median, {age.p99:.1f} ms p99{tick}")
        return "\n".join(lines)
