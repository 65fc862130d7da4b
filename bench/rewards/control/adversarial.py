"""Returns of every reward that is a network, learner by learner and task by task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.harness import Bench
from bench.rewards.control.learned import learned_returns
from bench.rewards.control.watched import TASK_NAMES

__all__ = ["LEARNED"]

#: Of state and action, and of PMI, the deck's figures are the goal; of the others that they solve the task.
_DECK = {"cartpole": 500.0, "acrobot": -78.9, "mountain-car": -99.9}
_DECK_PMI = {"cartpole": 500.0, "acrobot": -79.3, "mountain-car": -98.6}
_SOLVED = {"cartpole": 475.0, "acrobot": -100.0, "mountain-car": -110.0}
_GOALS = {"gail": _DECK, "gail-states": _SOLVED, "gaifo": _SOLVED, "imrl": _SOLVED, "gcl": _SOLVED, "pmi": _DECK_PMI}

LEARNED: dict[str, Callable[[Bench, bool], dict[str, object]]] = {
    f"control.{learner}.{task}": partial(learned_returns, learner, goals, task)
    for learner, goals in _GOALS.items()
    for task in TASK_NAMES
}
"""Name of the experiment to what runs it."""
