"""The teleop node as a process: a joystick, a terminal and a leader on one side, the real gate on the other."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from gated_robot import REPOSITORY
from ros_processes import NodeProcess, RosEnvironment
from terminal_process import OnTerminal

pytestmark = pytest.mark.ros

CONTRACT = str(REPOSITORY / "contracts" / "driving.yaml")
DEAD_MAN, TAKEOVER, HAND_BACK, RECORD, DISCARD, SUCCESS, SLOW = 4, 5, 7, 0, 1, 3, 6


def values(status: Any) -> dict[str, str]:
    return {pair.key: pair.value for pair in status.values}


def stamp_s(message: Any) -> float:
    return float(message.header.stamp.sec + message.header.stamp.nanosec * 1e-9)


class Pad:
    """A joystick at 50 Hz in the test's own process, and everything that the teleop node says."""

    def __init__(self, ros: RosEnvironment) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import TwistStamped
        from sensor_msgs.msg import Joy
        from trajectory_msgs.msg import JointTrajectory

        from il_nodes.ros.qos import RELIABLE

        self.ros = ros
        self.commands: list[Any] = ros.collect("/expert/cmd_vel", TwistStamped)
        self.decisions: list[Any] = ros.collect("/gate/decision", DiagnosticArray)
        self.diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
        self.joy = ros.probe.create_publisher(Joy, "/joy", 10)
        self.axes, self.down, self.plugged = [0.0] * 6, set[int](), True
        ros.probe.create_timer(0.02, self.send)
        self.proposals = ros.probe.create_publisher(JointTrajectory, "/policy/proposal", RELIABLE)

    def send(self) -> None:
        from sensor_msgs.msg import Joy

        if self.plugged:
            self.joy.publish(Joy(axes=self.axes, buttons=[int(i in self.down) for i in range(8)]))

    def propose(self) -> None:
        """A policy at 20 Hz from now on: 1 m/s and 0.5 rad/s."""
        from tests.proposer import proposal_message

        self.ros.probe.create_timer(0.05, lambda: self.proposals.publish(proposal_message(time.time_ns())))

    def spawn(self, **params: object) -> NodeProcess:
        node = self.ros.spawn_node("teleop", {"contract": CONTRACT, **params})
        self.until("the teleop node", lambda: self.ros.probe.count_publishers("/expert/cmd_vel"), 20.0)
        self.until("its report", lambda: self.status("teleop: input") is not None)
        return node

    def until(self, what: str, condition: Callable[[], object], timeout_s: float = 10.0) -> None:
        self.ros.wait_until(condition, timeout_s, what)

    def tap(self, button: int) -> None:
        """Press and release, each long enough for the debounce."""
        for down in (True, False):
            (self.down.add if down else self.down.discard)(button)
            begun_s = time.monotonic()
            self.until("the joystick's next messages", lambda: time.monotonic() > begun_s + 0.12)  # noqa: B023

    def status(self, name: str) -> Any:
        """The newest status of that name."""
        return next((s for a in reversed(self.diagnostics) for s in a.status if s.name == name), None)

    def until_status(self, name: str, key: str, value: str) -> None:
        self.until(f"{name}: {key} {value}", lambda: values(self.status(name)).get(key) == value)

    def until_driver(self, source: str, reason: str) -> None:
        try:
            self.until(f"{source} drives, {reason}", lambda: self.decided.startswith(f"{source}: {reason}"))
        except AssertionError as error:
            raise AssertionError(f"{error}\nthe gate's last: {self.decided}") from None

    @property
    def decided(self) -> str:
        """Who drives, and why, by the gate's newest decision."""
        newest = values(self.decisions[-1].status[0]) if self.decisions else {}
        return f"{newest.get('source')}: {newest.get('reason')}"

    def until_speed(self, speed: float) -> None:
        self.until(
            f"the expert at {speed} m/s",
            lambda: self.commands and self.commands[-1].twist.linear.x == pytest.approx(speed, abs=1e-3),
        )


def test_joystick_takes_over_stops_and_hands_back(ros_environment: RosEnvironment) -> None:
    """A policy drives behind the real gate; a thumb on the dead-man button has the robot, and gives it back.

    Would catch a takeover that is not asked for, a jump of the robot at it, a released button that drives on, an
    unplugged joystick that still counts as an expert, and a hand-back that only says so.
    """
    from geometry_msgs.msg import TwistStamped

    ros = ros_environment
    gate = {"contract": CONTRACT, "enable_policy": True, "enable_control": True}
    ros.spawn_node("gate", gate)
    pad = Pad(ros)
    pad.propose()
    robot: list[Any] = ros.collect("/cmd_vel", TwistStamped)
    node = pad.spawn(scales=[6.0, 2.0], signs=[1, -1], joy_deadzones=[0.1])
    pad.until_driver("policy", "policy_trusted")
    pad.until_status("teleop: input", "dead_man", "released")
    assert pad.commands == [], "an expert before anybody has taken hold of the stick"

    pad.axes = [0.0, 0.55, 0.0, 0.55, 0.0, 0.0]
    pad.down.add(DEAD_MAN)
    pad.until_driver("expert", "human_takeover")
    pad.until_speed(3.0)
    assert pad.commands[-1].twist.angular.z == pytest.approx(-1.0)
    pad.until("the robot to follow", lambda: robot[-1].twist.linear.x == pytest.approx(3.0, abs=1e-3))
    start, begun_s = len(pad.commands), time.monotonic()
    pad.until("a second of commands", lambda: len(pad.commands) >= start + 20)
    assert 0.8 < time.monotonic() - begun_s < 2.0
    assert abs(stamp_s(pad.commands[-1]) - time.time()) < 1.0
    steps = [abs(b.twist.linear.x - a.twist.linear.x) for a, b in pairwise(robot)]
    assert max(steps) <= 10.0 * 2 * 0.05 + 1e-5

    pad.tap(SLOW)
    pad.until_speed(0.9)
    pad.tap(SLOW)
    pad.until_speed(3.0)

    pad.down.clear()
    pad.until_speed(0.0)
    pad.until("the robot to stand", lambda: robot[-1].twist.linear.x == 0.0)
    assert values(pad.decisions[-1].status[0])["source"] == "expert", "there, and it says stop"

    pad.tap(HAND_BACK)
    pad.until_driver("policy", "policy_trusted")
    pad.tap(TAKEOVER)
    pad.until_driver("expert", "human_takeover")
    pad.until_status("teleop: input", "last_pressed", "takeover")
    pad.until_status("teleop: services", "waiting", "0")
    pad.tap(HAND_BACK)
    pad.until_driver("policy", "policy_trusted")

    pad.plugged = False
    pad.until("the report of silence", lambda: "the joystick is silent" in pad.status("teleop: input").message)
    sent = len(pad.commands)
    decided = len(pad.decisions)
    pad.until("half a second of decisions", lambda: len(pad.decisions) > decided + 10)
    assert len(pad.commands) == sent, "an unplugged joystick is an expert"
    assert node.terminate() == 0, node.log
    assert "Traceback" not in node.log


def test_recorder_buttons_missing_services_and_joysticks_that_do_not_fit(ros_environment: RosEnvironment) -> None:
    """Would catch a blocking call, a button that calls twice, and an IndexError in the middle of a drive."""
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
    from std_srvs.srv import SetBool, Trigger

    ros, called, recording, taken = ros_environment, list[str](), [""], list[bool]()

    def answer(name: str, outcome: str) -> Callable[[Any, Any], Any]:
        def callback(_request: Any, response: Any) -> Any:
            called.append(name)
            response.success, response.message = name != "discard", f"{name} done"
            recording[0] = outcome
            return response

        return callback

    def take_over(request: Any, response: Any) -> Any:
        taken.append(request.data)
        response.success = True
        return response

    def report() -> None:
        status = DiagnosticStatus(name="recorder: recording", values=[KeyValue(key="episode", value=recording[0])])
        reports.publish(DiagnosticArray(status=[status]))

    for name, outcome in (("start", "drive-1"), ("stop", ""), ("discard", "")):
        ros.probe.create_service(Trigger, f"/recorder/{name}", answer(name, outcome))
    reports = ros.probe.create_publisher(DiagnosticArray, "/diagnostics", 10)
    ros.probe.create_timer(0.1, report)
    pad = Pad(ros)
    node = pad.spawn(joy_axes=[1, 3])
    pad.until_status("teleop: input", "dead_man", "released")
    pad.down.add(DEAD_MAN)
    pad.until_speed(0.0)
    pad.until(
        "the takeover that nobody answers",
        lambda: "not confirmed the takeover" in pad.status("teleop: services").message,
    )
    ros.probe.create_service(SetBool, "/gate/takeover", take_over)
    pad.until("a gate that starts late to hear of it", lambda: taken)
    pad.until("its answer", lambda: pad.status("teleop: services").level == b"\x01")
    assert all(taken)
    pad.tap(SUCCESS)
    pad.until("the missing service", lambda: "success: /recorder/success: nobody offers this service" in node.log)

    pad.until_status("teleop: input", "recording", "")
    for wanted in ("start", "stop", "start", "discard"):
        pad.tap(DISCARD if wanted == "discard" else RECORD)
        pad.until(f"{wanted} to be called", lambda: called and called[-1] == wanted)  # noqa: B023
    assert called == ["start", "stop", "start", "discard"]
    pad.until("the refusal", lambda: "discard: /recorder/discard: discard done" in node.log)

    pad.axes = [0.0, 1.0]
    pad.until("the error", lambda: "too few axes for joy_axes: twist.angular.z" in pad.status("teleop: input").message)
    # For half a second it is a released button; then there is no joystick.
    for _ in range(2):
        sent = len(pad.commands)
        counted = int(values(pad.status("teleop: input"))["unusable"])
        pad.until("more of them", lambda: int(values(pad.status("teleop: input"))["unusable"]) > counted)  # noqa: B023
    assert len(pad.commands) <= sent + 1, "it drove on with half a joystick"
    assert node.log.count("too few axes") == 1, "the log is flooded"
    assert node.returncode is None


def test_a_leader_is_passed_on_under_its_own_stamp(ros_environment: RosEnvironment) -> None:
    """Would catch a leader that is stamped anew, that outlives its silence, or that is published while inactive."""
    from geometry_msgs.msg import TwistStamped
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from il_nodes.ros.stamps import ns_to_stamp

    ros = ros_environment
    pad = Pad(ros)
    pad.plugged = False
    leader = ros.probe.create_publisher(TwistStamped, "/leader/cmd_vel", 10)
    leads, stamps = [True], list[int]()

    def lead() -> None:
        if leads[0]:
            stamps.append(time.time_ns() - 5_000_000)
            message = TwistStamped()
            message.header.stamp = ns_to_stamp(stamps[-1])
            message.twist.linear.x, message.twist.angular.z = 20.0, -0.5
            leader.publish(message)

    ros.probe.create_timer(0.01, lead)
    node = ros.spawn_node(
        "teleop",
        {"contract": CONTRACT, "device": "leader", "leader_topics": ["/leader/cmd_vel"], "autostart": False},
    )
    change = ros.probe.create_client(ChangeState, "/teleop/change_state")
    pad.until("the lifecycle service", change.service_is_ready, 20.0)
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        assert pad.commands == []
        future = change.call_async(ChangeState.Request(transition=Transition(id=transition)))
        pad.until("the transition", future.done)
        assert future.result().success, node.log
    pad.until_speed(8.0)
    assert pad.commands[-1].twist.angular.z == pytest.approx(-0.5)
    sent = {round(stamp_s(command) * 1e9) // 1000 for command in pad.commands}
    assert sent <= {round((stamp // 10**9 + stamp % 10**9 * 1e-9) * 1e9) // 1000 for stamp in stamps}
    start, begun_s = len(pad.commands), time.monotonic()
    pad.until("a second of commands", lambda: len(pad.commands) >= start + 20)
    assert time.monotonic() - begun_s > 0.8, "faster than the contract"
    leads[0] = False
    pad.until("the report of silence", lambda: "the leader is silent" in pad.status("teleop: input").message)
    count = len(pad.commands)
    leads[0] = True
    pad.until("it goes on", lambda: len(pad.commands) > count)
    assert pad.commands[count].twist.linear.x <= 10.0 * 2 * 0.05 + 1e-5, "from a standstill"


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_the_keyboard_drives_takes_over_and_leaves_the_terminal_as_it_was(
    ros_environment: RosEnvironment, number: signal.Signals | None
) -> None:
    """Would catch a shell without an echo after q, Ctrl-C or SIGTERM, and a robot that is left at its last command."""
    from geometry_msgs.msg import TwistStamped

    ros = ros_environment
    if number is None:
        ros.spawn_node("gate", {"contract": CONTRACT, "enable_control": True})
    pad = Pad(ros)
    pad.plugged = False
    pad.propose()
    robot: list[Any] = ros.collect("/cmd_vel", TwistStamped)
    arguments = ("-m", "il_nodes.nodes.teleop", "--ros-args", "-p", f"contract:={CONTRACT}", "-p", "device:=keyboard")
    terminal = OnTerminal(*arguments, "-p", "key_ramp_s:=0.2", environment=ros.environment)
    try:
        pad.until("the keyboard", lambda: "take over" in terminal.read() and not terminal.echoes, 20.0)
        pad.until_speed(0.0)
        typing = ros.probe.create_timer(0.03, lambda: terminal.type(b"w"))
        pad.until_speed(8.0)
        pad.until("a status line", lambda: "linear.x +8.00 m/s" in terminal.read())
        if number is None:
            pad.until("the robot to follow", lambda: robot and robot[-1].twist.linear.x == pytest.approx(8.0))
            terminal.type(b"t")
            pad.until_driver("expert", "human_takeover")
            pad.until("the status line to say so", lambda: "drives: expert (human_takeover)" in terminal.read())
            terminal.type(b"h")
            pad.until("the hand-back", lambda: "the policy may drive" in terminal.read())
            pad.until_driver("policy", "policy_trusted")
        ros.probe.destroy_timer(typing)
        terminal.type(b"wwq") if number is None else terminal.process.send_signal(number)
        pad.until("the end", lambda: (terminal.read(), terminal.process.poll())[1] is not None)
        assert terminal.process.returncode == 0, terminal.output
        assert terminal.restored
        assert "Traceback" not in terminal.output
        pad.until("the last command", lambda: pad.commands[-1].twist.linear.x == 0.0)
    finally:
        terminal.close()


def test_what_cannot_be_used_is_refused_with_one_message(ros_environment: RosEnvironment) -> None:
    """Would catch a traceback for a wrong parameter, or a keyboard under a supervisor that waits for ever."""
    cases: list[tuple[dict[str, object], int, str]] = [
        ({"contract": CONTRACT, "device": "keyboard"}, 7, "needs a terminal"),
        ({"contract": CONTRACT, "device": "wheel"}, 7, "joy, keyboard, leader"),
        ({"contract": CONTRACT, "joy_axes": [1, 2, 3]}, 7, "twist.linear.x, twist.angular.z"),
        ({"contract": CONTRACT, "device": "leader"}, 7, "leader_topics"),
        ({"contract": CONTRACT, "slow_motion_scale": 0.0}, 7, "0.05"),
        ({"contract": CONTRACT, "takeover_button": 4}, 7, "two meanings"),
        ({"contract": CONTRACT, "joy_timeout_s": 60.0}, 7, "0.05 .. 2.0"),
        ({}, 7, "needs a robot contract"),
    ]
    nodes = [
        (ros_environment.spawn_node("teleop", params, arguments=["-r", f"__node:=teleop_{number}"]), code, words)
        for number, (params, code, words) in enumerate(cases)
    ]
    for node, code, words in nodes:
        assert node.wait(30.0) == code, node.log
        assert words in node.log
        assert "Traceback" not in node.log


def test_the_teleop_process_loads_neither_torch_nor_pybullet() -> None:
    """It runs on the robot."""
    code = (
        "import sys, il_nodes.nodes.teleop\n"
        "print('loaded:', [m for m in ('torch', 'onnxruntime', 'cv2', 'pybullet', 'onnx') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "loaded: []" in result.stdout
