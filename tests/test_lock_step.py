"""The whole stack in lock-step: sim, expert, gate and recorder as processes, twice, and the bags compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from ros_processes import REPOSITORY, RosEnvironment

from il_nodes.bags import BagReader, find_bags
from il_nodes.codecs import header_stamp_ns

pytestmark = [pytest.mark.ros, pytest.mark.sim]

PARAMS = REPOSITORY / "launch" / "params" / "driving.yaml"
TICKS = 61  # three seconds at 20 Hz, both ends included
TICK_TOPICS = ("/camera/front/image_raw", "/odom", "/sim/status", "/expert/cmd_vel", "/cmd_vel", "/gate/decision")


def record(ros: RosEnvironment, directory: Path) -> list[Path]:
    """Two short episodes with disturbed steering, recorded into ``directory``."""
    lock_step = {"lock_step": True}
    nodes = [
        ros.spawn_node("recorder", {**lock_step, "directory": str(directory)}, params_file=PARAMS),
        ros.spawn_node("gate", lock_step, params_file=PARAMS),
        ros.spawn_node("expert", params_file=PARAMS),
    ]
    sim = {"track_seeds": [5, 6], "max_episode_s": 3.0, "disturbance_std_rad": 0.1, "exit_when_done": True}
    simulator = ros.spawn_node("sim", {**lock_step, **sim}, params_file=PARAMS)
    ros.wait_until(lambda: simulator.returncode is not None, 40.0, "the simulator to finish")
    assert simulator.returncode == 0, simulator.log
    assert [node.terminate() for node in nodes] == [0, 0, 0], "\n".join(node.log for node in nodes)
    return find_bags(directory)


def test_two_runs_give_the_same_bags(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch wall time, arrival order or start-up races that leak into a recording, and any lost tick."""
    first = record(ros_environment, tmp_path / "first")
    second = record(ros_environment, tmp_path / "second")
    assert [path.name for path in first] == ["drive-000-track-5", "drive-001-track-6"]
    for one, other in zip(first, second, strict=True):
        files = sorted(path.name for path in one.iterdir())
        assert files == sorted(path.name for path in other.iterdir())
        assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files)

    for path in first:
        reader = BagReader(path)
        assert (reader.outcome, reader.quarantine) == ("complete", "")
        assert {topic: reader.counts[topic] for topic in TICK_TOPICS} == dict.fromkeys(TICK_TOPICS, TICKS)
        assert reader.counts["/episode"] == 2
        messages = list(reader.messages())
        order = [(log_time_ns, topic) for topic, log_time_ns, _ in messages]
        assert order == sorted(order)
        assert all(header_stamp_ns(cdr) == log_time_ns for _, log_time_ns, cdr in messages)
        # The start of the episode and its track come before its first tick.
        assert [topic for topic, _, _ in messages[:4]] == [
            "/episode",
            "/track/centerline",
            "/track/left_edge",
            "/track/right_edge",
        ]
