"""A policy of every family drives the simulated car through policy node and gate, by its state alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.bundle import export_bundle, inspect_bundle
from models.learners.reproducible import reproducible
from models.reinforcement import PpoConfig
from models.reinforcement.actor import make_actor
from models.reinforcement.exported import policy_of
from sim.control.driving import DRIVING
from sim.control.experts import demonstrate
from understudy.__main__ import run
from understudy.console import Progress
from understudy.control.contract import DRIVING_CONTRACT, control_contract
from understudy.control.runs import Request, control_checkpoint
from understudy.evaluation.evaluation import evaluate
from understudy.evaluation.scores import EpisodeScore
from understudy.rewards.lane_policy import LANE_CONTRACT
from understudy.stacks.drives import DriveSettings, drive

pytestmark = [pytest.mark.ros, pytest.mark.sim]

# A track that nobody learned on, and so long a drive: a few bends.
TRACK, SECONDS = 1001, 8.0


def _learned(*words: str) -> Callable[[Path], Path]:
    """A bundle from the command that makes it, in seconds."""

    def make(place: Path) -> Path:
        assert run(["learn", *words, "-w", str(place)]) == 0
        return place / "policy.onnx"

    return make


def _untrained(place: Path) -> Path:
    """The policy that reinforcement learning begins with."""
    shown = demonstrate(DRIVING, 2, 0)
    with reproducible(0):
        actor = make_actor(DRIVING, PpoConfig().width)
    actor.statistics.add(shown.observations)
    policy = policy_of(actor, control_contract(DRIVING), DRIVING.action_values)
    control_checkpoint(DRIVING, policy, shown, Request("untrained", "driving", 2, 0, {})).save(place / "checkpoint")
    return export_bundle(place / "checkpoint", place / "policy.onnx").path


def _drive(bundle: Path, contract: Path, place: Path) -> EpisodeScore:
    """One drive in lock-step, as the recording tells it."""
    settings = DriveSettings(tracks=(TRACK,), max_episode_s=SECONDS, laps=0, lock_step=True)
    bags = drive(settings, place / "drives", place / "logs", Progress(), contract=contract, bundle=bundle)
    return evaluate(bags).episodes[0]


@pytest.mark.parametrize(
    ("family", "make", "contract"),
    [
        ("bco", _learned("bco", "--task", "driving", "--demonstrations", "10"), DRIVING_CONTRACT),
        (
            "gail",
            _learned("gail", "--task", "driving", "--demonstrations", "10", "--steps", "40960"),
            DRIVING_CONTRACT,
        ),
        ("maxent", _learned("maxent", "--task", "lane", "--demonstrations", "4"), LANE_CONTRACT),
    ],
)
def test_a_policy_of_each_family_drives_the_car(
    family: str, make: Callable[[Path], Path], contract: Path, tmp_path: Path
) -> None:
    """Catches a topic that says something else than the world that was learned in, and a gate that never lets it."""
    bundle = make(tmp_path / "learned")
    assert inspect_bundle(bundle).metadata.learner["name"] == family
    score = _drive(bundle, contract, tmp_path)
    assert score.policy_share is not None
    assert score.policy_share > 0.95
    assert (score.off_track, score.interventions) == (0, 0)
    # From a standing start; the expert comes 40 m.
    assert score.progress_m > 20.0


def test_a_policy_that_learned_nothing_leaves_the_road(tmp_path: Path) -> None:
    """The negative control: the gate lets it drive all the same, so that it is the policy who kept the others on it."""
    score = _drive(_untrained(tmp_path), DRIVING_CONTRACT, tmp_path)
    assert score.policy_share is not None
    assert score.policy_share > 0.9
    assert score.off_track >= 1
