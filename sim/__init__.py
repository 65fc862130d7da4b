"""Worlds, experts and Gymnasium environments that stand in for hardware. The only package that imports pybullet; never rclpy."""
