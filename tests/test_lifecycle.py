"""The lifecycle of every node, walked through from outside, over the services that ``ros2 lifecycle`` uses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from ros_processes import RosEnvironment
from std_msgs.msg import Header

pytestmark = pytest.mark.ros

TRIAL_NODE = """
import sys
from pathlib import Path
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import qos_profile
from il_nodes.ros.run import run_node
from il_nodes.ros.diagnostics import Status
from models.contract import Qos
from models.errors import DeploymentError

class Trial(UnderstudyNode):
    def __init__(self):
        super().__init__("trial")
        self.file = self.parameter("file", "", "must exist to configure")

    def configure(self):
        self.out = self.advertise("/beat", Header, qos_profile(Qos()))
        self.create_service(Trigger, "/ask", lambda request, response: response)
        self.diagnostics.add("beating", lambda: Status("ok", "beats"))
        self.steady_timer(0.01, lambda: self.out.publish(Header(frame_id="timer")))
        if not Path(self.file).exists():
            raise DeploymentError("there is no file", found=self.file, fix="make it")
        if Path(self.file).read_text() == "defect":
            raise ZeroDivisionError("a defect")

    def deactivate(self):
        self.out.publish(Header(frame_id="last words"))

sys.exit(run_node(Trial, sys.argv[1:], "trial"))
"""


class Walker:
    """Asks one node for transitions and for its state."""

    def __init__(self, ros: RosEnvironment, node: str) -> None:
        self._ros = ros
        self._change = ros.probe.create_client(ChangeState, f"/{node}/change_state")
        self._state = ros.probe.create_client(GetState, f"/{node}/get_state")
        ros.wait_until(self._state.service_is_ready, 15.0, f"{node} to be there")

    def _call(self, client: object, request: object) -> object:
        future = client.call_async(request)  # type: ignore[attr-defined]
        self._ros.wait_until(future.done, 10.0, "an answer")
        return future.result()

    def go(self, transition: int) -> bool:
        """Whether the node made the transition."""
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self._call(self._change, request).success)  # type: ignore[attr-defined]

    @property
    def state(self) -> int:
        """One of lifecycle_msgs/State's numbers."""
        return int(self._call(self._state, GetState.Request()).current_state.id)  # type: ignore[attr-defined]


@pytest.fixture
def start_trial(ros_environment: RosEnvironment) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    def start(file: str, autostart: bool) -> subprocess.Popen[str]:
        source = ros_environment.directory / "trial.py"
        source.write_text(TRIAL_NODE)
        process = subprocess.Popen(
            [
                sys.executable,
                str(source),
                "--ros-args",
                "-p",
                f"file:={file}",
                "-p",
                f"autostart:={str(autostart).lower()}",
            ],
            env=ros_environment.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    processes: list[subprocess.Popen[str]] = []
    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_node_waits_acts_rests_and_starts_over(
    ros_environment: RosEnvironment, start_trial: Callable[..., subprocess.Popen[str]]
) -> None:
    """Would catch a node that publishes while inactive, keeps topics after its clean-up, or cannot be used again."""
    file = ros_environment.directory / "wanted"
    process = start_trial(str(file), autostart=False)
    walker = Walker(ros_environment, "trial")
    beats = ros_environment.collect("/beat", Header)
    probe = ros_environment.probe
    assert walker.state == State.PRIMARY_STATE_UNCONFIGURED
    assert not walker.go(Transition.TRANSITION_ACTIVATE), "a transition that this state does not have"
    assert not walker.go(99), "a transition that no state has"
    assert not walker.go(Transition.TRANSITION_CONFIGURE), "without its file"
    assert walker.state == State.PRIMARY_STATE_UNCONFIGURED
    ros_environment.wait_until(lambda: probe.count_publishers("/beat") == 0, 5.0, "a failed start to leave no topic")

    for _ in range(2):
        file.write_text("fine")
        assert walker.go(Transition.TRANSITION_CONFIGURE)
        assert walker.state == State.PRIMARY_STATE_INACTIVE
        ros_environment.wait_until(lambda: probe.count_publishers("/beat") == 1, 5.0, "the topic")
        beats.clear()
        assert walker.go(Transition.TRANSITION_ACTIVATE)
        ros_environment.wait_until(lambda: len(beats) > 3, 5.0, "beats while active")
        assert walker.go(Transition.TRANSITION_DEACTIVATE)
        ros_environment.wait_until(lambda: beats[-1].frame_id == "last words", 5.0, "the hook's last words")
        assert walker.state == State.PRIMARY_STATE_INACTIVE
        said = len(beats)
        assert walker.go(Transition.TRANSITION_CLEANUP)
        assert len(beats) == said, "the timer went on while inactive"
        ros_environment.wait_until(lambda: probe.count_publishers("/beat") == 0, 5.0, "the topic to go")

    file.write_text("defect")
    assert not walker.go(Transition.TRANSITION_CONFIGURE)
    assert walker.state == State.PRIMARY_STATE_UNCONFIGURED
    assert walker.go(Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "there is no file" in output
    assert "ZeroDivisionError: a defect" in output


def test_autostart_ends_the_process_with_the_reason(
    ros_environment: RosEnvironment, start_trial: Callable[..., subprocess.Popen[str]]
) -> None:
    """Would catch a supervisor that waits for ever for a node that could not configure itself, or a hidden defect."""
    refused = start_trial(str(ros_environment.directory / "missing"), autostart=True)
    output, _ = refused.communicate(timeout=20)
    assert (refused.returncode, output.splitlines()[0]) == (7, "trial: there is no file")
    broken = ros_environment.directory / "broken"
    broken.write_text("defect")
    defect = start_trial(str(broken), autostart=True)
    output, _ = defect.communicate(timeout=20)
    assert defect.returncode == 1
    assert "ZeroDivisionError: a defect" in output


def test_the_scripted_expert_answers_only_while_active(ros_environment: RosEnvironment) -> None:
    """Would catch a node of ours whose hooks do not follow the states."""
    ros_environment.spawn_node("sim", {"wait_for_nodes": [""], "real_time_factor": 1.0})
    ros_environment.spawn_node("expert", {"autostart": False})
    walker = Walker(ros_environment, "expert")
    commands = ros_environment.collect("/expert/cmd_vel", TwistStamped)
    states = ros_environment.collect("/odom", Odometry)
    assert walker.go(Transition.TRANSITION_CONFIGURE)
    ros_environment.wait_until(lambda: len(states) > 5, 20.0, "the car's states")
    assert commands == []
    assert walker.go(Transition.TRANSITION_ACTIVATE)
    ros_environment.wait_until(lambda: len(commands) > 3, 10.0, "commands of the active expert")
