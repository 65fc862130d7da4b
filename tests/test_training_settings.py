"""What a training was asked for: what is usual for a robot, what goes together, and the file that repeats it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ros_processes import REPOSITORY

from models.augment import Chain, Photometric, ShiftAndRotate, SideCameras
from models.contract import Contract, load_contract, parse_contract
from models.errors import ContractError, DatasetError, TrainingError
from models.policies.heads import HEADS
from understudy.demo_settings import DemoSettings, GraspDemoSettings
from understudy.training.augmentations import RECIPES
from understudy.training.config_file import FORMAT, load_settings, training_text
from understudy.training.robots import learning_of
from understudy.training.settings import TrainingSettings

CONTRACTS = REPOSITORY / "contracts"
CAR, THREE, ARM = (
    load_contract(CONTRACTS / f"{name}.yaml") for name in ("driving", "driving_three_cameras", "grasping")
)
CAR_FILE = CONTRACTS / "driving.yaml"
OWN = parse_contract(CAR.text.replace("robot_type: understudy_car", "robot_type: my_robot"))


def settings(**given: Any) -> TrainingSettings:
    found = TrainingSettings(**given)
    found.require_sense()
    return found


# -- what is usual -----------------------------------------------------------------------------------------------------


def test_only_the_cars_pictures_lose_their_sky() -> None:
    """Catches the arm, or a robot of one's own, that is blind in the upper third of its pictures."""
    crops = {one.robot_type: settings().plan(one).config.policy.crop_top for one in (CAR, THREE, ARM, OWN)}
    assert crops == {"understudy_car": 0.35, "understudy_arm": 0.0, "my_robot": 0.0}
    assert settings(policy={"crop_top": 0.1}).plan(CAR).config.policy.crop_top == 0.1


def test_training_a_robot_by_hand_is_training_it_in_the_demo() -> None:
    """Catches an `understudy train` that does something else with the arm than the demo that shows it off."""
    assert settings().plan(ARM).config == GraspDemoSettings().learning()
    assert settings().plan(CAR).config.policy == DemoSettings().learning().policy
    assert settings().plan(CAR).config.epochs == DemoSettings().learning().epochs


def test_a_memory_that_nobody_names_is_the_contracts() -> None:
    recurrent = parse_contract(CAR.text.replace("recurrent: false", "recurrent: true"))
    assert settings().plan(recurrent).config.policy.memory == "gru"
    assert settings(policy={"previous_action": True}).plan(recurrent).config.policy.previous_action
    plan = settings(policy={"memory": "lstm"}, memory_frames=1).plan(CAR)
    assert (plan.contract.memory.frames, plan.contract.memory.recurrent) == (1, True)
    assert settings().plan(CAR).contract is CAR


def test_the_car_knows_how_far_a_trail_turns() -> None:
    """Catches a head whose certain turn is another than the one that the labels say."""
    plan = settings(policy={"head": {"kind": "trail"}}, augment=("trail",), contract=CAR_FILE).plan(THREE)
    head, augmentation = plan.config.policy.head, plan.config.augmentation
    assert (
        getattr(head, "turn", None)
        == getattr(augmentation, "turn", None)
        == learning_of("understudy_car").heads["trail"]["turn"]
    )


# -- augmentations by name ---------------------------------------------------------------------------------------------


def test_augmentations_are_the_cars() -> None:
    """Catches a camera of another size, a steering limit of nobody's, a yaw rate that stays as it was recorded."""
    alvinn = settings(augment=("alvinn",)).plan(CAR).config.augmentation
    assert isinstance(alvinn, ShiftAndRotate)
    assert (alvinn.camera.width, alvinn.camera.height) == (96, 64)
    assert alvinn.yaw_rate is not None
    assert (alvinn.yaw_rate.key, alvinn.yaw_rate.dimension) == ("observation.state", 1)
    plan = settings(augment=("photometric", "between_cameras"), contract=CAR_FILE).plan(THREE)
    assert isinstance(plan.config.augmentation, Chain)
    sides, light = plan.config.augmentation.parts
    assert isinstance(sides, SideCameras)
    assert sides.between is not None
    assert [side.camera.position_m[1] for side in sides.sides] == [0.6, -0.6]
    assert isinstance(light, Photometric)
    assert light.keys == ("observation.images.front",)
    assert plan.contract.hash == CAR.hash


@pytest.mark.parametrize(
    ("contract", "given", "error", "says"),
    [
        (CAR, {"augment": ("side_cameras",)}, TrainingError, "were not recorded"),
        (THREE, {"augment": ("side_cameras",)}, TrainingError, "would see the side cameras"),
        (OWN, {"augment": ("alvinn",)}, TrainingError, "where the cameras are"),
        (ARM, {"augment": ("alvinn",)}, TrainingError, "where the cameras are"),
        (CAR, {"contract": CONTRACTS / "driving_three_cameras.yaml"}, DatasetError, "not recorded for this robot"),
        (CAR, {"contract": CONTRACTS / "grasping.yaml"}, DatasetError, "not recorded for this robot"),
        (CAR, {"contract": Path("nowhere.yaml")}, ContractError, "there is no contract"),
        (CAR, {"policy": {"previous_action": True}}, TrainingError, "previous_action would have no effect"),
    ],
)
def test_what_does_not_fit_the_recordings_is_refused(
    contract: Contract, given: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        settings(**given).plan(contract)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"policy": {"act": "sample"}}, "no distribution to draw from"),
        ({"policy": {"act": "sample", "head": {"kind": "trail"}}}, "no distribution to draw from"),
        ({"policy": {"memory": "stack", "previous_action": True}}, "previous_action would have no effect"),
        ({"policy": {"memory": "stack", "memory_features": 32}}, "memory_features would have no effect"),
        ({"policy": {"memory": "gru"}, "learning": {"alpha_last": 0.5}}, "alpha_last would have no effect"),
        ({"policy": {"memory": "stack"}, "learning": {"sequence": 8}}, "sequence would have no effect"),
        ({"policy": {"encoder": "resnet", "image_channels": (4,)}}, "image_channels would have no effect"),
        ({"policy": {"head": {"kind": "mixture", "modes": 1}}}, "modes"),
        ({"policy": {"head": {"kind": "mixture", "bins": 3}}}, "no option 'bins'"),
        ({"augment": ("alvinn", "side_cameras")}, "do not go together"),
        ({"augment": ("alvinn", "alvinn")}, "do not go together"),
        ({"augment": ("trail",)}, "takes a head of such classes"),
        ({"safety": {"deployed_share": 0.5}}, "more frames would be flagged"),
    ],
)
def test_contradictions_are_refused_before_anything_is_read(given: dict[str, Any], says: str) -> None:
    """Catches a training that begins with options of which one does nothing."""
    with pytest.raises(TrainingError, match=says):
        settings(**given)


def test_a_recurrent_policy_is_not_augmented() -> None:
    with pytest.raises(TrainingError, match="cannot learn from augmented examples"):
        settings(policy={"memory": "gru"}, augment=("photometric",)).plan(CAR)


# -- the file ----------------------------------------------------------------------------------------------------------

REPEATED: dict[str, tuple[Contract, dict[str, Any]]] = {
    **{f"head {kind}": (CAR, {"policy": {"head": {"kind": kind}}}) for kind in HEADS},
    **{f"memory {name}": (CAR, {"policy": {"memory": name}}) for name in ("stack", "rnn", "gru", "lstm")},
    **{
        f"augment {name}": (
            THREE,
            {
                "augment": (name, "photometric") if name != "photometric" else (name,),
                "policy": {"head": {"kind": "trail" if name == "trail" else "mixture"}},
                "contract": CAR_FILE,
            },
        )
        for name in RECIPES
    },
    "everything": (
        CAR,
        {
            "policy": {
                "head": {"kind": "flow", "steps": 3},
                "act": "sample",
                "memory": "lstm",
                "previous_action": True,
                "chunk": 7,
                "crop_top": 0.25,
                "pool": 1,
                "image_channels": (8, 16),
            },
            "learning": {"alpha_last": 0.3, "sequence": 9, "learning_rate": 1e-4, "seed": 5, "held_out": 0.4},
            "safety": {"deployed_share": 0.03, "seed": 5},
            "memory_frames": 2,
        },
    ),
    "no classifier": (ARM, {"has_safety": False}),
}


@pytest.mark.parametrize("name", REPEATED)
def test_the_file_of_a_training_repeats_it(name: str, tmp_path: Path) -> None:
    """Catches an option that is not written, or is read as something else."""
    contract, given = REPEATED[name]
    plan = settings(**given).plan(contract)
    (tmp_path / "contract.yaml").write_text(plan.contract.text)
    text = training_text(plan.config, "contract.yaml", plan.contract.memory.frames, "a test")
    (tmp_path / "training.yaml").write_text(text)
    found = load_settings(tmp_path / "training.yaml")
    found.require_sense()
    again = found.plan(contract)
    assert again.config == plan.config
    assert again.contract.hash == plan.contract.hash


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the file is empty"),
        ("policy: {}", "format"),
        ("format: understudy-noise-1", FORMAT),
        (f"format: {FORMAT}\npolicy: {{chunks: 3}}", "did you mean 'chunk'"),
        (f"format: {FORMAT}\npolicy: {{head: mixtur}}", "did you mean 'mixture'"),
        (f"format: {FORMAT}\npolicy: {{head: {{modes: 3}}}}", "no kind"),
        (f"format: {FORMAT}\npolicy: {{head: {{kind: flow, modes: 3}}}}", "policy.head.modes: unknown key"),
        (f"format: {FORMAT}\npolicy: {{chunk: four}}", "line 2, policy.chunk: not a whole number"),
        (f"format: {FORMAT}\npolicy: {{image_channels: 16}}", "policy.image_channels: not a list"),
        (f"format: {FORMAT}\nepochs: 3", "under 'learning'"),
        (f"format: {FORMAT}\nlearning: {{learning_rate: fast}}", "learning.learning_rate: not a number"),
        (f"format: {FORMAT}\nlearning: {{evaluate_every: 3}}", "unknown key"),
        (f"format: {FORMAT}\nsafety: {{share: 3}}", "safety.share: unknown key"),
        (f"format: {FORMAT}\naugment: [alvin]", "did you mean 'alvinn'"),
        (f"format: {FORMAT}\naugment: [{{kind: photometric, keys: [a], brightnes: 1}}]", "did you mean 'brightness'"),
        (f"format: {FORMAT}\naugment: [{{kind: photometric, keys: [a], brightness: -1}}]", "out of range"),
        (f"format: {FORMAT}\naugment: [{{kind: shift_and_rotate, key: a}}]", "augment[0].camera: missing"),
        (f"format: {FORMAT}\nmemory_frames: 0", "memory_frames"),
        (f"format: {FORMAT}\npolicy: !!python/name:os.system {{}}", "tags are not allowed"),
        (f"format: {FORMAT}\nlearning: {{epochs: 3, epochs: 4}}", "stands twice"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, says: str, tmp_path: Path) -> None:
    """Catches a misspelt option that trains with its default, and a traceback of the parser."""
    path = tmp_path / "training.yaml"
    path.write_text(text)
    with pytest.raises(TrainingError) as raised:
        load_settings(path)
    assert says in str(raised.value)
    assert str(path) in str(raised.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "training.yaml"
    path.write_text(f"format: {FORMAT}\npolicy: {{chunks: 3}}\nlearning: {{epochs: many}}\n")
    with pytest.raises(TrainingError) as raised:
        load_settings(path)
    assert "2 problems" in str(raised.value)
    assert "line 2" in str(raised.value)
    assert "line 3" in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "training.yaml").write_text(f"format: {FORMAT}\n")
    with pytest.raises(TrainingError) as raised:
        load_settings(tmp_path / "trainings.yaml")
    assert "did you mean 'training.yaml'" in raised.value.fix


def test_what_is_given_beside_a_file_counts_more() -> None:
    """Catches an option that a file overrules, and a default that overrules the file."""
    base = TrainingSettings(
        policy={"chunk": 8, "head": {"kind": "mixture"}}, learning={"epochs": 3}, augment=("alvinn",), memory_frames=2
    )
    found = TrainingSettings(policy={"head": {"kind": "flow"}}, learning={"seed": 4}, has_safety=False).over(base)
    assert found.policy == {"chunk": 8, "head": {"kind": "flow"}}
    assert found.learning == {"epochs": 3, "seed": 4}
    assert found.has_safety is False
    assert (found.augment, found.memory_frames) == (("alvinn",), 2)
    assert TrainingSettings().over(found).has_safety is False
    assert TrainingSettings(has_safety=True).over(found).has_safety is True


@pytest.mark.parametrize("page", ["command-line.md", "augmentation.md"])
def test_what_the_documentation_shows_can_be_used(page: str, tmp_path: Path) -> None:
    """Catches an example that is refused."""
    blocks = re.findall(
        r"```yaml\n(format: understudy-training-1.*?)```", (REPOSITORY / "docs" / page).read_text(), re.S
    )
    assert len(blocks) == 1
    (tmp_path / "contract.yaml").write_text(CAR.text)
    (tmp_path / "training.yaml").write_text(blocks[0])
    found = load_settings(tmp_path / "training.yaml")
    found.require_sense()
    assert found.plan(OWN if page == "augmentation.md" else CAR).config.epochs > 1
