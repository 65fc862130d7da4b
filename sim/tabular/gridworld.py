"""Grids: the one of Abbeel & Ng's first experiment, and the exercise of the lectures."""

from __future__ import annotations

import numpy as np

from models.errors import SimulationError
from models.rewards.demonstrations import Demonstrations
from models.rewards.mdp import Floats, TabularMdp
from sim.tabular.task import DISCOUNT, DISCOUNTED, FINITE, RewardMap, TabularTask

__all__ = ["ACTIONS", "EXERCISE_PATHS", "exercise", "grid_transitions", "gridworld"]

ACTIONS = ("up", "right", "down", "left")
_STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))

#: The exercise's two paths, by the numbers on its cells.
EXERCISE_PATHS = ((1, 2, 3, 6, 9), (1, 2, 5, 6, 9))
_EXERCISE_MOVES = (("right", "right", "down", "down"), ("right", "down", "right", "down"))


def grid_transitions(rows: int, columns: int, slip: float = 0.0, absorbing: tuple[int, ...] = ()) -> Floats:
    """``P[s, a, s']`` of a grid, cells numbered row by row from the top left.

    Args:
        rows: of the grid.
        columns: of the grid.
        slip: probability that a move goes in a direction drawn from all four instead.
        absorbing: cells that are never left.
    """
    count = rows * columns
    tensor = np.zeros((count, len(ACTIONS), count))
    for cell in range(count):
        row, column = divmod(cell, columns)
        ends = []
        for down, right in _STEPS:
            there = row + down, column + right
            inside = 0 <= there[0] < rows and 0 <= there[1] < columns and cell not in absorbing
            ends.append(there[0] * columns + there[1] if inside else cell)
        for action, end in enumerate(ends):
            tensor[cell, action, end] += 1.0 - slip
            for other in ends:
                tensor[cell, action, other] += slip / len(ends)
    return tensor


def gridworld(seed: int, *, size: int = 12, block: int = 3, slip: float = 0.3, finite: bool = False) -> TabularTask:
    """A grid of square blocks, a few of which are worth something (Abbeel & Ng 2004, section 5.1, smaller).

    Features say in which block the agent is. About a quarter of the blocks carry a weight from [0, 1], and all weights
    add up to 1. Episodes start anywhere; the expert is the best policy.

    Args:
        seed: draws the weights.
        size: cells along an edge; the paper's grid has 128.
        block: cells along a block's edge.
        slip: probability that a move goes in a direction drawn at random.
        finite: whether the plain sum over 20 states counts, or the sum discounted by 0.9.
    """
    if size % block or seed < 0:
        raise SimulationError("a grid of whole blocks", found=f"size {size}, block {block}, seed {seed}")
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x67726964]))
    across = size // block
    cells = np.arange(size * size)
    blocks = cells // size // block * across + cells % size // block
    features = np.eye(across * across)[blocks]
    weights = random.uniform(size=across * across) * (random.uniform(size=across * across) < 0.25)
    weights[random.integers(len(weights))] += 0.5  # a world without any reward has no expert
    weights /= weights.sum()
    start = np.full(len(cells), 1.0 / len(cells))
    horizon = FINITE if finite else DISCOUNTED
    mdp = TabularMdp.from_tensor(grid_transitions(size, size, slip), start, DISCOUNT, horizon)

    def draw(reward: Floats) -> tuple[RewardMap, ...]:
        return (RewardMap(f"Reward of the {size * size} cells", reward.reshape(size, size)),)

    names = tuple(f"block {index // across + 1}.{index % across + 1}" for index in range(across * across))
    return TabularTask("gridworld", mdp, features, names, True, draw, finite, weights)


def exercise(*, finite: bool = True) -> TabularTask:
    """The exercise of the second deck: a grid of nine cells, and two paths from 1 to 9.

    "What is the reward function?" The cells are numbered row by row, 1 to 9, and the ninth is never left. A feature
    says in which cell one is. Over the horizon there are as many states as the paths have, five; where discounted sums
    count the paths stay in 9.

    Args:
        finite: whether the plain sum over five states counts, or the discounted sum.
    """
    paths = np.array(EXERCISE_PATHS) - 1
    moves = np.array([[ACTIONS.index(move) for move in path] for path in _EXERCISE_MOVES])
    if not finite:
        waits = DISCOUNTED - paths.shape[1]
        paths = np.pad(paths, ((0, 0), (0, waits)), mode="edge")
        moves = np.pad(moves, ((0, 0), (0, waits)), mode="edge")
    transitions = grid_transitions(3, 3, absorbing=(8,))
    mdp = TabularMdp.from_tensor(transitions, np.eye(9)[0], DISCOUNT, paths.shape[1])

    def draw(reward: Floats) -> tuple[RewardMap, ...]:
        return (RewardMap("Reward of the nine cells", reward.reshape(3, 3)),)

    names = tuple(f"cell {index + 1}" for index in range(9))
    shown = Demonstrations(paths, moves)
    return TabularTask("exercise", mdp, np.eye(9), names, False, draw, finite, shown=shown)
