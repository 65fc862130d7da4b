"""The table and what lies on it, in PyBullet."""

from __future__ import annotations

from collections.abc import Sequence

import pybullet

from sim.grasping.look import Color, Look
from sim.grasping.objects import ObjectPose, SceneObject

__all__ = ["Table"]

# Half sizes; the arm's base stands on the near end.
_HALF_M = (0.55, 0.6, 0.02)
_CENTRE_M = (0.4, 0.0, -0.02)
# Bullet multiplies the two bodies' friction: objects slide on the table as wood does, 0.4.
_TABLE_FRICTION, _OBJECT_FRICTION = 0.7, 0.6
# A cylinder that was knocked over stops within a hand's breadth.
_ROLLING_FRICTION = 0.002
_DENSITY_KG_M3 = 700.0


class Table:
    """One table in one PyBullet client. It is gone when that client's simulation is reset."""

    def __init__(self, client: int, scene: Sequence[SceneObject], look: Look) -> None:
        self._client = client
        self._shapes = tuple(item.shape for item in scene)
        self.body = self._box(0.0, _HALF_M, _CENTRE_M, look.table)
        pybullet.changeDynamics(self.body, -1, lateralFriction=_TABLE_FRICTION, physicsClientId=client)
        colors = (look.target, *(look.clutter[index % len(look.clutter)] for index in range(len(scene) - 1)))
        self.objects = tuple(self._add(item, color) for item, color in zip(scene, colors, strict=True))

    def read(self) -> tuple[SceneObject, ...]:
        """Read where everything is now, the target first."""
        found = []
        for shape, body in zip(self._shapes, self.objects, strict=True):
            position, quaternion = pybullet.getBasePositionAndOrientation(body, physicsClientId=self._client)
            found.append(SceneObject(shape, ObjectPose(position, quaternion)))
        return tuple(found)

    def knock(self, index: int, velocity_m_s: tuple[float, float, float]) -> None:
        """Add a velocity to an object's own."""
        body = self.objects[index]
        linear, angular = pybullet.getBaseVelocity(body, physicsClientId=self._client)
        faster = [before + added for before, added in zip(linear, velocity_m_s, strict=True)]
        pybullet.resetBaseVelocity(body, faster, angular, physicsClientId=self._client)

    def _add(self, item: SceneObject, color: Color) -> int:
        client, (x, y, z) = self._client, item.shape.size_m
        mass = _DENSITY_KG_M3 * item.shape.volume_m3
        if item.shape.kind == "box":
            body = self._box(mass, (x / 2.0, y / 2.0, z / 2.0), item.pose.position_m, color, item.pose.quaternion)
        else:
            solid = pybullet.createCollisionShape(
                pybullet.GEOM_CYLINDER, radius=x / 2.0, height=z, physicsClientId=client
            )
            seen = pybullet.createVisualShape(
                pybullet.GEOM_CYLINDER, radius=x / 2.0, length=z, rgbaColor=[*color, 1.0], physicsClientId=client
            )
            body = pybullet.createMultiBody(
                mass, solid, seen, item.pose.position_m, item.pose.quaternion, physicsClientId=client
            )
        pybullet.changeDynamics(
            body,
            -1,
            lateralFriction=_OBJECT_FRICTION,
            rollingFriction=_ROLLING_FRICTION,
            spinningFriction=_ROLLING_FRICTION,
            restitution=0.0,
            physicsClientId=client,
        )
        return int(body)

    def _box(
        self,
        mass_kg: float,
        half_m: tuple[float, float, float],
        position_m: tuple[float, float, float],
        color: Color,
        quaternion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 1.0),
    ) -> int:
        client = self._client
        solid = pybullet.createCollisionShape(pybullet.GEOM_BOX, halfExtents=half_m, physicsClientId=client)
        seen = pybullet.createVisualShape(
            pybullet.GEOM_BOX, halfExtents=half_m, rgbaColor=[*color, 1.0], physicsClientId=client
        )
        return int(pybullet.createMultiBody(mass_kg, solid, seen, position_m, quaternion, physicsClientId=client))
