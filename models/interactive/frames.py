"""Stacks of frames for a policy in process, as the live assembler makes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from models.contract import Memory
from models.data import Observation

__all__ = ["FrameStack"]

Arrays = Mapping[str, npt.NDArray[np.generic]]


class FrameStack:
    """The last ticks of one robot.

    Args:
        memory: the contract's: how many frames, how many ticks apart; a start repeats the first one.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._past: deque[Arrays] = deque(maxlen=(memory.frames - 1) * memory.stride + 1)

    def push(self, stamp_ns: int, arrays: Arrays, *, starts: bool) -> Observation:
        """The observation of a new tick.

        Args:
            stamp_ns: of the tick.
            arrays: stream key to one frame each.
            starts: whether memory starts anew: an episode begins, or the robot was put elsewhere.
        """
        if starts:
            self._past.clear()
        self._past.append(arrays)
        back = range((self._memory.frames - 1) * self._memory.stride, -1, -self._memory.stride)
        picks = [self._past[max(0, len(self._past) - 1 - ticks)] for ticks in back]
        stacks = {key: np.stack([pick[key] for pick in picks]) for key in arrays}
        return Observation(stamp_ns, stacks, dict.fromkeys(stacks, stamp_ns), starts_memory=starts)
