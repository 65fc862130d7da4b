"""Runs a peer's side in its own environment."""

from __future__ import annotations

import sys

from bench.peers.running import PEER, require_peer, run_side
from bench.rewards.control.peers.order import Answer, Order

__all__ = ["run_peer"]


def run_peer(side: str, order: Order) -> Answer:
    """One training of ``ppo_side`` or ``gail_side``, one thread.

    Raises:
        UnderstudyError: the library is not installed, or the training failed.
    """
    require_peer()
    found = Answer.from_values(run_side(str(PEER), f"bench.rewards.control.peers.{side}", order))
    last = found.points[-1]
    print(
        f"    {side}, {order.gymnasium_id}, seed {order.seed}: {last.score:.1f} after {last.steps} steps, "
        f"{last.seconds:.1f} s",
        file=sys.stderr,
        flush=True,
    )
    return found
