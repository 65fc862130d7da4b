"""Two nodes of one name that start at the same time: one of them stays, and only one."""

from __future__ import annotations

import time

import pytest
from ros_processes import RosEnvironment

from il_nodes.ros.namesakes import GIVING_WAY_S

pytestmark = pytest.mark.ros


def test_of_two_that_start_at_once_exactly_one_stays(ros_environment: RosEnvironment) -> None:
    """Both giving way leaves a robot without its gate, and neither giving way leaves it with two."""
    pair = [ros_environment.spawn_node("expert") for _ in range(2)]
    ros_environment.wait_until(lambda: any(node.returncode is not None for node in pair), 15.0, "one to give way")
    gone_s = time.monotonic()
    ros_environment.wait_until(
        lambda: time.monotonic() > gone_s + GIVING_WAY_S + 1.0 or all(node.returncode is not None for node in pair),
        10.0,
        "the time in which the other one would give way too",
    )
    assert sorted(node.returncode is None for node in pair) == [False, True], [node.log for node in pair]
    (refused,) = (node for node in pair if node.returncode is not None)
    assert refused.returncode == 7
    assert "domain busy: another node named /expert" in refused.log
    assert "Traceback" not in refused.log
