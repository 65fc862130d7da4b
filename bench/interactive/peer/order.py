"""What either side is told, and what it answers; both sides import it, so it knows neither library."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from bench.interactive.peer.tasks import TASKS, Act, Task, returns
from bench.peers.order import PeerOrder

__all__ = ["Answer", "Learned", "Order", "answer"]


@dataclass(frozen=True)
class Order(PeerOrder):
    """One learning.

    Attributes:
        task: key of `bench.interactive.peer.tasks.TASKS`.
        algorithm: ``dagger``, or ``bc``, which gets as many frames, all demonstrated, and learns once.
        rounds: of driving and training.
        epochs: passes over the data in every training.
        batch_size: frames of a step.
        seed: of weights, order and starts.
        starts: seeds of the episodes that the policy is then scored on.
        control: whether the expert is replaced by one who always does the same.
    """

    task: str
    algorithm: str
    rounds: int
    epochs: int
    batch_size: int
    seed: int
    starts: tuple[int, ...]
    control: bool = False

    @property
    def world(self) -> Task:
        """The task."""
        return TASKS[self.task]


@dataclass(frozen=True)
class Learned:
    """What a side hands back.

    Attributes:
        act: the policy.
        frames: driven.
        samples: learned from, each pass of each training counted.
    """

    act: Act
    frames: int
    samples: int


@dataclass(frozen=True)
class Answer:
    """How one learning went.

    Attributes:
        frames: as in ``Learned``.
        samples: as in ``Learned``.
        learning_s: wall time of driving and training.
        returns: of the episodes.
    """

    frames: int
    samples: int
    learning_s: float
    returns: tuple[float, ...]


def answer(learn: Callable[[Order], Learned]) -> None:
    """Do what the command line orders, and print the answer as the last line."""
    order = Order.from_json(sys.argv[1])
    # What a library loads and sets up when it first learns is no part of its speed. One round triggers all of it.
    learn(replace(order, rounds=1))
    started_s = time.monotonic()
    learned = learn(order)
    learning_s = time.monotonic() - started_s
    scored = tuple(returns(order.world, learned.act, order.starts))
    print(json.dumps(asdict(Answer(learned.frames, learned.samples, learning_s, scored))))
