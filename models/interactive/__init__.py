"""Interactive learning: one loop, and a table of rules: who acts, who labels, what is kept, how policies combine.

It owns the loop (:func:`learn`), its ports, what a round leaves on disk, and one file an algorithm in ``rules/``. It
loads neither torch nor a simulator: learners, worlds and experts come in through the ports.
"""

from models.interactive.in_process import InProcess
from models.interactive.loop import Learning, Plan, learn
from models.interactive.mixture import Mixture
from models.interactive.ports import (
    Actor,
    Answer,
    Assignment,
    Collector,
    CostToGo,
    Environment,
    Expert,
    Human,
    Learned,
    Learner,
    Measure,
    Tolerance,
)
from models.interactive.records import Drive, RoundRecord, Tally
from models.interactive.rule import Moment, Rule
from models.interactive.rules import RULES, make_rule
from models.interactive.store import RoundStore

__all__ = [
    "RULES",
    "Actor",
    "Answer",
    "Assignment",
    "Collector",
    "CostToGo",
    "Drive",
    "Environment",
    "Expert",
    "Human",
    "InProcess",
    "Learned",
    "Learner",
    "Learning",
    "Measure",
    "Mixture",
    "Moment",
    "Plan",
    "RoundRecord",
    "RoundStore",
    "Rule",
    "Tally",
    "Tolerance",
    "learn",
    "make_rule",
]
