"""A robot that runs, looked at from outside: drafted, checked, recorded with, and diagnosed when parts of it break."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ros_processes import REPOSITORY, RosEnvironment

from il_nodes.bags import BagReader, find_bags
from il_nodes.observation.assembler import ObservationAssembler
from models.contract import Contract, load_contract
from models.errors import DeploymentError
from understudy.__main__ import run
from understudy.contracts.surveys import survey_robot

pytestmark = pytest.mark.ros

ROBOT = "tests.synthetic_robot"
SECONDS = "2"


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a command."""
    code = run(["--json", *map(str, words)])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.strip().splitlines()[-1])


def draft(capsys: pytest.CaptureFixture[str], ros: RosEnvironment, path: Path, *words: str) -> dict[str, Any]:
    code, result = answer(
        capsys, "contract", "draft", "--out", path, "--domain", ros.domain_id, "--seconds", SECONDS, *words
    )
    assert code == 0, result
    return result


def widen(path: Path) -> Contract:
    """What a person does with a draft: put in the robot's own limits, and take the marks away."""
    text = re.sub(r"linear\.x: \{.*", "linear.x: {min: 0, max: 0.5, rate: 5, unit: m/s, stop: 0}", path.read_text())
    text = re.sub(r"angular\.z: \{.*", "angular.z: {min: -1, max: 1, rate: 10, unit: rad/s, stop: 0}", text)
    path.write_text(text)
    return load_contract(path)


def test_a_robot_is_drafted_checked_and_recorded_with(
    ros_environment: RosEnvironment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a contract that passes every check and with which no message, no command and no observation flows."""
    ros, path = ros_environment, tmp_path / "drafts" / "rover.yaml"
    ros.spawn_node(ROBOT)
    result = draft(capsys, ros, path, "--robot-type", "rover")
    assert (result["fps"], result["placeholders"]) == (20.0, 2)
    assert result["unused"] == [{"topic": "/map (nav_msgs/msg/OccupancyGrid)", "why": "no codec for this type"}]
    text = path.read_text()
    assert re.search(r"topic: /camera/front/image_raw  # measured: \d+\.\d Hz .*640x480 rgb8.*best effort", text)
    assert re.search(r"topic: /odom  # measured: \d+\.\d Hz .*reliable, from /robot", text)
    assert "messages of this type carry no stamp" in text

    contract = load_contract(path)
    joints = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
    image, state = contract.observations
    assert {f"position.{joint}" for joint in joints} | {"gripper_gap", "angular_velocity.z"} <= set(state.names)
    assert image.image_size == (96, 128)
    assert contract.action_names == ("linear.x", "angular.z")

    code, checked = answer(capsys, "contract", "check", path)
    assert (code, checked["deployable"]) == (0, True)
    assert sum("placeholder" in warning for warning in checked["warnings"]) == 2
    assert run(["contract", "draft", "--out", str(path)]) == 2, "somebody's work was overwritten"
    assert "--force" in capsys.readouterr().err
    assert path.read_text() == text

    contract = widen(path)
    assert not [word for word in answer(capsys, "contract", "check", path)[1]["warnings"] if "placeholder" in word]
    _drive_and_record(ros, path, contract, tmp_path / "bags")


def _drive_and_record(ros: RosEnvironment, path: Path, contract: Contract, bags: Path) -> None:
    from geometry_msgs.msg import Twist
    from std_srvs.srv import Trigger

    from il_nodes.ros.qos import RELIABLE

    ros.spawn_node("gate", {"contract": str(path), "enable_control": True})
    ros.spawn_node("recorder", {"contract": str(path), "directory": str(bags), "auto": False})
    commands = ros.collect("/cmd_vel", Twist)
    expert = ros.probe.create_publisher(Twist, "/expert/cmd_vel", RELIABLE)
    wanted = Twist()
    wanted.linear.x, wanted.angular.z = 0.25, -0.5
    ros.probe.create_timer(0.05, lambda: expert.publish(wanted))

    def call(name: str) -> Any:
        client = ros.probe.create_client(Trigger, f"/recorder/{name}")
        ros.wait_until(client.service_is_ready, 15.0, f"/recorder/{name}")
        future = client.call_async(Trigger.Request())
        ros.wait_until(future.done, 10.0, f"an answer of /recorder/{name}")
        return future.result()

    ros.wait_until(lambda: commands and commands[-1].linear.x == pytest.approx(0.25), 15.0, "the expert to drive")
    assert call("start").success
    before = len(commands)
    ros.wait_until(lambda: len(commands) > before + 30, 10.0, "a second and a half of driving")
    assert call("stop").success
    ros.wait_until(lambda: len(find_bags(bags)) == 1, 10.0, "the bag to be closed")
    reader = BagReader(find_bags(bags)[0])
    for topic in contract.topics():
        assert reader.counts[topic] >= 10, dict(reader.counts)
    assembler = ObservationAssembler(contract)
    for topic, log_time_ns, cdr in reader.messages(assembler.topics):
        assembler.add(topic, cdr, log_time_ns)
    list(assembler.finish())
    counts = assembler.counts()
    # About 25 on a quiet machine; on a busy one sensors come late for their ticks, which is no fault of the draft.
    assert counts.emitted >= 5, counts
    assert not counts.refused, counts


@pytest.mark.sim
def test_the_simulated_car_is_drafted_as_it_is_described(
    ros_environment: RosEnvironment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a draft that differs from the contract which a person wrote for the same robot."""
    ros = ros_environment
    ros.spawn_node("sim", {"wait_for_nodes": [""], "track_seeds": [1], "real_time_factor": 0.5})
    chosen = ("--observe", "/camera/front/image_raw", "--observe", "/odom")
    draft(capsys, ros, tmp_path / "car.yaml", *chosen)
    drafted, written = load_contract(tmp_path / "car.yaml"), load_contract(REPOSITORY / "contracts" / "driving.yaml")
    assert [stream.key for stream in drafted.observations] == [stream.key for stream in written.observations]
    for ours, theirs in zip(
        (*drafted.observations, *drafted.actions), (*written.observations, *written.actions), strict=True
    ):
        assert (ours.names, ours.image_size, ours.topics) == (theirs.names, theirs.image_size, theirs.topics)
        for one, other in zip(ours.sources, theirs.sources, strict=True):
            assert (one.channel.type, one.align, one.select) == (other.channel.type, other.align, other.select)
            assert one.channel.qos.reliability == other.channel.qos.reliability
    assert (drafted.fps, drafted.trigger) == (written.fps, written.trigger)
    assert drafted.action_names == written.action_names
    assert drafted.gate.expert_topic == written.gate.expert_topic
    assert "use_sim_time: true" in (tmp_path / "car.yaml").read_text()


CONTRACT = """
robot_type: rover
fps: 15
observations:
  observation.images.front:
    channel: {topic: /camera/front/image_raw, type: sensor_msgs/msg/Image%s}
    align: {strategy: hold, timeline: header}
    apply: [resize: [96, 128]]
    max_age: 150 ms
  observation.state:
    - channel: {topic: /joint_states, type: sensor_msgs/msg/JointState}
      align: {strategy: hold, timeline: header}
      select: [position.elbow]
      max_age: 150 ms
    - channel: {topic: /odom, type: nav_msgs/msg/Odometry}
      align: {strategy: hold, timeline: header}
      select: [twist.twist.linear.x]
      max_age: 150 ms
actions:
  action:
    channel: {topic: /cmd_vel, type: geometry_msgs/msg/Twist}
    align: {strategy: hold, timeline: receive}
    select: [linear.x, angular.z]
limits: {action: {linear.x: {min: 0, max: 0.5, rate: 5}, angular.z: {min: -1, max: 1, rate: 10}}}
gate: {expert: {topic: /expert/cmd_vel}}
"""
FRONT, JOINTS = "observation.images.front: /camera/front/image_raw", "observation.state: /joint_states"
ODOMETRY, COMMAND = "observation.state: /odom", "action: /cmd_vel"


@pytest.mark.parametrize(
    ("faults", "qos", "expected"),
    [
        ([], "", set()),
        (
            ["slow", "late", "future", "not_finite", "wild_commander"],
            "",
            {
                (FRONT, "slow", "problem"),
                (FRONT, "stamps", "problem"),
                (FRONT, "gaps", "warning"),
                (JOINTS, "values", "problem"),
                (ODOMETRY, "stamps", "problem"),
                (COMMAND, "publishers", "problem"),
                (COMMAND, "values", "warning"),
            },
        ),
        (
            ["jittery", "small", "unstamped", "wrong_type", "no_driver"],
            "",
            {
                (FRONT, "slow", "problem"),
                (FRONT, "jittery", "warning"),
                (FRONT, "gaps", "warning"),
                (FRONT, "image", "warning"),
                (JOINTS, "stamps", "problem"),
                (ODOMETRY, "type", "problem"),
                (COMMAND, "listeners", "problem"),
            },
        ),
        (
            ["silent", "standing"],
            ", qos: {reliability: reliable}",
            {(FRONT, "quality of service", "problem"), (JOINTS, "stamps", "problem")},
        ),
        (["silent"], "", {(FRONT, "messages", "problem")}),
    ],
    ids=["healthy", "one", "two", "three", "four"],
)
def test_the_doctor_finds_what_is_broken_and_nothing_else(
    ros_environment: RosEnvironment,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    faults: list[str],
    qos: str,
    expected: set[tuple[str, str, str]],
) -> None:
    """Catches a finding that only exists in a made-up report: here each fault is on the wire."""
    ros, path = ros_environment, tmp_path / "rover.yaml"
    path.write_text(CONTRACT % qos)
    ros.spawn_node(ROBOT, {"faults": faults or [""]})
    code, result = answer(capsys, "doctor", "--contract", path, "--domain", ros.domain_id, "--seconds", SECONDS)
    rows = [row for row in result["rows"] if row["level"] != "ok" and row["group"] != "together"]
    found = {(row["group"], row["check"], row["level"]) for row in rows}
    # A busy machine holds up this robot's timers, and the doctor warns of that: problems alone must be these alone.
    assert {one for one in found if one[2] == "problem"} == {one for one in expected if one[2] == "problem"}, rows
    assert expected <= found, rows
    assert code == (1 if result["counts"]["problem"] else 0)
    assert all(row["mend"] for row in rows)


def test_nobody_there(ros_environment: RosEnvironment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches an empty contract, and an error after which nobody knows where else to look."""
    code, result = answer(
        capsys, "contract", "draft", "--out", tmp_path / "x.yaml", "--domain", ros_environment.domain_id
    )
    assert (code, result["error"]["kind"]) == (7, "DeploymentError")
    assert f"no robot in ROS domain {ros_environment.domain_id} on this machine" in result["error"]["problem"]
    assert "--domain" in result["error"]["fix"]
    assert "--network" in result["error"]["fix"]
    assert not (tmp_path / "x.yaml").exists()


def test_a_machine_without_ros_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback, or an endless wait, where rclpy cannot be imported."""
    (tmp_path / "rclpy.py").write_text("raise ImportError('librcl.so: cannot open shared object file')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{REPOSITORY}")
    with pytest.raises(DeploymentError, match=r"librcl\.so") as caught:
        survey_robot(3, 1.0)
    assert "understudy doctor" in str(caught.value)
