"""How a world looks, drawn from a seed: domain randomisation of colours, light and cameras.

A policy that was trained under many looks takes the real one for another variation (Tobin et al. 2017, "Domain
Randomization for Transferring Deep Neural Networks from Simulation to the Real World"). Nothing here moves the car or
the road: equal seeds give equal drives whatever they look like.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.errors import SimulationError
from sim.camera import CameraConfig, Light
from sim.driving.cameras import CHASE_CAMERA
from sim.driving.road_mesh import Appearance, Color

__all__ = ["Look", "LookConfig"]


@dataclass(frozen=True, slots=True)
class LookConfig:
    """How far a look may be from the default one; every value is drawn evenly from both sides of it.

    Attributes:
        colors: of ground, road, lines and sky, each channel in [0, 1].
        brightness: of the light, as a share of it.
        light_color: of each channel of the light, as a share of it; only darker, since it is at its brightest.
        light_tilt_rad: of the light's direction from straight above.
        camera_shift_m: of every camera, along each axis of the car.
        camera_turn_rad: of every camera's yaw and pitch.
        field_of_view_rad: of every camera's vertical field of view.
    """

    colors: float = 0.15
    brightness: float = 0.2
    light_color: float = 0.1
    light_tilt_rad: float = 0.8
    camera_shift_m: float = 0.03
    camera_turn_rad: float = 0.02
    field_of_view_rad: float = 0.03

    def __post_init__(self) -> None:
        """Reject looks that no seed should draw.

        Raises:
            SimulationError: when a value is out of range.
        """
        largest = {"colors": 1.0, "brightness": 0.9, "light_color": 0.9, "light_tilt_rad": 1.4}
        largest |= {"camera_shift_m": 0.5, "camera_turn_rad": 0.5, "field_of_view_rad": 0.5}
        for name, limit in largest.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= limit):
                raise SimulationError(f"LookConfig.{name} is out of range", found=value, expected=f"0 to {limit}")


@dataclass(frozen=True, slots=True)
class Look:
    """One look.

    Attributes:
        appearance: colours.
        light: what falls on them.
        cameras: where they really are; the one for people stays.
    """

    appearance: Appearance
    light: Light
    cameras: tuple[CameraConfig, ...]

    @classmethod
    def from_seed(
        cls, seed: int, cameras: Sequence[CameraConfig], config: LookConfig | None = None, color_strength: float = 0.0
    ) -> Look:
        """Draw a look.

        Args:
            seed: equal seeds draw equal looks, and each part of it whatever the strengths of the others.
            cameras: where they are meant to be.
            config: how far from the default; ``None`` for the default itself.
            color_strength: of the colours alone, where there is no ``config``.
        """
        if config is None:
            appearance = Appearance.from_seed(seed, color_strength) if color_strength > 0.0 else Appearance()
            return cls(appearance, Light(), tuple(cameras))
        light, *poses = (
            np.random.default_rng(s) for s in np.random.SeedSequence([seed, 0x6C6F6F6B]).spawn(1 + len(cameras))
        )
        return cls(
            Appearance.from_seed(seed, config.colors),
            _drawn_light(light, config),
            tuple(_drawn_camera(random, camera, config) for random, camera in zip(poses, cameras, strict=True)),
        )


def _drawn_light(random: np.random.Generator, config: LookConfig) -> Light:
    default = Light()
    brightness = 1.0 + config.brightness * random.uniform(-1.0, 1.0)
    red, green, blue = (1.0 - config.light_color * random.uniform(0.0, 1.0, 3)).tolist()
    color: Color = (red, green, blue)
    tilt, heading = config.light_tilt_rad * random.uniform(), random.uniform(0.0, 2.0 * math.pi)
    across = math.sin(tilt)
    return Light(
        direction=(across * math.cos(heading), across * math.sin(heading), math.cos(tilt)),
        color=color,
        ambient=default.ambient * brightness,
        diffuse=default.diffuse * brightness,
    )


def _drawn_camera(random: np.random.Generator, camera: CameraConfig, config: LookConfig) -> CameraConfig:
    if camera.name == CHASE_CAMERA.name:
        return camera
    x, y, z = (np.array(camera.position_m) + config.camera_shift_m * random.uniform(-1.0, 1.0, 3)).tolist()
    yaw, pitch = (config.camera_turn_rad * random.uniform(-1.0, 1.0, 2)).tolist()
    lens = config.field_of_view_rad * random.uniform(-1.0, 1.0)
    return replace(
        camera,
        position_m=(x, y, z),
        yaw_rad=camera.yaw_rad + yaw,
        pitch_rad=camera.pitch_rad + pitch,
        vertical_field_of_view_rad=camera.vertical_field_of_view_rad + lens,
    )
