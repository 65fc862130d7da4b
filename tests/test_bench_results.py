"""Benches of several experiments: one that is run by itself leaves the others' figures in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import harness
from bench.harness import Bench


def _run(name: str, value: float, seeds: int = 5) -> int:
    bench = Bench("parts", "", arguments=["--seeds", str(seeds)])
    bench.goal(f"{name}: as much as that", value, ">=", 1.0)
    with pytest.raises(SystemExit) as ended:
        bench.finish({name: {"value": value}}, in_parts=True)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    return tmp_path / "parts.json"


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_other_experiments_stay_with_their_goals_and_their_run(results: Path) -> None:
    """Catches figures that a later run throws away, goals without figures, and figures with another run's seeds."""
    assert _run("one", 0.5, seeds=3) == 1
    assert _run("two", 2.0) == 0  # what this run held is met
    assert _run("three", 2.0, seeds=1) == 0
    found = _read(results)
    assert {name: part["value"] for name, part in found["results"].items()} == {"one": 0.5, "two": 2.0, "three": 2.0}
    assert {name: len(part["run"]["seeds"]) for name, part in found["results"].items()} == {
        "one": 3,
        "two": 5,
        "three": 1,
    }
    assert {goal["name"] for goal in found["goals"]} == {f"{name}: as much as that" for name in ("one", "two", "three")}
    assert found["missed"] == ["one: as much as that"]


def test_an_experiment_that_is_run_again_replaces_itself(results: Path) -> None:
    _run("one", 0.5)
    _run("one", 2.0)
    found = _read(results)
    assert found["results"]["one"]["value"] == 2.0
    assert (len(found["goals"]), found["missed"]) == (1, [])


def test_what_is_kept_can_be_read_again(results: Path) -> None:
    """Catches pictures that are drawn again of the figures of another bench, or of a quick run's."""
    assert Bench("parts", "", arguments=[]).kept() == {}
    _run("one", 2.0)
    assert Bench("parts", "", arguments=[]).kept()["one"]["value"] == 2.0
    assert Bench("parts", "", arguments=["--quick"]).kept() == {}


@pytest.mark.parametrize("seeds", ["0", "-1", "few"])
def test_no_seeds_are_refused_before_anything_runs(seeds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches the interval of nothing, after the experiments have run."""
    with pytest.raises(SystemExit) as ended:
        Bench("parts", "", arguments=["--seeds", seeds])
    assert ended.value.code == 2
    assert "at least 1" in capsys.readouterr().err
