"""What the loop needs of the rest of the world: somebody who acts, a world, an expert, a learner.

In process a world is stepped tick by tick: an :class:`Environment`, behind ``models.interactive.in_process.InProcess``.
A robot that runs by itself collects whole rounds: it is another :class:`Collector`, and the loop cannot tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.contract import Contract
from models.data import FloatArray, Observation
from models.noise_file import NoiseFile

if TYPE_CHECKING:
    from models.episodes import EpisodeDataset
    from models.interactive.records import Drive
    from models.interactive.rule import Rule

__all__ = [
    "Actor",
    "Answer",
    "Assignment",
    "Collector",
    "CostToGo",
    "Environment",
    "Expert",
    "Human",
    "Learned",
    "Learner",
    "Measure",
    "Notice",
    "Tolerance",
]

Notice = Callable[[int, int], None]
"""Told how far something long has come: done, and of how many."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy says to one observation.

    Attributes:
        action: ``(A,)`` float32, SI units.
        unsafe_probability: in [0, 1]: how likely the expert would not agree.
    """

    action: FloatArray
    unsafe_probability: float = 0.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far from the expert a policy may be and still count as safe: the same for the policies of all rounds.

    Attributes:
        tau: the largest squared error.
        units: ``(A,)`` what an error of 1 is, SI units.
    """

    tau: float
    units: tuple[float, ...]


class Actor(Protocol):
    """A policy that can be asked.

    Attributes:
        noise_width: standard normal numbers that one answer takes; 0 for a policy that does not draw.
    """

    @property
    def noise_width(self) -> int:
        """See the class."""

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        """What it would do; ``noise`` is ``(noise_width,)``, so that equal noise gives equal answers."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a deviation is, for a histogram of it.

    Attributes:
        name: such as "distance from the centreline".
        unit: SI.
        limit: the largest one that is told apart.
    """

    name: str
    unit: str
    limit: float


class Environment(Protocol):
    """A world that waits for its next action.

    Attributes:
        contract: of its robot.
        measure: what :attr:`deviation` is.
        deviation: how far the robot is now from where the expert would have it, at least 0.
    """

    @property
    def contract(self) -> Contract:
        """See the class."""

    @property
    def measure(self) -> Measure:
        """See the class."""

    @property
    def deviation(self) -> float:
        """See the class."""

    def reset(self, seed: int) -> None:
        """Start an episode; equal seeds give equal starts."""

    def observe(self) -> Observation:
        """What the robot sees now, frames stacked as the contract says; the same until the next step."""

    def step(self, action: FloatArray) -> bool:
        """Act for one period; whether the episode is over."""

    def outcome(self) -> Mapping[str, float]:
        """What has happened in this episode so far: numbers that may be added up over episodes, ``cost`` among them.

        Where an episode is one try, ``tries`` counts those that are over; policies are then compared by the cost of a
        try, and not by that of a tick.
        """


class Expert(Protocol):
    """Who is to be imitated."""

    def action(self, observation: Observation) -> FloatArray:
        """``(A,)`` SI units: what it would do now. A simulated one may know more than the observation."""


class Human(Protocol):
    """Who decides when to take over, for human-gated learning; in tests a stand-in."""

    def begin(self) -> None:
        """An episode starts."""

    def in_control(self, environment: Environment) -> bool:
        """Whether the human has the robot at this tick; asked once a tick."""


class CostToGo(Protocol):
    """Who can say what an action leads to, for SEARN."""

    def alternatives(self, expert: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Actions ``(K, A)`` that could be taken now, and what each would cost ``(K,)`` from here to the end.

        Args:
            expert: ``(A,)`` what the expert would do now.
        """


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a collector is asked for.

    Attributes:
        number: of the round, from 0: as many policies have been learned before.
        actor: who drives where the expert does not; ``None`` in the first round.
        noise: what disturbs the commands; ``None`` for nothing.
        ticks: how many, over all its episodes; the last one is cut there.
        seed: of the round.
        longest: ticks of an episode at most; ``None`` for as many as it has.
    """

    number: int
    actor: Actor | None
    noise: NoiseFile | None
    ticks: int
    seed: int
    longest: int | None = None


class Collector(Protocol):
    """Who drives the rounds: a simulator in process, or a robot."""

    @property
    def contract(self) -> Contract:
        """Of the robot."""

    @property
    def measure(self) -> Measure:
        """What deviations are."""

    def collect(self, rule: Rule, assignment: Assignment) -> Iterator[Drive]:
        """Drive as a rule says until the assignment's ticks are used up; one episode after the other."""

    def score(self, actor: Actor, seeds: Sequence[int], notice: Notice | None = None) -> Mapping[str, float]:
        """Let a policy drive alone; outcomes and ``ticks`` added up over one episode a seed."""


class Learned(Protocol):
    """What a learner made of a dataset.

    Attributes:
        actor: the policy.
        held_out: ids of the episodes that it was not trained on; the latest last.
        report: numbers about the learning, as JSON holds them; ``tau`` and its ``units`` where a safety classifier was
            trained.
    """

    @property
    def actor(self) -> Actor:
        """See the class."""

    @property
    def held_out(self) -> tuple[str, ...]:
        """See the class."""

    @property
    def report(self) -> Mapping[str, object]:
        """See the class."""

    def save(self, folder: Path) -> None:
        """Write it into a new folder."""


class Learner(Protocol):
    """Who turns a dataset into a policy."""

    def fit(self, dataset: EpisodeDataset, tolerance: Tolerance | None = None, notice: Notice | None = None) -> Learned:
        """Train anew; equal datasets give equal policies.

        Args:
            dataset: labels count as its weights say.
            tolerance: the error that still counts as safe; ``None`` lets the learner choose.
            notice: told how far the training is.
        """

    def load(self, folder: Path) -> Actor:
        """What ``Learned.save`` wrote."""
