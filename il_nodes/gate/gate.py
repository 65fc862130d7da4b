"""The gate: who drives on this tick, and with which command. Pure logic, no ROS, no policy, no clock of its own.

In this order, on every tick:

1. no valid proposal → expert (:mod:`.trust`);
2. ``unsafe_probability`` above the threshold, with hysteresis and dwell → expert;
3. a human took over, or the policy hung or was restarted → expert, until somebody enables the policy again;
4. expert stale, absent or not alone → a bounded ramp to the stop command, which is then held;
5. whatever was chosen: finite, inside limits, inside rate limits (:mod:`.limiter`); a policy whose wishes break
   them again and again → expert.

A message that holds NaN is rejected when it arrives, never clamped, so only finite numbers reach the limiter. The
learned part of the gate is SafeDAgger's safety classifier (Zhang and Cho 2017, arXiv:1605.06450), whose answer comes
with each proposal.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

from il_nodes.gate.decision import Decision, Driver, Reason
from il_nodes.gate.limiter import CommandLimiter, HaltRamp, Limited
from il_nodes.gate.trust import SILENCE_S, PolicyTrust, Received
from models.contract import Contract
from models.data import Action, FloatArray, Proposal

__all__ = ["Gate"]


class Gate:
    """Decides who drives.

    Times: ``now_s`` on a monotonic clock that counts the robot's seconds (in lock-step the tick's stamp), ``clock_ns``
    on the robot's clock.

    Args:
        contract: must have limits.
        policy_enabled: whether the policy may drive from the start on; otherwise the expert drives until it is enabled.
        unsafe_threshold: as returned by :func:`accepted_threshold`; the contract's if ``None``.
        silence_s: seconds without a valid proposal after which the policy stays away until it is enabled again.

    Attributes:
        counts: what was refused, limited and handed over, since the start.
        waiting: why nobody drives yet, whatever anybody sends; ``None`` once the robot may be commanded.

    Raises:
        ContractError: the contract has no limits.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        policy_enabled: bool = False,
        unsafe_threshold: float | None = None,
        silence_s: float = SILENCE_S,
        measured: npt.NDArray[np.bool_] | bool = False,
    ) -> None:
        contract.require_limits()
        self.contract = contract
        self.counts: Counter[str] = Counter()
        self.waiting: Reason | None = None
        self._trust = PolicyTrust(
            contract,
            enabled=policy_enabled,
            unsafe_threshold=contract.gate.unsafe_threshold if unsafe_threshold is None else unsafe_threshold,
            silence_s=silence_s,
        )
        self._limiter = CommandLimiter(contract)
        self._measured = measured
        self._expert: Received[Action] | None = None
        self._expert_problem = Reason.EXPERT_MISSING
        self._crowded = False
        self._fault: Reason | None = None
        self._ramp: HaltRamp | None = None
        self._driver: Driver | None = None
        self._last_wish: tuple[FloatArray, float] | None = None
        self._clock_ns = -math.inf
        self._now_s = -math.inf

    # -- what comes in --------------------------------------------------------------------------------------------

    def offer_expert(self, command: Action, clock_ns: int, now_s: float) -> Reason | None:
        """Take in the expert's command; the reason if it is refused. What came before it then counts on."""
        self._advance(clock_ns, now_s)
        if self._crowded:
            self.counts[f"refused.{Reason.SECOND_EXPERT}"] += 1
            return Reason.SECOND_EXPERT
        if command.values.shape != self._limiter.minimum.shape:
            return self._refuse_expert(Reason.EXPERT_MISMATCH)
        if not np.isfinite(command.values).all():
            return self._refuse_expert(Reason.EXPERT_NOT_FINITE)
        self._expert = Received.at(command, clock_ns, now_s)
        return None

    def offer_proposal(self, proposal: Proposal, clock_ns: int, now_s: float) -> Reason | None:
        """Take in a proposal; the reason if it is refused."""
        self._advance(clock_ns, now_s)
        refusal = self._trust.offer(proposal, clock_ns, now_s)
        if refusal is not None:
            self.counts[f"refused.{refusal}"] += 1
        return refusal

    def refuse_proposal(self, reason: Reason) -> None:
        """A proposal arrived that could not even be read."""
        self._trust.refuse(reason)
        self.counts[f"refused.{reason}"] += 1

    def start_episode(self, stamp_ns: float = -math.inf) -> None:
        """A new episode began at ``stamp_ns``: no proposal from before it counts, and the policy has to propose now.

        Latches stay, and so does the expert's command: whoever may publish episodes must not lock the expert out.
        """
        self._trust.restart(self._now_s, stamp_ns)

    def end_episode(self, stamp_ns: float = -math.inf) -> None:
        """The episode ended at ``stamp_ns``: the policy may be silent until the next one begins."""
        self._trust.restart(None, stamp_ns)

    def rest(self) -> None:
        """Nobody is commanded for a while: what was concluded from messages is forgotten, latches stay."""
        self._limiter.reset()
        self._trust.restart(None)
        self._trust.forget_dwell()
        self._forget(halt=True)

    def place(self, positions: FloatArray) -> None:
        """Where the robot is: ``(dims,)`` in SI units, NaN where not measured; what a halt would hold."""
        self._limiter.place(positions)

    def note_proposers(self, count: int) -> None:
        """How many processes propose: the policy may not drive while there are two."""
        self._trust.crowded = count > 1

    def note_experts(self, count: int) -> None:
        """How many processes command as the expert: of several none is followed, nor what came from them before."""
        self._crowded = count > 1
        if self._crowded:
            self._expert, self._expert_problem = None, Reason.EXPERT_MISSING

    def enable_policy(self) -> Reason | None:
        """Let the policy drive again, after a latch too; the reason if that is refused."""
        if self._fault is not None:
            return self._fault
        return None if self._trust.enable(self._now_s) else Reason.TAKEOVER

    def disable_policy(self) -> None:
        """The expert drives until the policy is enabled."""
        self._trust.disable()

    def take_over(self) -> None:
        """A human drives: the expert's command counts from the next tick on, whatever the policy proposes."""
        self._trust.take_over()

    @property
    def is_taken_over(self) -> bool:
        """Whether a human holds the robot."""
        return self._trust.human

    def release(self) -> None:
        """The human lets go. The expert drives on, and the policy must be enabled to come back."""
        self._trust.human = False

    def policy_restarted(self) -> None:
        """The process that had proposed is gone or was replaced."""
        self._trust.policy_restarted()

    def raise_fault(self, reason: Reason) -> None:
        """Halt on every tick until the fault is cleared; the policy then still needs to be enabled."""
        self._fault = reason
        self._trust.disable()

    def clear_fault(self) -> None:
        """The cause of the fault is gone."""
        self._fault = None

    # -- what comes out -------------------------------------------------------------------------------------------

    def expects_policy(self, now_s: float) -> bool:
        """Whether the next command should wait for the policy's proposal rather than for the expert's command."""
        return self.waiting is None and self._trust.expected(now_s)

    @property
    def expert_stamp_ns(self) -> int | None:
        """Stamp of the expert's newest valid command."""
        return None if self._expert is None else self._expert.message.stamp_ns

    @property
    def is_stopped(self) -> bool:
        """Whether the last command was the stop command."""
        return self._limiter.is_stopped

    @property
    def latched(self) -> Reason | None:
        """What keeps the policy away until it is enabled."""
        return self._trust.latch

    @property
    def fault(self) -> Reason | None:
        """Why the gate halts whatever anybody sends."""
        return self._fault

    @property
    def halt_duration_s(self) -> float:
        """Seconds that a halt takes at most: the contract's ramp, or longer where the rate limits are slower."""
        return max(self.contract.gate.halt_ramp_s, self._limiter.longest_stop_s)

    def decide(self, clock_ns: int, now_s: float) -> Decision:
        """The command of this tick. Call it once a tick, and send what it returns."""
        self._advance(clock_ns, now_s)
        withheld = self._trust.withheld(now_s)
        silent = self.waiting or self._place(now_s)
        problem = self._fault or silent
        if problem is None:
            if withheld is None:
                return self._follow_policy(now_s)
            problem = self._expert_fault(now_s)
            if problem is None:
                return self._follow_expert(withheld, now_s)
        return self._halt(problem, withheld, clock_ns, now_s, sent=silent is None)

    def _place(self, now_s: float) -> Reason | None:
        """A robot whose halt holds it in place: where nothing measures it, it is where the expert first has it.

        Where something measures it, the gate waits for the measurement: from anywhere else the robot would jump.
        """
        if self._limiter.is_placed:
            return None
        if self._expert_fault(now_s) is None:
            assert self._expert is not None
            guess = np.where(self._measured, np.float32(np.nan), self._expert.message.values)
            self._limiter.place(guess, guessed=True)
        return None if self._limiter.is_placed else Reason.POSITION_UNKNOWN

    def _follow_policy(self, now_s: float) -> Decision:
        stamp_ns, wish, row = self._trust.action(now_s)
        too_fast = self._last_wish is not None and self._limiter.exceeds_rate(
            self._last_wish[0], wish, now_s - self._last_wish[1]
        )
        decision = self._decision(Driver.POLICY, Reason.TRUSTED, None, stamp_ns, wish, now_s, row)
        self._last_wish = (wish, now_s)
        # Being slowed down after a hand-over is no fault of the policy: only its own range and its own steps count.
        self._trust.note_limited(decision.clamped or too_fast, now_s)
        return decision

    def _follow_expert(self, withheld: Reason, now_s: float) -> Decision:
        assert self._expert is not None
        command = self._expert.message
        return self._decision(Driver.EXPERT, withheld, withheld, command.stamp_ns, command.values, now_s)

    def _halt(self, reason: Reason, withheld: Reason | None, clock_ns: int, now_s: float, *, sent: bool) -> Decision:
        if not sent:
            return self._decision(Driver.HALT, reason, withheld, clock_ns, None, now_s)
        if self._ramp is None:
            duration_s = self.contract.gate.halt_ramp_s
            # The ramp begins one period ago, so that the very first command of a halt slows down already.
            begin_s = now_s - self.contract.period_s
            self._ramp = HaltRamp(self._limiter.last, self._limiter.stop, begin_s, duration_s)
        return self._decision(Driver.HALT, reason, withheld, clock_ns, self._ramp.wish(now_s), now_s)

    def _decision(
        self,
        source: Driver,
        reason: Reason,
        withheld: Reason | None,
        stamp_ns: int,
        wish: FloatArray | None,
        now_s: float,
        row: int = -1,
    ) -> Decision:
        # What is not sent moves no robot, and must not count as its last command.
        limited = Limited(self._limiter.last, False, False) if wish is None else self._limiter.limit(wish, now_s)
        if source is not Driver.HALT:
            self._ramp = None
        # A step is two wishes of the policy in a row; its caller notes this one, if it was the policy's.
        self._last_wish = None
        handover = self._driver is not None and self._driver is not source
        self._driver = source
        newest = self._trust.newest
        self.counts.update(
            {
                f"ticks.{source}": 1,
                "clamped": limited.clamped,
                "rate_limited": limited.rate_limited,
                "handovers": handover,
            }
        )
        return Decision(
            stamp_ns=stamp_ns,
            command=limited.values,
            source=source,
            reason=reason,
            withheld=withheld,
            latched=self._trust.latch,
            unsafe_probability=math.nan if newest is None else newest.message.unsafe_probability,
            expert_age_s=math.nan if self._expert is None else self._expert.age_s(now_s),
            proposal_age_s=math.nan if newest is None else newest.age_s(now_s),
            row=row,
            clamped=limited.clamped,
            rate_limited=limited.rate_limited,
            handover=handover,
            sent=wish is not None,
        )

    def _expert_fault(self, now_s: float) -> Reason | None:
        if self._crowded:
            return Reason.SECOND_EXPERT
        if self._expert is None:
            return self._expert_problem
        if self._expert.is_older(self.contract.gate.expert_max_age_s, now_s):
            return Reason.EXPERT_STALE
        return None

    def _refuse_expert(self, reason: Reason) -> Reason:
        self._expert_problem = reason
        self.counts[f"refused.{reason}"] += 1
        return reason

    def _advance(self, clock_ns: int, now_s: float) -> None:
        """Notice a clock that went backwards (a simulator was reset): what came before it is of another time."""
        if now_s < self._now_s or clock_ns < self._clock_ns - self.contract.period_s * 1e9:
            self._trust.restart(now_s)
            if now_s < self._now_s:
                self._trust.forget_dwell()
            # A halt goes on: it is on the other clock, and one that trembles must not begin it again and again.
            self._forget(halt=now_s < self._now_s)
        self._clock_ns, self._now_s = clock_ns, now_s

    def _forget(self, *, halt: bool) -> None:
        self._expert, self._expert_problem = None, Reason.EXPERT_MISSING
        if halt:
            self._ramp = None
