"""A contract's quality of service as rclpy's."""

from __future__ import annotations

import pytest

from models.contract import Qos


def test_every_policy_of_a_contract_is_passed_on() -> None:
    """Would catch a policy that a contract may name, that is documented, and that nobody asks the middleware for."""
    pytest.importorskip("rclpy")
    from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, ReliabilityPolicy

    from il_nodes.ros.qos import qos_profile

    profile = qos_profile(Qos("best_effort", "transient_local", "keep_all", 7, "manual_by_topic"))
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert profile.history == HistoryPolicy.KEEP_ALL
    assert profile.depth == 7
    assert profile.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
    assert qos_profile(Qos()).liveliness == LivelinessPolicy.AUTOMATIC
    for word in ("automatic", "manual_by_topic", "system_default", "best_available"):
        assert qos_profile(Qos(liveliness=word)).liveliness == LivelinessPolicy[word.upper()]
