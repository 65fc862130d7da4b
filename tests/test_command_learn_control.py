"""``understudy learn`` in control tasks: what it leaves, what it prints, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.bundle import inspect_bundle
from models.trajectories import Trajectories
from understudy.__main__ import run


def test_bco_ends_in_a_bundle_that_keeps_the_pole_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run"
    words = ["learn", "bco", "--task", "cartpole", "--demonstrations", "5", "--rounds", "1", "-w", str(place), "--json"]
    assert run(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["expert_return"] == 500.0
    assert result["return"] > 400.0
    full, watched = Trajectories.load(place / "demonstrations.npz"), Trajectories.load(place / "observations.npz")
    assert full.actions is not None
    assert watched.actions is None
    np.testing.assert_array_equal(full.observations, watched.observations)
    bundle = inspect_bundle(place / "policy.onnx")
    assert bundle.metadata.learner["name"] == "bco"
    assert bundle.contract.action_names == ("effort.cart",)
    assert json.loads((place / "learning.json").read_text())["return"] == result["return"]
    # The same command again replaces what it made.
    assert run(words) == 0


def test_ilpo_ends_in_a_bundle_that_keeps_the_pole_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run"
    words = ["learn", "ilpo", "--task", "cartpole", "--demonstrations", "10", "--interactions", "1000"]
    assert run([*words, "-w", str(place), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["return"] > 300.0
    assert result["steps"] == 1000
    assert result["rounds"][-1]["latents_used"] == 2
    assert Trajectories.load(place / "observations.npz").actions is None
    learner = inspect_bundle(place / "policy.onnx").metadata.learner
    assert (learner["name"], learner["interactions"]) == ("ilpo", 1000)


def test_what_it_cannot_learn_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "run"
    assert run(["learn", "bco", "--task", "nowhere", "-w", str(place)]) == 2
    assert run(["learn", "bco", "--task", "cartpole", "--demonstrations", "0", "-w", str(place)]) == 2
    assert run(["learn", "ilpo", "--latents", "1", "-w", str(place)]) == 2
    assert not place.exists()
    (tmp_path / "learning.json").write_text("mine")
    assert run(["learn", "bco", "--task", "cartpole", "-w", str(tmp_path)]) == 1
    assert "will not be replaced" in capsys.readouterr().err
