"""Units of work that outlast a run: a long bench can be ended at any moment, and goes on where it was.

A unit is one training or one drive, by name. With ``--keep FOLDER`` each is written there when it is done, with what it
was asked for and the commit it ran on, and is not run again. Who changes the code empties the folder; a unit that was
asked for otherwise is refused.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.harness import Bench, commit
from models.errors import UnderstudyError

__all__ = ["Units", "add_keep_option", "kept_units"]


def add_keep_option(parser: argparse.ArgumentParser) -> None:
    """``--keep FOLDER``."""
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="finished units are kept there, and not run again")


def kept_units(bench: Bench, experiment: str) -> Units:
    """Those of an experiment, by the options; a quick run keeps nothing."""
    keep: Path | None = bench.options.keep
    return Units(None if keep is None or bench.quick else keep / experiment)


class Units:
    """What is finished of one experiment.

    Args:
        folder: where; ``None`` keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._seconds: list[float] = []
        self._commits: list[str] = []

    def get(self, name: str, settings: Mapping[str, object], run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``run`` gives, JSON-able, or gave in an earlier run.

        Args:
            name: of the unit.
            settings: what decides about its result, JSON-able.
            run: does it.

        Raises:
            UnderstudyError: the unit was asked for with other settings, or cannot be read.
        """
        settings = json.loads(json.dumps(settings))
        path = None if self._folder is None else self._folder / f"{name}.json"
        kept = _read(path, settings) if path is not None and path.exists() else None
        if kept is None:
            started_s = time.monotonic()
            found = run()
            kept = {
                "settings": settings,
                "commit": commit(),
                "seconds": round(time.monotonic() - started_s, 1),
                "found": found,
            }
            if path is not None:
                _write(path, kept)
            print(f"{name}: {kept['seconds']} s", file=sys.stderr, flush=True)
        self._seconds.append(kept["seconds"])
        self._commits.append(kept["commit"])
        # What was just found looks as it will when it is read, tuples and all.
        content: dict[str, Any] = json.loads(json.dumps(kept["found"]))
        return content

    @property
    def account(self) -> dict[str, object]:
        """How many there are, how long they took, and on which commits: for the result file."""
        return {"count": len(self._seconds), "seconds": sum(self._seconds), "commits": sorted(set(self._commits))}


def _read(path: Path, settings: Mapping[str, object]) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if not {"settings", "commit", "seconds", "found"} <= kept.keys():
            raise ValueError("not a whole unit")
    except (OSError, ValueError, AttributeError) as error:
        fix = "delete the file"
        raise UnderstudyError(f"{path} is no unit", found=f"{type(error).__name__}: {error}", fix=fix) from error
    if kept["settings"] != settings:
        raise UnderstudyError(
            f"{path} was run with other settings",
            found=json.dumps(kept["settings"]),
            expected=json.dumps(settings),
            fix="empty the folder, or keep units elsewhere",
        )
    return kept


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(content) + "\n", encoding="utf-8")
    os.replace(new, path)
