"""What either side is told, and what it answers; both sides import it, so it knows neither library."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from bench.peers.order import PeerOrder
from bench.train.cartpole import Act, returns

__all__ = ["WARM_UP_EPOCHS", "Answer", "Order", "Trained", "answer"]

# What a library loads and sets up when it first trains is no part of its speed. Two passes trigger all of it.
WARM_UP_EPOCHS = 2


@dataclass(frozen=True)
class Order(PeerOrder):
    """One training.

    Attributes:
        demonstrations: the ``.npz`` of `bench.train.cartpole`, or the folder of Understudy's dataset.
        epochs: passes over the data.
        batch_size: frames a step.
        learning_rate: of Adam, at the start.
        seed: of weights and order.
        threads: of torch; 0 leaves it to torch.
        starts: seeds of the episodes that the policy is then scored on.
        started_s: monotonic time at which the process was started.
        chatty: with progress bar and log, where a library has them.
    """

    demonstrations: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    threads: int
    starts: tuple[int, ...]
    started_s: float
    chatty: bool = False


@dataclass(frozen=True)
class Answer:
    """How one training went.

    Attributes:
        samples: frames that were learned from, each pass counted.
        training_s: wall time of the whole training, from data in memory to a policy.
        processor_s: of all threads in that time, which other work on the machine does not lengthen.
        first_policy_s: from the start of the process to that policy, imports and all; the passes that it learned twice
            for the warm-up are taken off.
        returns: of the episodes.
        threads: that torch had.
        weights: numbers in the layers between observation and action.
    """

    samples: int
    training_s: float
    processor_s: float
    first_policy_s: float
    returns: tuple[float, ...]
    threads: int
    weights: int

    @property
    def samples_per_s(self) -> float:
        """The figure."""
        return self.samples / self.training_s


@dataclass(frozen=True)
class Trained:
    """What a side hands back.

    Attributes:
        act: the policy.
        samples: as in ``Answer``.
        weights: as in ``Answer``.
    """

    act: Act
    samples: int
    weights: int


def answer(train: Callable[[Order], Trained], threads: Callable[[], int]) -> None:
    """Do what the command line orders, and print the answer as the last line.

    Args:
        train: from the demonstrations, already read, to a policy.
        threads: says how many torch has.
    """
    order = Order.from_json(sys.argv[1])
    train(replace(order, epochs=WARM_UP_EPOCHS))
    started_s, used_s = time.perf_counter(), time.process_time()
    trained = train(order)
    training_s, processor_s = time.perf_counter() - started_s, time.process_time() - used_s
    first_policy_s = time.monotonic() - order.started_s - training_s * WARM_UP_EPOCHS / order.epochs
    scored = tuple(returns(trained.act, order.starts))
    found = Answer(trained.samples, training_s, processor_s, first_policy_s, scored, threads(), trained.weights)
    print(json.dumps(asdict(found)))
