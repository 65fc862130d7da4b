"""The course of the kart experiments: a narrow road, small noisy pictures, and a car that only steers.

As in Ross et al. 2011 (section 5.1, Super Tux Kart) the policy sees one picture of 25 x 19 pixels, and the car keeps
its speed. The difficulty is the camera's: noise of 130 of 255 on every pixel makes cloning fall two to five times a
lap, and more demonstrations help little, for a driver who stays in the middle of the road hardly shows what the
picture looks like beside it. One track a seed, and learners of one seed drive the same one from the same starts.
The kart (``sim.driving.kart``) stands for the car in PyBullet, which would take ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models.contract import Contract, parse_contract
from models.interactive import InProcess
from sim.driving.cameras import CameraConfig
from sim.driving.config import DrivingConfig
from sim.driving.expert import ExpertConfig
from sim.driving.in_process import DrivingDriver, DrivingTask, InProcessDriving, Overseer
from sim.driving.kart import KartWorld
from sim.driving.track_shape import TrackConfig

__all__ = ["CONTRACT", "PIXEL_NOISE", "SPEED_M_S", "course", "open_course"]

SPEED_M_S = 6.5
PIXEL_NOISE = 130.0
#: As the car's own front camera (``sim.driving.cameras``), in the size of the paper's pictures.
CAMERA = CameraConfig("front", (1.4, 0.0, 1.0), width=25, height=19)
CONTRACT: Contract = parse_contract(
    """
robot_type: understudy_kart
fps: 20
observations:
  observation.images.front:
    channel: {topic: /camera/front/image_raw, type: sensor_msgs/msg/Image}
    align: {strategy: hold, timeline: header}
    apply: [resize: [19, 25]]
actions:
  action:
    channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped, safety: zeros}
    align: {strategy: hold, timeline: header}
    select: [twist.linear.x, twist.angular.z]
limits:
  action:
    twist.linear.x: {min: 0, max: 8, rate: 10, unit: m/s, stop: 0}
    twist.angular.z: {min: -2.5, max: 2.5, rate: 15, unit: rad/s, stop: 0}
""",
    "kart",
)


def course(seed: int, *, puts_back: bool = True, pixel_noise: float = PIXEL_NOISE) -> DrivingTask:
    """The track of a seed, three metres wide, with bends both ways."""
    return DrivingTask(
        tracks=(seed,),
        world=DrivingConfig(track=TrackConfig(width_m=3.0, roughness=1.0), cameras=(CAMERA,)),
        # One speed everywhere: the steering is what is learned. A car that is put back is told the same speed.
        expert=ExpertConfig(
            top_speed_m_s=SPEED_M_S,
            slowest_m_s=SPEED_M_S,
            lateral_acceleration_m_s2=9.0,
            launch_margin_m_s=20.0,
        ),
        time_limit_s=60.0,
        puts_back=puts_back,
        pixel_noise=pixel_noise,
    )


@contextmanager
def open_course(seed: int, pixel_noise: float = PIXEL_NOISE) -> Iterator[tuple[InProcess, InProcessDriving]]:
    """Who collects on the course of a seed, and its world."""
    with InProcessDriving(course(seed, pixel_noise=pixel_noise), CONTRACT, KartWorld) as world:
        # Without costs, SEARN gets the imitation loss: a second of the expert behind each alternative takes most of
        # the time.
        yield InProcess(world, DrivingDriver(world), Overseer()), world
