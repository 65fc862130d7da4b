"""Gymnasium's description of what a simulated world's cameras see."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from models.errors import SimulationError
from sim.simulated_world import SimulatedWorld

__all__ = ["image_key", "image_spaces"]


def image_key(camera: str) -> str:
    """The contract's key of a camera's images."""
    return f"observation.images.{camera}"


def image_spaces(world: SimulatedWorld, cameras: tuple[str, ...], shown: str | None) -> dict[str, gymnasium.Space[Any]]:
    """A space ``(height, width, 3)`` uint8 for each camera, by the contract's key.

    Args:
        world: closed when a camera does not exist, since the environment that asks will not.
        cameras: names of those that are observed.
        shown: the one that ``render`` shows, if any; it only has to exist.

    Raises:
        SimulationError: when a camera does not exist.
    """
    try:
        configs = {name: world.camera(name).config for name in cameras}
        if shown is not None:
            world.camera(shown)
    except SimulationError:
        world.close()
        raise
    return {
        image_key(name): gymnasium.spaces.Box(0, 255, (config.height, config.width, 3), np.uint8)
        for name, config in configs.items()
    }
