"""How a running robot is doing: told by its nodes, put into words, on the consoles of a run and of a watch."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ros_processes import REPOSITORY, RosEnvironment

from il_nodes.survey.robot_watch import needed_topics
from il_nodes.survey.sighting import Lookout, RobotSighting, sighting_from_json, sighting_to_json
from models.contract import load_contract
from understudy.__main__ import run
from understudy.contracts.watching import Narrator, RobotWatch, status_line
from understudy.environment.domains import reserve_domain

CONTRACT = REPOSITORY / "contracts" / "driving.yaml"
POLICY = {"source": "policy", "reason": "policy_trusted", "withheld": ""}
EXPERT = {"source": "expert", "reason": "unsafe", "withheld": "unsafe"}
HALT = {"source": "halt", "reason": "expert_missing", "withheld": "policy_disabled"}


def decided(*values: dict[str, str], lookout: Lookout | None = None, start_s: float = 0.0) -> Lookout:
    """A lookout that has heard these decisions, 50 ms apart."""
    found = lookout or Lookout()
    for tick, one in enumerate(values):
        found.take_decision(one, start_s + tick * 0.05)
    return found


def test_a_sighting_says_who_drives_why_and_how_fast() -> None:
    lookout = decided(*[POLICY] * 21)
    told = lookout.tell(1.0, None)
    assert (told.driver, told.reason, told.changes, told.rate_hz) == ("policy", "policy_trusted", 0, 20.0)
    assert sighting_from_json(sighting_to_json(told)) == told
    assert decided(HALT).tell(0.0, ()).reason == "expert_missing"
    assert decided(EXPERT).tell(0.0, ("/joy",)).missing == ("/joy",)


def test_a_gate_that_falls_silent_drives_no_more() -> None:
    """Catches the last decision of a gate that is gone shown as the present."""
    lookout = decided(POLICY)
    assert lookout.tell(1.9, None).driver == "policy"
    told = lookout.tell(2.1, None)
    assert (told.driver, told.reason, told.rate_hz) == ("", "", 0.0)


def test_a_driver_who_changes_all_the_time_is_no_flood() -> None:
    """Catches twenty lines a second, and changes that nobody is told of."""
    lookout = decided(POLICY)
    assert lookout.is_due(0.0)
    lookout.tell(0.0, None)
    decided(EXPERT, POLICY, EXPERT, lookout=lookout, start_s=0.1)
    assert not lookout.is_due(0.3)
    assert lookout.is_due(0.5)
    assert (lookout.tell(0.5, None).changes, lookout.is_due(0.9)) == (3, False)
    assert lookout.is_due(1.5)


def test_diagnostics_tell_of_dry_runs_episodes_and_what_is_broken() -> None:
    lookout = Lookout()
    nothing = lookout.tell(0.0, None)
    assert (nothing.dry_run, nothing.episode, nothing.finished) == (None, None, 0)
    lookout.take_status("gate: gate", 2, "dry run: nothing is commanded (halted: shutdown)", {})
    lookout.take_status("recorder: recording", 2, "no room", {"episode": "e-1", "finished": "2"})
    lookout.take_status("policy: sensors", 1, "slow", {})
    told = lookout.tell(0.0, None)
    assert (told.dry_run, told.episode, told.finished) == (True, "e-1", 2)
    assert told.problems == {"recorder: recording": "no room"}
    lookout.take_status("recorder: recording", 0, "recording", {"episode": "", "finished": "many"})
    lookout.take_status("gate: gate", 0, "expert: policy_disabled", {})
    told = lookout.tell(0.0, None)
    assert (told.dry_run, told.episode, told.finished, told.problems) == (False, "", 2, {})


def test_every_change_is_one_line() -> None:
    """Catches a console that is silent about a halt, or says the same again every second."""
    narrator = Narrator()
    halted = RobotSighting(driver="halt", reason="looking_for_other_publishers")
    assert narrator.news(halted) == ["halt: looking for others (looking_for_other_publishers)"]
    assert narrator.news(halted) == []
    missing = RobotSighting(driver="halt", reason="expert_missing", missing=("/joy", "/odom"))
    assert narrator.news(missing) == [
        "no joystick on /joy: start joy_node",
        "nobody publishes /odom",
        "halt: no expert (expert_missing)",
    ]
    driven = RobotSighting(driver="expert", reason="policy_disabled", dry_run=False, missing=("/odom",))
    assert narrator.news(driven) == [
        "/joy is there now",
        "expert drives: policy not enabled yet (policy_disabled)",
        "the gate commands the robot",
    ]
    flapping = RobotSighting(driver="expert", reason="unsafe", changes=4, missing=("/odom",), problems={"a": "b"})
    assert narrator.news(flapping) == ["expert drives: felt unsafe (unsafe), after 4 changes", "a: b"]
    assert narrator.news(RobotSighting()) == ["no gate decides"]


def test_nothing_is_missing_before_the_nodes_are_up() -> None:
    """Catches a teleoperator's topic called missing while his node is still being started."""
    narrator = Narrator(after_gate=True)
    assert narrator.news(RobotSighting(missing=("/odom",))) == []
    assert "nobody publishes /odom" in narrator.news(RobotSighting(driver="halt", missing=("/odom",)))


def test_the_status_line_says_it_all() -> None:
    sighting = RobotSighting("policy", "policy_trusted", 0, 19.9, True, "e-1", 2, ("/odom",))
    drives = "policy drives: policy trusted (policy_trusted) at 20 Hz"
    assert status_line(sighting) == f"{drives} · dry run · recording e-1 · 2 recorded · missing: /odom"
    assert status_line(RobotSighting()) == "no gate decides"


def test_a_robot_needs_its_sensors_and_its_expert() -> None:
    needed = needed_topics(load_contract(CONTRACT))
    assert {"/camera/front/image_raw", "/odom", "/expert/cmd_vel"} <= set(needed)
    assert "/cmd_vel" not in needed


def test_a_watch_that_cannot_listen_says_why(tmp_path: Path) -> None:
    """Catches an endless wait where rclpy cannot be imported."""
    (tmp_path / "rclpy.py").write_text("raise ImportError('librcl.so: cannot open shared object file')")
    base = {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    with RobotWatch(3, base=base) as robot:
        while not robot.problem:
            assert robot.sightings(wait_s=30) == []
    assert "librcl.so" in robot.problem


@pytest.mark.ros
def test_a_robot_without_anything_is_told_what_it_lacks(
    ros_environment: RosEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches `understudy watch` that needs a gate to say what is missing."""
    arguments = ["watch", "--json", "--domain", str(ros_environment.domain_id), "--contract", str(CONTRACT)]
    assert run([*arguments, "--seconds", "9"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["driver"], answer["episode"]) == ("", None)
    assert {"/odom", "/expert/cmd_vel"} <= set(answer["missing"])


@pytest.mark.ros
def test_a_run_on_a_robot_says_what_it_waits_for(tmp_path: Path) -> None:
    """Catches the one counter line of a run whose camera and joystick nobody has started."""
    with reserve_domain() as domain:
        pass  # given back: the run under test takes it
    arguments = ["record", "--no-sim", "--contract", str(CONTRACT), "-w", str(tmp_path / "x"), "--domain", str(domain)]
    process = subprocess.Popen(
        [sys.executable, "-m", "understudy", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPOSITORY,
    )
    wanted = {
        "  no joystick on /joy: start joy_node",
        "  nobody publishes /camera/front/image_raw",
        "  halt: no expert (expert_missing)",
    }
    said: list[str] = []
    try:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if wanted <= set(said):
                process.send_signal(signal.SIGINT)
                break
        rest, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert wanted <= set(said), "\n".join(said)
    assert process.returncode == 0, rest
    assert "  recording: 0 episodes" in rest
