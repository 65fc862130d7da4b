"""Which scores a deployment gets, by what its recordings hold; the two kinds of verdict have one face."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from models.errors import UnderstudyError
from understudy.evaluation.goals import Verdict, read_goals
from understudy.evaluation.grasps import GraspGoals, GraspVerdict, is_grasping, read_grasp_goals
from understudy.evaluation.scores import Evaluation
from understudy.report.inputs import Goals

__all__ = ["AnyGoals", "Judgement", "judge", "keep_goals"]

AnyGoals = Goals | GraspGoals


class Judgement(Protocol):
    """An evaluation held against goals."""

    @property
    def evaluation(self) -> Evaluation:
        """What was scored."""

    @property
    def met(self) -> Mapping[str, bool]:
        """Goal to whether it was met."""

    @property
    def all_met(self) -> bool:
        """Whether every goal was met."""

    def as_json(self) -> dict[str, object]:
        """The numbers and the verdicts."""

    def as_text(self) -> str:
        """The same for a person."""


def judge(evaluation: Evaluation, goals: AnyGoals | None, kept: Path) -> Verdict | GraspVerdict:
    """Hold an evaluation against goals of its kind.

    Args:
        evaluation: of a deployment.
        goals: None takes those of the last evaluation.
        kept: file of those.

    Raises:
        UnderstudyError: goals of one robot, and drives of another.
    """
    grasping = is_grasping(evaluation.traces)
    if goals is not None and grasping != isinstance(goals, GraspGoals):
        found, expected = ("grasps", "drives") if grasping else ("drives", "grasps")
        raise UnderstudyError(
            "these goals are another robot's", found=f"recorded {found}", expected=expected, fix="name the --robot"
        )
    if grasping:
        return GraspVerdict(evaluation, goals if isinstance(goals, GraspGoals) else read_grasp_goals(kept))
    return Verdict(evaluation, goals if isinstance(goals, Goals) else read_goals(kept))


def keep_goals(path: Path, goals: AnyGoals) -> None:
    """Keep goals beside the scores that were held against them."""
    path.write_text(json.dumps(asdict(goals), indent=2) + "\n")
