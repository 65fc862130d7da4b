"""The chain as a task for interactive learning: small, fast, and with a known answer."""

from __future__ import annotations

import sys
from pathlib import Path

from models.interactive import Environment, InProcess, Learning, Plan, RoundStore, Rule, learn, make_rule
from models.interactive.loop import Listener
from models.interactive.table import TableLearner
from sim.chain import Chain, ChainExpert

__all__ = ["Watchful", "chain_collector", "learn_chain"]

HORIZON, MISTAKE_RATE = 60, 0.05
PLAN = Plan(rounds=3, ticks=600, validation=4, seed=3)


class Watchful:
    """Stands for a human: takes over a tick after the robot got lost, and hands back as soon as it is not."""

    def begin(self) -> None:
        """Hands off."""

    def in_control(self, environment: Environment) -> bool:
        return environment.deviation > 0.0


def chain_collector() -> InProcess:
    chain = Chain(HORIZON, MISTAKE_RATE)
    expert = ChainExpert(chain)
    return InProcess(chain, expert, Watchful(), expert)


def learn_chain(
    folder: Path, rule: Rule | str, plan: Plan = PLAN, listener: Listener | None = None, held_out: int = 2
) -> Learning:
    rule = make_rule(rule) if isinstance(rule, str) else rule
    store = RoundStore(folder, {"rule": rule.name, "seed": plan.seed, "ticks": plan.ticks})
    return learn(rule, chain_collector(), TableLearner(held_out), store, plan, listener)


if __name__ == "__main__":
    # python chain_samples.py FOLDER RULE ROUNDS: what a test starts to kill it.
    learn_chain(Path(sys.argv[1]), sys.argv[2], Plan(rounds=int(sys.argv[3]), ticks=600, validation=4, seed=3))
