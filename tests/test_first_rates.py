"""What nodes say about their rate before there is one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from policy_sensors import BUNDLE
from policy_sensors import CONTRACT as BUNDLE_CONTRACT
from ros_processes import REPOSITORY, RosEnvironment
from wired_sensors import LifecycleWalker

pytestmark = pytest.mark.ros

CONTRACT = str(REPOSITORY / "contracts" / "driving.yaml")
NOISE = str(REPOSITORY / "contracts" / "noise" / "driving.yaml")
#: Status to the key of its rate. The policy last: the noise node ends beside it.
RATES = {
    "gate: gate": "rate_hz",
    "noise: noise": "rate_hz",
    "labeller: labels": "rate_hz",
    "teleop: input": "published_hz",
    "observation: observation": "rate_hz",
    "recorder: recording": "rate_hz",
    "policy: policy": "rate_hz",
}


def test_nobody_is_said_to_stall_before_a_window_is_over(ros_environment: RosEnvironment) -> None:
    """Catches 0 Hz, and an alarm of whoever watches it, because a node has only just become active."""
    from diagnostic_msgs.msg import DiagnosticArray

    ros = ros_environment
    own_contract = ros.directory / "contract.yaml"
    own_contract.write_text(BUNDLE_CONTRACT.text)
    given = {
        "noise": {"file": NOISE},
        "recorder": {"directory": str(ros.directory)},
        "policy": {"contract": str(own_contract), "bundle": str(BUNDLE)},
    }
    arrays: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
    names = [status.partition(":")[0] for status in RATES]
    for name in names:
        ros.spawn_node(name, {"contract": CONTRACT, "autostart": False, **given.get(name, {})})

    def heard(suffix: str) -> set[str]:
        every = (status.name for array in arrays for status in array.status)
        return {name.partition(":")[0] for name in every if name.endswith(suffix)}

    ros.wait_until(lambda: heard(": connections") >= set(names), 40.0, "all of them")
    walkers = {name: LifecycleWalker(ros, name) for name in names}
    for status, key in RATES.items():
        walker = walkers[status.partition(":")[0]]
        assert walker.go("configure")
        begun = len(arrays)
        assert walker.go("activate")

        def rates(status: str = status, key: str = key, begun: int = begun) -> list[float]:
            said = [one for array in arrays[begun:] for one in array.status if one.name == status]
            return [float(pair.value) for one in said for pair in one.values if pair.key == key]

        ros.wait_until(lambda rates=rates: any(map(math.isnan, rates())), 10.0, f"{status}: no rate at once")
        ros.wait_until(lambda rates=rates: not math.isnan(rates()[-1]), 10.0, f"{status}: a rate")
        first = next(index for index, rate in enumerate(rates()) if math.isnan(rate))
        known = [not math.isnan(rate) for rate in rates()[first:]]
        assert known == sorted(known), f"{status} forgot it again: {rates()}"
