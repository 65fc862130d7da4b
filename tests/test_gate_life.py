"""The gate's life between real nodes: rest, dry run, the look around, two policies, abstentions, an arm."""

from __future__ import annotations

import math
import signal
import time
from typing import Any

import pytest
from gate_stage import CONTRACT, CONTROL, PERIOD_S, Stage, values
from gated_robot import ARM
from ros_processes import RosEnvironment
from teleop_robots import ARM_TEXT as TRAJECTORY_ARM_TEXT

pytestmark = pytest.mark.ros


def change_state(stage: Stage, label: str) -> bool:
    """What ``ros2 lifecycle set /gate <label>`` asks for."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    client = stage.ros.probe.create_client(ChangeState, "/gate/change_state")
    stage.until("the lifecycle's service", client.service_is_ready)
    future = client.call_async(ChangeState.Request(transition=Transition(label=label)))
    stage.until(f"the answer to {label}", future.done)
    return bool(future.result().success)


def test_deactivating_while_driving_halts_first_and_then_nothing_is_sent(ros_environment: RosEnvironment) -> None:
    """A robot whose gate goes to rest must not be left with the last command, nor be commanded by a resting gate."""
    stage = Stage(ros_environment, enable_policy=True)
    stage.propose, stage.row, stage.speed = True, (4.0, 0.0), 3.0
    stage.until_driver("policy")
    stage.until("full speed", lambda: stage.commands[-1].twist.linear.x == pytest.approx(4.0))
    assert stage.last["sent"] == "true"
    asked, asked_s = len(stage.commands), time.monotonic()
    assert change_state(stage, "deactivate")
    stage.until("the stop command", lambda: stage.commands[-1].twist.linear.x == 0.0)
    assert time.monotonic() - asked_s < 2.0
    assert stage.last["reason"] == "deactivated"
    ramp = [command.twist.linear.x for command in stage.commands[asked:]]
    assert 10 <= len(ramp) <= 45, f"not at the contract's rate: {ramp}"
    assert any(1.0 < speed < 3.0 for speed in ramp)
    rested, decided = len(stage.commands), len(stage.decisions)
    stage.until("the report", lambda: stage.says("gate: gate", "inactive: nothing is commanded"))
    assert (len(stage.commands), len(stage.decisions)) == (rested, decided), "a resting gate spoke"

    assert change_state(stage, "activate")
    stage.until_driver("expert", "policy_disabled")
    assert stage.commands[rested].twist.linear.x <= 0.5 + 1e-6, "the first command after a rest counts from standstill"
    assert stage.call(stage.enable, True).success
    stage.until_driver("policy")
    assert stage.gate.terminate() == 0


def test_a_shutdown_by_the_lifecycle_halts_first_too(ros_environment: RosEnvironment) -> None:
    """`ros2 lifecycle set /gate shutdown` ends the process as a signal does."""
    stage = Stage(ros_environment)
    stage.speed = 2.0
    stage.until("speed", lambda: stage.commands and stage.commands[-1].twist.linear.x == pytest.approx(2.0))
    asked = len(stage.commands)
    change_state(stage, "shutdown")
    stage.until("the end", lambda: stage.gate.returncode is not None)
    assert stage.gate.returncode == 0, stage.gate.log
    stage.until("the stop command", lambda: stage.commands[-1].twist.linear.x == 0.0)
    assert any(0.5 < command.twist.linear.x < 1.5 for command in stage.commands[asked:]), "no ramp"
    assert stage.last["reason"] == "shutdown"


def test_a_new_robot_is_not_commanded_unless_it_says_so(ros_environment: RosEnvironment) -> None:
    """The default is a dry run: decisions as if, no publisher of commands, and plain words on /diagnostics."""
    stage = Stage(ros_environment, enable_control=False, enable_policy=True)
    stage.propose = True
    stage.until_driver("policy")
    stage.until("the words", lambda: stage.says("gate: gate", "dry run: nothing is commanded"))
    assert ros_environment.probe.count_publishers("/cmd_vel") == 0
    assert not stage.commands
    assert {values(array.status[0])["sent"] for array in stage.decisions} == {"false"}, "it says that it commands"
    bare = ros_environment.spawn_node("gate", {"contract": str(CONTRACT)}, arguments=["-r", "__node:=bare"])
    stage.until("the other gate's words", lambda: stage.says("bare: gate", "dry run"), 10.0)
    assert bare.terminate() == 0


def test_it_looks_around_before_its_first_command(ros_environment: RosEnvironment) -> None:
    """Whoever commands the robot already is found before the gate commands it too; quiet, the look ends early."""
    from geometry_msgs.msg import TwistStamped

    begun_s = time.monotonic()
    stage = Stage(ros_environment, discovery_s=30.0)
    stage.until("a first command", lambda: stage.commands, 10.0)
    waited_s = time.monotonic() - begun_s
    reasons = [values(array.status[0])["reason"] for array in stage.decisions]
    # On a busy machine the expert, or this test itself, is discovered a little later than the gate stops looking.
    assert {"looking_for_other_publishers", "expert_missing", "policy_disabled"} >= set(reasons)
    assert waited_s < 8.0, "the look went on although the robot listened and nobody came"
    # A command carries the stamp of the decision that sent it.
    looked = {stamp(array) for array in stage.decisions if array.status[0].message == "looking_for_other_publishers"}
    assert looked, f"it commanded without a look: {reasons}, after {waited_s}"
    assert looked.isdisjoint(stamp(command) for command in stage.commands), "it commanded while it still looked"

    commands = ros_environment.collect("/other/cmd_vel", TwistStamped)
    ros_environment.probe.create_publisher(TwistStamped, "/other/cmd_vel", 10)
    remapped = ["-r", "__node:=late", "-r", "/cmd_vel:=/other/cmd_vel"]
    refused = ros_environment.spawn_node("gate", {**CONTROL, "discovery_s": 3.0}, arguments=remapped)
    stage.until("the gate to refuse", lambda: refused.returncode is not None, 15.0)
    assert refused.returncode == 7, refused.log
    assert not commands, "it commanded a robot that somebody else commands"


def test_a_gate_that_nobody_listens_to_looks_for_the_whole_time(ros_environment: RosEnvironment) -> None:
    """Without the robot there is no sign that discovery is over."""
    decisions = watch_decisions(ros_environment)
    ros_environment.spawn_node("gate", {**CONTROL, "discovery_s": 3.0})
    ros_environment.wait_until(lambda: decisions and not decisions[-1][1].startswith("looking"), 15.0, "the look's end")
    looked = [at_s for at_s, reason in decisions if reason.startswith("looking")]
    assert looked[-1] - looked[0] > 0.7, "longer than what is quiet enough where somebody listens"


def stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def watch_decisions(ros: RosEnvironment) -> list[tuple[float, str]]:
    from diagnostic_msgs.msg import DiagnosticArray

    seen: list[tuple[float, str]] = []

    def note(array: Any) -> None:
        seen.append((time.monotonic(), array.status[0].message))

    ros.probe.create_subscription(DiagnosticArray, "/gate/decision", note, 50)
    return seen


def test_a_second_policy_is_reported_and_neither_drives(ros_environment: RosEnvironment) -> None:
    """Their proposals alternate, and each alone would be valid."""
    from trajectory_msgs.msg import JointTrajectory

    stage = Stage(ros_environment, enable_policy=True)
    stage.propose = True
    stage.until_driver("policy")
    other = ros_environment.probe.create_publisher(JointTrajectory, "/policy/proposal", 10)
    stage.until_driver("expert", "second_policy")
    stage.until("the report", lambda: stage.says("gate: gate", "2 policies propose"))
    assert stage.diagnostic("gate: gate").level == b"\x02"
    ros_environment.probe.destroy_publisher(other)
    stage.until("the latch of a process that went", lambda: stage.last["latched"] == "policy_restarted")
    assert stage.call(stage.enable, True).success
    stage.until_driver("policy")


def test_a_policy_that_abstains_is_not_taken_for_a_hung_one(ros_environment: RosEnvironment) -> None:
    """A camera that is gone for seconds must not need a person once it is back."""
    stage = Stage(ros_environment, enable_policy=True, policy_silence_s=0.3)
    stage.propose = True
    stage.until_driver("policy")
    stage.row, stage.unsafe = (math.nan, math.nan), math.nan
    stage.until_driver("expert", "proposal_abstained")
    decided = len(stage.decisions)
    stage.until("a second of it", lambda: len(stage.decisions) > decided + 20)
    assert {values(array.status[0])["latched"] for array in stage.decisions[decided:]} == {""}
    stage.row, stage.unsafe = (1.0, 0.5), 0.1
    stage.until_driver("policy")


def test_an_arm_is_held_where_it_is_measured(ros_environment: RosEnvironment) -> None:
    """No command at all before it is known where the arm is; then exactly that, not its zero pose."""
    from geometry_msgs.msg import TwistStamped
    from sensor_msgs.msg import JointState

    contract = ros_environment.directory / "arm.yaml"
    contract.write_text(ARM.text)
    elbow = ros_environment.collect("/elbow/command", JointState)
    base = ros_environment.collect("/cmd_vel", TwistStamped)
    decisions = watch_decisions(ros_environment)
    state = ros_environment.probe.create_publisher(JointState, "/joint_states", 10)
    gate = ros_environment.spawn_node("gate", {**CONTROL, "contract": str(contract)})
    ros_environment.wait_until(lambda: len(decisions) > 10, 15.0, "ten decisions")
    assert {reason for _, reason in decisions} == {"position_unknown"}
    assert not elbow
    assert not base
    message = JointState(name=["elbow"], position=[1.25], velocity=[0.0])

    def measured() -> bool:
        state.publish(message)
        return len(elbow) > 5

    ros_environment.wait_until(measured, 5.0, "commands")
    assert {one.position[0] for one in elbow} == {1.25}
    assert {one.twist.linear.x for one in base} == {0.0}
    assert gate.terminate() == 0
    assert {one.position[0] for one in elbow} == {1.25}


def test_an_arms_trajectories_end_in_the_future(ros_environment: RosEnvironment) -> None:
    """Would catch commands that joint_trajectory_controller drops: their stamp is that of an old observation."""
    from sensor_msgs.msg import JointState
    from std_msgs.msg import Float64
    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns

    ros, period_ns, age_ns = ros_environment, 20_000_000, 1_000_000_000
    contract = ros.directory / "arm.yaml"
    contract.write_text(TRAJECTORY_ARM_TEXT.replace("max_age: 100 ms", "max_age: 10 s"))
    commands = ros.collect("/arm/command", JointTrajectory)
    state = ros.probe.create_publisher(JointState, "/joint_states", 10)
    expert = ros.probe.create_publisher(JointTrajectory, "/expert/arm", 10)
    gripper = ros.probe.create_publisher(Float64, "/expert/gripper", 10)
    ros.spawn_node("gate", {**CONTROL, "contract": str(contract)})
    sent_ns = set[int]()

    def answered() -> bool:
        state.publish(JointState(name=["elbow", "lift"], position=[0.5, 0.25]))
        command = JointTrajectory(joint_names=["elbow", "lift"])
        command.points = [JointTrajectoryPoint(positions=[0.5, 0.25])]
        stamp_ns = time.time_ns() - age_ns
        command.header.stamp = ns_to_stamp(stamp_ns)
        sent_ns.add(stamp_ns)
        expert.publish(command)
        gripper.publish(Float64(data=0.0))
        return len([one for one in commands if stamp_to_ns(one.header.stamp) in sent_ns]) > 3

    ros.wait_until(answered, 20.0, "commands that answer the expert's")
    for command in commands:
        [point] = command.points
        reach_ns = point.time_from_start.sec * 10**9 + point.time_from_start.nanosec
        if stamp_to_ns(command.header.stamp) in sent_ns:
            assert reach_ns >= age_ns + period_ns, "it ended before it was sent"
        else:
            assert reach_ns == period_ns, "a halt is stamped now"


def test_time_runs_as_fast_as_the_simulator_says(ros_environment: RosEnvironment) -> None:
    """At a quarter of real time a tick takes 200 ms: that is no stale expert, and one command a tick is enough."""
    stage = Stage(ros_environment, time_scale=0.25, use_sim_time=False)
    stage.until_driver("expert", "policy_disabled")
    stage.steady = False
    stage.until_driver("halt", "expert_stale")
    stage.arrivals_s.clear()
    stage.until("four commands", lambda: len(stage.arrivals_s) >= 4)
    assert stage.arrivals_s[3] - stage.arrivals_s[0] == pytest.approx(3 * PERIOD_S / 0.25, abs=0.15)


def test_a_takeover_outlives_a_clean_up(ros_environment: RosEnvironment) -> None:
    """Would catch a policy that drives because somebody configured the gate anew while a human held the robot."""
    stage = Stage(ros_environment, enable_policy=True)
    stage.propose = True
    stage.until_driver("policy")
    assert stage.call(stage.takeover, True).success
    for label in ("deactivate", "cleanup", "configure", "activate"):
        assert change_state(stage, label), label
    stage.until("the gate's decisions", lambda: stage.last["reason"] not in ("deactivated", "expert_missing"))
    assert (stage.last["source"], stage.last["latched"]) == ("expert", "human_takeover")


def test_a_takeover_before_the_first_activation_outlives_a_clean_up(ros_environment: RosEnvironment) -> None:
    """Would catch a policy that drives although somebody had taken over while everything was still being set up."""
    stage = Stage(ros_environment, enable_policy=True, autostart=False)
    stage.propose = True
    assert change_state(stage, "configure")
    assert stage.call(stage.takeover, True).success
    for label in ("cleanup", "configure", "activate"):
        assert change_state(stage, label), label
    stage.until("the expert", lambda: stage.decisions and stage.last["source"] == "expert")
    assert stage.last["latched"] == "human_takeover"
    assert {values(array.status[0])["source"] for array in stage.decisions} <= {"halt", "expert"}

    assert stage.call(stage.takeover, False).success
    assert stage.call(stage.enable, True).success
    stage.until_driver("policy")


def test_a_clean_up_alone_does_not_disable_the_policy(ros_environment: RosEnvironment) -> None:
    """Nobody has taken anything from it: what the parameters say holds until somebody does."""
    stage = Stage(ros_environment, enable_policy=True, autostart=False)
    stage.propose = True
    for label in ("configure", "cleanup", "configure", "activate"):
        assert change_state(stage, label), label
    stage.until("the policy", lambda: stage.decisions and stage.last["source"] == "policy")


def slow_contract(ros: RosEnvironment) -> str:
    """The car's, at a command every two seconds, and with a second from 1 m/s to standstill."""
    text = CONTRACT.read_text()
    for old, new in (
        ("fps: 20", "fps: 0.5"),
        ("10 m/s^2", "1 m/s^2"),
        ("cmd_vel, max_age: 150 ms", "cmd_vel, max_age: 10 s"),
    ):
        assert old in text
        text = text.replace(old, new)
    path = ros.directory / "slow.yaml"
    path.write_text(text)
    return str(path)


def test_a_gate_whose_terminal_is_gone_halts_first(ros_environment: RosEnvironment) -> None:
    """Would catch a robot that drives on at its last command because an ssh connection broke."""
    stage = Stage(ros_environment)
    stage.speed = 2.0
    stage.until("speed", lambda: stage.commands and stage.commands[-1].twist.linear.x == pytest.approx(2.0))
    asked = len(stage.commands)
    stage.gate.send(signal.SIGHUP)
    stage.until("the end", lambda: stage.gate.returncode is not None)
    assert stage.gate.returncode == 0, stage.gate.log
    stage.until("the stop command", lambda: stage.commands[-1].twist.linear.x == 0.0)
    assert any(0.5 < command.twist.linear.x < 1.5 for command in stage.commands[asked:]), "no ramp"


@pytest.mark.parametrize("end", ["SIGTERM", "deactivate"])
def test_a_slow_robot_is_halted_in_time_too(ros_environment: RosEnvironment, end: str) -> None:
    """Would catch a halt at the contract's own rate: its second command would come after the gate is gone."""
    stage = Stage(ros_environment, contract=slow_contract(ros_environment))
    stage.speed = 1.0
    stage.until("speed", lambda: stage.commands and stage.commands[-1].twist.linear.x == pytest.approx(1.0), 10.0)
    asked = len(stage.commands)
    if end == "SIGTERM":
        stage.gate.send(signal.SIGTERM)
        stage.until("the end", lambda: stage.gate.returncode is not None)
    else:
        assert change_state(stage, end)
    speeds = [command.twist.linear.x for command in stage.commands[asked:]]
    stage.until(f"the stop command after {speeds}", lambda: stage.commands[-1].twist.linear.x == 0.0)
    speeds = [command.twist.linear.x for command in stage.commands[asked:]]
    assert len(speeds) > 3, f"no ramp: {speeds}"


@pytest.mark.parametrize(
    ("remapping", "words"),
    [
        ("/expert/cmd_vel:=/cmd_vel", "own commands on /cmd_vel"),
        ("/policy/proposal:=/cmd_vel", "own commands on /cmd_vel"),
        ("/joint_states:=/elbow/command", "own commands on /elbow/command"),
        ("/cmd_vel:=/elbow/command", "two parts of the action"),
    ],
)
def test_a_gate_that_would_hear_itself_is_refused(ros_environment: RosEnvironment, remapping: str, words: str) -> None:
    """Its own commands would be the expert's, always fresh: it would never halt."""
    contract = ros_environment.directory / "arm.yaml"
    contract.write_text(ARM.text)
    gate = ros_environment.spawn_node("gate", {**CONTROL, "contract": str(contract)}, arguments=["-r", remapping])
    assert gate.wait(20.0) == 7, gate.log
    assert words in gate.log
    assert "Traceback" not in gate.log


def test_a_dry_run_may_watch_the_commands_of_another(ros_environment: RosEnvironment) -> None:
    """It publishes none of its own there: what it hears is somebody else's."""
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import TwistStamped

    from il_nodes.ros.stamps import ns_to_stamp

    decisions = ros_environment.collect("/gate/decision", DiagnosticArray)
    other = ros_environment.probe.create_publisher(TwistStamped, "/cmd_vel", 10)
    gate = ros_environment.spawn_node(
        "gate", {"contract": str(CONTRACT)}, arguments=["-r", "/expert/cmd_vel:=/cmd_vel"]
    )

    def follows() -> bool:
        message = TwistStamped()
        message.header.stamp = ns_to_stamp(time.time_ns())
        other.publish(message)
        return bool(decisions) and values(decisions[-1].status[0])["source"] == "expert"

    ros_environment.wait_until(follows, 20.0, "a decision for the other's commands")
    assert gate.terminate() == 0


def test_a_rival_behind_the_first_command_halts_instead_of_leaving(ros_environment: RosEnvironment) -> None:
    """Would catch a gate that ends at full speed, without a halt, because the rival came within its first seconds."""
    from geometry_msgs.msg import TwistStamped

    stage = Stage(ros_environment)
    stage.speed = 2.0
    stage.until("speed", lambda: stage.commands and stage.commands[-1].twist.linear.x > 0.5)
    ros_environment.probe.create_publisher(TwistStamped, "/cmd_vel", 10)
    stage.until_driver("halt", "second_publisher")
    stage.until("the stop command", lambda: stage.commands[-1].twist.linear.x == 0.0)
    assert stage.gate.returncode is None
