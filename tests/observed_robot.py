"""A robot whose images and speeds tell their own time, for tests of the observation path."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ros_messages import CAMERA, ODOMETRY, image_cdr, make_contract, odometry_cdr

from il_nodes.observation.assembler import ObservationAssembler
from models.data import Observation

MS = 1_000_000
IMAGES, STATE = "observation.images.front", "observation.state"


def image(stamp_ns: int, value: int | None = None, size: int = 2) -> bytes:
    """An image whose pixels tell its time, in ticks of 50 ms unless told otherwise."""
    shade = (stamp_ns // (50 * MS) if value is None else value) % 256
    return image_cdr(stamp_ns, np.full((size, size, 3), shade, np.uint8))


def odometry(stamp_ns: int, speed: float | None = None) -> bytes:
    """Odometry whose speed tells its time in milliseconds unless told otherwise."""
    return odometry_cdr(stamp_ns, stamp_ns / MS if speed is None else speed, 0.5)


class Robot:
    """An assembler with a clock; every call collects what is emitted."""

    def __init__(self, settle_s: float = 0.005, **contract: object) -> None:
        self.assembler = ObservationAssembler(make_contract(**contract), settle_s)  # type: ignore[arg-type]
        self.seen: list[Observation] = []

    def camera(self, stamp_ms: float, receive_ms: float | None = None, **rest: int) -> list[Observation]:
        stamp = round(stamp_ms * MS)
        return self._add(CAMERA, image(stamp, **rest), stamp if receive_ms is None else round(receive_ms * MS))

    def odometry(
        self, stamp_ms: float, receive_ms: float | None = None, speed: float | None = None
    ) -> list[Observation]:
        stamp = round(stamp_ms * MS)
        return self._add(ODOMETRY, odometry(stamp, speed), stamp if receive_ms is None else round(receive_ms * MS))

    def poll(self, receive_ms: float) -> list[Observation]:
        return self._drain(self.assembler.poll(round(receive_ms * MS)), round(receive_ms * MS))

    def both(self, *stamps_ms: float) -> list[Observation]:
        """Odometry, then camera, with equal stamps."""
        found = []
        for stamp_ms in stamps_ms:
            found += self.odometry(stamp_ms) + self.camera(stamp_ms)
        return found

    def _add(self, topic: str, cdr: bytes, receive_ns: int) -> list[Observation]:
        return self._drain(self.assembler.add(topic, cdr, receive_ns), receive_ns)

    def _drain(self, first: Observation | None, receive_ns: int) -> list[Observation]:
        found = []
        while first is not None:
            found.append(first)
            first = self.assembler.poll(receive_ns)
        self.seen += found
        return found


def stamps(observations: Iterable[Observation]) -> list[float]:
    return [observation.stamp_ns / MS for observation in observations]


def shades(observation: Observation) -> list[int]:
    """Which frames are stacked, oldest first."""
    return [int(frame[0, 0, 0]) for frame in observation.arrays[IMAGES]]


def speeds(observation: Observation) -> list[float]:
    return [float(row[0]) for row in observation.arrays[STATE]]
