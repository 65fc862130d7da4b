"""Which topics are recorded, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ros_processes import REPOSITORY

from il_nodes.recorder.topics import recorded_topics
from models.contract import load_contract, parse_contract
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
    assert set(topics) >= {"/episode", "/track", "/x", *CONTRACT.topics()}
    latched = [topic for topic, item in topics.items() if item.is_latched]
    assert list(topics)[: len(latched)] == latched, "what a tick must not overtake is subscribed to first"
    assert topics["/odom"].qos.reliability == "reliable"
    assert topics["/track"].qos.durability == "transient_local"
    assert topics["/x"].qos.depth >= 100


def test_what_our_own_nodes_say_is_recorded_without_asking() -> None:
    """Would catch a real robot, whose parameters name no topic of ours, recorded without decisions or labels."""
    topics = recorded_topics(CONTRACT, [])
    expert = CONTRACT.gate.expert_topics[0]
    for topic in (expert, "/cmd_vel", f"/label{expert}", f"/noise{expert}"):
        assert topics[topic].type == "geometry_msgs/msg/TwistStamped"
    assert topics["/gate/decision"].type == "diagnostic_msgs/msg/DiagnosticArray"
    assert topics["/policy/proposal"].type == "trajectory_msgs/msg/JointTrajectory"
    assert topics["/noise/injected"].is_latched


def test_proposals_are_recorded_where_the_contract_puts_them() -> None:
    """Would catch a second robot's bags without one proposal in them."""
    moved = replace(CONTRACT, gate=replace(CONTRACT.gate, proposal_topic="/left/proposal"))
    topics = recorded_topics(moved, [])
    assert topics["/left/proposal"].type == "trajectory_msgs/msg/JointTrajectory"
    assert "/policy/proposal" not in topics


def test_an_experts_relative_topic_is_recorded_where_it_is_answered() -> None:
    """Would catch a bag without labels: labeller and noise node speak on whole names."""
    text = (REPOSITORY / "contracts" / "driving.yaml").read_text().replace("/expert/cmd_vel", "expert/cmd_vel")
    topics = recorded_topics(parse_contract(text), [])
    assert {"expert/cmd_vel", "/label/expert/cmd_vel", "/noise/expert/cmd_vel"} <= topics.keys()


@pytest.mark.parametrize("entry", ["/x", "/x std_msgs/msg/Header often", "a b c d"])
def test_an_unreadable_entry_is_shown(entry: str) -> None:
    """Would catch a typing error that silently records nothing."""
    with pytest.raises(DeploymentError, match="extra_topics"):
        recorded_topics(CONTRACT, [entry])
