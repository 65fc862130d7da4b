"""The same robot with another memory: a contract whose ``memory`` section says something else, word for word otherwise.

How much of the past a policy sees is the one thing in a contract that whoever trains it may choose: nothing on the
robot changes by it. It is part of the contract all the same, since the robot's nodes have to do it.
"""

from __future__ import annotations

from dataclasses import replace

import yaml

from models.contract.contract import Contract
from models.contract.load import parse_contract
from models.contract.model import Memory
from models.contract.yaml_tree import MAX_BYTES
from models.errors import ContractError

__all__ = ["differ_in_memory_only", "with_memory"]


def with_memory(contract: Contract, memory: Memory) -> Contract:
    """The contract with another memory; itself when that is its own already.

    Raises:
        ContractError: its text is written in a way that a section cannot be exchanged in, such as by anchors.
    """
    if contract.memory == memory:
        return contract
    words = (
        f"{{frames: {memory.frames}, stride: {memory.stride}, recurrent: {str(memory.recurrent).lower()}, "
        f"reset_gap: {memory.reset_gap_s!r}}}"
    )
    text = _exchanged(contract.text, words)
    try:
        found = parse_contract(text, f"{contract.robot_type} with another memory")
    except ContractError:
        found = contract
    if found.memory != memory or not differ_in_memory_only(found, contract):
        raise ContractError(
            f"the memory of {contract.robot_type} cannot be exchanged in its contract",
            expected="a section 'memory' of its own, without anchors or merges",
            fix=f"write it there: memory: {words}",
        )
    return found


def differ_in_memory_only(one: Contract, other: Contract) -> bool:
    """Whether two contracts ask the same of a robot, apart from how much of the past a policy sees."""
    return replace(one, memory=other.memory).hash == other.hash


def _exchanged(text: str, words: str) -> str:
    """``text`` with ``words`` as the value of its key ``memory``, or with that key behind all others."""
    assert len(text) <= MAX_BYTES, "a contract that was read is no longer"
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode), "and it is a mapping"
    for key, value in root.value:
        if key.value == "memory":
            start, end = key.end_mark.index, _end(value)
            return f"{text[:start]}: {words}{text[end:]}"
    return f"{text.rstrip()}\n\nmemory: {words}\n"


def _end(node: yaml.Node) -> int:
    """Where a value ends. A block's own mark lies behind the comments that follow it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    end: int = node.end_mark.index
    return end
