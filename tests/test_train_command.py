"""``understudy train`` as a person meets it: its options and help, what it refuses, and a run that is repeated."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import typer.main
from recorded_drives import drive, write_bag
from safetensors.torch import load_file

from models.learners import BehavioralCloningConfig
from models.policies import PolicyConfig
from models.policies.heads import HEADS
from models.policies.specification import ACTS, ENCODERS, MEMORIES
from understudy.__main__ import run
from understudy.commands import build_app, train_options
from understudy.console import Console
from understudy.environment.ros_environment import repository_root
from understudy.training.augmentations import RECIPES
from understudy.training.config_file import load_settings
from understudy.training.policy_contract import robot_contract, simulated_contract
from understudy.training.robots import learning_of
from understudy.workspace import Workspace

CAR = repository_root() / "contracts" / "driving.yaml"
PLACE = Workspace(Path("runs/mine"), create=False)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


def train(*options: str) -> int:
    return run(["train", "--json", "-w", str(PLACE.path), "--epochs", "1", *options])


def record(number: int = 3) -> None:
    """Drives of a second."""
    for seed in range(number):
        write_bag(PLACE.recordings, f"drive-{seed}", drive(seed, 1.0, images=True))


# -- options and help --------------------------------------------------------------------------------------------------


def _options() -> dict[str, Any]:
    command = typer.main.get_command(build_app(Console())).commands["train"]  # type: ignore[attr-defined,arg-type]
    return {option.name: option for option in command.params}


def test_every_name_that_exists_can_be_asked_for() -> None:
    """Catches a head, an encoder, a memory or an augmentation that exists in Python only."""
    assert list(train_options.HeadName) == list(HEADS)
    assert list(train_options.Act) == list(ACTS)
    assert list(train_options.Encoder) == list(ENCODERS)
    assert list(train_options.MemoryName) == list(MEMORIES)
    assert list(train_options.Augment) == list(RECIPES)
    for name in HEADS:
        assert name in _options()["head"].help


def test_help_says_the_defaults_that_count() -> None:
    """Catches a default that is changed in one place and still promised in another."""
    usual = learning_of("my_robot")
    real = {
        **{
            entry.name: getattr(BehavioralCloningConfig(), entry.name)
            for entry in dataclasses.fields(BehavioralCloningConfig)
        },
        **{entry.name: getattr(PolicyConfig(), entry.name) for entry in dataclasses.fields(PolicyConfig)},
        **usual.policy,
        **usual.learning,
    }
    checked = 0
    for name, option in _options().items():
        said = str(option.show_default).split(";")[0]
        if name in real and isinstance(real[name], int | float) and not isinstance(real[name], bool):
            assert float(said) == real[name], name
            checked += 1
    assert checked >= 12


def test_help_is_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches thirty options in one heap, and one that is lost between the groups."""
    assert run(["train", "--help"]) == 0
    text = capsys.readouterr().out
    headings = ["Options:", "The policy (docs/policies.md):", "Its memory:", "Learning:", "Augmentation"]
    assert [text.index(heading) for heading in headings] == sorted(text.index(heading) for heading in headings)
    memory = text[text.index("Its memory:") : text.index("Learning:")]
    assert "--previous-action" in memory
    assert "--epochs" not in memory
    for option in _options().values():
        assert option.opts[0] in text, option.opts


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (["--head", "mixtur"], 2, "mixtur"),
        (["--head", "mixture", "--head-option", "modus=3"], 2, "mixture has modes"),
        (["--head", "mixture", "--head-option", "modes=many"], 2, "a whole number"),
        (["--head-option", "loss"], 2, "point has loss"),
        (["--head", "mixture", "--head-option", "modes=1"], 5, "at least 2"),
        (["--augment", "alvin"], 2, "side_cameras"),
        (["--augment", "alvinn,side-cameras"], 5, "do not go together"),
        (["--act", "sample"], 5, "no distribution"),
        (["--memory", "stack", "--previous-action"], 5, "previous_action"),
        (["--memory", "gru", "--alpha-last", "0.5"], 5, "alpha_last"),
        (["--memory", "gru", "--augment", "photometric"], 5, "cannot learn from augmented"),
        (["--crop-top", "1.5"], 2, "--crop-top"),
        (["--seed", str(2**70)], 5, "seed is out of range"),
        (["--light", "inf"], 5, "light is out of range"),
        (["--head", "cvae", "--head-option", "kl_weight=inf"], 5, "a positive weight"),
        (["--head", "joint", "--head-option", "clusters=10000000"], 5, "at most 4096"),
        (["--config", "nowhere.yaml"], 5, "nowhere.yaml"),
        (["--contract", "nowhere.yaml"], 4, "understudy record"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(
    options: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a training that ends in a traceback after it has built a dataset. There are no recordings here."""
    assert train(*options) == code
    output = capsys.readouterr()
    assert says in output.err
    assert "Traceback" not in output.err
    assert json.loads(output.out)["ok"] is False
    assert not list(Path().iterdir())


def test_what_does_not_fit_the_recordings_is_refused_before_they_are_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a dataset that is built first, for minutes."""
    record(1)
    for options, code, says in (
        (["--augment", "side_cameras"], 5, "were not recorded"),
        (["--contract", str(CAR.with_name("grasping.yaml"))], 5, "not recorded for this robot"),
        (["--contract", "nowhere.yaml"], 3, "there is no contract"),
    ):
        assert train(*options) == code
        assert says in capsys.readouterr().err
        assert not PLACE.dataset.exists()
        assert not PLACE.checkpoint.exists()


def test_what_no_memory_holds_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a defect that a person is asked to report, where less has to be asked for."""
    record(2)
    assert train("--memory", "gru", "--memory-features", str(10**12)) == 1
    assert "more memory than this machine has" in capsys.readouterr().err


# -- a run, and the same again -----------------------------------------------------------------------------------------


def test_a_training_is_repeated_by_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a file that lacks what decided: the same weights, to the bit, from the file alone."""
    record()
    wanted = ["--head", "mixture", "--head-option", "modes=2", "--chunk", "2", "--augment", "alvinn,photometric"]
    assert train(*wanted, "--seed", "3", "--pool", "4") == 0
    first = load_file(PLACE.checkpoint / "policy.safetensors")
    text = (PLACE.checkpoint / "training.yaml").read_text()
    assert "kind: mixture" in text
    again = Path("again.yaml")
    again.write_text(text)
    (again.parent / "contract.yaml").write_text((PLACE.checkpoint / "contract.yaml").read_text())
    capsys.readouterr()
    assert run(["train", "--json", "-w", str(PLACE.path), "--config", str(again)]) == 0
    second = load_file(PLACE.checkpoint / "policy.safetensors")
    assert first.keys() == second.keys()
    assert all(bool((first[name] == second[name]).all()) for name in first)
    assert json.loads(capsys.readouterr().out)["epochs"] == 1
    beside = ["--seed", "4", "--head-option", "modes=3"]
    assert run(["train", "--json", "-w", str(PLACE.path), "--config", str(again), *beside]) == 0
    other = load_file(PLACE.checkpoint / "policy.safetensors")
    assert bool((first["fusion.weight"] != other["fusion.weight"]).any())
    written = load_settings(PLACE.checkpoint / "training.yaml")
    assert (written.learning["seed"], written.safety["seed"]) == (4, 4)
    assert written.policy["head"] == {"kind": "mixture", "modes": 3}


def test_a_policy_that_remembers_otherwise_is_simulated_under_its_own_contract(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Catches a trained memory that `deploy` then refuses, and somebody else's contract taken for the robot's."""
    record()
    assert train("--memory", "gru", "--memory-frames", "1", "--previous-action", "--pool", "4", "--no-safety") == 0
    assert run(["export", "--json", "-w", str(PLACE.path)]) == 0
    capsys.readouterr()
    assert simulated_contract(PLACE, PLACE.bundle, "driving") == PLACE.policy_contract
    assert simulated_contract(PLACE, PLACE.bundle, "grasping") is None
    assert robot_contract(PLACE, "understudy_car", PLACE.bundle) == PLACE.policy_contract
    own = PLACE.policy_contract.read_text()
    PLACE.policy_contract.write_text(own.replace("max: 8 m/s", "max: 4 m/s"))
    assert simulated_contract(PLACE, PLACE.bundle, "driving") is None
    PLACE.policy_contract.write_text(CAR.read_text())
    assert simulated_contract(PLACE, PLACE.bundle, "driving") is None
