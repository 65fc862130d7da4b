"""The visible world in PyBullet: meshes to be seen, and a ground to stand on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pybullet

from models.errors import SimulationError
from sim.driving.road_mesh import Mesh

__all__ = ["build_scenery"]


def build_scenery(client: int, meshes: Sequence[Mesh]) -> None:
    """Show all meshes, and make the ground solid.

    The meshes go to PyBullet as files. Handed over as arrays, it never gives their memory back, and a world
    grows with every reset.

    Raises:
        SimulationError: when the files cannot be written.
    """
    plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, physicsClientId=client)
    # Kept by their names, files of the track before would be shown again.
    pybullet.setPhysicsEngineParameter(enableFileCaching=0, physicsClientId=client)
    with tempfile.TemporaryDirectory(prefix="understudy-scenery-") as folder:
        for number, mesh in enumerate(meshes):
            file = Path(folder, f"{number}.obj")
            try:
                file.write_text(mesh.wavefront())
            except OSError as error:
                raise SimulationError(f"{file} cannot be written", found=error.strerror, fix="free the disk") from error
            shape = pybullet.createVisualShape(
                pybullet.GEOM_MESH, fileName=str(file), rgbaColor=[*mesh.color, 1.0], physicsClientId=client
            )
            # The plane needs a visual shape of ours: without one PyBullet paints it as a chessboard.
            solid = plane if mesh.name == "ground" else -1
            body = pybullet.createMultiBody(0.0, solid, shape, physicsClientId=client)
            if solid == plane:
                # Bullet multiplies the two bodies' friction: 1 leaves the tyre's own.
                pybullet.changeDynamics(body, -1, lateralFriction=1.0, physicsClientId=client)
