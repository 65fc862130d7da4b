"""The visible world as flat triangle meshes: ground, asphalt, edge lines, a dashed centre line.

TinyRenderer costs little per triangle and much per pixel (measured: 96x64 takes 2.0 ms with 120 triangles and 2.3 ms
with 900), so the whole road is drawn at all times. Nothing here collides: the car drives on an infinite plane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.driving.track import Track
from sim.driving.track_shape import Array

__all__ = ["DASH_M", "LINE_WIDTH_M", "MARGIN_M", "Appearance", "Color", "Mesh", "road_meshes"]

Color = tuple[float, float, float]

# Layers lie 1 cm apart and the ground 5 cm below, so that the depth buffer keeps their order 60 m away.
_GROUND_Z_M = -0.05
_ROAD_Z_M = 0.0
_LINE_Z_M = 0.01
LINE_WIDTH_M = 0.18
# One dash and one gap of the centre line, each.
DASH_M = 1.5
# Longest side of a piece of road: on a radius of 5 m its chord is 2.5 cm from the arc.
_PIECE_M = 1.0
# The ground reaches this far beyond the track's outermost point.
MARGIN_M = 25.0


@dataclass(frozen=True, slots=True)
class Appearance:
    """Colours, each red, green, blue in [0, 1]."""

    ground: Color = (0.28, 0.50, 0.20)
    road: Color = (0.20, 0.20, 0.22)
    edge: Color = (0.95, 0.95, 0.95)
    centre: Color = (0.92, 0.78, 0.10)
    sky: Color = (0.62, 0.78, 0.95)

    @classmethod
    def from_seed(cls, seed: int, strength: float = 0.15) -> Appearance:
        """Vary every channel of the default colours by up to ``strength`` (uniform), for domain randomisation."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, 0x636F6C6F]))

        def varied(color: Color) -> Color:
            red, green, blue = np.clip(np.array(color) + rng.uniform(-strength, strength, 3), 0.0, 1.0).tolist()
            return red, green, blue

        default = cls()
        return cls(
            ground=varied(default.ground),
            road=varied(default.road),
            edge=varied(default.edge),
            centre=varied(default.centre),
            sky=varied(default.sky),
        )


@dataclass(frozen=True, slots=True)
class Mesh:
    """Triangles of one colour.

    Attributes:
        name: what it shows.
        vertices: ``(n, 3)`` metres in the world.
        indices: ``(m, 3)`` corners of every triangle.
        normal: the one normal that all vertices share; it decides how bright the colour is drawn.
        color: red, green, blue in [0, 1].
    """

    name: str
    vertices: Array
    indices: npt.NDArray[np.int64]
    normal: tuple[float, float, float]
    color: Color

    def wavefront(self) -> str:
        """The same as the text of an OBJ file; nine digits are all that a renderer's 32-bit numbers hold."""
        places = "".join("v {:.9g} {:.9g} {:.9g}\n".format(*vertex) for vertex in self.vertices.tolist())
        normal = "vn {:.9g} {:.9g} {:.9g}\n".format(*self.normal)
        faces = "".join("f {}//1 {}//1 {}//1\n".format(*corners) for corners in (self.indices + 1).tolist())
        return places + normal + faces


def road_meshes(track: Track, appearance: Appearance) -> tuple[Mesh, ...]:
    """Return everything that a camera sees besides the car."""
    half, line = track.width_m / 2.0, LINE_WIDTH_M
    centre = track.points.mean(axis=0)
    reach = float(np.max(np.linalg.norm(track.points - centre, axis=1))) + MARGIN_M
    return (
        _ground(centre, reach, appearance.ground),
        _ribbon("road", track, half, -half, _ROAD_Z_M, appearance.road),
        _ribbon("left edge line", track, half, half - line, _LINE_Z_M, appearance.edge),
        _ribbon("right edge line", track, line - half, -half, _LINE_Z_M, appearance.edge),
        _ribbon("centre line", track, line / 2.0, -line / 2.0, _LINE_Z_M, appearance.centre, dash_m=DASH_M),
    )


def _ribbon(
    name: str, track: Track, left_m: float, right_m: float, z_m: float, color: Color, dash_m: float | None = None
) -> Mesh:
    """A strip along the whole track between two offsets; dashed, it leaves out every other ``dash_m``."""
    pieces = math.ceil(track.length_m / (_PIECE_M if dash_m is None else dash_m))
    if dash_m is not None:
        pieces += pieces % 2  # so that the pattern meets itself at the start
    chosen = np.linspace(0, len(track.points), pieces, endpoint=False).astype(np.int64)
    sides = np.stack([track.offset(left_m)[chosen], track.offset(right_m)[chosen]], axis=1)
    vertices = np.concatenate([sides.reshape(-1, 2), np.full((2 * pieces, 1), z_m)], axis=1)
    first = 2 * np.arange(pieces)
    if dash_m is not None:
        first = first[::2]
    left, right, next_left, next_right = first, first + 1, (first + 2) % (2 * pieces), (first + 3) % (2 * pieces)
    indices = np.concatenate([np.stack([left, right, next_left], 1), np.stack([right, next_right, next_left], 1)])
    return Mesh(name, vertices, indices, (0.0, 0.0, 1.0), color)


def _ground(centre: Array, reach: float, color: Color) -> Mesh:
    corners = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * reach + centre
    vertices = np.concatenate([corners, np.full((4, 1), _GROUND_Z_M)], axis=1)
    return Mesh("ground", vertices, np.array([[0, 1, 2], [0, 2, 3]]), (0.0, 0.0, 1.0), color)
