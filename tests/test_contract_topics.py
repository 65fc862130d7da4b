"""Topic names that ROS accepts and that a contract must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.contract import ContractError, parse_contract

DRIVING = (Path(__file__).parents[1] / "contracts" / "driving.yaml").read_text()


@pytest.mark.parametrize(
    ("topic", "other", "says"),
    [
        ("topic: /odom", "topic: ~/odom", "a private name"),
        ("topic: /cmd_vel", "topic: /gate/decision", "Understudy's own nodes publish here"),
        ("topic: /cmd_vel", "topic: episode", "Understudy's own nodes publish here"),
        ("topic: /policy/proposal", "topic: /expert/cmd_vel", "proposals have the expert's topic"),
        ("topic: /policy/proposal", "topic: expert/cmd_vel", "proposals have the expert's topic"),
    ],
)
def test_topics_that_would_mix_up_who_says_what_are_refused(topic: str, other: str, says: str) -> None:
    """Catches a gate that takes the expert for the policy, and a robot that is commanded by a status."""
    assert topic in DRIVING
    parse_contract(DRIVING)
    with pytest.raises(ContractError, match=says):
        parse_contract(DRIVING.replace(topic, other))
