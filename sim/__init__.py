"""Worlds, experts and Gymnasium environments that stand in for hardware.

The only package that imports pybullet; never rclpy.
"""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """Make the environments known to ``gymnasium.make``; calling it twice is fine.

    Nothing heavy is imported here: PyBullet is loaded when an environment is made.
    """
    import gymnasium

    if "Understudy/Driving-v0" not in gymnasium.registry:
        gymnasium.register(id="Understudy/Driving-v0", entry_point="sim.driving.environment:DrivingEnvironment")
