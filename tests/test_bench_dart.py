"""What the DART experiment measures with: noise of one size, whole demonstrations, and a state that says enough."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.interactive.dart import LARGEST, Isotropic, Scaled, noise_size
from bench.interactive.tabletop import CONTRACT, FEATURES, LONGEST_TICKS, Demonstrations, exact_state, open_table
from models.interactive.ports import Assignment
from models.interactive.rules import BehavioralCloningRule
from models.noise_file import load_noise
from sim.grasping.config import GraspingConfig
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject
from sim.grasping.world import GraspingWorld

pytestmark = pytest.mark.sim


def test_isotropic_noise_is_as_large_as_darts_and_has_no_direction(tmp_path: Path) -> None:
    """Catches a comparison of two sizes, and speeds of a hand that are added to those of its turn."""
    random = np.random.default_rng(0)
    expert = random.normal(size=(50, 5)).astype(np.float32)
    learner = expert + random.normal(size=(50, 5)).astype(np.float32) * [0.1, 0.0, 0.02, 0.5, 0.01]
    sizes = []
    for rule in (Scaled(size=0.4), Isotropic(size=0.4)):
        path = tmp_path / f"{rule.name}.yaml"
        rule.fit_noise(path, CONTRACT, 3, lambda: (expert, learner.astype(np.float32)))
        written = load_noise(path, CONTRACT)
        sizes.append(noise_size(written.covariance))
        if rule.name == "isotropic":
            np.testing.assert_allclose(written.covariance / np.outer(LARGEST, LARGEST), np.eye(5) * 0.4 / 5, atol=1e-12)
    assert sizes == pytest.approx([0.4, 0.4])


def test_demonstrations_are_whole_and_counted(tmp_path: Path) -> None:
    """Catches a last demonstration that is cut off at a number of ticks, and an expert who fails in an empty scene."""
    with open_table() as inner:
        drives = list(Demonstrations(inner, 2).collect(BehavioralCloningRule(), Assignment(0, None, None, 1, 5, 1)))
    assert [drive.tally.outcome["tries"] for drive in drives] == [1.0, 1.0]
    assert sum(drive.tally.outcome["failures"] for drive in drives) == 0.0
    assert all(20 < drive.tally.ticks < LONGEST_TICKS for drive in drives)
    assert drives[0].episode.observations["observation.state"].shape[1] == len(FEATURES)


def test_a_box_means_the_same_after_a_quarter_turn() -> None:
    """Catches a hand that is told to turn although the fingers fit as they are."""
    with GraspingWorld(GraspingConfig()) as world:
        state = world.reset(0)

    def seen(yaw_rad: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        quaternion = (0.0, 0.0, math.sin(yaw_rad / 2.0), math.cos(yaw_rad / 2.0))
        box = SceneObject(ObjectShape("box", (0.04, 0.04, 0.05)), ObjectPose((0.5, 0.1, 0.025), quaternion))
        return exact_state(replace(state, objects=(box,)))

    np.testing.assert_allclose(seen(0.3), seen(0.3 + math.pi / 2.0), atol=1e-5)
    assert np.abs(seen(0.3) - seen(0.7)).max() > 0.5
