"""Units of a long bench: what is finished is not run again, and nothing else is taken for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.units import Units
from models.errors import UnderstudyError


def test_what_is_finished_is_not_run_again(tmp_path: Path) -> None:
    """Catches a unit that is lost, one that is run twice, and one that looks otherwise once it was on disk."""
    runs: list[int] = []

    def work() -> dict[str, object]:
        runs.append(1)
        return {"values": (1.5, 2.0)}

    first = Units(tmp_path / "one").get("unit", {"seed": (0, 1)}, work)
    units = Units(tmp_path / "one")
    assert units.get("unit", {"seed": (0, 1)}, work) == first == {"values": [1.5, 2.0]}
    assert (len(runs), units.account["count"]) == (1, 1)
    Units(None).get("unit", {}, work)
    Units(None).get("unit", {}, work)
    assert len(runs) == 3


def test_a_unit_that_was_asked_for_otherwise_is_refused(tmp_path: Path) -> None:
    """Catches figures of other settings in a result."""
    Units(tmp_path).get("unit", {"ticks": 10}, dict)
    with pytest.raises(UnderstudyError, match="other settings"):
        Units(tmp_path).get("unit", {"ticks": 20}, dict)


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"settings": {}})])
def test_a_damaged_unit_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "unit.json").write_text(text)
    with pytest.raises(UnderstudyError, match=r"unit\.json is no unit"):
        Units(tmp_path).get("unit", {}, dict)


def test_a_unit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Catches half a unit that passes for a whole one."""

    def fail() -> dict[str, object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Units(tmp_path).get("unit", {}, fail)
    assert list(tmp_path.iterdir()) == []
