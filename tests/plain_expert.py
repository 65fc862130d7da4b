"""An expert that is none of our nodes: somebody's own, without our look around. To be started twice, killed, restarted.

Run: ``python -m tests.plain_expert --ros-args -r __node:=NAME -p speed:=METRES_PER_SECOND``.
"""

from __future__ import annotations

import time

import rclpy
from geometry_msgs.msg import TwistStamped
from rclpy.executors import ExternalShutdownException

from il_nodes.ros.qos import RELIABLE
from il_nodes.ros.stamps import ns_to_stamp

PERIOD_S = 0.05


def main() -> None:
    """Command the same speed at 20 Hz until a signal."""
    rclpy.init()
    node = rclpy.create_node("plain_expert")
    command = TwistStamped()
    command.twist.linear.x = node.declare_parameter("speed", 0.5).value
    publisher = node.create_publisher(TwistStamped, "/expert/cmd_vel", RELIABLE)

    def tick() -> None:
        command.header.stamp = ns_to_stamp(time.time_ns())
        publisher.publish(command)

    node.create_timer(PERIOD_S, tick)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        node.destroy_node()


if __name__ == "__main__":
    main()
