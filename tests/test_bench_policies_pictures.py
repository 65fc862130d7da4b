"""Pictures of the policies bench that are drawn from figures alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench import harness
from bench.policies import __main__ as main

MOST_BYTES = 150_000


@pytest.mark.parametrize("name", sorted(main.DRAWN))
def test_the_figures_that_are_kept_can_be_drawn(name: str, tmp_path: Path) -> None:
    """Catches a drawing that wants figures which the file no longer has, and pictures too large for a repository."""
    found = json.loads((harness.RESULTS / "policies.json").read_text())["results"][name]
    main.DRAWN[name](found, tmp_path / "drawn.png")
    picture = (tmp_path / "drawn.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < MOST_BYTES


def test_what_was_not_kept_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback, and a run of minutes for someone who wanted a picture."""
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["bench.policies", "--redraw", "--only", "modes"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert "modes cannot be drawn again" in str(ended.value.code)


def test_help_says_what_each_experiment_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.policies", "--help"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for name, experiment in main.EXPERIMENTS.items():
        assert f"{name:<10} {experiment.claim}" in text
