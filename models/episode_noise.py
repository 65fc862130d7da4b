"""The noise that disturbs one demonstration (DART), tick by tick: the noise node's, and that of the loop in process.

A function of the noise file's seed, the episode's id and the number of the tick, and of nothing else.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np
import numpy.typing as npt

from models.noise_file import NoiseFile, cholesky_factor

__all__ = ["CATCH_UP_TICKS", "EpisodeNoise"]

#: After so many time constants an earlier state weighs less than a float64 resolves; nobody could tell that it is gone.
FORGOTTEN_TIME_CONSTANTS = 40.0
#: So many ticks are caught up on at once, 15 ms of drawing. A clock that jumps further with a long time constant would
#: keep the robot waiting for seconds.
CATCH_UP_TICKS = 1000


class EpisodeNoise:
    """``eps_k ~ N(0, Sigma)`` of one episode, tick by tick; with a time constant an Ornstein-Uhlenbeck process.

    ``x_0 = L z_0`` and ``x_k = r x_{k-1} + sqrt(1 - r^2) L z_k`` with ``r = exp(-period / time_constant)`` and
    ``L L^T = Sigma`` has the covariance ``Sigma`` at every tick. ``z_k`` comes from a counter-based generator (Philox)
    whose key is a hash of seed and episode and whose counter is ``k``, so no draw depends on another one.

    Behind a jump over more ticks than can be caught up on, the process starts anew from that covariance, its stationary
    distribution: ``x_k = L z_k``. The noise is then as large as ever, and remembers nothing from before.

    Args:
        noise: covariance, seed, time constant.
        episode_id: of the episode.
        period_s: of a tick.

    Attributes:
        restarts: how often it has started anew behind a jump.
    """

    def __init__(self, noise: NoiseFile, episode_id: str, period_s: float) -> None:
        digest = hashlib.blake2b(f"{noise.seed}|{episode_id}".encode(), digest_size=16).digest()
        self._key = int.from_bytes(digest, "little")
        self._factor = cholesky_factor(noise.covariance)
        self._kept = math.exp(-period_s / noise.time_constant_s) if noise.time_constant_s > 0 else 0.0
        self._fresh = math.sqrt(1.0 - self._kept**2)
        self._memory = math.ceil(FORGOTTEN_TIME_CONSTANTS * noise.time_constant_s / period_s)
        self._state: npt.NDArray[np.float64] | None = None
        self._index = -1
        self.restarts = 0

    def at(self, index: int) -> npt.NDArray[np.float64]:
        """``(dims,)`` disturbance of tick ``index``, counted from the episode's start; SI units."""
        if self._kept == 0.0:
            return self._draw(index)
        if self._state is None or index < self._index or index - self._index > self._memory:
            self._index = max(0, index - self._memory)
            self._state = self._draw(self._index)
        if index - self._index > CATCH_UP_TICKS:
            self._index, self._state = index, self._draw(index)
            self.restarts += 1
        while self._index < index:
            self._index += 1
            self._state = self._kept * self._state + self._fresh * self._draw(self._index)
        return self._state

    def _draw(self, index: int) -> npt.NDArray[np.float64]:
        # The tick stands in the counter's highest word, far from what one draw uses up.
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=index << 192))
        drawn: npt.NDArray[np.float64] = self._factor @ generator.standard_normal(len(self._factor))
        return drawn
