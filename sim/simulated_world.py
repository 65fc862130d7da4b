"""What every simulated world has: a PyBullet client of its own, a time step, and cameras.

Physics runs at 240 Hz, control at 20 Hz. A client is ``DIRECT`` (no window), so several worlds can live at once.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import pybullet

from models.errors import SimulationError
from sim.camera import Camera, Color, Image

__all__ = ["CONTROL_HZ", "PERIOD_NS", "PERIOD_S", "PHYSICS_STEPS", "SimulatedWorld"]

CONTROL_HZ = 20
# Physics steps of a control step: 240 Hz, PyBullet's own default, which its contact parameters are tuned for.
PHYSICS_STEPS = 12
PERIOD_S = 1.0 / CONTROL_HZ
PERIOD_NS = 1_000_000_000 // CONTROL_HZ
# Against PyBullet's 50, this saves a third of a step's time and more; a lap's end moves by 4 mm, and grips hold.
_SOLVER_ITERATIONS = 20
_GRAVITY_M_S2 = -9.81


class SimulatedWorld(ABC):
    """One PyBullet client and the cameras in it. Use a world as a context manager, or call ``close``."""

    def __init__(self) -> None:
        """Connect.

        Raises:
            SimulationError: when PyBullet gives no client.
        """
        self._client = int(pybullet.connect(pybullet.DIRECT))
        if self._client < 0:
            raise SimulationError("PyBullet gave no physics client", fix="close worlds that are no longer used")
        self._cameras: Mapping[str, Camera] = {}

    @abstractmethod
    def mount(self, camera: str) -> tuple[Sequence[float], Sequence[float]]:
        """Position (metres) and rotation (row by row) in the world of what a camera is fixed to, now."""

    @property
    @abstractmethod
    def background(self) -> Color:
        """Colour of what is drawn where nothing is."""

    def render(self, camera: str | None = None) -> Image:
        """Draw what a camera sees now, the first one by default: ``(height, width, 3)`` uint8 RGB.

        Raises:
            SimulationError: when the world is closed or has no such camera.
        """
        self._open_client()
        name = next(iter(self._cameras), "") if camera is None else camera
        return self.camera(name).render(*self.mount(name), self.background)

    def camera(self, name: str) -> Camera:
        """Return a camera by its name.

        Raises:
            SimulationError: when the world has no such camera.
        """
        if name not in self._cameras:
            nearest = difflib.get_close_matches(name, self._cameras, n=1)
            raise SimulationError(
                f"this world has no camera {name!r}",
                expected=", ".join(self._cameras),
                fix=f"did you mean {nearest[0]!r}?" if nearest else "",
            )
        return self._cameras[name]

    @property
    def camera_names(self) -> Sequence[str]:
        """What ``render`` accepts."""
        return tuple(self._cameras)

    @property
    def client(self) -> int:
        """PyBullet's id of this world, for measurements."""
        return self._open_client()

    def close(self) -> None:
        """Release the PyBullet client. Closing twice is fine."""
        client, self._client = self._client, -1
        if client >= 0 and pybullet.isConnected(client):
            pybullet.disconnect(client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_client(self) -> int:
        if self._client < 0:
            raise SimulationError("this world is closed", fix=f"open another {type(self).__name__}")
        return self._client

    def _check_reset(self, seed: int) -> None:
        """What every reset needs.

        Raises:
            SimulationError: when the world is closed or the seed is negative.
        """
        self._open_client()
        if seed < 0:
            raise SimulationError("a world's seed must not be negative", found=seed)

    def _empty(self) -> int:
        """Start over with nothing but gravity; the client.

        Rebuilt from nothing: a solver that kept its contacts would make an episode depend on the one before.
        """
        client = self._open_client()
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setGravity(0.0, 0.0, _GRAVITY_M_S2, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=PERIOD_S / PHYSICS_STEPS,
            numSolverIterations=_SOLVER_ITERATIONS,
            deterministicOverlappingPairs=1,
            physicsClientId=client,
        )
        return client

    def _advance(self) -> None:
        """Let the physics of one control step pass."""
        for _ in range(PHYSICS_STEPS):
            pybullet.stepSimulation(physicsClientId=self._client)
