"""ROS 2: nodes, and the code that turns messages into arrays.

The only package that imports rclpy. On a robot it loads neither torch nor pybullet.
"""
