"""The visible world in PyBullet: meshes to be seen, and a ground to stand on."""

from __future__ import annotations

from collections.abc import Sequence

import pybullet

from sim.driving.road_mesh import Mesh

__all__ = ["build_scenery"]


def build_scenery(client: int, meshes: Sequence[Mesh]) -> None:
    """Show all meshes, and make the ground solid."""
    plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, physicsClientId=client)
    for mesh in meshes:
        shape = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=mesh.vertices.tolist(),
            indices=mesh.indices.ravel().tolist(),
            normals=[mesh.normal] * len(mesh.vertices),
            rgbaColor=[*mesh.color, 1.0],
            physicsClientId=client,
        )
        # The plane needs a visual shape of ours: without one PyBullet paints it as a chessboard.
        solid = plane if mesh.name == "ground" else -1
        body = pybullet.createMultiBody(0.0, solid, shape, physicsClientId=client)
        if solid == plane:
            # Bullet multiplies the two bodies' friction: 1 leaves the tyre's own.
            pybullet.changeDynamics(body, -1, lateralFriction=1.0, physicsClientId=client)
