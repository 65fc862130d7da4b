"""Disturbed demonstrations (DART): the robot executes ``a + eps``, the recording keeps the intended ``a``.

Pure logic, time by stamps alone. The noise of an episode is a function of the file's seed, the episode's id and the
tick, so the same run meets the same noise however its messages were delayed.

Source: Laskey et al. 2017, "DART: Noise Injection for Robust Imitation Learning" (arXiv:1703.09327), algorithm 1.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from il_nodes.gate.limiter import CommandLimiter
from models.contract import Contract
from models.data import Action, FloatArray
from models.noise_file import NoiseFile, cholesky_factor

__all__ = ["Disturbed", "EpisodeNoise", "NoiseInjector", "Passing"]

#: After so many time constants an earlier state weighs less than a float64 resolves; nobody could tell that it is gone.
FORGOTTEN_TIME_CONSTANTS = 40.0
#: So many ticks are caught up on at once, 15 ms of drawing. A clock that jumps further with a long time constant would
#: keep the robot waiting for seconds.
CATCH_UP_TICKS = 1000
#: A stamp may lie this part of a tick before its place on the grid (drift, rounding), and still belongs to it.
EARLY_PERIODS = 0.25
#: Between two commands of one episode there are never so many ticks in lock-step.
PAUSE_PERIODS = 10.0


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


class Passing:
    """Why a command went on unchanged; the words are part of the interface (``/diagnostics``)."""

    NO_NOISE = "the covariance is zero"
    NO_EPISODE = "no episode is running"
    DEPLOYED = "a policy is deployed"


@dataclass(frozen=True, slots=True)
class Disturbed:
    """What is executed instead of the expert's command.

    Attributes:
        values: ``(dims,)`` float32 inside limits and rate limits.
        drawn: ``(dims,)`` float64 noise that was drawn.
        clamped: whether the limits cut the disturbed command.
        rate_limited: whether the rate limits did.
    """

    values: FloatArray
    drawn: npt.NDArray[np.float64]
    clamped: bool
    rate_limited: bool


class NoiseInjector:
    """Turns the expert's commands into the executed ones.

    Noise is added while an episode runs and nothing forbids it. The limits come after the noise, by the gate's own
    limiter on the time of the stamps.

    Args:
        contract: rate and limits.
        noise: of this contract.

    Attributes:
        forbidden: why no noise may be added at all, until the next :meth:`permit`; empty while it may.
        counts: ``disturbed``, ``passed``, ``clamped``, ``rate_limited``, ``not_finite``; ``restarts`` of the noise
            behind jumps of the clock.
    """

    def __init__(self, contract: Contract, noise: NoiseFile) -> None:
        self._noise = noise
        self._limiter = CommandLimiter(contract)
        self._period_s = contract.period_s
        self._episode: EpisodeNoise | None = None
        self._origin_ns = 0
        self._last_ns: int | None = None
        self.episode_id = ""
        self.forbidden = ""
        self.counts: Counter[str] = Counter()
        self._squares = np.zeros(len(contract.action_names))

    # -- what decides ---------------------------------------------------------------------------------------------

    def start_episode(self, episode_id: str, stamp_ns: int) -> bool:
        """An episode starts, or ends with an empty id; whether one began.

        The same episode once more, after a recovery, goes on with its noise: ticks count from its first start.
        """
        if episode_id and episode_id == self.episode_id and stamp_ns >= self._origin_ns:
            return False
        self.episode_id, self._origin_ns = episode_id, stamp_ns
        self._episode = EpisodeNoise(self._noise, episode_id, self._period_s) if episode_id else None
        since_ns = -1 if self._last_ns is None else stamp_ns - self._last_ns
        if not 0 <= since_ns <= PAUSE_PERIODS * self._period_s * 1e9:
            self._limiter.reset()  # a robot that is being driven goes on; one that was put elsewhere stands
        return bool(episode_id)

    def forbid(self, why: str) -> bool:
        """From now on every command goes on unchanged; whether that is news."""
        news = not self.forbidden
        self.forbidden = self.forbidden or why
        return news

    def permit(self) -> None:
        """Whoever forbade noise is gone, and a person started this anew."""
        self.forbidden = ""

    def passing(self, stamp_ns: int) -> str:
        """Why a command with this stamp goes on unchanged; empty when it will be disturbed."""
        if self.forbidden:
            return Passing.DEPLOYED
        if self._noise.is_zero:
            return Passing.NO_NOISE
        if self._episode is None or self._tick(stamp_ns) < 0:
            return Passing.NO_EPISODE
        return ""

    def awaits_episode(self, stamp_ns: int) -> bool:
        """Lock-step: whether this command belongs to an episode whose start has yet to arrive on its own topic.

        Without waiting for that, the first tick of an episode would be disturbed or not by who was faster.
        """
        if self.forbidden or self._noise.is_zero:
            return False
        if self._episode is None or self._last_ns is None:
            return self._episode is None
        paused = stamp_ns - self._last_ns > PAUSE_PERIODS * self._period_s * 1e9
        return paused and self._origin_ns <= self._last_ns

    # -- what it does ---------------------------------------------------------------------------------------------

    def disturb(self, command: Action) -> Disturbed | None:
        """The executed command; ``None`` for one that is not finite, which is no command.

        Call it also where :meth:`passing` gives a reason, and send the expert's own message then: the rate limit has
        to know what was sent.
        """
        if not np.isfinite(command.values).all():
            self.counts["not_finite"] += 1
            return None
        self._last_ns = command.stamp_ns
        disturbs = not self.passing(command.stamp_ns)
        drawn = np.zeros(len(command.values))
        if disturbs and self._episode is not None:
            before = self._episode.restarts
            drawn = self._episode.at(self._tick(command.stamp_ns))
            self.counts["restarts"] += self._episode.restarts - before
        wish = (command.values.astype(np.float64) + drawn).astype(np.float32)
        if not self._limiter.is_placed:
            self._limiter.place(command.values)  # an arm starts where its expert holds it, and not at zero
        limited = self._limiter.limit(wish, command.stamp_ns * 1e-9)
        if disturbs:
            self.counts["disturbed"] += 1
            self.counts["clamped"] += limited.clamped
            self.counts["rate_limited"] += limited.rate_limited
            self._squares += (limited.values.astype(np.float64) - command.values) ** 2
        else:
            self.counts["passed"] += 1
        return Disturbed(limited.values, drawn, limited.clamped, limited.rate_limited)

    @property
    def executed_rms(self) -> npt.NDArray[np.float64]:
        """``(dims,)`` root mean square of what was really added, after the limits; 0 before the first tick."""
        rms: npt.NDArray[np.float64] = np.sqrt(self._squares / max(1, self.counts["disturbed"]))
        return rms

    def _tick(self, stamp_ns: int) -> int:
        return math.floor((stamp_ns - self._origin_ns) * 1e-9 / self._period_s + EARLY_PERIODS)
