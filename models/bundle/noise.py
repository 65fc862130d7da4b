"""Noise for policies that act by drawing: a function of a seed and of a tick's stamp, and of nothing else.

So a replayed recording gives the proposals that the robot gave, whatever was dropped or asked twice in between, and
two policies that answer the same tick draw the same.
"""

from __future__ import annotations

import numpy as np

from models.data import FloatArray

__all__ = ["NOISE_INPUT", "draw_noise"]

NOISE_INPUT = "noise"
"""Of the graph of a policy that acts by drawing: independent standard normal numbers. Were they drawn inside, no two
runtimes would draw the same, and nobody could replay an answer."""

_WORD = 2**64 - 1


def draw_noise(seed: int, stamp_ns: int, width: int) -> FloatArray:
    """``(width,)`` independent standard normal float32 numbers.

    Args:
        seed: any integer.
        stamp_ns: of the tick. It is a word of the generator's counter (Philox, Salmon et al. 2011, "Parallel Random
            Numbers: As Easy as 1, 2, 3") that drawing does not advance, so ticks never share numbers however close.
        width: how many.
    """
    counter = np.array([0, stamp_ns & _WORD, 0, 0], np.uint64)
    key = np.array([seed & _WORD, 0], np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key)).standard_normal(width, np.float32)
