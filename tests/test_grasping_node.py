"""The simulated arm and its expert as processes, with gate and recorder: recorded, learned from, held when alone."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_processes import REPOSITORY, NodeProcess, RosEnvironment

from il_nodes.bags import BagReader, find_bags
from il_nodes.codecs import decode_raw, header_stamp_ns
from il_nodes.dataset.builder import build_dataset
from models.episodes import EpisodeDataset, open_dataset
from models.errors import UnderstudyError
from sim.grasping.environment import state_vector
from sim.grasping.expert import Expert
from sim.grasping.scene import SceneConfig, draw_scene
from sim.grasping.world import GraspingWorld

pytestmark = [pytest.mark.ros, pytest.mark.sim]

PARAMS = REPOSITORY / "launch" / "params" / "grasping.yaml"
SCENE, SEED = 3, 2
TICK_TOPICS = (
    "/camera/overhead/image_raw",
    "/camera/wrist/image_raw",
    "/joint_states",
    "/tool/pose",
    "/sim/objects",
    "/sim/status",
    "/expert/tool/cmd_vel",
    "/expert/gripper/command",
    "/tool/cmd_vel",
    "/gripper/command",
    "/gate/decision",
)


def values(message: Any) -> dict[str, str]:
    return {item.key: item.value for status in message.status for item in status.values}


def stamp_of(message: Any) -> int:
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


class Live:
    """What a policy would see, tick by tick, as the observation node shows it."""

    def __init__(self, ros: RosEnvironment) -> None:
        from sensor_msgs.msg import Image, JointState

        ros.spawn_node("observation", {"lock_step": True}, params_file=PARAMS)
        self.parts = {
            "observation.images.overhead": ros.collect("/observation/stacked/overhead", Image),
            "observation.images.wrist": ros.collect("/observation/stacked/wrist", Image),
            "observation.state": ros.collect("/observation/stacked/state", JointState),
        }

    def differences(self, dataset: EpisodeDataset) -> tuple[int, int]:
        """Ticks compared, and those of them whose bytes differ."""
        index = {stamp: tick for tick, stamp in enumerate(dataset.stamps_ns.tolist())}
        compared = different = 0
        for key, messages in self.parts.items():
            for message in messages:
                offline = dataset.stack([index[stamp_of(message)]])[key][0, 0]
                if hasattr(message, "position"):
                    live = np.array(message.position, np.float32)
                else:
                    live = np.frombuffer(message.data, np.uint8).reshape(offline.shape)
                compared += 1
                different += live.tobytes() != offline.tobytes()
        return compared, different


def record(ros: RosEnvironment, directory: Path) -> Path:
    """One scene, grasped by the expert in lock-step."""
    step = {"lock_step": True}
    nodes = [
        ros.spawn_node("recorder", {**step, "directory": str(directory)}, params_file=PARAMS),
        ros.spawn_node("gate", step, params_file=PARAMS),
        ros.spawn_node("expert", params_file=PARAMS),
    ]
    sim = {"scene_seeds": [SCENE], "seed": SEED, "exit_when_done": True, "disturbance_std_m_s": 0.02}
    simulator = ros.spawn_node("sim", {**step, **sim}, params_file=PARAMS)
    ros.wait_until(lambda: simulator.returncode is not None, 120.0, "the simulator to finish")
    assert simulator.returncode == 0, simulator.log
    assert [node.terminate() for node in nodes] == [0, 0, 0], "\n".join(node.log for node in nodes)
    (path,) = find_bags(directory)
    return path


def require_the_world_of(bag: BagReader) -> None:
    """The recorded commands lead a world in this process where they led the node's, and its expert says the same."""
    from sim.grasping.disturbances import DisturbanceConfig
    from sim.grasping.world import GraspingConfig

    contract = bag.contract
    wanted = [*contract.gate.expert_topics, *(source.channel.topic for source in contract.action_sources)]
    sources = dict(zip(wanted, [*contract.action_sources] * 2, strict=True))
    found: dict[str, list[tuple[int, Any]]] = {topic: [] for topic in wanted}
    for topic, _, cdr in bag.messages(wanted):
        found[topic].append((header_stamp_ns(cdr), decode_raw(cdr, sources[topic])))
    tool, gripper, moved, gripped = (found[topic] for topic in wanted)
    world = GraspingWorld(GraspingConfig(disturbances=DisturbanceConfig(velocity_std_m_s=0.02)))
    with world:
        world.reset(SEED * 1_000_000, scene=draw_scene(SCENE, SceneConfig()))
        for tick, ((stamp, meant), (_, opening)) in enumerate(zip(tool, gripper, strict=True)):
            answer = Expert().command(world.state)
            assert np.array_equal([*meant, *opening], np.array(answer, meant.dtype)), f"tick {tick}"
            assert moved[tick][0] == gripped[tick][0] == stamp
            x, y, z, yaw, gap = map(float, [*moved[tick][1], *gripped[tick][1]])
            world.step((x, y, z, yaw, gap))


def require_a_page_of(path: Path, folder: Path) -> None:
    """The recording is scored as a grasp, not as a drive, and the expert's success is not taken for the policy's."""
    from understudy.evaluation.evaluation import evaluate
    from understudy.evaluation.grasps import GraspGoals, GraspVerdict, read_grasp_goals
    from understudy.evaluation.judging import judge, keep_goals
    from understudy.report import Goals, ReportInputs, write_report

    evaluation = evaluate([path])
    with pytest.raises(UnderstudyError, match="another robot's"):
        judge(evaluation, Goals(), folder / "goals.json")
    verdict = judge(evaluation, GraspGoals(success=1.0, alone=0.1, policy_share=0.1), folder / "goals.json")
    assert isinstance(verdict, GraspVerdict)
    assert (verdict.successes, verdict.alone) == (1, 0)
    assert verdict.met == {"success": True, "alone": False, "policy_share": False}
    assert verdict.grasps[0].success_s == pytest.approx(verdict.grasps[0].elapsed_s)
    assert verdict.as_json()["success_by_scene"] == {f"scene-{SCENE}": True}
    keep_goals(folder / "goals.json", verdict.goals)
    assert read_grasp_goals(folder / "goals.json") == verdict.goals
    page = write_report(folder / "report.html", ReportInputs("Arm", evaluation, grasps=verdict)).read_text()
    assert f'<th scope="row">scene-{SCENE}</th><td>yes</td><td>no</td>' in page
    for word in ("the road", "the wheel", "laps?", "damage", "drove"):
        assert not re.search(rf"\b{word}\b", page), "words of a car"
    assert "data:image/webp" in page


@pytest.mark.slow
def test_an_episode_over_ros_is_recorded_learned_from_and_succeeds(
    ros_environment: RosEnvironment, tmp_path: Path
) -> None:
    """Would catch a lost tick, an expert that sees another state than the world, or a dataset that is not the wire."""
    live = Live(ros_environment)
    path = record(ros_environment, tmp_path / "recordings")
    assert path.name == f"grasp-000-scene-{SCENE}"
    bag = BagReader(path)
    assert (bag.outcome, bag.quarantine) == ("complete", "")
    ticks = bag.counts["/sim/status"]
    assert {topic: bag.counts[topic] for topic in TICK_TOPICS} == dict.fromkeys(TICK_TOPICS, ticks)
    assert bag.counts["/sim/shapes"] == 1

    from understudy.evaluation.trace_reader import read_trace

    trace = read_trace(path)
    assert trace.labels["scene"] == f"scene-{SCENE}"
    assert trace.status["success"][-1] == 1.0
    assert trace.status["success"][:-1].sum() == 0.0, "the episode went on after its success"
    assert len(trace.expert.values) == ticks

    require_the_world_of(bag)
    require_a_page_of(path, tmp_path)

    report = build_dataset([path], tmp_path / "dataset")
    assert not report.quarantined
    dataset = open_dataset(tmp_path / "dataset")
    compared, different = live.differences(dataset)
    assert different == 0
    # The newest frame wins: on a busy machine the node leaves some out.
    assert compared >= len(dataset) // 2, "the observation node hardly said anything"


def test_the_state_on_the_wire_is_that_of_the_environment(ros_environment: RosEnvironment) -> None:
    """Would catch joints in another order, or a quaternion of another sign than a policy of the environment learned."""
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import PoseStamped
    from sensor_msgs.msg import JointState

    ros = ros_environment
    joints = ros.collect("/joint_states", JointState)
    tools = ros.collect("/tool/pose", PoseStamped)
    shapes = ros.collect("/sim/shapes", DiagnosticArray, latched=True)
    alone = {"wait_for_nodes": [""], "scene_seeds": [SCENE], "seed": SEED}
    ros.spawn_node("sim", alone, params_file=PARAMS)

    def first() -> tuple[Any, Any] | None:
        """The earliest tick of which both were heard: the very first may be over before anybody listens."""
        by_stamp = {stamp_of(tool): tool for tool in tools}
        return next(((one, by_stamp[stamp_of(one)]) for one in joints if stamp_of(one) in by_stamp), None)

    ros.wait_until(lambda: first() and shapes, 60.0, "a first tick")
    heard = first()
    assert heard is not None
    pose = heard[1].pose
    told = [*heard[0].position, pose.position.x, pose.position.y, pose.position.z]
    told += [pose.orientation.x, pose.orientation.y]
    scene = draw_scene(SCENE, SceneConfig())
    assert [status.message for status in shapes[0].status] == ["target"] + ["clutter"] * (len(scene) - 1)
    with GraspingWorld() as world:
        world.reset(SEED * 1_000_000, scene=scene)
        # The simulator's clock begins at one second.
        while world.state.stamp_ns < stamp_of(heard[0]) - 10**9:
            world.step((0.0, 0.0, 0.0, 0.0, 0.0))  # nobody commands the arm
        assert np.array_equal(np.array(told, np.float32), state_vector(world.state))


def started(ros: RosEnvironment) -> tuple[NodeProcess, NodeProcess]:
    """Expert and gate of an arm in real time; the sim waits for both."""
    expert = ros.spawn_node("expert", params_file=PARAMS)
    gate = ros.spawn_node("gate", params_file=PARAMS)
    sim = {"scene_seeds": [SCENE], "wait_for_nodes": ["expert", "gate"], "max_episode_s": 600.0}
    ros.spawn_node("sim", sim, params_file=PARAMS)
    return expert, gate


def test_the_arm_is_held_when_the_gate_dies(ros_environment: RosEnvironment) -> None:
    """FAULTS 18. Would catch an arm that moves on by the last command of a gate that is gone, or lets go."""
    from diagnostic_msgs.msg import DiagnosticArray
    from geometry_msgs.msg import PoseStamped

    ros = ros_environment
    tools = ros.collect("/tool/pose", PoseStamped)
    status = ros.collect("/sim/status", DiagnosticArray)
    _, gate = started(ros)

    def speed_m_s(back: int = 1) -> float:
        """Over the last tick."""
        one, other = (tools[-index].pose.position for index in (back, back + 1))
        return 20.0 * float(np.hypot(np.hypot(one.x - other.x, one.y - other.y), one.z - other.z))

    ros.wait_until(lambda: len(tools) > 3 and speed_m_s() > 0.1, 60.0, "the arm to move")
    gate.send(signal.SIGKILL)
    gate.wait()
    timeouts = int(values(status[-1])["command_timeouts"])
    ros.wait_until(lambda: int(values(status[-1])["command_timeouts"]) > timeouts, 5.0, "the watchdog to notice")
    count = len(tools)
    ros.wait_until(lambda: len(tools) >= count + 10, 5.0, "ten more ticks")
    assert max(speed_m_s(back) for back in range(1, 6)) < 0.005


def test_half_a_command_moves_nothing(ros_environment: RosEnvironment) -> None:
    """Would catch an arm that moves although the gripper's part of its command never came."""
    from geometry_msgs.msg import PoseStamped, TwistStamped
    from sensor_msgs.msg import JointState

    ros = ros_environment
    tools = ros.collect("/tool/pose", PoseStamped)
    tool = ros.probe.create_publisher(TwistStamped, "/tool/cmd_vel", 10)
    gripper = ros.probe.create_publisher(JointState, "/gripper/command", 10)
    alone = {"wait_for_nodes": [""], "scene_seeds": [SCENE], "max_episode_s": 600.0}
    ros.spawn_node("sim", alone, params_file=PARAMS)
    answered, whole = 0, False

    def moved() -> bool:
        nonlocal answered
        if len(tools) > answered:
            answered = len(tools)
            command = TwistStamped(header=tools[-1].header)
            command.twist.linear.z = -0.1
            tool.publish(command)
            if whole:
                gripper.publish(JointState(header=tools[-1].header, name=["gripper"], velocity=[0.0]))
        return bool(tools) and tools[-1].pose.position.z < tools[0].pose.position.z - 0.02

    ros.wait_until(lambda: moved() or len(tools) > 30, 60.0, "thirty ticks")
    assert not moved(), "half a command moved the arm"
    whole = True
    ros.wait_until(moved, 10.0, "the arm to move by whole commands")


def test_an_expert_that_dies_leaves_the_arm_held_by_the_gate(ros_environment: RosEnvironment) -> None:
    """FAULTS 16. Would catch an expert whose death ends the simulator, or that the gate does not notice."""
    from diagnostic_msgs.msg import DiagnosticArray

    ros = ros_environment
    decisions = ros.collect("/gate/decision", DiagnosticArray)
    expert, gate = started(ros)
    ros.wait_until(lambda: decisions and values(decisions[-1])["source"] == "expert", 60.0, "the expert to drive")
    expert.send(signal.SIGKILL)
    ros.wait_until(lambda: values(decisions[-1])["source"] == "halt", 10.0, "the gate to halt")
    assert gate.returncode is None
