"""What a side of a comparison is told on its command line; both sides import it, so it knows no library."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Self

__all__ = ["PeerOrder"]


@dataclass(frozen=True)
class PeerOrder:
    """One training: numbers, words, tuples of them, and dictionaries; each comparison adds its own."""

    def to_json(self) -> str:
        """One line, for a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        values = json.loads(text)
        # JSON has no tuples.
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
