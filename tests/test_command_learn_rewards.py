"""``understudy learn`` in worlds that are tables: what it leaves, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from html_outline import outline

from understudy.__main__ import run


@pytest.mark.parametrize("learner", ["maxent", "max-margin", "projection", "mwal"])
def test_the_exercise_is_learned_and_shown(learner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run"
    assert run(["learn", learner, "--task", "exercise", "--rounds", "60", "-w", str(place), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["shown"] > 0.9
    assert len(result["theta"]) == 9
    assert json.loads((place / "reward.json").read_text())["theta"] == result["theta"]
    page = (place / "report.html").read_text()
    assert f"understudy learn {learner} --task exercise --rounds 60" in page
    assert page.count("<svg") == 3
    found = outline(page)
    assert not found.problems
    assert not found.open
    assert len(found.ids) == len(set(found.ids))
    assert all(address.startswith(("#", "data:")) for address in found.addresses)
    assert "episodes on the shown paths" in found.text


def test_what_would_do_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "run")
    assert run(["learn", "mwal", "--task", "exercise", "--demonstrations", "3", "-w", place]) == 2
    assert "would do nothing" in capsys.readouterr().err
    assert run(["learn", "maxent", "--task", "gridworld", "--style", "nasty", "-w", place]) == 2
    assert run(["learn", "maxent", "--task", "nowhere", "-w", place]) == 2
    assert not Path(place).exists()


def test_what_somebody_else_put_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "reward.json").write_text("mine")
    assert run(["learn", "maxent", "--task", "exercise", "-w", str(tmp_path)]) == 1
    assert "will not be replaced" in capsys.readouterr().err
    assert (tmp_path / "reward.json").read_text() == "mine"
