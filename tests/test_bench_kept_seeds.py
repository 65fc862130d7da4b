"""Benches of several seeds: one that was ended goes on, and takes nothing that other code or settings gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.policies.kept_seeds import Found, KeptSeeds
from models.errors import UnderstudyError


def _run(folder: Path, seeds: int, settings: object = 1, *, resume: bool = True) -> tuple[list[Found], list[int]]:
    """What the seeds gave, and those that were worked out anew."""
    worked: list[int] = []

    def work(seed: int) -> Found:
        worked.append(seed)
        return {"successes": 10 + seed, "seconds": [0.5, seed]}

    kept = KeptSeeds("grasps", settings, resume=resume, folder=folder)
    found = [kept.result(seed, lambda seed=seed: work(seed)) for seed in range(seeds)]  # type: ignore[misc]
    assert set(kept.seconds) == set(range(seeds))
    return found, worked


def test_a_run_goes_on_with_the_seed_that_is_missing(tmp_path: Path) -> None:
    """Catches minutes that are spent twice, and seeds that are mixed up."""
    first, _ = _run(tmp_path, 2)
    found, worked = _run(tmp_path, 4)
    assert worked == [2, 3]
    assert found[:2] == first
    assert [each["successes"] for each in found] == [10, 11, 12, 13]


def test_nothing_is_taken_unasked_or_of_other_settings(tmp_path: Path) -> None:
    """Catches figures of settings that a reader of the result file would not find in it."""
    _run(tmp_path, 2)
    assert _run(tmp_path, 2, resume=False)[1] == [0, 1]
    assert _run(tmp_path, 2, settings=2)[1] == [0, 1]
    assert _run(tmp_path, 2, settings=2)[1] == []


def test_nothing_is_taken_of_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches figures of a learner that is no longer the one that is measured."""
    _run(tmp_path, 1)
    monkeypatch.setattr("bench.policies.kept_seeds.code_fingerprint", lambda *packages: "other code")
    assert _run(tmp_path, 1)[1] == [0]


def test_half_a_file_is_named(tmp_path: Path) -> None:
    """Catches a traceback, and a seed that is quietly worked out again although somebody asked to keep it."""
    _run(tmp_path, 1)
    (path := tmp_path / "grasps" / "seed-0.json").write_text('{"inputs": ')
    with pytest.raises(UnderstudyError, match=str(path)):
        _run(tmp_path, 1)
