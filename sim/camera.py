"""A camera on a robot or over it: how it is mounted, and the one call that draws a frame."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pybullet

from models.errors import SimulationError

if TYPE_CHECKING:
    from models.augment.ground_plane import GroundCamera

__all__ = ["Camera", "CameraConfig", "Color", "Image", "Light"]

Image = npt.NDArray[np.uint8]
Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """A pinhole camera fixed to its mount, a frame with x forward, y left and z up.

    Attributes:
        name: as in ``/camera/<name>/image_raw``.
        position_m: in the mount's frame.
        yaw_rad: positive looks to the left.
        pitch_rad: positive looks down.
        width: pixels.
        height: pixels.
        vertical_field_of_view_rad: across the image's height.
        near_m: nearest distance drawn.
        far_m: farthest distance drawn.
    """

    name: str
    position_m: tuple[float, float, float]
    yaw_rad: float = 0.0
    pitch_rad: float = math.radians(15.0)
    width: int = 96
    height: int = 64
    vertical_field_of_view_rad: float = math.radians(60.0)
    near_m: float = 0.1
    far_m: float = 150.0

    def __post_init__(self) -> None:
        """Reject a camera that cannot see.

        Raises:
            SimulationError: when a size or a distance is out of range.
        """
        if self.width < 1 or self.height < 1:
            raise SimulationError(f"camera {self.name!r} has no pixels", found=f"{self.width}x{self.height}")
        if not 0.0 < self.vertical_field_of_view_rad < math.pi or not 0.0 < self.near_m < self.far_m:
            raise SimulationError(f"camera {self.name!r} has an impossible view", found=self)

    @property
    def ground_camera(self) -> GroundCamera:
        """The same camera, as what warps its pictures needs to know it; its mount must stand on the ground.

        TinyRenderer samples a pixel at its corner: a point on the optical axis appears in column ``width / 2`` and row
        ``height / 2 - 1`` (measured; a test holds it), half a pixel from the image's middle.
        """
        from models.augment.ground_plane import GroundCamera  # brings OpenCV along, which a simulator does not need

        return GroundCamera(
            position_m=self.position_m,
            pitch_rad=self.pitch_rad,
            vertical_field_of_view_rad=self.vertical_field_of_view_rad,
            width=self.width,
            height=self.height,
            yaw_rad=self.yaw_rad,
            principal_point_px=(self.width / 2.0, self.height / 2.0 - 1.0),
        )


@dataclass(frozen=True, slots=True)
class Light:
    """One lamp, infinitely far away, and what comes from everywhere.

    Attributes:
        direction: towards the lamp, in the world.
        color: red, green, blue of the lamp, 0 to 1.
        ambient: brightness of a surface that the lamp does not reach.
        diffuse: what a surface that faces the lamp gains.
    """

    # From straight above: flat ground has one brightness everywhere, and so keeps the colour it was given.
    direction: tuple[float, float, float] = (0.0, 0.0, 1.0)
    color: Color = (1.0, 1.0, 1.0)
    ambient: float = 0.6
    diffuse: float = 0.4

    def arguments(self) -> dict[str, Any]:
        """What ``pybullet.getCameraImage`` calls all this; shadows and highlights cost time and are off."""
        return {
            "lightDirection": list(self.direction),
            "lightColor": list(self.color),
            "lightAmbientCoeff": self.ambient,
            "lightDiffuseCoeff": self.diffuse,
            "lightSpecularCoeff": 0.0,
            "shadow": 0,
        }


class Camera:
    """Draws what one camera sees, with PyBullet's CPU renderer. ``light`` may be exchanged between two frames."""

    def __init__(self, config: CameraConfig, client: int, light: Light | None = None) -> None:
        self.config = config
        self.light = light or Light()
        self._client = client
        cos_yaw, sin_yaw = math.cos(config.yaw_rad), math.sin(config.yaw_rad)
        cos_pitch, sin_pitch = math.cos(config.pitch_rad), math.sin(config.pitch_rad)
        # Rows of OpenGL's view frame (right, up, backward), in the mount's frame.
        right = np.array([sin_yaw, -cos_yaw, 0.0])
        forward = np.array([cos_yaw * cos_pitch, sin_yaw * cos_pitch, -sin_pitch])
        axes = np.stack([right, np.cross(right, forward), -forward])
        # Plain numbers: one small matrix a frame is faster without NumPy.
        self._axes: list[list[float]] = axes.tolist()
        self._offsets: list[float] = (axes @ np.array(config.position_m)).tolist()
        self._projection = _projection_matrix(config)

    def view_matrix(self, position: Sequence[float], rotation: Sequence[float]) -> list[float]:
        """OpenGL's view matrix, column by column (16 numbers), for a mount at this pose.

        Args:
            position: x, y, z in the world, metres.
            rotation: from the mount to the world, a matrix row by row (9 numbers).
        """
        rows = []
        for (forward, left, up), offset in zip(self._axes, self._offsets, strict=True):
            axis = [rotation[i] * forward + rotation[i + 1] * left + rotation[i + 2] * up for i in (0, 3, 6)]
            rows.append((*axis, -offset - sum(map(operator.mul, axis, position))))
        rows.append((0.0, 0.0, 0.0, 1.0))
        return [row[column] for column in range(4) for row in rows]

    def render(self, position: Sequence[float], rotation: Sequence[float], sky: Color) -> Image:
        """Draw ``(height, width, 3)`` uint8 RGB for a mount at this pose (see ``view_matrix``).

        Where nothing was drawn is sky. Painting it here takes 0.02 ms; walls of that colour around the world took the
        renderer 0.4 ms, and its own background is as white as the edge lines.
        """
        _, _, drawn, depth, _ = self.draw(self.view_matrix(position, rotation))
        shape = self.config.height, self.config.width
        rgba = np.asarray(drawn, dtype=np.uint8).reshape(*shape, 4)
        # One 32-bit pixel, and then one colour channel, at a time: a third of what indexing triples takes.
        empty = np.asarray(depth).reshape(shape) >= 1.0
        sky_rgba = np.array([*(round(255.0 * channel) for channel in sky), 255], dtype=np.uint8)
        np.copyto(rgba.view(np.uint32)[:, :, 0], sky_rgba.view(np.uint32), where=empty)
        pixels = np.empty((*shape, 3), dtype=np.uint8)
        for channel in range(3):
            pixels[:, :, channel] = rgba[:, :, channel]
        return pixels

    def draw(self, view_matrix: list[float]) -> tuple[Any, ...]:
        """The bare PyBullet call: width, height, RGBA, depth, segmentation."""
        drawn: tuple[Any, ...] = pybullet.getCameraImage(
            self.config.width,
            self.config.height,
            viewMatrix=view_matrix,
            projectionMatrix=self._projection,
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            physicsClientId=self._client,
            **self.light.arguments(),
        )
        return drawn


def _projection_matrix(config: CameraConfig) -> list[float]:
    """OpenGL's perspective matrix, column by column (16 numbers)."""
    focal = 1.0 / math.tan(config.vertical_field_of_view_rad / 2.0)
    depth = config.near_m - config.far_m
    matrix = np.zeros((4, 4))
    matrix[0, 0] = focal * config.height / config.width
    matrix[1, 1] = focal
    matrix[2, 2] = (config.near_m + config.far_m) / depth
    matrix[2, 3] = 2.0 * config.near_m * config.far_m / depth
    matrix[3, 2] = -1.0
    columns: list[float] = matrix.T.ravel().tolist()
    return columns
