"""Runs without the simulator, on a robot that brings its own topics: here the car, started by somebody else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from geometry_msgs.msg import TwistStamped
from ros_processes import REPOSITORY, RosEnvironment
from std_srvs.srv import Trigger

from il_nodes.bags import BagReader
from understudy.__main__ import run
from understudy.environment.domains import reserve_domain
from understudy.environment.shared_memory import find_leftovers, remove_leftovers
from understudy.stacks.drives import finished_episodes

CONTRACT = REPOSITORY / "contracts" / "driving.yaml"
PARAMS = REPOSITORY / "launch" / "params"


@pytest.fixture
def robot(tmp_path: Path) -> Iterator[RosEnvironment]:
    """A car that drives about in a domain of its own, with an expert that nobody of the run under test has started."""
    with reserve_domain() as domain:
        pass  # given back: the run under test takes it
    directory = tmp_path / "robot"
    directory.mkdir()
    ros = RosEnvironment(domain, directory)
    before = {name: os.environ.get(name) for name in ros.environment if name.startswith(("ROS_", "FASTRTPS"))}
    os.environ.update({name: ros.environment[name] for name in before})
    try:
        ros.spawn_node(
            "sim", {"wait_for_nodes": [""], "laps": 0, "max_episode_s": 600.0}, params_file=PARAMS / "driving.yaml"
        )
        ros.spawn_node("expert", params_file=PARAMS / "driving.yaml")
        yield ros
    finally:
        ros.close()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        remove_leftovers(find_leftovers(domain=domain))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """The parameters of a robot, whose clock happens to be a simulator's."""
    content = yaml.safe_load((PARAMS / "robot.yaml").read_text())
    for section in content.values():
        section["ros__parameters"]["use_sim_time"] = True
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def ask(ros: RosEnvironment, service: str) -> Any:
    client = ros.probe.create_client(Trigger, service)
    ros.wait_until(client.service_is_ready, 30, f"{service} is there")
    future = client.call_async(Trigger.Request())
    ros.wait_until(future.done, 10, f"{service} answers")
    return future.result()


@pytest.mark.ros
@pytest.mark.sim
def test_a_robots_own_episode_is_recorded_until_ctrl_c(robot: RosEnvironment, params: Path, tmp_path: Path) -> None:
    """Would catch a run that waits for a simulator, takes Ctrl-C for a failure, or leaves the robot moving."""
    commands = robot.collect("/cmd_vel", TwistStamped)
    workspace = tmp_path / "run"
    arguments = ["record", "--json", "-w", str(workspace), "--no-sim", "--expert", "external", "--enable-control"]
    arguments += ["--contract", str(CONTRACT), "--params-file", str(params), "--domain", str(robot.domain_id)]
    process = subprocess.Popen(
        [sys.executable, "-m", "understudy", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        robot.wait_until(lambda: any(c.twist.linear.x > 1.0 for c in commands), 40, "the gate drives the robot")
        assert ask(robot, "/recorder/start").success
        seen = len(commands)
        robot.wait_until(lambda: len(commands) > seen + 20, 10, "a second of driving")
        assert ask(robot, "/recorder/stop").success
        robot.wait_until(lambda: finished_episodes(workspace / "recordings"), 10, "the episode is closed")
        process.send_signal(signal.SIGINT)
        robot.wait_until(lambda: process.poll() is not None, 20, "the run ends")
        output, errors = process.communicate()
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, errors
    answer = json.loads(output)
    assert (answer["ok"], answer["episodes"], answer["commanded"]) == (True, 1, True)
    for words in ("expert drives", "the gate commands the robot", " is being recorded", ": complete, "):
        assert words in errors, errors
    assert commands[-1].twist.linear.x == commands[-1].twist.angular.z == 0.0
    bag = BagReader(finished_episodes(workspace / "recordings")[0])
    topics = {topic for topic, _, _ in bag.messages()}
    assert {"/camera/front/image_raw", "/odom", "/expert/cmd_vel", "/cmd_vel", "/gate/decision"} <= topics


@pytest.mark.ros
@pytest.mark.sim
def test_ctrl_c_on_a_gate_that_hangs_is_no_success(robot: RosEnvironment, params: Path, tmp_path: Path) -> None:
    """Would catch a run that says that all is well while the robot goes on by its last command."""
    commands = robot.collect("/cmd_vel", TwistStamped)
    arguments = ["record", "-w", str(tmp_path / "run"), "--no-sim", "--expert", "external", "--enable-control"]
    arguments += ["--contract", str(CONTRACT), "--params-file", str(params), "--domain", str(robot.domain_id)]
    process = subprocess.Popen(
        [sys.executable, "-m", "understudy", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        robot.wait_until(lambda: any(c.twist.linear.x > 1.0 for c in commands), 40, "the gate drives the robot")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        [gate] = [int(pid) for pid in children if b"il_nodes.nodes.gate" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(gate, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        robot.wait_until(lambda: process.poll() is not None, 30, "the run ends")
        errors = process.communicate()[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 7, errors
    assert "the gate had to be killed and has not halted the robot" in errors
    assert "emergency stop" in errors


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["record", "--no-sim"], 2, "needs the robot's own --contract"),
        (["record", "--no-sim", "--contract", str(CONTRACT), "--tracks", "1"], 2, "--tracks would do nothing"),
        (["record", "--no-sim", "--contract", str(CONTRACT), "--expert", "scripted"], 7, "simulated car only"),
        (["record", "--no-sim", "--contract", "nowhere.yaml"], 3, "nowhere.yaml"),
        (["record", "--no-sim", "--contract", str(CONTRACT), "--params-file", "nowhere.yaml"], 7, "nowhere.yaml"),
        (["record", "--no-sim", "--contract", str(CONTRACT), "--noise", "nowhere.yaml"], 7, "nowhere.yaml"),
        (["record", "--expert", "external", "--noise", "nowhere.yaml"], 7, "nowhere.yaml"),
        (["deploy", "--no-sim", "--bundle", str(CONTRACT), "--lock-step"], 2, "--lock-step would do nothing"),
        (["deploy", "--no-sim", "--bundle", str(CONTRACT)], 2, "needs the robot's own --contract"),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_made(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == code
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
