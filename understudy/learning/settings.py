"""What ``understudy learn`` was asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.interactive import Plan, Rule, make_rule

if TYPE_CHECKING:
    from models.contract import Contract
    from models.learners import BehavioralCloningConfig

__all__ = ["HUMAN", "SCRIPTED", "LearnSettings"]

#: Who the expert of a live learning is.
SCRIPTED, HUMAN = "scripted", "human"


@dataclass(frozen=True)
class LearnSettings:
    """The settings of one learning.

    Attributes:
        rule: name of the algorithm.
        options: its own.
        robot: which one is simulated.
        places: seeds of the tracks, or scenes, that are driven.
        plan: how much.
        epochs: of every training.
        chunk: actions proposed at once.
        unsafe_share: of held-out frames in the first round, which sets what counts as unsafe.
        threads: for torch.
        live: who the expert is, ``scripted`` or ``human``, of a learning over ROS 2; empty for one in process.
    """

    rule: str
    options: Mapping[str, object] = field(default_factory=dict)
    robot: str = "driving"
    places: tuple[int, ...] = tuple(range(1, 13))
    plan: Plan = field(default_factory=Plan)
    epochs: int = 15
    chunk: int = 1
    unsafe_share: float = 0.2
    threads: int = 1
    live: str = ""

    def make_rule(self) -> Rule:
        """The algorithm; raises ``TrainingError`` when its options contradict each other."""
        return make_rule(self.rule, self.options)

    def cloning(self, contract: Contract) -> BehavioralCloningConfig:
        """How every policy is trained: as ``understudy train`` would for this robot.

        With SafeDAgger the classifier decides by itself who drives; otherwise it flags as few frames as
        ``understudy train`` lets it, for it only warns.
        """
        from understudy.training.settings import TrainingSettings

        safety: dict[str, object] = {"unsafe_share": self.unsafe_share}
        if self.make_rule().needs_safety:
            safety["deployed_share"] = None
        learning = {"epochs": self.epochs, "seed": self.plan.seed, "threads": self.threads}
        return TrainingSettings({"chunk": self.chunk}, learning, safety).plan(contract).config

    def to_dict(self) -> dict[str, object]:
        """All that decides about a round's result; more rounds and more threads may be asked for later."""
        plan = dataclasses.asdict(self.plan)
        del plan["rounds"]
        return {
            "rule": self.rule,
            "options": dict(self.options),
            "robot": self.robot,
            "places": list(self.places),
            **plan,
            "epochs": self.epochs,
            "chunk": self.chunk,
            "unsafe_share": self.unsafe_share,
            **({"live": self.live} if self.live else {}),
        }
