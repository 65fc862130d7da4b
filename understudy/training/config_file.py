"""The file that says how a policy is trained: YAML, written beside every checkpoint, and read by ``--config``.

.. code-block:: yaml

    format: understudy-training-1
    contract: contract.yaml          # the robot's; beside this file, or wherever it says
    memory_frames: 3                 # of the contract's stack
    policy:                          # models.policies.PolicyConfig
      head: {kind: mixture, modes: 5}
      chunk: 4
    learning: {epochs: 25, seed: 0}  # models.learners.BehavioralCloningConfig
    safety: {deployed_share: 0.02}   # models.learners.SafetyConfig; false for no classifier
    augment: [side_cameras]          # names, or augmentations in full

Nothing but the first line is needed: what is left out is usual for the robot.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from models.contract import InvalidContract
from models.contract.problems import Problems, nearest
from models.contract.reader import Reader
from models.contract.yaml_tree import MAX_BYTES, Node, read_yaml
from models.errors import TrainingError
from models.regular_file import read_regular_file
from understudy.training.augmentations import RECIPES
from understudy.training.fields import build, plain, read_fields, read_kind
from understudy.training.settings import TrainingSettings

if TYPE_CHECKING:
    from models.episodes import EpisodeDataset
    from models.learners import BehavioralCloningConfig

__all__ = ["CONTRACT_FILE", "FORMAT", "TRAINING_FILE", "load_settings", "training_text", "write_training"]

FORMAT = "understudy-training-1"
TRAINING_FILE, CONTRACT_FILE = "training.yaml", "contract.yaml"
_KEYS = ("format", "contract", "memory_frames", "policy", "learning", "safety", "augment")
# Of the learner's options those that have a section of their own, and the one that needs somebody who drives.
_NOT_LEARNING = ("policy", "safety", "augmentation", "evaluate_every")
_MOST_FRAMES = 256


def load_settings(path: Path) -> TrainingSettings:
    """Read such a file.

    Raises:
        TrainingError: with every problem that was found.
    """
    try:
        data = read_regular_file(path, MAX_BYTES)
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise TrainingError(f"{path} is not UTF-8 text", expected="a YAML file") from None
    except FileNotFoundError:
        others = sorted(other.name for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise TrainingError(
            f"there is no file {path}",
            found="no such file",
            expected="a YAML file of training options; each checkpoint has one beside it, training.yaml",
            fix=nearest(path.name, others),
        ) from None
    except (OSError, ValueError) as error:
        raise TrainingError(f"the file {path} cannot be read", found=str(error)) from None
    problems = Problems(str(path))
    try:
        settings = _read(Reader(problems), read_yaml(text, str(path)), path.parent)
        problems.raise_if_any()
    except InvalidContract as error:
        raise TrainingError(error.problem, found=error.found, expected=error.expected, fix=error.fix) from None
    try:
        made: TrainingSettings = dataclasses.replace(settings, augment=build(settings.augment))
    except TrainingError as error:
        raise TrainingError(
            f"{path}: augment: {error.problem}", found=error.found, expected=error.expected, fix=error.fix
        ) from None
    return made


def _read(reader: Reader, root: Node, folder: Path) -> TrainingSettings:
    from models.learners import BehavioralCloningConfig
    from models.policies import PolicyConfig

    if root.value is None:
        root = Node("", 1, {})
    given = reader.mapping(root, _KEYS, ("format",), _elsewhere(), {"format": f"format: {FORMAT}"})
    if "format" in given and given["format"].value != FORMAT:
        reader.wrong(given["format"], "not a file of training options", FORMAT)
    contract = reader.text(given.get("contract"), "the path of a contract")
    policy: dict[str, Any] = {}
    if "policy" in given:
        policy = _read_policy(reader, given["policy"], PolicyConfig)
    return TrainingSettings(
        policy=policy,
        learning=(
            read_fields(reader, given["learning"], BehavioralCloningConfig, _NOT_LEARNING)
            if "learning" in given
            else {}
        ),
        safety=_read_safety(reader, given["safety"]) if "safety" in given else {},
        has_safety=given["safety"].value not in (None, False) if "safety" in given else None,
        augment=_read_augment(reader, given["augment"]) if "augment" in given else None,
        memory_frames=reader.integer(given["memory_frames"], 1, _MOST_FRAMES, 1) if "memory_frames" in given else None,
        contract=folder / contract if contract else None,
    )


def _elsewhere() -> dict[str, str]:
    """For options that stand at the top, the section that they belong to."""
    from models.learners import BehavioralCloningConfig
    from models.policies import PolicyConfig

    sections: tuple[tuple[str, type], ...] = (("policy", PolicyConfig), ("learning", BehavioralCloningConfig))
    return {
        entry.name: f"indent it by two spaces, under '{section}'"
        for section, cls in sections
        for entry in dataclasses.fields(cls)
    }


def _read_policy(reader: Reader, node: Node, cls: type) -> dict[str, Any]:
    """Options of the network; of the head its name, or a mapping with its kind."""
    from models.policies.heads import HEADS

    head = node.value.get("head") if isinstance(node.value, Mapping) else None
    if head is None:
        return read_fields(reader, node, cls)
    assert isinstance(node.value, Mapping)
    rest = Node(node.path, node.line, {key: child for key, child in node.value.items() if key != "head"})
    if not isinstance(head.value, Mapping):
        kind = reader.choice(head, HEADS, "point")
        return {"head": {"kind": kind}, **read_fields(reader, rest, cls)}
    found = read_kind(reader, head, HEADS)
    options = {"kind": head.value["kind"].value, **found[1]} if found else {"kind": "point"}
    return {"head": options, **read_fields(reader, rest, cls)}


def _read_safety(reader: Reader, node: Node) -> dict[str, Any]:
    """Options of the classifier; a truth value says only whether there is one."""
    from models.learners import SafetyConfig

    return {} if node.value in (None, True, False) else read_fields(reader, node, SafetyConfig)


def _read_augment(reader: Reader, node: Node) -> tuple[Any, ...]:
    if node.value in (None, (), False):
        return ()
    kinds = _augmentation_kinds()
    found = []
    for item in reader.items(node, "augmentations"):
        found.append(read_kind(reader, item, kinds) if isinstance(item.value, Mapping) else _recipe(reader, item))
    return tuple(found)


def _recipe(reader: Reader, item: Node) -> str:
    return reader.choice(item, RECIPES, RECIPES[0])


def _augmentation_kinds() -> dict[str, type]:
    from models.augment import Photometric, ShiftAndRotate, SideCameras, TrailCameras

    return {cls.kind: cls for cls in (ShiftAndRotate, SideCameras, TrailCameras, Photometric)}


def write_training(folder: Path, config: BehavioralCloningConfig, dataset: EpisodeDataset) -> None:
    """Write the file that repeats a training, and the contract of the robot that it is for, beside a checkpoint."""
    contract = dataset.contract
    about = (
        f'Written by understudy train: "understudy train --config FILE" does the same again.\n'
        f"Trained on dataset {dataset.hash[:16]} of {len(dataset.episode_ids)} episodes, for {contract.robot_type}."
    )
    (folder / CONTRACT_FILE).write_text(contract.text, encoding="utf-8")
    (folder / TRAINING_FILE).write_text(
        training_text(config, CONTRACT_FILE, contract.memory.frames, about), encoding="utf-8"
    )


def training_text(config: BehavioralCloningConfig, contract: str, frames: int, about: str) -> str:
    """The file of a training, in full: reading it gives the same config.

    Args:
        config: of the learner.
        contract: path of the robot's contract, as seen from the file.
        frames: of the contract's stack.
        about: a line or more for the person who opens it.
    """
    from models.augment import Chain

    learning = {
        entry.name: plain(getattr(config, entry.name))
        for entry in dataclasses.fields(config)
        if entry.name not in _NOT_LEARNING
    }
    one = config.augmentation
    augment = one.parts if isinstance(one, Chain) else () if one is None else (one,)
    content = {
        "format": FORMAT,
        "contract": contract,
        "memory_frames": frames,
        "policy": plain(config.policy),
        "learning": learning,
        "safety": plain(config.safety) if config.safety else False,
        "augment": plain(augment),
    }
    comments = "".join(f"# {line}\n" for line in about.splitlines())
    return comments + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)
