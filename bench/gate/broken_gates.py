"""Gates with one rule taken out each: what the fuzzer's checker has to notice, or its silence would mean nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from il_nodes.gate.decision import Decision, Reason
from il_nodes.gate.gate import Gate
from il_nodes.gate.limiter import CommandLimiter, Limited
from il_nodes.gate.trust import PolicyTrust
from models.contract import Contract
from models.data import Action, FloatArray, Proposal

__all__ = ["BROKEN_GATES"]


class _NoRate(CommandLimiter):
    def limit(self, wish: FloatArray, now_s: float) -> Limited:
        self.rate = np.full_like(self.rate, math.inf)
        return super().limit(wish, now_s)


class _NoLimits(CommandLimiter):
    def limit(self, wish: FloatArray, now_s: float) -> Limited:
        self.last = wish
        return Limited(wish, False, False)


class _AcceptsNan(PolicyTrust):
    def _refusal(self, proposal: Proposal, clock_ns: int) -> Reason | None:
        refusal = super()._refusal(proposal, clock_ns)
        return None if refusal is Reason.PROPOSAL_NOT_FINITE else refusal


class _ForgetsLatches(PolicyTrust):
    def withheld(self, now_s: float) -> Reason | None:
        if self.latch is not Reason.DISABLED:
            self.latch = None
        return super().withheld(now_s)


class _NeverStops(Gate):
    def decide(self, clock_ns: int, now_s: float) -> Decision:
        if self._ramp is not None:
            self._ramp = type(self._ramp)(self._ramp.start, self._ramp.stop, self._ramp.begin_s, 1e9)
        return super().decide(clock_ns, now_s)


class _RaisesOnSize(Gate):
    def offer_expert(self, command: Action, clock_ns: int, now_s: float) -> Reason | None:
        if len(command.values) != len(self.contract.limits):
            raise ValueError("another size")
        return super().offer_expert(command, clock_ns, now_s)


class _FollowsSeveral(Gate):
    def note_experts(self, count: int) -> None:
        pass


def _limited_by(limiter: type[CommandLimiter]) -> Callable[[Contract], Gate]:
    def make(contract: Contract) -> Gate:
        gate = Gate(contract, policy_enabled=True)
        gate._limiter = limiter(contract)
        return gate

    return make


def _trusting(trust: type[PolicyTrust]) -> Callable[[Contract], Gate]:
    def make(contract: Contract) -> Gate:
        gate = Gate(contract, policy_enabled=True)
        threshold = contract.gate.unsafe_threshold
        gate._trust = trust(contract, enabled=True, unsafe_threshold=threshold, silence_s=1.0)
        return gate

    return make


#: What is missing, to the rule of :mod:`bench.gate.fuzz` that it breaks and the gate.
BROKEN_GATES: Mapping[str, tuple[str, Callable[[Contract], Gate]]] = MappingProxyType(
    {
        "rate limits": ("beyond_rate", _limited_by(_NoRate)),
        "limits": ("out_of_limits", _limited_by(_NoLimits)),
        "the look for NaN": ("not_finite", _trusting(_AcceptsNan)),
        "latches": ("wrong_driver", _trusting(_ForgetsLatches)),
        "the halt's end": ("no_halt", lambda contract: _NeverStops(contract, policy_enabled=True)),
        "the look for a second expert": (
            "wrong_driver",
            lambda contract: _FollowsSeveral(contract, policy_enabled=True),
        ),
        "the look at sizes": ("silent", lambda contract: _RaisesOnSize(contract, policy_enabled=True)),
    }
)
