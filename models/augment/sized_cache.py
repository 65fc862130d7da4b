"""Things that are made once and used again, as many as fit into some memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["SizedCache"]

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class SizedCache(Generic[Key, Thing]):
    """Forgets what was not used for longest. One thread at a time.

    Args:
        make: a key to what belongs to it.
        size: of that, bytes.
        most_bytes: kept together; a single thing that is larger is not kept.
    """

    def __init__(self, make: Callable[[Key], Thing], size: Callable[[Thing], int], most_bytes: int) -> None:
        self._make, self._size, self._most_bytes = make, size, most_bytes
        self._kept: OrderedDict[Key, Thing] = OrderedDict()
        self.bytes = 0

    def __call__(self, key: Key) -> Thing:
        """What belongs to a key, made anew where it is not kept."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        thing = self._make(key)
        self._kept[key] = thing
        self.bytes += self._size(thing)
        while self.bytes > self._most_bytes:
            _, forgotten = self._kept.popitem(last=False)
            self.bytes -= self._size(forgotten)
        return thing
