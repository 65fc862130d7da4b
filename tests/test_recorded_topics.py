"""Which topics are recorded, and how."""

from __future__ import annotations

import pytest
from ros_processes import REPOSITORY

from il_nodes.recorded_topics import recorded_topics
from models.contract import load_contract
from models.errors import DeploymentError

CONTRACT = load_contract(REPOSITORY / "contracts" / "driving.yaml")


def test_contract_episode_and_extra_topics_are_recorded_once() -> None:
    """Would catch a contract's topic that is left out, or subscribed to twice, or with another QoS than it says."""
    extra = [
        "",
        "/track nav_msgs/msg/Path latched",
        "/odom nav_msgs/msg/Odometry best_effort",
        "/x std_msgs/msg/Header",
    ]
    topics = recorded_topics(CONTRACT, [entry for entry in extra if entry])
    names = [item.topic for item in topics]
    assert sorted(names) == sorted({"/episode", "/track", "/x", *CONTRACT.topics()})
    assert names[:2] == ["/episode", "/track"], "what a tick must not overtake is subscribed to first"
    by_name = {item.topic: item for item in topics}
    assert by_name["/odom"].qos.reliability == "reliable"
    assert by_name["/track"].qos.durability == "transient_local"
    assert by_name["/x"].qos.depth >= 100


@pytest.mark.parametrize("entry", ["/x", "/x std_msgs/msg/Header often", "a b c d"])
def test_an_unreadable_entry_is_shown(entry: str) -> None:
    """Would catch a typing error that silently records nothing."""
    with pytest.raises(DeploymentError, match="extra_topics"):
        recorded_topics(CONTRACT, [entry])
