"""Contracts that must not load, and what the person who wrote one is told: path, value, expectation, nearest name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from models.contract import InvalidContract, parse_contract
from models.contract.problems import MOST_PROBLEMS

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data" / "contracts"
DRIVING = (ROOT / "contracts" / "driving.yaml").read_text()
EVERY_FEATURE = (DATA / "every_feature.yaml").read_text()


@dataclass(frozen=True)
class Bad:
    """One edit of a valid contract (the first occurrence of ``old``), and what the message has to hold."""

    old: str
    new: str
    path: str
    found: str
    expected: str
    suggestion: str = ""


def cases(name: str) -> dict[str, Bad]:
    """The table in ``tests/data/contracts``."""
    return {case: Bad(**fields) for case, fields in yaml.safe_load((DATA / name).read_text()).items()}


BAD_DRIVING = cases("bad_driving.yaml")
BAD_EVERY_FEATURE = cases("bad_every_feature.yaml")


def check(bad: Bad, text: str) -> None:
    """Make the edit, and find the problem with everything that it has to say."""
    assert bad.old in text, "the case does not fit the file any more"
    with pytest.raises(InvalidContract) as caught:
        parse_contract(text.replace(bad.old, bad.new, 1), "robot.yaml")
    message = str(caught.value)
    assert any(
        problem.path == bad.path
        and bad.found in problem.found
        and bad.expected in problem.expected
        and bad.suggestion in problem.fix
        for problem in caught.value.problems
    ), message
    assert message.startswith("robot.yaml: ")
    assert bad.path in message
    assert bad.found in message


@pytest.mark.parametrize("bad", BAD_DRIVING.values(), ids=BAD_DRIVING)
def test_bad_contract_is_explained(bad: Bad) -> None:
    """Catches a mistake that loads, and a message without the path, the value, the expectation or the nearest name."""
    check(bad, DRIVING)


@pytest.mark.parametrize("bad", BAD_EVERY_FEATURE.values(), ids=BAD_EVERY_FEATURE)
def test_bad_split_contract_is_explained(bad: Bad) -> None:
    """The same for contracts with several sources, arms and expert topics."""
    check(bad, EVERY_FEATURE)


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    """Catches the one-error-a-run loop that makes people give up, and line numbers that are off."""
    text = (
        DRIVING.replace("fps: 20", "fps: none")
        .replace("strategy: hold", "strategy: hodl", 1)
        .replace("frames", "frame")
    )
    with pytest.raises(InvalidContract) as caught:
        parse_contract(text, "car.yaml")
    lines = text.splitlines()
    for problem in caught.value.problems:
        assert problem.path.rsplit(".", 1)[-1] in lines[problem.line - 1]
    assert [problem.path for problem in caught.value.problems] == [
        "fps",
        "observations.observation.images.front.align.strategy",
        "memory.frame",
    ]
    assert "3 problems" in str(caught.value)
    assert "line 6, fps" in str(caught.value)


def test_a_flood_of_problems_is_cut() -> None:
    """Catches a message of a megabyte, and minutes of looking for similar names."""
    text = DRIVING + "".join(f"nonsense_{number}: 1\n" for number in range(5000))
    with pytest.raises(InvalidContract) as caught:
        parse_contract(text)
    assert len(caught.value.problems) == MOST_PROBLEMS
    assert f"{MOST_PROBLEMS} or more problems" in str(caught.value)


def test_mistakes_in_observations_and_in_limits_are_reported_together() -> None:
    """Catches a person who mends a stream and is then told of a unit that was wrong all along."""
    text = DRIVING.replace("strategy: hold", "strategy: hodl", 1).replace("unit: m/s", "unit: mph", 1)
    with pytest.raises(InvalidContract) as caught:
        parse_contract(text)
    words = str(caught.value)
    assert "'hodl'" in words
    assert "'mph'" in words
