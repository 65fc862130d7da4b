"""The car in PyBullet: an Ackermann kart with limited steering speed and drive torque (shape and masses: ``car.urdf``).

Commands follow ros2_controllers' ``ackermann_steering_controller``: a speed and a yaw rate, turned into the steering
angle of a bicycle, ``atan(wheelbase * yaw_rate / speed)``, and then into one angle per front wheel. The rear wheels
are velocity servos with limited torque, the steering joints position servos with limited speed; both run inside
PyBullet's solver at the physics rate, so a control step costs four calls however many physics steps it spans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import pybullet

from models.errors import SimulationError

__all__ = [
    "SLOWEST_STEERED_M_S",
    "STEERING_GAIN",
    "TRACK_WIDTH_M",
    "WHEELBASE_M",
    "WHEEL_RADIUS_M",
    "Car",
    "CarConfig",
    "CarState",
    "steering_of",
]

# As in car.urdf; a test compares.
WHEELBASE_M = 1.2
TRACK_WIDTH_M = 1.0
WHEEL_RADIUS_M = 0.2
MASS_KG = 144.0
# Where the body's centre of mass, which is what PyBullet moves, lies in base_link.
_CENTRE_OF_MASS = (0.6, 0.0, 0.26)
# Below this commanded speed a yaw rate no longer says how much to steer (the quotient diverges at standstill).
SLOWEST_STEERED_M_S = 0.5
# Strong enough to turn standing tyres, weak enough not to shake the body.
_STEERING_TORQUE_NM = 200.0
# Part of the remaining angle that the steering wants to cover in a physics step: settled within 0.05 s.
STEERING_GAIN = 0.3


@dataclass(frozen=True, slots=True)
class CarConfig:
    """What the actuators and tyres can do.

    Attributes:
        top_speed_m_s: commands above it are cut; negative ones become 0 (there is no reverse gear).
        largest_steering_rad: of the bicycle's front wheel; 0.6 rad turns on a radius of 1.75 m.
        steering_rate_rad_s: highest speed of the steering.
        acceleration_m_s2: what the drive's torque limit gives, up and down.
        friction: of the tyres on the road.
    """

    top_speed_m_s: float = 8.0
    largest_steering_rad: float = 0.6
    steering_rate_rad_s: float = 3.5
    acceleration_m_s2: float = 3.5
    friction: float = 1.0

    def __post_init__(self) -> None:
        """Reject a car that cannot drive.

        Raises:
            SimulationError: when a value is not positive, or the steering goes beyond the URDF's joint limit.
        """
        for name in ("top_speed_m_s", "largest_steering_rad", "steering_rate_rad_s", "acceleration_m_s2", "friction"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise SimulationError(f"CarConfig.{name} must be positive", found=value)
        # The inner wheel's angle at 0.62 rad is 0.79, at the joint's limit of 0.8.
        if self.largest_steering_rad > 0.62:
            raise SimulationError(
                "the front wheels cannot be turned that far", found=self.largest_steering_rad, expected="at most 0.62"
            )


@dataclass(frozen=True, slots=True)
class CarState:
    """Where the car is and how it moves, exactly. ``base_link`` is the ground below the middle of the rear axle.

    Attributes:
        position_m: x, y, z of ``base_link`` in the world.
        quaternion: x, y, z, w of ``base_link`` in the world.
        yaw_rad: heading in [-pi, pi).
        rotation: from ``base_link`` to the world, a matrix row by row (9 numbers).
        velocity_m_s: forward, left, up speed of ``base_link`` in its own frame.
        angular_velocity_rad_s: about the forward, left, up axis.
    """

    position_m: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]
    yaw_rad: float
    rotation: tuple[float, ...]
    velocity_m_s: tuple[float, float, float]
    angular_velocity_rad_s: tuple[float, float, float]

    @property
    def speed_m_s(self) -> float:
        """Forward speed."""
        return self.velocity_m_s[0]

    @property
    def yaw_rate_rad_s(self) -> float:
        """Turning speed about the car's own up axis, positive to the left."""
        return self.angular_velocity_rad_s[2]


class Car:
    """One car in one PyBullet client. It is gone when that client's simulation is reset."""

    def __init__(self, client: int, config: CarConfig) -> None:
        self.config = config
        self._client = client
        with resources.as_file(resources.files("sim.driving") / "car.urdf") as urdf:
            self.body = int(pybullet.loadURDF(str(urdf), physicsClientId=client))
        joints = {
            pybullet.getJointInfo(self.body, index, physicsClientId=client)[1].decode(): index
            for index in range(pybullet.getNumJoints(self.body, physicsClientId=client))
        }
        self._joints = tuple(joints.values())
        self.steering_joints = (joints["front_left_steering"], joints["front_right_steering"])
        self.driven_joints = (joints["rear_left_axle"], joints["rear_right_axle"])
        self._free_joints = (joints["front_left_axle"], joints["front_right_axle"])
        wheels = (*self.driven_joints, *self._free_joints)
        for wheel in wheels:
            pybullet.changeDynamics(self.body, wheel, lateralFriction=config.friction, physicsClientId=client)
        for link in (-1, *self._joints):
            # Bullet's default damping stands for air; at these speeds the drive would only fight it.
            pybullet.changeDynamics(self.body, link, linearDamping=0.0, angularDamping=0.0, physicsClientId=client)
        self.drive_torque_nm = MASS_KG * config.acceleration_m_s2 * WHEEL_RADIUS_M / len(self.driven_joints)

    def place(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        """Put ``base_link`` there, standing still with the wheels straight."""
        quaternion = (0.0, 0.0, math.sin(yaw_rad / 2.0), math.cos(yaw_rad / 2.0))
        cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
        ahead, _, up = _CENTRE_OF_MASS
        position = (x_m + cos * ahead, y_m + sin * ahead, up)
        pybullet.resetBasePositionAndOrientation(self.body, position, quaternion, physicsClientId=self._client)
        pybullet.resetBaseVelocity(self.body, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), physicsClientId=self._client)
        for joint in self._joints:
            pybullet.resetJointState(self.body, joint, 0.0, 0.0, physicsClientId=self._client)
        for joint in self._free_joints:
            # PyBullet brakes every joint by default; the front wheels roll.
            self._servo(joint, pybullet.VELOCITY_CONTROL, force=0.0)

    def displace(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        """Put a moving ``base_link`` there: it keeps its speed along its new heading, and its wheels theirs."""
        before = self.state()
        turn = yaw_rad - before.yaw_rad
        cos, sin = math.cos(turn), math.sin(turn)
        position, quaternion = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self._client)
        linear, angular = pybullet.getBaseVelocity(self.body, physicsClientId=self._client)
        arm_x, arm_y = position[0] - before.position_m[0], position[1] - before.position_m[1]
        place = (x_m + cos * arm_x - sin * arm_y, y_m + sin * arm_x + cos * arm_y, position[2])
        turned = pybullet.getQuaternionFromEuler((0.0, 0.0, turn))
        _, quaternion = pybullet.multiplyTransforms((0.0, 0.0, 0.0), turned, (0.0, 0.0, 0.0), quaternion)
        pybullet.resetBasePositionAndOrientation(self.body, place, quaternion, physicsClientId=self._client)
        moved = tuple((cos * x - sin * y, sin * x + cos * y, z) for x, y, z in (linear, angular))
        pybullet.resetBaseVelocity(self.body, *moved, physicsClientId=self._client)

    def drive(self, speed_m_s: float, yaw_rate_rad_s: float, steering_disturbance_rad: float = 0.0) -> None:
        """Hand a command to the servos: speed, yaw rate, and what is added to the steering that they ask for."""
        for joint, mode, targets in self.servo_targets(speed_m_s, yaw_rate_rad_s, steering_disturbance_rad):
            self._servo(joint, mode, **targets)

    def servo_targets(
        self, speed_m_s: float, yaw_rate_rad_s: float, steering_disturbance_rad: float = 0.0
    ) -> list[tuple[int, int, dict[str, float]]]:
        """Return joint, control mode and targets of every servo for a command; nothing moves."""
        speed, steering = steering_of(self.config, speed_m_s, yaw_rate_rad_s, steering_disturbance_rad)
        curvature = math.tan(steering) / WHEELBASE_M
        half = TRACK_WIDTH_M / 2.0
        servos: list[tuple[int, int, dict[str, float]]] = []
        for joint, side in zip(self.steering_joints, (half, -half), strict=True):
            # Ackermann: all wheels turn about one point on the rear axle's line.
            turn = {
                "targetPosition": math.atan(WHEELBASE_M * curvature / (1.0 - side * curvature)),
                "positionGain": STEERING_GAIN,
                "maxVelocity": self.config.steering_rate_rad_s,
                "force": _STEERING_TORQUE_NM,
            }
            servos.append((joint, pybullet.POSITION_CONTROL, turn))
        for joint, side in zip(self.driven_joints, (half, -half), strict=True):
            spin = speed * (1.0 - side * curvature) / WHEEL_RADIUS_M
            servos.append((joint, pybullet.VELOCITY_CONTROL, {"targetVelocity": spin, "force": self.drive_torque_nm}))
        return servos

    def state(self) -> CarState:
        """Read the exact state."""
        position, quaternion = pybullet.getBasePositionAndOrientation(self.body, physicsClientId=self._client)
        linear, angular = pybullet.getBaseVelocity(self.body, physicsClientId=self._client)
        rotation = pybullet.getMatrixFromQuaternion(quaternion)
        # Plain numbers: for three of them, NumPy takes several times as long. The body is rigid, so base_link moves
        # like the centre of mass, less its turning about it (angular velocity x arm).
        (arm_x, _, arm_z), (x, y, z) = _CENTRE_OF_MASS, position
        roll_rate, pitch_rate, yaw_rate = _in_body(rotation, angular)
        forward, leftward, upward = _in_body(rotation, linear)
        return CarState(
            position_m=(
                x - rotation[0] * arm_x - rotation[2] * arm_z,
                y - rotation[3] * arm_x - rotation[5] * arm_z,
                z - rotation[6] * arm_x - rotation[8] * arm_z,
            ),
            quaternion=quaternion,
            yaw_rad=math.atan2(rotation[3], rotation[0]),
            rotation=rotation,
            velocity_m_s=(
                forward - pitch_rate * arm_z,
                leftward - yaw_rate * arm_x + roll_rate * arm_z,
                upward + pitch_rate * arm_x,
            ),
            angular_velocity_rad_s=(roll_rate, pitch_rate, yaw_rate),
        )

    def steering_rad(self) -> float:
        """Read the bicycle's steering angle, positive to the left: what both front wheels say on average."""
        curvature = 0.0
        for joint, side in zip(self.steering_joints, (TRACK_WIDTH_M / 2.0, -TRACK_WIDTH_M / 2.0), strict=True):
            tangent = math.tan(pybullet.getJointState(self.body, joint, physicsClientId=self._client)[0])
            curvature += tangent / (WHEELBASE_M + side * tangent) / 2.0
        return math.atan(WHEELBASE_M * curvature)

    def _servo(self, joint: int, mode: int, **targets: float) -> None:
        pybullet.setJointMotorControl2(self.body, joint, mode, physicsClientId=self._client, **targets)


def steering_of(
    config: CarConfig, speed_m_s: float, yaw_rate_rad_s: float, steering_disturbance_rad: float = 0.0
) -> tuple[float, float]:
    """The speed (m/s) and the bicycle's steering angle (rad) that a command asks for, within what the car can do."""
    speed = min(config.top_speed_m_s, max(0.0, speed_m_s))
    steering = math.atan(WHEELBASE_M * yaw_rate_rad_s / max(speed, SLOWEST_STEERED_M_S))
    limit = config.largest_steering_rad
    return speed, min(limit, max(-limit, steering + steering_disturbance_rad))


def _in_body(rotation: Sequence[float], vector: Sequence[float]) -> tuple[float, float, float]:
    """A vector of the world in the body's frame: the rotation's transpose times it."""
    x, y, z = vector
    return (
        rotation[0] * x + rotation[3] * y + rotation[6] * z,
        rotation[1] * x + rotation[4] * y + rotation[7] * z,
        rotation[2] * x + rotation[5] * y + rotation[8] * z,
    )
