"""Whether the policy may drive: steps 1 to 3 of the gate (proposal, safety classifier, latches).

Pure logic. ``now_s`` is a monotonic clock (in lock-step: the tick's stamp), ``clock_ns`` is the robot's clock, the one
that header stamps are on. An age is what the stamps say on arrival plus what the monotonic clock says since then, so a
robot clock that pauses or jumps cannot keep an old proposal young.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from il_nodes.decision import Reason
from models.contract import Contract, GateSpec
from models.data import Action, FloatArray, Proposal

__all__ = ["SILENCE_S", "PolicyTrust", "Received", "UnsafeMonitor"]

#: Seconds without one valid proposal after which a policy counts as hung and stays away until it is enabled again:
#: many missed ticks at any rate, and longer than a busy laptop stalls.
SILENCE_S = 1.0
#: Valid proposals in a row that it takes to come back after an invalid or a late one, so that a policy that answers
#: every other tick does not hand the robot to and fro at every tick.
SETTLE_PROPOSALS = 3
#: A stamp may lie this many periods ahead of the robot's clock: the clock's own message may arrive after the frame's.
FUTURE_PERIODS = 1.5
#: Ages are differences of large floats, and limits are often whole ticks: an age of exactly the limit must pass.
ROUNDING_S = 1e-6
_BEGINNING_OF_TIME_NS = -(2**63)

Message = TypeVar("Message", Action, Proposal)


@dataclass(frozen=True, slots=True)
class Received(Generic[Message]):
    """A message and how old it was when it arrived."""

    message: Message
    arrival_age_s: float
    received_s: float

    @classmethod
    def at(cls, message: Message, clock_ns: int, now_s: float) -> Received[Message]:
        """Received at ``now_s``, when the robot's clock showed ``clock_ns``."""
        return cls(message, max(0, clock_ns - message.stamp_ns) * 1e-9, now_s)

    def age_s(self, now_s: float) -> float:
        """Age at ``now_s``: by stamp until it arrived, by the monotonic clock since."""
        return self.arrival_age_s + max(0.0, now_s - self.received_s)

    def is_older(self, limit_s: float, now_s: float) -> bool:
        """Whether it is more than ``limit_s`` old at ``now_s``."""
        return self.age_s(now_s) > limit_s + ROUNDING_S


class UnsafeMonitor:
    """Threshold with hysteresis and a minimum dwell on ``unsafe_probability``.

    On above ``threshold`` (or if it is no probability at all: NaN, below 0, above 1); off again at or below
    ``threshold - hysteresis``, ``dwell_s`` after it went on at the earliest. So the policy loses control at most
    ``1 / dwell_s`` times a second, however the classifier chatters.
    """

    def __init__(self, threshold: float, hysteresis: float, dwell_s: float) -> None:
        self.threshold = threshold
        self._release = threshold - hysteresis
        self._dwell_s = dwell_s
        self._since_s = -math.inf
        self.reason: Reason | None = None

    def update(self, probability: float, now_s: float) -> None:
        """Take in one proposal's probability."""
        valid = 0.0 <= probability <= 1.0
        if valid and probability <= self.threshold:
            if probability <= self._release and now_s - self._since_s >= self._dwell_s:
                self.reason = None
            return
        if self.reason is None:
            self._since_s = now_s
        self.reason = Reason.UNSAFE if valid else Reason.UNSAFE_INVALID

    def reset(self) -> None:
        """Forget what it saw."""
        self._since_s, self.reason = -math.inf, None


class PolicyTrust:
    """Collects proposals and says, on every tick, why the policy may not drive.

    Args:
        contract: names, rate and gate of the robot.
        enabled: whether the policy may drive from the start on.
        unsafe_threshold: in [0, 1].
        silence_s: see :data:`SILENCE_S`.
    """

    def __init__(self, contract: Contract, *, enabled: bool, unsafe_threshold: float, silence_s: float) -> None:
        spec: GateSpec = contract.gate
        self._names = contract.action_names
        self._period_s = contract.period_s
        self._max_age_s = spec.proposal_max_age_s
        self._dwell_s = spec.dwell_s
        self._limited_after = spec.limited_after_ticks
        self._silence_s = silence_s
        self.unsafe = UnsafeMonitor(unsafe_threshold, spec.hysteresis, spec.dwell_s)
        self.latch: Reason | None = None if enabled else Reason.DISABLED
        self.human = False
        self._armed = False
        self.restart()

    def restart(self, begin_ns: int = _BEGINNING_OF_TIME_NS) -> None:
        """Forget every proposal and what was concluded from it (new episode, clock jump). Latches stay.

        So does that there was a proposal at all: a process that is replaced between two episodes is replaced.

        Args:
            begin_ns: proposals stamped before it come from before, and change nothing when they arrive.
        """
        self._begin_ns = begin_ns
        self.newest: Received[Proposal] | None = None
        self.unsafe.reset()
        self._trouble: Reason | None = Reason.PROPOSAL_MISSING
        self._to_settle = 1
        self._limited_in_a_row = 0
        self._benched_until_s = -math.inf

    # -- what comes in --------------------------------------------------------------------------------------------

    def offer(self, proposal: Proposal, clock_ns: int, now_s: float) -> Reason | None:
        """Take a proposal in; the reason if it is refused, and then the policy is not trusted for a while."""
        if proposal.stamp_ns < self._begin_ns:
            return Reason.PROPOSAL_STALE  # it was on its way when the episode began: no fault of the policy
        refusal = self._refusal(proposal, clock_ns)
        if refusal is not None:
            self.refuse(refusal)
            return refusal
        self.newest = Received.at(proposal, clock_ns, now_s)
        self._armed = True
        self._to_settle = max(0, self._to_settle - 1)
        if self._to_settle == 0:
            self._trouble = None
        self.unsafe.update(proposal.unsafe_probability, now_s)
        return None

    def refuse(self, reason: Reason) -> None:
        """A proposal arrived that cannot be used: stop trusting."""
        self._distrust(reason)

    def _refusal(self, proposal: Proposal, clock_ns: int) -> Reason | None:
        if proposal.names != self._names or proposal.actions.ndim != 2 or not len(proposal.actions):
            return Reason.PROPOSAL_MISMATCH
        if proposal.actions.shape[1] != len(self._names):
            return Reason.PROPOSAL_MISMATCH
        if not np.isfinite(proposal.actions).all():
            return Reason.PROPOSAL_NOT_FINITE
        ahead_s = (proposal.stamp_ns - clock_ns) * 1e-9
        if ahead_s > FUTURE_PERIODS * self._period_s:
            return Reason.PROPOSAL_FUTURE
        if -ahead_s > self._max_age_s + ROUNDING_S:
            return Reason.PROPOSAL_STALE
        return self._order_refusal(proposal.stamp_ns)

    def _order_refusal(self, stamp_ns: int) -> Reason | None:
        if self.newest is None or stamp_ns > self.newest.message.stamp_ns:
            return None
        return Reason.PROPOSAL_REPEATED if stamp_ns == self.newest.message.stamp_ns else Reason.PROPOSAL_BACKWARDS

    def enable(self) -> bool:
        """Let the policy drive once it proposes; False while a human holds the robot."""
        if self.human:
            return False
        self.latch, self._armed = None, False
        return True

    def disable(self) -> None:
        """Keep the policy away until it is enabled."""
        self.latch = Reason.DISABLED

    def take_over(self) -> None:
        """A human drives from now on."""
        self.human, self.latch = True, Reason.TAKEOVER

    def policy_restarted(self) -> None:
        """The process that proposed is gone or is another one: latch, if it had been trusted."""
        if self._armed and self.latch is None:
            self.latch = Reason.POLICY_RESTARTED

    # -- what comes out -------------------------------------------------------------------------------------------

    def withheld(self, now_s: float) -> Reason | None:
        """Why the policy may not drive this tick, in the order of the design; ``None`` if it may."""
        self._watch_silence(now_s)
        if self.latch is Reason.DISABLED:
            return self.latch
        if self.newest is not None and self.newest.is_older(max(self._max_age_s, 1.5 * self._period_s), now_s):
            self._distrust(Reason.PROPOSAL_STALE)
        return self._trouble or self.unsafe.reason or self.latch or self._benched(now_s) or self._used_up(now_s)

    def expected(self, now_s: float) -> bool:
        """Whether the next command should wait for the policy's next proposal: nothing speaks against it yet."""
        return not (self._trouble or self.unsafe.reason or self.latch or self._benched(now_s))

    def action(self, now_s: float) -> tuple[int, FloatArray, int]:
        """Stamp, row values ``(dims,)`` and row of the newest proposal; only when ``withheld`` is ``None``."""
        assert self.newest is not None
        row = self._row(self.newest, now_s)
        return self.newest.message.stamp_ns, self.newest.message.actions[row], row

    def note_limited(self, limited: bool, now_s: float) -> None:
        """Whether the policy's wish of this tick broke a limit; too many in a row bench it for the dwell time."""
        self._limited_in_a_row = self._limited_in_a_row + 1 if limited else 0
        if self._limited_after and self._limited_in_a_row >= self._limited_after:
            self._limited_in_a_row = 0
            self._benched_until_s = now_s + self._dwell_s

    def _distrust(self, reason: Reason) -> None:
        self._trouble, self._to_settle = reason, SETTLE_PROPOSALS

    def _watch_silence(self, now_s: float) -> None:
        if not self._armed or self.latch is not None or self.newest is None:
            return
        if now_s - self.newest.received_s > self._silence_s:
            self.latch = Reason.POLICY_SILENT

    def _benched(self, now_s: float) -> Reason | None:
        return Reason.LIMITED_REPEATEDLY if now_s < self._benched_until_s else None

    def _row(self, received: Received[Proposal], now_s: float) -> int:
        return int((received.age_s(now_s) + ROUNDING_S) / self._period_s)

    def _used_up(self, now_s: float) -> Reason | None:
        """The chunk has no row for this tick, or is too old: nothing came in time."""
        assert self.newest is not None
        if self._row(self.newest, now_s) >= len(self.newest.message.actions):
            self._distrust(Reason.CHUNK_USED_UP)
        elif self.newest.is_older(self._max_age_s, now_s):
            self._distrust(Reason.PROPOSAL_STALE)
        return self._trouble
