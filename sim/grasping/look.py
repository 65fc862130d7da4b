"""What the scene looks like: colours and light, the same for everybody or drawn by seed. No PyBullet."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from models.errors import SimulationError

__all__ = ["HELD_OUT_LOOK", "Look", "LookConfig"]

Color = tuple[float, float, float]

_STREAM = 0x6C6F6F6B


@dataclass(frozen=True, slots=True)
class Look:
    """Colours as red, green, blue from 0 to 1, and one lamp.

    Attributes:
        table: the table's top.
        background: whatever is neither table, arm nor object.
        target: what is to be grasped; nothing else is red.
        clutter: the other objects' colours, in turn.
        lamp: towards the lamp, in the base frame.
        ambient: brightness of what the lamp does not reach, 0 to 1.
        diffuse: what a surface that faces the lamp gains.
    """

    table: Color = (0.78, 0.72, 0.62)
    background: Color = (0.35, 0.38, 0.42)
    target: Color = (0.85, 0.10, 0.10)
    clutter: tuple[Color, ...] = (
        (0.15, 0.35, 0.80),
        (0.20, 0.60, 0.25),
        (0.90, 0.78, 0.15),
        (0.55, 0.30, 0.70),
        (0.20, 0.65, 0.70),
        (0.45, 0.45, 0.48),
    )
    lamp: tuple[float, float, float] = (0.4, -0.3, 1.0)
    ambient: float = 0.55
    diffuse: float = 0.45

    def __post_init__(self) -> None:
        """Reject a look that cannot be drawn.

        Raises:
            SimulationError: when clutter has no colour, or the lamp shines from below.
        """
        if not self.clutter:
            raise SimulationError("clutter needs at least one colour", found=self.clutter)
        if not self.lamp[2] > 0.0:
            raise SimulationError("the lamp must hang above the table", found=self.lamp)


#: Another table, another palette, light from the other side: for judging a policy that never saw it.
HELD_OUT_LOOK = Look(
    table=(0.32, 0.36, 0.34),
    background=(0.72, 0.70, 0.66),
    target=(0.72, 0.14, 0.18),
    clutter=((0.93, 0.93, 0.90), (0.15, 0.15, 0.18), (0.10, 0.45, 0.45), (0.70, 0.62, 0.85), (0.60, 0.75, 0.30)),
    lamp=(-0.6, 0.8, 0.7),
    ambient=0.45,
    diffuse=0.55,
)


@dataclass(frozen=True, slots=True)
class LookConfig:
    """How looks are drawn (domain randomisation, as Tobin et al. 2017). At zero every reset looks like ``look``.

    Attributes:
        look: what varied looks vary around.
        color_spread: how far each channel of each colour moves, up or down.
        light_spread: how far brightness moves (of 1), and the lamp wanders (of its height).
        camera_shift_m: how far cameras are moved along each axis of their mount.
        camera_turn_rad: how far cameras are turned about their mount's up axis, and tilted.
    """

    look: Look = field(default_factory=Look)
    color_spread: float = 0.0
    light_spread: float = 0.0
    camera_shift_m: float = 0.0
    camera_turn_rad: float = 0.0

    def __post_init__(self) -> None:
        """Reject spreads that are none.

        Raises:
            SimulationError: when one is negative or not finite, or leaves no light.
        """
        for name in ("color_spread", "light_spread", "camera_shift_m", "camera_turn_rad"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise SimulationError(f"LookConfig.{name} must not be negative", found=value)
        if self.light_spread >= min(self.look.ambient, 0.5):
            raise SimulationError("LookConfig.light_spread could put the light out", found=self.light_spread)

    def draw(self, seed: int) -> tuple[Look, np.random.Generator]:
        """The look of a reset, and the generator that draws its cameras' poses next."""
        rng = np.random.default_rng(np.random.SeedSequence([seed, _STREAM]))
        base = self.look

        def varied(color: Color) -> Color:
            moved = np.clip(np.array(color) + self.color_spread * rng.uniform(-1.0, 1.0, 3), 0.0, 1.0)
            return float(moved[0]), float(moved[1]), float(moved[2])

        east, north, brighter, stronger = (self.light_spread * rng.uniform(-1.0, 1.0, 4)).tolist()
        look = replace(
            base,
            table=varied(base.table),
            background=varied(base.background),
            target=varied(base.target),
            clutter=tuple(varied(color) for color in base.clutter),
            lamp=(base.lamp[0] + east * base.lamp[2], base.lamp[1] + north * base.lamp[2], base.lamp[2]),
            ambient=base.ambient + brighter,
            diffuse=base.diffuse + stronger * base.diffuse,
        )
        return look, rng
