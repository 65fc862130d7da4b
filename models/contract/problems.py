"""What is wrong with a contract: collected while reading, so that a person sees every problem of a file at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.errors import ContractError

__all__ = ["InvalidContract", "Problem", "Problems", "nearest", "one_of", "shown"]

MOST_PROBLEMS = 20
"""Reading stops there: more is one mistake with many echoes, or a file made to waste our time."""

MOST_OPTIONS = 16
"""Valid names that a message lists."""

LONGEST_VALUE = 100
"""Characters of an offending value that are printed."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        path: the key's path, ``observations.observation.state.align.strategy``; empty for the file as a whole.
        line: in the file, from 1; 0 where it has none.
        message: what is wrong, in a few words.
        found: the offending value as text.
        expected: what would have been accepted.
        fix: what to do; a suggestion for misspelt names.
    """

    path: str
    line: int
    message: str
    found: str = ""
    expected: str = ""
    fix: str = ""

    @property
    def head(self) -> str:
        """Line, path and message on one line."""
        where = ", ".join(part for part in (f"line {self.line}" if self.line else "", self.path) if part)
        return f"{where}: {self.message}" if where else self.message


class InvalidContract(ContractError):  # noqa: N818 - reads better than InvalidContractError; its root says Error
    """A contract with at least one problem; ``problems`` keeps them apart, the message shows them all."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        if len(self.problems) == 1:
            only = self.problems[0]
            super().__init__(f"{name}: {only.head}", found=only.found or None, expected=only.expected, fix=only.fix)
            return
        more = "or more " if len(self.problems) >= MOST_PROBLEMS else ""
        lines = [f"{name}: {len(self.problems)} {more}problems"]
        for number, problem in enumerate(self.problems, start=1):
            lines.append(f"{number:2}. {problem.head}")
            details = (("found:   ", problem.found), ("expected:", problem.expected), ("to do:   ", problem.fix))
            lines += [f"      {label} {text}" for label, text in details if text]
        super().__init__("\n".join(lines))


class Problems:
    """The list that grows while one contract is read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._found: dict[Problem, None] = {}

    def __len__(self) -> int:
        """How many there are so far."""
        return len(self._found)

    def add(self, problem: Problem) -> None:
        """Remember it, once; raises InvalidContract when there are too many to be of use."""
        self._found.setdefault(problem)
        if len(self) >= MOST_PROBLEMS:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raise InvalidContract with everything found so far, in the order of the file."""
        if self._found:
            raise InvalidContract(self.name, sorted(self._found, key=lambda problem: problem.line))


def nearest(wrong: object, names: Iterable[str]) -> str:
    """``did you mean 'hold'?`` for the name closest to ``wrong``, or nothing if none is close."""
    if not isinstance(wrong, str) or len(wrong) > LONGEST_VALUE:
        return ""
    word = wrong.strip().lower()
    candidates = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    # An abbreviation is too short for difflib: "obs" for "observations".
    close = close or [name for name in candidates if len(word) >= 3 and name.startswith(word)]
    return f"did you mean {candidates[close[0]]!r}?" if close else ""


def one_of(names: Iterable[str]) -> str:
    """``one of hold, asof, drop``, cut where there are many."""
    options = list(names)
    more = f", … ({len(options)} in all)" if len(options) > MOST_OPTIONS else ""
    return f"one of {', '.join(options[:MOST_OPTIONS])}{more}"


def shown(value: object) -> str:
    """``repr`` on one line, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
