"""Disturbed demonstrations (DART): the robot executes ``a + eps``, the recording keeps the intended ``a``.

Pure logic, time by stamps alone. The noise of an episode is a function of the file's seed, the episode's id and the
tick, so the same run meets the same noise however its messages were delayed.

Source: Laskey et al. 2017, "DART: Noise Injection for Robust Imitation Learning" (arXiv:1703.09327), algorithm 1.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from il_nodes.gate.limiter import CommandLimiter
from models.contract import Contract
from models.data import Action, FloatArray
from models.episode_noise import EpisodeNoise
from models.noise_file import NoiseFile

__all__ = ["Disturbed", "NoiseInjector", "Passing"]

#: A stamp may lie this part of a tick before its place on the grid (drift, rounding), and still belongs to it.
EARLY_PERIODS = 0.25
#: Between two commands of one episode there are never so many ticks in lock-step.
PAUSE_PERIODS = 10.0


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
