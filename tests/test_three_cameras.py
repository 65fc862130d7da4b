"""Side cameras end to end: recorded, learned from, and left at home when the policy drives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ros_processes import REPOSITORY

from il_nodes.bags import BagReader
from models.bundle import inspect_bundle
from models.contract import load_contract
from models.episodes import open_dataset
from understudy.__main__ import run
from understudy.stacks.drives import finished_episodes
from understudy.workspace import Workspace

CONTRACTS = REPOSITORY / "contracts"
FRONT, LEFT, RIGHT = (f"observation.images.{side}" for side in ("front", "left", "right"))


@pytest.mark.ros
@pytest.mark.sim
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_side_cameras_teach_a_car_that_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a stream that the recorder leaves out, a policy that asks for it later, and looks that do not vary."""
    place = Workspace(tmp_path / "run")
    word = ["-w", str(place.path)]
    three = ["--contract", str(CONTRACTS / "driving_three_cameras.yaml")]
    assert run(["record", *word, *three, "--tracks", "1-2", "--max-episode-s", "3", "--looks"]) == 0
    assert run(["episodes", "build", *word]) == 0
    dataset = open_dataset(place.dataset)
    pictures = {key: np.asarray(dataset.observations[key]) for key in (FRONT, LEFT, RIGHT)}
    assert len(dataset) > 80
    first, second = 0, dataset.lengths[0]
    for key in (LEFT, RIGHT):
        # Another place sees another picture; shifted by a lane's quarter it is still the same road.
        assert 3.0 < np.abs(pictures[key][10].astype(int) - pictures[FRONT][10]).mean() < 60.0
    sky = [pictures[FRONT][tick][0].reshape(-1, 3).mean(axis=0) for tick in (first, second)]
    assert np.abs(sky[0] - sky[1]).max() > 3.0

    front = ["--contract", str(CONTRACTS / "driving.yaml")]
    assert run(["train", *word, *front, "--augment", "side_cameras", "--epochs", "1"]) == 0
    assert run(["export", *word]) == 0
    bundle = inspect_bundle(place.bundle)
    assert bundle.contract.hash == load_contract(CONTRACTS / "driving.yaml").hash
    assert [entry.name for entry in bundle.inputs] == [FRONT, "observation.state"]
    capsys.readouterr()
    assert run(["deploy", "--json", *word, "--tracks", "1001", "--max-episode-s", "2", "--lock-step"]) == 0
    assert json.loads(capsys.readouterr().out)["episodes"] == 1
    (drive,) = finished_episodes(place.deployment)
    assert BagReader(drive).counts["/policy/proposal"] > 20
