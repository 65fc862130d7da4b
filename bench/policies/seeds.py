"""Which drives and scenes are a seed's: no two seeds share any, and what is tried was never shown."""

from __future__ import annotations

__all__ = ["shown_seeds", "tried_seeds"]

# More than any experiment shows, and than it shows and tries.
_TRIED_FROM, _OF_A_SEED = 5_000, 10_000


def shown_seeds(seed: int, count: int) -> range:
    """Of the demonstrations."""
    return range(_OF_A_SEED * seed, _OF_A_SEED * seed + count)


def tried_seeds(seed: int, count: int) -> range:
    """Of what a policy then does."""
    first = _OF_A_SEED * seed + _TRIED_FROM
    return range(first, first + count)
