"""A contract with another memory: everything else stays, word for word."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ros_processes import REPOSITORY

from models.contract import ContractError, Memory, load_contract, parse_contract
from models.contract.memory_section import differ_in_memory_only, with_memory

CONTRACTS = sorted((REPOSITORY / "contracts").glob("*.yaml"))
CAR = load_contract(REPOSITORY / "contracts" / "driving.yaml")
LINE = "memory: {frames: 3, stride: 1, recurrent: false, reset_gap: 500 ms}"
OTHER = Memory(frames=5, stride=1, recurrent=True, reset_gap_s=0.5)


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_only_the_memory_changes(path: object) -> None:
    """Catches limits, topics or a gate that get lost on the way."""
    contract = load_contract(str(path))
    found = with_memory(contract, replace(contract.memory, frames=contract.memory.frames + 1, recurrent=True))
    assert found.memory.recurrent
    assert found.hash != contract.hash
    assert replace(found, memory=contract.memory, text="") == replace(contract, text="")
    assert len(found.text.splitlines()) == len(contract.text.splitlines())


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("memory:\n  frames: 3  # three\n  recurrent: false\n# about the trigger", "# about the trigger"),
        ("memory: {frames: 3,\n  recurrent: false}  # behind", "# behind"),
        ("", "trigger: observation.images.front"),
        ("# memory: {frames: 9}", "# memory: {frames: 9}"),
    ],
    ids=["block", "two lines", "none", "comment"],
)
def test_a_memory_is_found_however_it_is_written(written: str, kept: str) -> None:
    """Catches a section that is cut at the wrong place, or taken from a comment."""
    contract = parse_contract(CAR.text.replace(LINE, written))
    found = with_memory(contract, OTHER)
    assert found.memory == OTHER
    assert kept in found.text
    assert differ_in_memory_only(found, contract)


def test_an_equal_memory_changes_nothing() -> None:
    assert with_memory(CAR, CAR.memory) is CAR


def test_a_memory_that_cannot_be_exchanged_is_refused() -> None:
    """Catches an anchor whose text is exchanged somewhere else in the file."""
    text = CAR.text.replace(LINE, "memory: *past").replace("robot_type:", "x-past: &past {frames: 3}\nrobot_type:")
    with pytest.raises(ContractError, match="cannot be exchanged"):
        with_memory(parse_contract(text), OTHER)


def test_another_limit_is_no_other_memory() -> None:
    slower = parse_contract(CAR.text.replace("max: 8 m/s", "max: 4 m/s"))
    assert not differ_in_memory_only(slower, CAR)
