"""Reads a contract file: bytes, YAML, sections, and the rules that span sections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.contract.channels import TopicTypes
from models.contract.contract import Contract
from models.contract.model import GateSpec, Memory, Stream
from models.contract.problems import Problems, nearest, one_of
from models.contract.reader import Reader
from models.contract.sections import GATE_KEYS, MEMORY_KEYS, halt_stop, read_gate, read_limits, read_memory
from models.contract.streams import SOURCE_KEYS, read_streams
from models.contract.yaml_tree import MAX_BYTES, Node, read_yaml
from models.errors import ContractError
from models.regular_file import read_regular_file

__all__ = ["UNUSED_SECTIONS", "load_contract", "parse_contract"]

UNUSED_SECTIONS = ("tasks", "rewards", "signals", "info", "complementary_data", "teleop", "adjunct")
"""Sections of the vocabulary that Understudy accepts unread."""

_KEYS = ("robot_type", "robot_interface", "fps", "observations", "actions", "limits", "memory", "trigger", "gate")
_ADDITIONS = {
    "robot_type": "robot_type: my_robot",
    "fps": "fps: 20",
    "observations": "see docs/contract.md for the smallest contract",
    "actions": "see docs/contract.md for the smallest contract",
}
_MIN_FPS, _MAX_FPS = 0.01, 1000.0
"""Ticks per second; the nodes are Python."""


def load_contract(path: Path | str) -> Contract:
    """Read the contract in a file.

    Raises:
        ContractError: the file cannot be read, or its content is no contract; the message names every problem.
    """
    path = Path(path)
    try:
        data = read_regular_file(path, MAX_BYTES)
    except FileNotFoundError:
        others = sorted(other.name for other in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
        raise ContractError(
            f"there is no contract {path}",
            found="no such file",
            expected="a YAML file that describes the robot",
            fix=nearest(path.name, others) or "see docs/contract.md for the smallest contract",
        ) from None
    except IsADirectoryError:
        raise ContractError(f"{path} is a directory", found="a directory", expected="a contract's YAML file") from None
    except (OSError, ValueError) as error:
        raise ContractError(
            f"the contract {path} cannot be read", found=str(error), expected="a readable file"
        ) from None
    try:
        text = data[: MAX_BYTES + 1].decode("utf-8")
    except UnicodeDecodeError as error:
        if len(data) <= MAX_BYTES:
            found = f"byte {data[error.start]:#04x} at offset {error.start}"
            raise ContractError(f"{path} is not UTF-8 text", found=found, expected="a YAML file in UTF-8") from None
        text = data.decode("utf-8", "replace")
    return parse_contract(text, str(path))


def parse_contract(text: str, name: str = "<contract>") -> Contract:
    """Read a contract from its text; ``name`` stands in the messages.

    Nothing that the text names is ever imported or executed.

    Raises:
        ContractError: with every problem that was found (``InvalidContract.problems`` keeps them apart).
    """
    root = read_yaml(text, name)
    problems = Problems(name)
    reader = Reader(problems)
    sections = _top_level(reader, root)
    robot_type = reader.text(sections.get("robot_type"), "the robot's name")
    reader.choice(sections.get("robot_interface"), ("ros2",), "ros2")
    fps = reader.number(sections.get("fps"), ("Hz",), 1.0, minimum=_MIN_FPS, maximum=_MAX_FPS)
    types: TopicTypes = {}
    observations = (
        read_streams(reader, sections["observations"], types, actions=False) if "observations" in sections else ()
    )
    before = len(problems)
    actions = read_streams(reader, sections["actions"], types, actions=True) if "actions" in sections else ()
    # Limits and gate refer to the actions: on actions that are wrong themselves they would only raise echoes.
    sound = actions if len(problems) == before else ()
    _check_keys(reader, sections, observations)
    sources = tuple(source for stream in sound for source in stream.sources)
    trigger = _trigger(reader, sections.get("trigger"), observations)
    contract = Contract(
        robot_type=robot_type,
        fps=fps,
        observations=observations,
        actions=actions,
        limits=(
            read_limits(reader, sections["limits"], sound, halt_stop(sections.get("gate")))
            if sound and "limits" in sections
            else ()
        ),
        memory=read_memory(reader, sections["memory"]) if "memory" in sections else Memory(),
        gate=read_gate(reader, sections["gate"], sources) if "gate" in sections else GateSpec(),
        trigger=trigger,
        unused_sections=tuple(section for section in sections if section in UNUSED_SECTIONS),
        text=text,
    )
    problems.raise_if_any()
    return contract


def _top_level(reader: Reader, root: Node) -> dict[str, Node]:
    required = ("robot_type", "fps", "observations", "actions")
    if not isinstance(root.value, Mapping):
        reader.wrong(root, "not a contract", f"a YAML mapping with the keys {', '.join(required)}")
        reader.problems.raise_if_any()
    assert isinstance(root.value, Mapping)
    known = {key: node for key, node in root.value.items() if not key.startswith("x-")}
    top = Node(root.path, root.line, known)
    return reader.mapping(top, (*_KEYS, *UNUSED_SECTIONS), required, _slipped(known), _ADDITIONS)


def _slipped(sections: Mapping[str, Node]) -> dict[str, str]:
    """For keys that lost their indentation, the block they came from."""
    where = {}
    for key in sections:
        if key.startswith("observation."):
            where[key] = "indent it by two spaces, under 'observations'"
        elif key.startswith("action.") or (key == "action" and "actions" in sections):
            where[key] = "indent it by two spaces, under 'actions'"
        elif key in SOURCE_KEYS:
            where[key] = "indent it by four spaces, under its stream in 'observations' or 'actions'"
        elif key in GATE_KEYS:
            where[key] = "indent it by two spaces, under 'gate'"
        elif key in MEMORY_KEYS:
            where[key] = "indent it by two spaces, under 'memory'"
    return where


def _check_keys(reader: Reader, sections: dict[str, Node], observations: tuple[Stream, ...]) -> None:
    """One key belongs to one section."""
    actions = sections["actions"].value if "actions" in sections else None
    for key in (stream.key for stream in observations):
        if isinstance(actions, Mapping) and key in actions:
            reader.wrong(actions[key], "this key is an observation's already", "another key", found=repr(key))


def _trigger(reader: Reader, node: Node | None, observations: tuple[Stream, ...]) -> str:
    """The stream that starts a tick: as named, or the first image, or the first stream."""
    keys = [stream.key for stream in observations]
    if node is not None:
        key = reader.text(node, "the key of an observation")
        if key and keys and key not in keys:
            reader.wrong(node, "no such observation", one_of(keys), nearest(key, keys))
        return key
    return next((stream.key for stream in observations if stream.is_image), keys[0] if keys else "")
