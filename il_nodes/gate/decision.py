"""What the gate decided on one tick, and the words for why. No ROS, no policy, no clock in here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from models.data import FloatArray

__all__ = ["Decision", "Driver", "Reason"]


class Driver(StrEnum):
    """Who a command came from."""

    POLICY = "policy"
    EXPERT = "expert"
    HALT = "halt"


class Reason(StrEnum):
    """Why the driver of a tick is who it is; the words are part of the interface (``/gate/decision``)."""

    TRUSTED = "policy_trusted"
    DISABLED = "policy_disabled"

    # 1. No valid proposal.
    PROPOSAL_MISSING = "proposal_missing"
    PROPOSAL_STALE = "proposal_stale"
    PROPOSAL_FUTURE = "proposal_from_the_future"
    PROPOSAL_BACKWARDS = "proposal_stamp_backwards"
    PROPOSAL_REPEATED = "proposal_repeated"
    PROPOSAL_MISMATCH = "proposal_names_or_size"
    PROPOSAL_NOT_FINITE = "proposal_not_finite"
    PROPOSAL_UNREADABLE = "proposal_unreadable"
    PROPOSAL_ABSTAINED = "proposal_abstained"
    SECOND_POLICY = "second_policy"
    CHUNK_USED_UP = "chunk_used_up"

    # 2. The safety classifier.
    UNSAFE = "unsafe"
    UNSAFE_INVALID = "unsafe_probability_invalid"

    # 3. Latched until somebody enables the policy again.
    TAKEOVER = "human_takeover"
    POLICY_SILENT = "policy_silent"
    POLICY_RESTARTED = "policy_restarted"

    # 5. Handed back because its commands had to be limited again and again.
    LIMITED_REPEATEDLY = "limited_repeatedly"

    # 4. Halts.
    EXPERT_MISSING = "expert_missing"
    EXPERT_STALE = "expert_stale"
    EXPERT_NOT_FINITE = "expert_not_finite"
    EXPERT_MISMATCH = "expert_size"
    SECOND_EXPERT = "second_expert"
    POSITION_UNKNOWN = "position_unknown"
    SECOND_PUBLISHER = "second_publisher_on_command_topic"
    DISCOVERY = "looking_for_other_publishers"
    DEACTIVATED = "deactivated"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Decision:
    """One tick's command and where it came from.

    Attributes:
        stamp_ns: stamp of the observation or robot state that the command answers; of a halt, the robot clock's now.
        command: ``(dims,)`` float32 in SI units: finite, inside the limits and the rate limits.
        source: who drives.
        reason: why that one.
        withheld: why the policy does not drive; ``None`` while it does.
        latched: what keeps the policy away until it is enabled again; ``None`` when nothing does.
        unsafe_probability: of the newest valid proposal; NaN when there is none, or when it said so itself.
        expert_age_s: age of the newest valid expert command; NaN when there is none.
        proposal_age_s: age of the newest valid proposal; NaN when there is none.
        row: row of the proposal's chunk that was taken; -1 when the policy does not drive.
        clamped: whether the command had to be brought into the limits.
        rate_limited: whether it had to be brought into the rate limits.
        handover: whether another one drove the tick before.
        sent: whether the command goes out: not before somebody has said where a robot is that a halt holds in place,
            and, on ``/gate/decision``, never in a dry run.
    """

    stamp_ns: int
    command: FloatArray
    source: Driver
    reason: Reason
    withheld: Reason | None
    latched: Reason | None
    unsafe_probability: float
    expert_age_s: float
    proposal_age_s: float
    row: int
    clamped: bool
    rate_limited: bool
    handover: bool
    sent: bool
