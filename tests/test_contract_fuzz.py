"""Mutated contracts: whatever stands in a file, loading it returns a contract or raises ContractError."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.contract import Contract, ContractError, parse_contract
from understudy.contracts.check import describe

ROOT = Path(__file__).parents[1]
DRIVING = (ROOT / "contracts" / "driving.yaml").read_text()
EVERY_FEATURE = (Path(__file__).parent / "data" / "contracts" / "every_feature.yaml").read_text()
TREES = {name: yaml.safe_load(text) for name, text in (("driving", DRIVING), ("every_feature", EVERY_FEATURE))}

WORDS = (
    st.sampled_from(["hold", "asof", "header", "receive", "quaternion", "resize", "clamp", "rad2deg", "x-anything"])
    | st.sampled_from(["min", "max", "rate", "unit", "stop", "topic", "type", "select", "apply", "kind", "action"])
    | st.sampled_from(["/odom", "/cmd_vel", "std_msgs/msg/Float64", "twist.linear.x", "", " "])
    | st.sampled_from(["8 m/s", "150 ms", "90 deg/s", "9 furlong", "1e400", "-0", "0.5"])
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), WORDS, st.text(max_size=8), st.integers(10**30, 10**31)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4), max_leaves=6
)
QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def load_or_refuse(text: str) -> Contract | None:
    """The contract, used as its readers use it; ``None`` for a ContractError; everything else is a defect."""
    message = ""
    try:
        contract = parse_contract(text)
    except ContractError as error:
        message = str(error) or "an error without a word"
    if message:
        assert 20 < len(message) < 20_000
        return None
    for values in (contract.action_minimum, contract.action_maximum, contract.action_rate, contract.action_stop):
        assert values.shape == (len(contract.action_names),)
        assert not np.isnan(values).any()
    assert np.all(contract.action_minimum < contract.action_maximum)
    assert np.all((contract.action_stop >= contract.action_minimum) & (contract.action_stop <= contract.action_maximum))
    assert np.all(contract.action_rate > 0)
    assert len(set(contract.action_names)) == len(contract.action_names)
    assert contract.trigger in {stream.key for stream in contract.observations}
    assert len(contract.hash) == 64
    assert describe(contract).hash == contract.hash
    return contract


def paths(tree: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a tree, as the keys and indices that lead there."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [prefix, *(path for key, child in children for path in paths(child, (*prefix, key)))]


@QUICK
@given(st.data(), st.sampled_from(sorted(TREES)))
def test_mutated_trees_never_crash(data: st.DataObject, name: str) -> None:
    """Catches any other exception for a value, key or type that nobody thought of, in any place of the file."""
    tree = json.loads(json.dumps(TREES[name]))
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(paths(tree)[1:]))
        place = tree
        for key in parents:
            place = place[key]
        action = data.draw(st.sampled_from(["replace", "delete", "rename", "duplicate"]))
        if action == "replace":
            place[last] = data.draw(VALUES)
        elif action == "delete":
            del place[last]
        elif isinstance(place, dict):
            value = place[last] if action == "duplicate" else place.pop(last)
            place[data.draw(WORDS)] = json.loads(json.dumps(value))
        if len(paths(tree)) < 2:
            break
    load_or_refuse(yaml.safe_dump(tree, allow_unicode=True))


@QUICK
@given(st.data())
def test_mutated_text_never_crashes(data: st.DataObject) -> None:
    """Catches crashes on broken YAML: characters lost, doubled and strewn in, lines moved, anchors cut."""
    text = data.draw(st.sampled_from([DRIVING, EVERY_FEATURE]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        noise = data.draw(
            st.text(max_size=3)
            | st.sampled_from(["&a ", "*a", "<<: ", "!!int ", "{", "]", ": ", "- ", "\t", "|", "? "])
        )
        text = text[:start] + noise + text[end:]
    load_or_refuse(text)


@given(st.binary(max_size=64) | st.text(max_size=64).map(lambda text: text.encode("utf-8", "replace")))
def test_arbitrary_bytes_never_crash(content: bytes) -> None:
    """Catches crashes on files that never were contracts."""
    assert load_or_refuse(content.decode("utf-8", "replace")) is None


def test_the_unmutated_contracts_load() -> None:
    """Catches a fuzz test that finds nothing because its seed is refused."""
    assert load_or_refuse(DRIVING) is not None
    assert load_or_refuse(EVERY_FEATURE) is not None
    assert load_or_refuse(yaml.safe_dump(TREES["every_feature"])) is not None
