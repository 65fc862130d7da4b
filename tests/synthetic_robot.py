"""A robot in a process: sensors as drivers publish them, and a driver that listens. Each topic can be broken.

Run: ``python -m tests.synthetic_robot``. The parameter ``faults`` lists what is wrong with it: ``silent``, ``slow``,
``jittery``, ``unstamped``, ``standing``, ``late``, ``future``, ``not_finite``, ``small``, ``wrong_type``,
``no_driver``, ``second_commander``, ``wild_commander``.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from geometry_msgs.msg import Twist
from nav_msgs.msg import OccupancyGrid, Odometry
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sensor_msgs.msg import Image, Imu, JointState
from std_msgs.msg import Float64

from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import ns_to_stamp

JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
CAMERA, JOINT_STATES, ODOMETRY, IMU, MAP = "/camera/front/image_raw", "/joint_states", "/odom", "/imu/data", "/map"
RANGE, COMMAND = "/gripper_gap", "/cmd_vel"


class SyntheticRobot(UnderstudyNode):
    """Publishes at 20 Hz (camera, gap), 40 Hz (odometry) and 50 Hz (joints, IMU)."""

    def __init__(self) -> None:
        super().__init__("robot")
        self._declare()

    def _declare(self) -> None:
        self._faults = set(self.parameter("faults", [""], "what is wrong with this robot"))

    def configure(self) -> None:
        self._declare()
        self._tick = 0
        small = "small" in self._faults
        self._height, self._width = (48, 80) if small else (480, 640)
        self._pixels = bytes(self._height * self._width * 3)
        camera_qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._camera = self.advertise(CAMERA, Image, camera_qos)
        self._joints = self.advertise(JOINT_STATES, JointState, qos_profile_sensor_data)
        odometry = Imu if "wrong_type" in self._faults else Odometry
        self._odometry = self.advertise(ODOMETRY, odometry, RELIABLE)
        self._imu = self.advertise(IMU, Imu, qos_profile_sensor_data)
        self._gap = self.advertise(RANGE, Float64, RELIABLE)
        self._map = self.advertise(MAP, OccupancyGrid, LATCHED)
        if "no_driver" not in self._faults:
            self.subscribe(COMMAND, Twist, lambda _: None, RELIABLE)
        if self._faults & {"second_commander", "wild_commander"}:
            self._commander = self.advertise(COMMAND, Twist, RELIABLE)
            self.steady_timer(0.05, self._command)
        self.steady_timer(0.05, self._slow_sensors)
        self.steady_timer(0.025, self._publish_odometry)
        self.steady_timer(0.02, self._fast_sensors)

    def _stamp(self, offset_s: float = 0.0) -> Any:
        return ns_to_stamp(self.get_clock().now().nanoseconds + round(offset_s * 1e9))

    def _slow_sensors(self) -> None:
        self._tick += 1
        self._gap.publish(Float64(data=0.01 * math.sin(self._tick)))
        if self._tick == 1:
            self._map.publish(OccupancyGrid())
        if "silent" in self._faults:
            return
        if "slow" in self._faults and self._tick % 4:
            return
        if "jittery" in self._faults and self._tick % 5 in (0, 1, 2):
            return
        image = Image(height=self._height, width=self._width, encoding="rgb8", step=3 * self._width)
        image.header.stamp = self._stamp(-0.4 if "late" in self._faults else 0.0)
        first = self._tick % 250
        image.data.frombytes(bytes([first]) + self._pixels[1:])
        self._camera.publish(image)

    def _publish_odometry(self) -> None:
        if "wrong_type" in self._faults:
            self._odometry.publish(Imu())
            return
        message = Odometry()
        message.header.stamp = self._stamp(0.5 if "future" in self._faults else 0.0)
        message.twist.twist.linear.x = 0.3 + 0.1 * math.sin(self._tick)
        self._odometry.publish(message)

    def _fast_sensors(self) -> None:
        joints = JointState(name=list(JOINTS), position=[0.1 * i for i in range(6)], velocity=[0.0] * 6)
        if "not_finite" in self._faults:
            joints.position[2] = math.nan
        joints.position[0] = 0.01 * math.sin(self._tick)
        if "unstamped" not in self._faults:
            joints.header.stamp = ns_to_stamp(10**18) if "standing" in self._faults else self._stamp()
        self._joints.publish(joints)
        imu = Imu()
        imu.header.stamp = self._stamp()
        imu.angular_velocity.z = 0.2 * math.sin(self._tick)
        imu.orientation_covariance[0] = -1.0
        self._imu.publish(imu)

    def _command(self) -> None:
        message = Twist()
        message.linear.x = 9.0 if "wild_commander" in self._faults else 0.3 * abs(math.sin(self._tick))
        message.angular.z = 0.4 * math.sin(self._tick)
        self._commander.publish(message)


if __name__ == "__main__":
    sys.exit(run_node(SyntheticRobot, None, "robot"))
