"""What processes of their own do for ``bench.gate``; nothing of the gate is loaded before they begin."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

__all__ = ["Share", "decision_times", "fuzz_share"]

#: Contract, sequences, seed, and what is missing from the gate (empty: nothing).
Share = tuple[str, int, int, str]


def fuzz_share(share: Share) -> tuple[Share, Any]:
    """One process's share: contract, sequences, seed, and what is missing from the gate (empty: nothing)."""
    from bench.gate.broken_gates import BROKEN_GATES
    from bench.gate.fuzz import contracts, fuzz

    name, sequences, seed, missing = share
    contract = contracts()[name]
    if not missing:
        return share, fuzz(contract, sequences, seed)
    return share, fuzz(contract, sequences, seed, BROKEN_GATES[missing][1])


def decision_times(_: int) -> tuple[list[float], list[float]]:
    """Seconds of decisions and, in turn with them, of a bare clip of the same wish."""
    from bench.gate.fuzz import contracts
    from il_nodes.gate.gate import Gate
    from models.data import Action, Proposal

    contract = contracts()["driving"]
    gate, names = Gate(contract, policy_enabled=True), contract.action_names
    rng = np.random.default_rng(0)
    wishes = rng.uniform(contract.action_minimum, contract.action_maximum, (1000, 2)).astype(np.float32)
    ours: list[float] = []
    bare: list[float] = []
    for tick in range(20_000):
        stamp_ns, wish = 10**9 + tick * 50_000_000, wishes[tick % 1000]
        now_s = stamp_ns * 1e-9
        begun = time.perf_counter()
        gate.offer_expert(Action(stamp_ns, wish), stamp_ns, now_s)
        gate.offer_proposal(Proposal(stamp_ns, wish[None], 0.1, names), stamp_ns, now_s)
        gate.decide(stamp_ns, now_s)
        between = time.perf_counter()
        np.clip(wish, contract.action_minimum, contract.action_maximum)
        bare.append(time.perf_counter() - between)
        ours.append(between - begun)
    return ours, bare
