"""The simulated car, as the simulator node knows a robot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

from geometry_msgs.msg import TwistStamped

from il_nodes.ros.diagnostics import Level, Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.simulator.driving_topics import DrivingTopics
from il_nodes.simulator.laps import LapRules
from il_nodes.simulator.robot import CommandChannel, SimulatedRobot
from sim.driving.cameras import CAMERAS
from sim.driving.look import LookConfig
from sim.driving.track import Track
from sim.driving.world import CONTROL_HZ, DrivingConfig, DrivingWorld

__all__ = ["DrivingRobot"]


def _read(message: Any) -> tuple[float, ...]:
    """Speed (m/s) and yaw rate (rad/s)."""
    return message.twist.linear.x, message.twist.angular.z


class DrivingRobot(SimulatedRobot):
    """A car on a track: laps, and back onto the road when it has left it for long."""

    name: ClassVar[str] = "driving"
    hardware: ClassVar[str] = "simulated_car"
    prefix: ClassVar[str] = "drive"
    noun: ClassVar[str] = "track"
    control_hz: ClassVar[float] = CONTROL_HZ
    stop: ClassVar[tuple[float, ...]] = (0.0, 0.0)
    channels: ClassVar[tuple[CommandChannel, ...]] = (CommandChannel("/cmd_vel", TwistStamped, _read),)

    def __init__(self, node: UnderstudyNode) -> None:
        say = node.parameter
        laps = say("laps", 1, "an episode ends after so many; 0: no limit", minimum=0)
        off_track_s = say("off_track_s", 0.5, "the car is put back after so long off the road", minimum=0.05)
        self._rules = LapRules(laps, off_track_s, 1.0 / CONTROL_HZ)
        self._config = _config(node)
        self.ends_by_itself = laps > 0
        self._track = ""

    def open(self, node: UnderstudyNode) -> None:
        """Make the world and the publishers."""
        self._world = DrivingWorld(self._config, 0)
        self._topics = DrivingTopics(node)

    def start(self, drawn_seed: int, world_seed: int) -> None:
        """Put the car on another track."""
        self._rules.start()
        self._track = f"track-{drawn_seed}"
        self._world.reset(world_seed, track=Track.from_seed(drawn_seed))

    def step(self, command: tuple[float, ...]) -> None:
        """Drive with a speed (m/s) and a yaw rate (rad/s)."""
        speed_m_s, yaw_rate_rad_s = command
        self._world.step(speed_m_s, yaw_rate_rad_s)

    @property
    def elapsed_s(self) -> float:
        """Simulated time since the start."""
        return self._world.status.elapsed_s

    @property
    def is_done(self) -> bool:
        """Whether the laps are driven."""
        return self._rules.is_over(self._world.status)

    def recover(self) -> bool:
        """Put the car back on the road after too long beside it."""
        if not self._rules.must_recover(self._world.status):
            return False
        self._world.recover()
        return True

    def publish_scene(self, stamp_ns: int) -> Sequence[Any]:
        """Publish the track."""
        return self._topics.publish_track(stamp_ns, self._world.track)

    def publish_sensors(self, stamp_ns: int) -> None:
        """Publish odometry and the place on the road, then the front camera's frame."""
        self._topics.publish_odometry(stamp_ns, self._world)
        self._topics.publish_lane(stamp_ns, self._world)
        self._topics.publish_front(stamp_ns, self._world)

    def publish_rest(self, stamp_ns: int) -> None:
        """Publish the side cameras' frames."""
        self._topics.publish_sides(stamp_ns, self._world)

    def status(self) -> Status:
        """Laps, distance from the centre line, interventions."""
        status = self._world.status
        level: Level = "warn" if status.off_track else "ok"
        values = {
            **asdict(status),
            "autonomy": status.autonomy,
            "track": self._track,
            "disturbance_rad": self._world.state.disturbance_rad,
        }
        return Status(level, "off track" if status.off_track else "on track", values)

    def close(self) -> None:
        """Close the world."""
        self._world.close()


def _config(node: UnderstudyNode) -> DrivingConfig:
    say = node.parameter
    width = say("camera_width", 96, "pixels", minimum=16, maximum=1920)
    height = say("camera_height", 64, "pixels", minimum=16, maximum=1080)
    return DrivingConfig(
        cameras=tuple(replace(camera, width=width, height=height) for camera in CAMERAS),
        start_anywhere=say("start_anywhere", True, "start at a random place of the track"),
        start_lateral_m=say("start_lateral_m", 0.0, "largest random offset of the start, m", minimum=0.0),
        start_heading_rad=say("start_heading_rad", 0.0, "largest random turn of the start, rad", minimum=0.0),
        disturbance_std_rad=say("disturbance_std_rad", 0.0, "noise on the executed steering, rad", minimum=0.0),
        disturbance_time_s=say("disturbance_time_s", 0.5, "how long that noise remembers, s", minimum=0.01),
        color_strength=say("color_strength", 0.0, "how far colours vary between episodes", minimum=0.0, maximum=1.0),
        look=LookConfig() if say("looks", False, "other colours, light and camera mounts in each episode") else None,
    )
