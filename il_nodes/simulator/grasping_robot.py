"""The simulated arm, as the simulator node knows a robot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from geometry_msgs.msg import TwistStamped
from sensor_msgs.msg import JointState

from il_nodes.ros.diagnostics import Level, Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.simulator.grasping_topics import GraspingTopics
from il_nodes.simulator.robot import CommandChannel, SimulatedRobot
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.look import LookConfig
from sim.grasping.scene import SceneConfig, draw_scene
from sim.grasping.world import CONTROL_HZ, STOP, GraspingConfig, GraspingWorld

__all__ = ["GRIPPER", "GraspingRobot"]

#: The joint that ``/gripper/command`` names: the gap between the fingers.
GRIPPER = "gripper"


def _read_tool(message: Any) -> tuple[float, ...]:
    """Linear x, y, z (m/s, base frame) and yaw rate (rad/s)."""
    linear = message.twist.linear
    return linear.x, linear.y, linear.z, message.twist.angular.z


def _read_gripper(message: Any) -> tuple[float, ...]:
    """Speed of the gap (m/s); NaN where the message has none."""
    speeds = dict(zip(message.name, message.velocity, strict=False))
    return (float(speeds.get(GRIPPER, math.nan)),)


class GraspingRobot(SimulatedRobot):
    """An arm over a table: an episode ends when the target is held up, or is out of reach."""

    name: ClassVar[str] = "grasping"
    hardware: ClassVar[str] = "simulated_arm"
    prefix: ClassVar[str] = "grasp"
    noun: ClassVar[str] = "scene"
    control_hz: ClassVar[float] = CONTROL_HZ
    stop: ClassVar[tuple[float, ...]] = STOP
    channels: ClassVar[tuple[CommandChannel, ...]] = (
        CommandChannel("/tool/cmd_vel", TwistStamped, _read_tool),
        CommandChannel("/gripper/command", JointState, _read_gripper),
    )
    # What is never picked up, and never pushed off the table, takes for ever.
    ends_by_itself = False

    def __init__(self, node: UnderstudyNode) -> None:
        self._config = _config(node)
        self._scene = ""

    def open(self, node: UnderstudyNode) -> None:
        """Make the world and the publishers."""
        self._world = GraspingWorld(self._config, 0)
        self._topics = GraspingTopics(node)

    def start(self, drawn_seed: int, world_seed: int) -> None:
        """Lay another table, the arm at home."""
        self._scene = f"scene-{drawn_seed}"
        self._world.reset(world_seed, scene=draw_scene(drawn_seed, self._config.scene))

    def step(self, command: tuple[float, ...]) -> None:
        """Move the tool (m/s, rad/s) and the fingers (m/s)."""
        x, y, z, yaw_rate, opening = command
        self._world.step((x, y, z, yaw_rate, opening))

    @property
    def elapsed_s(self) -> float:
        """Simulated time since the start."""
        return self._world.status.elapsed_s

    @property
    def is_done(self) -> bool:
        """Whether the target was held up for long enough, or cannot be any more."""
        return self._world.status.success or self._world.status.lost

    def publish_scene(self, stamp_ns: int) -> Sequence[Any]:
        """Publish what lies on the table."""
        return self._topics.publish_shapes(stamp_ns, self._world.state.objects)

    def publish_sensors(self, stamp_ns: int) -> None:
        """Publish joints, poses, and the cameras' frames."""
        self._topics.publish_state(stamp_ns, self._world.state)
        self._topics.publish_images(stamp_ns, self._world)

    def status(self) -> Status:
        """Lift, success, drops, pushes, collisions."""
        status = self._world.status
        level: Level = "warn" if status.lost else "ok"
        message = "lost" if status.lost else "held up" if status.success else "lifted" if status.held_s else "grasping"
        state = self._world.state
        x, y, z, yaw_rate, _ = state.disturbance
        values = {
            **asdict(status),
            "objects": len(state.objects),
            "scene": self._scene,
            "disturbance_m_s": math.hypot(x, y, z),
            "disturbance_rad_s": yaw_rate,
        }
        return Status(level, message, values)

    def close(self) -> None:
        """Close the world."""
        self._world.close()


def _config(node: UnderstudyNode) -> GraspingConfig:
    return GraspingConfig(scene=_scene(node), look=_look(node), disturbances=_disturbances(node))


def _scene(node: UnderstudyNode) -> SceneConfig:
    say, default = node.parameter, SceneConfig()
    fewest = say("clutter_fewest", default.fewest, "objects beside the target, at least", minimum=0, maximum=30)
    most = say("clutter_most", default.most, "and at most", minimum=0, maximum=30)
    return SceneConfig(
        fewest=fewest,
        most=most,
        blocked=say("blocked", default.blocked, "share of scenes whose target is hemmed in", minimum=0.0, maximum=1.0),
        leaning=say("leaning", default.leaning, "share in which something leans on it", minimum=0.0, maximum=1.0),
    )


def _look(node: UnderstudyNode) -> LookConfig:
    say = node.parameter
    return LookConfig(
        color_spread=say("color_spread", 0.0, "how far colours vary between episodes", minimum=0.0, maximum=1.0),
        light_spread=say("light_spread", 0.0, "how far brightness varies", minimum=0.0, maximum=0.3),
        camera_shift_m=say("camera_shift_m", 0.0, "how far cameras are moved, m", minimum=0.0, maximum=0.2),
        camera_turn_rad=say("camera_turn_rad", 0.0, "how far cameras are turned, rad", minimum=0.0, maximum=0.3),
    )


def _disturbances(node: UnderstudyNode) -> DisturbanceConfig:
    say, default = node.parameter, DisturbanceConfig()
    return DisturbanceConfig(
        velocity_std_m_s=say("disturbance_std_m_s", 0.0, "noise on the executed velocity, m/s", minimum=0.0),
        yaw_rate_std_rad_s=say("disturbance_std_rad_s", 0.0, "noise on the executed yaw rate, rad/s", minimum=0.0),
        noise_time_s=say("disturbance_time_s", default.noise_time_s, "how long these noises remember, s", minimum=0.01),
        shoves_per_s=say("shoves_per_s", 0.0, "how often the arm is shoved", minimum=0.0),
        knocks_per_s=say("knocks_per_s", 0.0, "how often an object is knocked", minimum=0.0),
    )
