"""Contract QoS ↔ rclpy QoS, and what to say when two ends do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)

from models.contract import Qos

__all__ = ["LATCHED", "RELIABLE", "describe_incompatibility", "qos_profile"]

#: Commands, decisions and status: small, and each one counts.
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
#: What a late joiner must still get: the current episode, the current track.
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def qos_profile(qos: Qos, *, reliable: bool = False) -> Any:
    """The rclpy profile of a contract's QoS.

    Args:
        qos: policies by name, such as ``best_effort``, ``volatile``, ``keep_last``.
        reliable: insist on reliable delivery whatever the contract says (lock-step, where no tick may be lost).
    """
    return QoSProfile(
        depth=max(1, qos.depth),
        history=HistoryPolicy[qos.history.upper()],
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy[qos.reliability.upper()],
        durability=DurabilityPolicy[qos.durability.upper()],
        liveliness=LivelinessPolicy[qos.liveliness.upper()],
    )


def _value(profile: Any, policy: str) -> str:
    value = getattr(profile, policy, None)
    return str(getattr(value, "name", value)).lower()


def describe_incompatibility(topic: str, policy_kind: Any, own: Any, others: Sequence[Any], *, publishing: bool) -> str:
    """One sentence: which topic, which policy, what is offered, what is requested, and by whom.

    Args:
        topic: resolved name.
        policy_kind: ``last_policy_kind`` of the event.
        own: profile of this node's end.
        others: ``TopicEndpointInfo`` of the other side's endpoints on this topic.
        publishing: whether this node is the publisher.
    """
    policy = qos_policy_name_from_kind(policy_kind).removesuffix("_QOS_POLICY").lower()
    mine = _value(own, policy)
    different = [info for info in others if _value(info.qos_profile, policy) != mine]
    theirs = sorted({f"{_value(info.qos_profile, policy)} by {info.node_name}" for info in different}) or ["unknown"]
    offered, requested = (mine, ", ".join(theirs)) if publishing else (", ".join(theirs), mine)
    return (
        f"incompatible QoS on {topic}: {policy} offered: {offered}, requested: {requested}; nothing passes between "
        f"them. Set channel.qos.{policy} of {topic} in the robot contract to what the publisher offers"
    )
