"""What a teleoperator knows of the others, and what it says about itself."""

from __future__ import annotations

import numpy as np
import pytest
from ros_messages import serialize
from teleop_robots import ARM, CAR

from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.teleop.shaping import State
from il_nodes.teleop.status import TeleopView, input_status, status_line
from il_nodes.teleop.watch import ExecutedCommand, GateWatch, PositionWatch, RecorderWatch


def test_an_old_decision_says_nothing() -> None:
    """Would catch a status line that shows who drove before the gate died."""
    gate = GateWatch()
    assert gate.driver(1.0) == ""
    gate.take({"source": "policy", "reason": "policy_trusted"}, 1.0)
    assert (gate.driver(1.4), gate.reason(1.4), gate.somebody_else_drives(1.4)) == ("policy", "policy_trusted", True)
    assert (gate.driver(1.6), gate.reason(1.6), gate.somebody_else_drives(1.6)) == ("", "", False)
    gate.take({"source": "halt"}, 2.0)
    assert gate.somebody_else_drives(2.0)
    gate.take({"source": "expert"}, 3.0)
    assert not gate.somebody_else_drives(3.0)


def test_the_recorders_state_comes_from_its_own_report() -> None:
    """Would catch a record button that starts what is recorded already, or that trusts a dead recorder."""
    recorder = RecorderWatch()
    assert recorder.is_recording(1.0) is None
    recorder.take("gate: gate", {"episode": "drive-1"}, 1.0)
    recorder.take("recorder: connections", {}, 1.0)
    assert recorder.is_recording(1.0) is None
    recorder.take("recorder: recording", {"episode": ""}, 1.0)
    assert recorder.is_recording(1.0) is False
    recorder.note(True, 1.5)
    assert recorder.is_recording(1.6) is True
    recorder.take("recorder: recording", {"episode": "drive-1"}, 2.0)
    assert recorder.episode(2.0) == "drive-1"
    recorder.note(False, 2.5)
    assert recorder.is_recording(2.6) is False
    assert recorder.is_recording(9.0) is None


def test_the_executed_command() -> None:
    """Would catch a takeover that begins from a command of long ago."""
    executed = ExecutedCommand(CAR)
    assert executed.values(0.0) is None
    (message,) = ActionChannels(CAR).messages(np.array([3.0, 0.5], np.float32), 1)
    executed.take(0, serialize(message), 1.0)
    executed.take(0, b"rubbish", 1.2)
    values = executed.values(1.4)
    assert values is not None
    assert values.tolist() == [3.0, 0.5]
    assert executed.values(1.6) is None


def test_measured_positions_by_label_in_si_units() -> None:
    """Would catch an arm whose elbow is held at the lift's number, or at a number of degrees."""
    from sensor_msgs.msg import JointState

    measured = PositionWatch(ARM)
    assert list(measured.channels) == ["/joint_states"]
    assert np.isnan(measured.values).all()
    measured.take("/joint_states", b"rubbish")
    measured.take("/joint_states", serialize(JointState(name=["elbow", "lift"], position=[1.25, 0.25])))
    assert measured.values[:2].tolist() == [1.25, 0.25]
    assert np.isnan(measured.values[2]), "a gripper is no position: it has nothing to hold"
    assert PositionWatch(CAR).channels == {}


def view(**changes: object) -> TeleopView:
    values: dict[str, object] = {"device": "joy", "state": State.DRIVE, "command": np.array([1.0, -0.5], np.float32)}
    return TeleopView(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "ok", "the human's commands are published"),
        ({"state": State.STOP}, "ok", "holds the robot still"),
        ({"waiting": "no joystick"}, "warn", "nothing is published: no joystick"),
        ({"rivals": ["/expert/cmd_vel"]}, "error", "somebody else publishes /expert/cmd_vel"),
        ({"problem": "too few axes", "waiting": "x", "rivals": ["y"]}, "error", "too few axes"),
    ],
)
def test_levels(changes: dict[str, object], level: str, words: str) -> None:
    """Would catch a green light while the human cannot reach the robot."""
    status = input_status(view(**changes), 50.0, 20.0)
    assert status.level == level
    assert words in status.message
    assert (status.values["input_hz"], status.values["published_hz"]) == (50.0, 20.0)


def test_the_status_line() -> None:
    """Would catch a line that hides who drives, or that shows the wrong pair of joints."""
    line = status_line(view(driver="policy", reason="policy_trusted", slow_motion=True, episode=""), CAR, 0, 1, "last")
    assert line == (
        "linear.x +1.00 m/s  angular.z -0.50 rad/s | drives: policy (policy_trusted) | rec: off | slow | last"
    )
    arm = status_line(view(command=np.array([1, 2, 3], np.float32), episode="e-1"), ARM, 1, 2, "")
    assert arm.startswith("[2/2] data +3.00 1 | drives: no gate heard | rec: e-1")
    assert "positions.elbow -- rad" in status_line(view(command=None, waiting="no clock yet"), ARM, 0, 2, "")
    assert "rec: ?" in status_line(view(), CAR, 0, 1, "")
