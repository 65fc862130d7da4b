"""Torch's randomness and threads, borrowed and given back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from models.errors import TrainingError

__all__ = ["reproducible", "require_seed"]

# Torch takes no larger one, and NumPy no negative one.
_LARGEST_SEED = 2**63 - 1


def require_seed(seed: int) -> None:
    """Raise ``TrainingError`` unless every generator takes ``seed``."""
    if not 0 <= seed <= _LARGEST_SEED:
        raise TrainingError("training option seed is out of range", found=seed, expected=f"0 to {_LARGEST_SEED}")


@contextmanager
def reproducible(seed: int, threads: int = 1) -> Iterator[None]:
    """Seed torch and fix its thread count (sums depend on it), and give both back."""
    require_seed(seed)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
