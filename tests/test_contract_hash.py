"""What a contract's hash depends on: everything that a policy learned from, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.contract import Contract, load_contract, parse_contract


@pytest.fixture(scope="module")
def driving() -> Contract:
    return load_contract(Path(__file__).parents[1] / "contracts" / "driving.yaml")


SAME_HASH = {
    "comment": ("fps: 20", "fps: 20  # a remark"),
    "layout": ("fps: 20", "fps: 20.0\n\n"),
    "qos": ("depth: 50", "depth: 5"),
    "safety": ("safety: zeros", "safety: hold"),
    "gate": ("threshold: 0.5", "threshold: 0.7"),
    "expert": ("topic: /expert/cmd_vel", "topic: /someone/else"),
    "max_age": ("max_age: 150 ms", "max_age: 0.2"),
    "robot_type": ("understudy_car", "another_car"),
    "unit of a number": ("max: 8 m/s", "max: 28.8 km/h"),
    "plain number": ("max: 8 m/s", "max: 8"),
    "inferred unit": (", unit: m/s", ""),
    "negative zero": ("min: 0,", "min: -0.0,"),
    "unused section": ("robot_interface: ros2", "robot_interface: ros2\ntasks: {}"),
    "default trigger": ("trigger: observation.images.front", ""),
}
OTHER_HASH = {
    "fps": ("fps: 20", "fps: 25"),
    "select order": (
        "[twist.twist.linear.x, twist.twist.angular.z]",
        "[twist.twist.angular.z, twist.twist.linear.x]",
    ),
    "action order": ("[twist.linear.x, twist.angular.z]", "[twist.angular.z, twist.linear.x]"),
    "minimum": ("min: -2.5", "min: -2.4"),
    "maximum": ("max: 8 m/s", "max: 7 m/s"),
    "rate": ("rate: 15", "rate: 14"),
    "stop": ("unit: m/s, stop: 0", "unit: m/s, stop: 1"),
    "memory frames": ("frames: 3", "frames: 2"),
    "memory stride": ("stride: 1", "stride: 2"),
    "memory gap": ("reset_gap: 500 ms", "reset_gap: 1 s"),
    "trigger": ("trigger: observation.images.front", "trigger: observation.state"),
    "resize": ("resize: [64, 96]", "resize: [48, 96]"),
    "topic": ("topic: /odom", "topic: /odometry"),
    "align": ("align: {strategy: hold, timeline: header}", "align: {strategy: drop, timeline: header}"),
    "key": ("observation.state:", "observation.motion:"),
}


@pytest.mark.parametrize(("old", "new"), SAME_HASH.values(), ids=SAME_HASH)
def test_hash_ignores_what_no_policy_depends_on(driving: Contract, old: str, new: str) -> None:
    """Catches a policy that has to be retrained for a remark, a QoS or a gate setting."""
    assert old in driving.text
    assert parse_contract(driving.text.replace(old, new)).hash == driving.hash


@pytest.mark.parametrize(("old", "new"), OTHER_HASH.values(), ids=OTHER_HASH)
def test_hash_changes_with_what_a_policy_learned(driving: Contract, old: str, new: str) -> None:
    """Catches a policy deployed on streams, limits or a rate that it was not trained with."""
    assert old in driving.text
    assert parse_contract(driving.text.replace(old, new, 1)).hash != driving.hash


def test_hash_is_stable(driving: Contract) -> None:
    """Catches a change of the canonical form, which would orphan every recorded dataset and exported policy."""
    assert re.fullmatch(r"[0-9a-f]{64}", driving.hash)
    assert driving.hash == "0431db10e2e0f01c7a31707eee0ab616a55770753faea9c95e39cc03f3ad7740"
