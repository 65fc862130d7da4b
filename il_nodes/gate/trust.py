"""Whether the policy may drive: steps 1 to 3 of the gate (proposal, safety classifier, latches).

Pure logic. ``now_s`` is a monotonic clock (in lock-step: the tick's stamp), ``clock_ns`` is the robot's clock, the one
that header stamps are on. An age is what the stamps say on arrival plus what the monotonic clock says since then, so a
robot clock that pauses or jumps cannot keep an old proposal young.

Silence is watched from the moment on at which a process that had proposed should have proposed again: since its last
proposal or abstention, since the episode began, or since the policy was enabled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from il_nodes.gate.decision import Reason
from il_nodes.gate.unsafe_monitor import UnsafeMonitor, accepted_hysteresis
from models.contract import Contract, GateSpec
from models.data import Action, FloatArray, Proposal

__all__ = ["SILENCE_S", "PolicyTrust", "Received"]

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


class PolicyTrust:
    """Collects proposals and says, on every tick, why the policy may not drive.

    Args:
        contract: names, rate and gate of the robot.
        enabled: whether the policy may drive from the start on.
        unsafe_threshold: in [0, 1].
        silence_s: see :data:`SILENCE_S`.

    Attributes:
        newest: the newest valid proposal of this episode.
        latch: what keeps the policy away until it is enabled.
        human: whether a human holds the robot.
        crowded: whether more than one process proposes; nobody could say whose proposal is followed.
    """

    def __init__(self, contract: Contract, *, enabled: bool, unsafe_threshold: float, silence_s: float) -> None:
        spec: GateSpec = contract.gate
        self._names = contract.action_names
        self._period_s = contract.period_s
        self._max_age_s = spec.proposal_max_age_s
        self._dwell_s = spec.dwell_s
        self._limited_after = spec.limited_after_ticks
        self._silence_s = silence_s
        self.unsafe = UnsafeMonitor(unsafe_threshold, accepted_hysteresis(contract, unsafe_threshold), spec.dwell_s)
        self.latch: Reason | None = None if enabled else Reason.DISABLED
        self.human = False
        self.crowded = False
        self._known = False
        self._trusted = False
        self._silent_since_s: float | None = None
        self.restart(None)
        self.forget_dwell()

    def restart(self, due_s: float | None, begin_ns: float = -math.inf) -> None:
        """Forget every proposal and what was concluded from it (new episode, clock jump). Latches stay.

        So does that there was a proposal at all: a process that is replaced between two episodes is replaced.

        Args:
            due_s: since when the policy has to propose; ``None``: it may be silent, as between two episodes.
            begin_ns: proposals stamped before it come from before, and change nothing when they arrive.
        """
        self._begin_ns = begin_ns
        self._watch(due_s)
        self._abstained_ns = -math.inf
        self.newest: Received[Proposal] | None = None
        self._trouble: Reason | None = Reason.PROPOSAL_MISSING
        self._to_settle = 1
        self._limited_in_a_row = 0

    def forget_dwell(self) -> None:
        """The clock that dwell times run on went back, or nobody has driven for long; a new episode is no reason."""
        self.unsafe.reset()
        self._benched_until_s = -math.inf

    # -- what comes in --------------------------------------------------------------------------------------------

    def offer(self, proposal: Proposal, clock_ns: int, now_s: float) -> Reason | None:
        """Take a proposal in; the reason if it is refused, and then the policy is not trusted for a while."""
        if proposal.stamp_ns < self._begin_ns:
            return Reason.PROPOSAL_STALE  # it was on its way when the episode began: no fault of the policy
        refusal = self._refusal(proposal, clock_ns)
        if refusal is Reason.PROPOSAL_ABSTAINED:
            self._abstained_ns = proposal.stamp_ns
            if self._silent_since_s is not None:
                self._silent_since_s = now_s
        if refusal is not None:
            self.refuse(refusal)
            return refusal
        self.newest = Received.at(proposal, clock_ns, now_s)
        self._silent_since_s, self._known = now_s, True
        self._trusted = self._trusted or not self.crowded
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
        abstains = bool(np.isnan(proposal.actions).all())
        if not (abstains or np.isfinite(proposal.actions).all()):
            return Reason.PROPOSAL_NOT_FINITE
        ahead_s = (proposal.stamp_ns - clock_ns) * 1e-9
        if ahead_s > FUTURE_PERIODS * self._period_s:
            return Reason.PROPOSAL_FUTURE
        if -ahead_s > self._max_age_s + ROUNDING_S:
            return Reason.PROPOSAL_STALE
        before_ns = -math.inf if self.newest is None else self.newest.message.stamp_ns
        if abstains:
            # It may be stamped later than the observation of the proposal behind it, so it only bounds its own kind.
            before_ns = max(before_ns, self._abstained_ns)
        if proposal.stamp_ns <= before_ns:
            return Reason.PROPOSAL_REPEATED if proposal.stamp_ns == before_ns else Reason.PROPOSAL_BACKWARDS
        return Reason.PROPOSAL_ABSTAINED if abstains else None

    def enable(self, now_s: float) -> bool:
        """Let the policy drive once it proposes; False while a human holds the robot."""
        if not self.human:
            self.latch, self._trusted = None, False
            self._watch(now_s)
        return not self.human

    def disable(self) -> None:
        """Keep the policy away until it is enabled."""
        self.latch = Reason.DISABLED

    def take_over(self) -> None:
        """A human drives from now on."""
        self.human, self.latch = True, Reason.TAKEOVER

    def policy_restarted(self) -> None:
        """The process that proposed is gone or is another one: latch, if it had been trusted."""
        self._known, self._silent_since_s = False, None
        if self._trusted and self.latch is None:
            self.latch = Reason.POLICY_RESTARTED

    # -- what comes out -------------------------------------------------------------------------------------------

    def withheld(self, now_s: float) -> Reason | None:
        """Why the policy may not drive this tick, in the order of the design; ``None`` if it may."""
        self._watch_silence(now_s)
        if self.latch is Reason.DISABLED:
            return self.latch
        if self.crowded:
            self._distrust(Reason.SECOND_POLICY)
        # An abstention says more than that the last proposal grows old.
        if self._trouble is not Reason.PROPOSAL_ABSTAINED and self._is_overdue(now_s):
            self._distrust(Reason.PROPOSAL_STALE)
        return self._trouble or self.unsafe.reason or self.latch or self._benched(now_s) or self._used_up(now_s)

    def expected(self, now_s: float) -> bool:
        """Whether the next command should wait for the policy's next proposal: nothing speaks against it yet."""
        return not (self.crowded or self._trouble or self.unsafe.reason or self.latch or self._benched(now_s))

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

    def _is_overdue(self, now_s: float) -> bool:
        """Whether the next proposal should have come, with half a period of grace."""
        limit_s = max(self._max_age_s, 1.5 * self._period_s)
        return self.newest is not None and self.newest.is_older(limit_s, now_s)

    def _distrust(self, reason: Reason) -> None:
        self._trouble, self._to_settle = reason, SETTLE_PROPOSALS

    def _watch(self, since_s: float | None) -> None:
        """Count silence from ``since_s``, if there is a process that has proposed and could be silent."""
        self._silent_since_s = since_s if self._known else None

    def _watch_silence(self, now_s: float) -> None:
        if self.latch is None and self._silent_since_s is not None and now_s - self._silent_since_s > self._silence_s:
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
