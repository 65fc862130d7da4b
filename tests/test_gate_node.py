"""The gate as a process between real publishers: who drives, what a fault does, how it starts and how it ends."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time

import pytest
from gate_stage import CONTRACT, CONTROL, PERIOD_S, Stage, values
from gated_robot import REPOSITORY
from ros_processes import NodeProcess, RosEnvironment

pytestmark = pytest.mark.ros


def test_expert_policy_hang_and_return(ros_environment: RosEnvironment) -> None:
    """FAULTS 1: the policy is stopped in mid-drive; expert within two ticks, and no way back without a person."""
    stage = Stage(ros_environment)
    proposer = ros_environment.spawn_node("tests.proposer")
    stage.until_driver("expert", "policy_disabled")
    stage.until("the expert's command passes", lambda: stage.commands[-1].twist.linear.x == 0.5)
    stage.until("somebody proposes", lambda: stage.last["unsafe_probability"] == "0.1", 10.0)
    assert stage.call(stage.enable, True).success
    stage.until_driver("policy")
    stage.until("the policy's command passes", lambda: stage.commands[-1].twist.angular.z == pytest.approx(0.5))

    # An undisturbed second: one command a tick, neither fewer nor more, each stamped with what it answers. The margins
    # are for a machine that runs other things too.
    start, begun_s = len(stage.commands), time.monotonic()
    stage.until("a second of ticks", lambda: len(stage.commands) >= start + 20)
    assert 0.8 < time.monotonic() - begun_s < 2.0
    stamps = [(c.header.stamp.sec, c.header.stamp.nanosec) for c in stage.commands[start:]]
    assert len(set(stamps)) >= len(stamps) - 4

    proposer.send(signal.SIGSTOP)
    stopped = len(stage.decisions)
    stage.until_driver("expert", "chunk_used_up", 1.0)
    before = [values(array.status[0])["source"] for array in stage.decisions[stopped:]]
    assert before.index("expert") <= 3, f"a hung policy drove on: {before}"
    stage.until("the latch", lambda: stage.last["latched"] == "policy_silent")
    proposer.send(signal.SIGCONT)
    continued = len(stage.decisions)
    stage.until("the policy proposes again", lambda: float(stage.last["proposal_age_ms"]) < 60.0)
    stage.until("half a second more", lambda: len(stage.decisions) > continued + 10)
    assert {values(array.status[0])["source"] for array in stage.decisions[stopped + 3 :]} == {"expert"}
    assert stage.call(stage.enable, True).success
    stage.until_driver("policy")

    # FAULTS 2: killed and started again within the silence limit or not, it does not drive by itself.
    proposer.send(signal.SIGKILL)
    stage.until("the latch", lambda: stage.last["latched"] in ("policy_silent", "policy_restarted"))
    assert stage.last["source"] == "expert"


def refuses_a_looser_threshold(stage: Stage) -> bool:
    from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
    from rcl_interfaces.srv import SetParameters

    client = stage.ros.probe.create_client(SetParameters, "/gate/set_parameters")
    stage.until("the parameter service", client.service_is_ready)
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=1.0)
    future = client.call_async(SetParameters.Request(parameters=[Parameter(name="unsafe_threshold", value=value)]))
    stage.until("the answer", future.done)
    return not future.result().results[0].successful


def test_bad_proposals_takeover_halt_and_sigterm(ros_environment: RosEnvironment) -> None:
    """FAULTS 4, 9, 16, 17, 29, 30 and rule 3: one gate goes through them all, without a command that breaks a limit."""
    stage = Stage(ros_environment, enable_policy=True)
    stage.propose = True
    stage.until_driver("policy")
    stage.row = (math.nan, 0.0)
    stage.until_driver("expert", "proposal_not_finite")
    stage.row, stage.unsafe = (4.0, 0.5), math.nan
    stage.until_driver("expert", "unsafe_probability_invalid")
    stage.unsafe = 0.1
    stage.until_driver("policy")
    stage.until("full speed under the policy", lambda: stage.commands[-1].twist.linear.x == pytest.approx(4.0))

    assert stage.call(stage.takeover, True).success
    stage.until_driver("expert", "human_takeover")
    refused = stage.call(stage.enable, True)
    assert (refused.success, refused.message) == (False, "refused: human_takeover")
    stage.call(stage.takeover, False)
    released = len(stage.decisions)
    stage.until("some ticks after the release", lambda: len(stage.decisions) > released + 5)
    assert stage.last["source"] == "expert"

    stage.speed = 3.0
    stage.until("speed under the expert", lambda: stage.commands[-1].twist.linear.x == pytest.approx(3.0))
    stage.steady = False
    stage.until_driver("halt", "expert_stale")
    assert stage.decisions[-1].status[0].level == b"\x02"
    stage.until("standstill", lambda: stage.commands[-1].twist.linear.x == 0.0)
    held = len(stage.commands)
    stage.until("the stop command goes on and on", lambda: len(stage.commands) > held + 5)
    assert {c.twist.linear.x for c in stage.commands[held:]} == {0.0}

    assert refuses_a_looser_threshold(stage)
    rival = ros_environment.probe.create_publisher(type(stage.commands[0]), "/cmd_vel", 10)
    stage.until_driver("halt", "second_publisher")
    stage.until("an error", lambda: stage.says("gate: gate", "second_publisher"))
    assert stage.diagnostic("gate: gate").level == b"\x02"
    ros_environment.probe.destroy_publisher(rival)

    stage.steady = True
    stage.until_driver("expert", "policy_disabled")
    stage.until("speed again", lambda: stage.commands[-1].twist.linear.x == pytest.approx(3.0))
    asked, asked_s = len(stage.commands), time.monotonic()
    stage.gate.send(signal.SIGTERM)
    stage.until("the end", lambda: stage.gate.returncode is not None)
    assert stage.gate.returncode == 0, stage.gate.log
    assert time.monotonic() - asked_s < 2.0
    stage.until("the stop command", lambda: stage.commands[-1].twist.linear.x == 0.0)
    ramp = [c.twist.linear.x for c in stage.commands[asked:]]
    assert any(0.5 < speed < 2.5 for speed in ramp), f"no ramp: {ramp}"
    assert stage.last["reason"] == "shutdown"
    steps = [abs(b.twist.linear.x - a.twist.linear.x) for a, b in zip(stage.commands, stage.commands[1:], strict=False)]
    assert max(steps) <= 10.0 * 2 * PERIOD_S + 1e-5


def test_a_second_publisher_is_refused_unless_the_gate_only_watches(ros_environment: RosEnvironment) -> None:
    """FAULTS 17 at start: exit code 7 and one message. A dry run beside a robot's own controller commands nothing.

    Until the middleware has told the refused gate of its rival, that gate works as any other and may send commands; so
    the dry run is judged by what comes once the refused one is gone.
    """
    from geometry_msgs.msg import TwistStamped

    ros_environment.probe.create_publisher(TwistStamped, "/cmd_vel", 10)
    refused = ros_environment.spawn_node(
        "gate", {"contract": str(CONTRACT), "enable_control": True}, arguments=["-r", "__node:=second"]
    )
    stage = Stage(ros_environment, enable_control=False)
    stage.until_driver("expert", "policy_disabled")
    stage.until("the gate to refuse", lambda: refused.returncode is not None, 10.0)
    assert refused.returncode == 7
    assert "/cmd_vel has a publisher already" in refused.log
    assert "/probe" in refused.log
    assert "Traceback" not in refused.log
    stage.until("one publisher left", lambda: ros_environment.probe.count_publishers("/cmd_vel") == 1)
    before, decided = len(stage.commands), len(stage.decisions)
    stage.until("ten decisions of the dry run", lambda: len(stage.decisions) >= decided + 10)
    assert len(stage.commands) == before, "a dry run commanded the robot"
    assert stage.gate.terminate() == 0


def test_lock_step_decides_once_a_tick_and_alike_twice(ros_environment: RosEnvironment) -> None:
    """Two gates, the same ten ticks in changing order: no wall-clock number may enter a decision."""
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import TwistStamped
    from trajectory_msgs.msg import JointTrajectory

    from il_nodes.ros.qos import RELIABLE
    from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns
    from tests.proposer import proposal_message

    ros = ros_environment
    params = {
        **CONTROL,
        "lock_step": True,
        "wait_for": ["expert", "policy"],
        "enable_policy": True,
    }
    gates = [
        ros.spawn_node("gate", params, arguments=["-r", f"__node:={name}", "-r", f"/cmd_vel:=/{name}/cmd_vel"])
        for name in ("one", "two")
    ]
    commands = [ros.collect(f"/{name}/cmd_vel", TwistStamped) for name in ("one", "two")]
    decisions = [ros.collect(f"/{name}/decision", DiagnosticArray) for name in ("one", "two")]
    outputs = ("/one/cmd_vel", "/two/cmd_vel", "/one/decision", "/two/decision")
    expert = ros.probe.create_publisher(TwistStamped, "/expert/cmd_vel", RELIABLE)
    proposals = ros.probe.create_publisher(JointTrajectory, "/policy/proposal", RELIABLE)

    def connected() -> bool:
        inputs = (expert.get_subscription_count(), proposals.get_subscription_count())
        return min(inputs) == 2 and all(ros.probe.count_publishers(topic) for topic in outputs)

    ros.wait_until(connected, 10.0, "the gates' connections")
    for tick in range(1, 11):
        stamp_ns = tick * 50_000_000
        command = TwistStamped()
        command.header.stamp = ns_to_stamp(stamp_ns)
        command.twist.linear.x = 0.25
        proposal = proposal_message(stamp_ns, ((math.nan if tick == 3 else 0.5, 0.0),), 0.9 if tick == 7 else 0.1)
        answers = [(expert, command), (proposals, proposal)]
        for publisher, message in answers if tick % 2 else reversed(answers):
            assert [len(sent) for sent in commands] == [tick - 1] * 2, "a command before everybody had answered"
            publisher.publish(message)
        ros.wait_until(lambda: all(len(out) >= tick for out in commands + decisions), 5.0, f"tick {tick}")  # noqa: B023
        assert {stamp_to_ns(sent[-1].header.stamp) for sent in commands} == {stamp_ns}
    assert [gate.terminate() for gate in gates] == [0, 0]
    ros.wait_until(lambda: not any(ros.probe.count_publishers(topic) for topic in outputs[:2]), 5.0, "the gates' end")
    assert [len(sent) for sent in commands] == [10, 10], "a lock-step gate sent what nobody had asked for"
    first, second = ([repr(array) for array in arrays] for arrays in decisions)
    assert first == second
    reasons = [array.status[0].message for array in decisions[0]]
    assert reasons[:3] == ["policy_trusted"] * 2 + ["proposal_not_finite"]
    assert reasons[5:7] == ["policy_trusted", "unsafe"]
    assert "latency" not in "".join(first)


def test_what_cannot_be_deployed_is_refused_with_one_message(ros_environment: RosEnvironment) -> None:
    """A contract without limits, a looser threshold, no contract: exit code and reason, no traceback."""
    bare = ros_environment.directory / "bare.yaml"
    text = CONTRACT.read_text()
    bare.write_text(text[: text.index("limits:")] + text[text.index("# Three frames") :])
    cases: list[tuple[dict[str, object], int, str]] = [
        ({"contract": str(bare)}, 3, "has no limits"),
        ({"contract": str(CONTRACT), "unsafe_threshold": 0.9}, 7, "looser"),
        (
            {"contract": str(CONTRACT), "unsafe_threshold": 7.0, "allow_looser_threshold": True},
            7,
            "to be a probability",
        ),
        ({"contract": str(CONTRACT), "unsafe_threshold": 0.0}, 7, "never come back"),
        ({"contract": str(CONTRACT), "wait_for": ["referee"]}, 7, "wait_for"),
        ({}, 7, "needs a robot contract"),
    ]
    nodes: list[tuple[NodeProcess, int, str]] = []
    for number, (params, code, words) in enumerate(cases):
        # Another name each: namesakes in one domain refuse each other.
        renamed = ["-r", f"__node:=gate_{number}"]
        nodes.append((ros_environment.spawn_node("gate", params, arguments=renamed), code, words))
    for node, code, words in nodes:
        assert node.wait(20.0) == code, node.log
        assert words in node.log
        assert "Traceback" not in node.log


def test_the_gate_process_loads_neither_torch_nor_onnxruntime() -> None:
    """It must start and stop in no time beside the robot's driver, and fail for none of their reasons."""
    code = (
        "import sys, il_nodes.nodes.gate\n"
        "print('loaded:', [m for m in ('torch', 'onnxruntime', 'cv2', 'pybullet', 'onnx') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "loaded: []" in result.stdout
