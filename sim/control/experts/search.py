"""Policy search by the cross-entropy method, with many worlds at a time (Rubinstein 1999; Szita & Lőrincz 2006).

A policy is a vector of weights; what it is worth is its mean return over a few episodes. Pseudo-code::

    μ, σ ← 0, 1
    repeat
        w_i ~ N(μ, σ²)                            a population
        R_i ← mean return of w_i                  the same starts for all
        μ ← mean of the best w_i                  a tenth or so, and part of the old μ
        σ² ← their variance + Z_t                 noise that fades, or the search freezes too early
    return μ

``python -m sim.control.experts.search`` makes the weights that lie beside this file again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data import FloatArray
from sim.control.acrobot import Acrobot
from sim.control.task import Actions, ControlTask, Floats

__all__ = ["ACROBOT", "Network", "Search", "search"]


@dataclass(frozen=True)
class Network:
    """A perceptron with one hidden layer of tanh, for any number of weight vectors at once.

    Attributes:
        scale: ``(O,)`` by which observations are divided.
        hidden: units.
        actions: K.
    """

    scale: tuple[float, ...]
    hidden: int
    actions: int

    @property
    def size(self) -> int:
        """Weights of one policy."""
        return (len(self.scale) + 1) * self.hidden + (self.hidden + 1) * self.actions

    def act(self, weights: Floats, observations: FloatArray) -> Actions:
        """Weights ``(P, W)`` and observations ``(P, E, O)`` to actions ``(P, E)``."""
        inputs, hidden, count = len(self.scale), self.hidden, self.actions
        parts = np.split(weights, np.cumsum([inputs * hidden, hidden, hidden * count]), axis=1)
        first = parts[0].reshape(-1, inputs, hidden)
        second = parts[2].reshape(-1, hidden, count)
        features = np.tanh(observations / np.array(self.scale) @ first + parts[1][:, None])
        chosen: Actions = (features @ second + parts[3][:, None]).argmax(axis=2)
        return chosen


@dataclass(frozen=True)
class Search:
    """How long is searched.

    Attributes:
        generations: of the loop.
        population: policies a generation.
        elite: of them that count.
        episodes: by which each is judged.
        keep: share of the old mean and variance that stays.
        noise: standard deviation that is added at first; it falls to zero along a line.
        spread: standard deviation of the first generation.
    """

    generations: int = 200
    population: int = 96
    elite: int = 12
    episodes: int = 16
    keep: float = 0.3
    noise: float = 0.2
    spread: float = 1.0


def search(
    task: ControlTask,
    network: Network,
    settings: Search,
    seed: int,
    progress: Callable[[int, float], None],
    begin: Floats | None = None,
) -> Floats:
    """The weights ``(W,)`` that a search ends with.

    Args:
        task: with counted actions.
        network: the policies.
        settings: how long.
        seed: of weights and starts.
        progress: told the generation and the mean return of its best.
        begin: the first mean ``(W,)``; zeros when not given.
    """
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x63656D]))
    mean = np.zeros(network.size) if begin is None else begin
    deviation = np.full(network.size, settings.spread)
    for generation in range(settings.generations):
        drawn = mean + deviation * random.normal(size=(settings.population, network.size))
        worth = population_returns(task, network, drawn, task.start(random, settings.episodes))
        best = drawn[np.argsort(-worth)[: settings.elite]]
        fading = settings.noise * max(0.0, 1.0 - generation / (0.8 * settings.generations))
        mean = settings.keep * mean + (1.0 - settings.keep) * best.mean(axis=0)
        variance = settings.keep * deviation**2 + (1.0 - settings.keep) * best.var(axis=0)
        deviation = np.sqrt(variance + fading**2)
        progress(generation + 1, float(worth.max()))
    return mean


def population_returns(task: ControlTask, network: Network, weights: Floats, starts: Floats) -> Floats:
    """Mean returns ``(P,)`` of policies ``(P, W)``, all from the same starts ``(E, S)``; who is done is left out."""
    returns, left = np.zeros((len(weights), len(starts))), np.arange(len(weights))
    states, running = np.tile(starts, (len(weights), 1, 1)), np.ones(returns.shape, np.bool_)
    for _ in range(task.horizon):
        flat = states.reshape(-1, states.shape[2])
        observations = task.observe(flat).reshape(*running.shape, -1)
        ahead, rewards, ended = task.step(flat, network.act(weights[left], observations).ravel())
        returns[left] += np.where(running, rewards.reshape(running.shape), 0.0)
        running &= ~ended.reshape(running.shape)
        kept = running.any(axis=1)
        left, states, running = left[kept], ahead.reshape(states.shape)[kept], running[kept]
        if not len(left):
            break
    means: Floats = returns.mean(axis=1)
    return means


ACROBOT = Network(scale=(1.0, 1.0, 1.0, 1.0, 3.0, 5.0), hidden=8, actions=3)
"""Rates by what a swing-up reaches (rad/s)."""
ACROBOT_WEIGHTS = Path(__file__).parent / "acrobot.txt"


FINE = Search(generations=40, population=48, elite=8, episodes=96, noise=0.03, spread=0.1)
"""A second search around what the first has found, by so many episodes that rare starts count."""


def main() -> None:
    """Search for the acrobot's weights, and write them."""

    def tell(generation: int, best: float) -> None:
        if generation % 10 == 0:
            print(f"  generation {generation}: {best:.1f}", file=sys.stderr, flush=True)

    rough = search(Acrobot(), ACROBOT, Search(), seed=0, progress=tell)
    found = search(Acrobot(), ACROBOT, FINE, seed=1, progress=tell, begin=rough)
    np.savetxt(ACROBOT_WEIGHTS, found, header="Found by python -m sim.control.experts.search", fmt="%.17g")
    print(ACROBOT_WEIGHTS)


if __name__ == "__main__":
    main()
