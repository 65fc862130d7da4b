"""Worlds, experts and Gymnasium environments that stand in for hardware.

The only package that imports pybullet; never rclpy.
"""

from __future__ import annotations

__all__ = ["register"]

_ENVIRONMENTS = {
    "Understudy/Driving-v0": "sim.driving.environment:DrivingEnvironment",
    "Understudy/Grasping-v0": "sim.grasping.environment:GraspingEnvironment",
}


def register() -> None:
    """Make the environments known to ``gymnasium.make``; calling it twice is fine.

    Nothing heavy is imported here: PyBullet is loaded when an environment is made.
    """
    import gymnasium

    for name, entry_point in _ENVIRONMENTS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=entry_point)
