"""What a learner hands back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from models.learners.safety import SafetyReport
from models.policies import Policy
from models.policies.checkpoint import Checkpoint

__all__ = ["EpochRecord", "TrainedPolicy"]

CURVE, REPORT = "learning_curve.json", "training_report.json"


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One row of the learning curve.

    Attributes:
        epoch: from 1.
        training_loss: mean over the epoch, while the weights changed.
        validation_loss: on held-out episodes, after it.
        score: what ``evaluate`` gave, higher is better; ``None`` where it did not run.
        is_best: whether this epoch's weights are the ones to keep so far.
    """

    epoch: int
    training_loss: float
    validation_loss: float
    score: float | None
    is_best: bool


@dataclass(frozen=True)
class TrainedPolicy:
    """The result of a learner.

    Attributes:
        checkpoint: what an export needs.
        curve: one record an epoch.
        training_episodes: ids the policy was trained on.
        held_out_episodes: ids it was not trained on.
        error: action name to mean absolute error on held-out episodes, in SI units.
        constant_error: the same of always commanding the dataset's mean: what "no better than nothing" looks like.
        safety: how good the safety classifier is; ``None`` when none was trained.
        head: what ``Head.diagnose`` says on held-out episodes, such as ``kl_nats``.
    """

    checkpoint: Checkpoint
    curve: tuple[EpochRecord, ...]
    training_episodes: tuple[str, ...]
    held_out_episodes: tuple[str, ...]
    error: dict[str, float]
    constant_error: dict[str, float]
    safety: SafetyReport | None
    head: dict[str, float]

    @property
    def policy(self) -> Policy:
        """The network, with the weights of the best epoch."""
        policy = self.checkpoint.policy
        assert isinstance(policy, Policy), "one network was trained"
        return policy

    def save(self, directory: Path | str) -> None:
        """Write the checkpoint, ``learning_curve.json`` and ``training_report.json``."""
        directory = Path(directory)
        self.checkpoint.save(directory)
        curve = [dataclasses.asdict(record) for record in self.curve]
        report = {
            "training_episodes": self.training_episodes,
            "held_out_episodes": self.held_out_episodes,
            "error": self.error,
            "constant_error": self.constant_error,
            "head": self.head,
            "safety": dataclasses.asdict(self.safety) if self.safety else None,
        }
        for name, content in ((CURVE, curve), (REPORT, report)):
            (directory / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
