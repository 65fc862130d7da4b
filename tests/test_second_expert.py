"""Two experts between real processes: what the gate, the noise node and the recorder make of them."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import pytest
from gate_stage import Stage
from recorder_robot import CAMERA, start
from ros_processes import NodeProcess, RosEnvironment
from test_noise_node import Stage as NoiseStage
from test_noise_node import noise_file

from il_nodes.bags import BagReader, find_bags

pytestmark = pytest.mark.ros


def spawn_expert(ros: RosEnvironment, name: str, speed: float) -> NodeProcess:
    return ros.spawn_node("tests.plain_expert", {"speed": speed}, arguments=["-r", f"__node:={name}"])


def reasons(stage: Stage, since: int = 0) -> set[str]:
    return {array.status[0].message for array in stage.decisions[since:]}


def test_two_experts_halt_the_robot_and_neither_is_executed(ros_environment: RosEnvironment) -> None:
    """Would catch a robot that is driven by two wishes in turn; a policy that is well drives on."""
    stage = Stage(ros_environment)
    stage.until_driver("expert", "policy_disabled")
    rival = spawn_expert(ros_environment, "rival", 3.0)
    stage.until_driver("halt", "second_expert", 15.0)
    assert max(command.twist.linear.x for command in stage.commands) <= 0.5, "the rival's command was executed"
    stage.until("the words", lambda: stage.says("gate: gate", "2 experts on /expert/cmd_vel: /probe, /rival"))
    assert stage.diagnostic("gate: gate").level == b"\x02"
    assert "end the others" in stage.gate.log
    stage.until("standstill", lambda: stage.commands[-1].twist.linear.x == 0.0)
    assert stage.call(stage.enable, True).success
    stage.propose = True
    stage.until_driver("policy")
    stage.row, stage.unsafe = (math.nan, math.nan), math.nan
    stage.until_driver("halt", "second_expert")
    assert rival.terminate() == 0
    stage.until_driver("expert", "proposal_abstained", 10.0)
    stage.until("the report", lambda: not stage.says("gate: gate", "experts on"))
    assert stage.gate.log.count("experts on") == 1, "said once"
    assert stage.gate.terminate() == 0


def test_an_expert_that_is_killed_and_started_again_is_one(ros_environment: RosEnvironment) -> None:
    """The dead process stays in the graph for 20 s. Started twice, the same name is a fault all the same."""
    stage = Stage(ros_environment)
    stage.until_driver("expert", "policy_disabled")
    probe, stage.steady = stage.ros.probe, False
    probe.destroy_publisher(stage.expert)
    stage.until_driver("halt", "expert_stale")
    first = spawn_expert(ros_environment, "joystick", 0.5)
    stage.until_driver("expert", "policy_disabled", 15.0)
    first.send(signal.SIGKILL)
    stage.until_driver("halt", "expert_stale", 10.0)
    second = spawn_expert(ros_environment, "joystick", 0.75)
    stage.until_driver("expert", "policy_disabled", 15.0)
    decided = len(stage.decisions)
    stage.until("a second of it", lambda: len(stage.decisions) > decided + 20)
    stage.until("the living one beside the dead one", lambda: probe.count_publishers("/expert/cmd_vel") == 2)
    assert "second_expert" not in reasons(stage)
    assert "experts on" not in stage.gate.log

    third = spawn_expert(ros_environment, "joystick", 3.0)
    stage.until_driver("halt", "second_expert", 15.0)
    stage.until("the words", lambda: stage.says("gate: gate", "3 experts on /expert/cmd_vel: /joystick, /joystick"))
    assert max(command.twist.linear.x for command in stage.commands) < 2.0, "it went on executing both"
    for node in (second, third):
        assert node.terminate() == 0


def test_an_episode_of_two_experts_is_not_for_training(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Would catch labels that are two people's wishes in turn; the episodes before and behind are not touched."""
    ros = ros_environment
    _, robot = start(ros, tmp_path)
    expert = spawn_expert(ros, "expert", 0.5)
    ros.wait_until(lambda: ros.probe.count_publishers("/expert/cmd_vel") == 1, 15.0, "the expert")

    def drive(name: str, first: int) -> None:
        robot.begin(name)
        for index in range(first, first + 3):
            robot.tick(index)
        robot.wait_for_status(f"received {CAMERA}", "3")

    drive("before", 0)
    robot.end(3)
    ros.wait_until(lambda: len(find_bags(tmp_path)) == 1, 10.0, "the first episode")
    drive("both", 100)
    rival = spawn_expert(ros, "rival", 3.0)
    ros.wait_until(lambda: "2 experts on" in robot.status().get("message", ""), 15.0, "the recorder's words")
    assert rival.terminate() == 0
    ros.wait_until(lambda: ros.probe.count_publishers("/expert/cmd_vel") == 1, 10.0, "the rival's end")
    ros.wait_until(lambda: "experts" not in robot.status()["message"], 10.0, "the recorder's relief")
    robot.end(103)
    ros.wait_until(lambda: len(find_bags(tmp_path)) == 2, 10.0, "the second episode")
    drive("after", 200)
    robot.end(203)
    ros.wait_until(lambda: len(find_bags(tmp_path)) == 3, 10.0, "the third episode")
    quarantines = {path.name: BagReader(path).quarantine for path in find_bags(tmp_path)}
    assert (quarantines["before"], quarantines["after"]) == ("", "")
    assert "2 experts at once on /expert/cmd_vel" in quarantines["both"]
    assert expert.terminate() == 0


def test_the_noise_node_passes_nothing_of_two_experts_on(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    """Behind it the gate sees one publisher only, and would never know."""
    stage = NoiseStage(ros_environment, noise_file(tmp_path))
    assert len(stage.drive(3)) == 3
    rival = spawn_expert(ros_environment, "rival", 3.0)

    def says(words: str) -> bool:
        status: Any = stage.status()
        return words in status.message

    stage.until("the words", lambda: says("2 experts on /expert/cmd_vel: /probe, /rival"), 15.0)
    passed = len(stage.executed)
    stage.until("commands to be refused", lambda: int(stage.values().get("of_several_experts", 0)) > 20)
    assert len(stage.executed) == passed
    assert 3.0 not in {message.twist.linear.x for message in stage.executed}
    assert rival.terminate() == 0
    stage.until("relief", lambda: not says("experts on"))
    assert len(stage.drive(3)) == 3
