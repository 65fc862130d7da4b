"""The summary behind ``understudy contract check``, and the page that documents the contract."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from models.contract import UNUSED_SECTIONS, channels, load, parse_contract, sections, streams
from models.contract.units import UNIT_NAMES
from understudy.__main__ import run
from understudy.contracts.check import describe

ROOT = Path(__file__).parents[1]
DRIVING = (ROOT / "contracts" / "driving.yaml").read_text()
DATA = Path(__file__).parent / "data" / "contracts"
PAGE = (ROOT / "docs" / "contract.md").read_text()


def test_driving_contract_has_nothing_to_warn_of() -> None:
    """Catches a flaw in the contract that everybody starts from, or a warning that cries wolf."""
    summary = describe(parse_contract(DRIVING))
    assert summary.warnings == ()
    assert summary.deployable
    image, state, action = summary.streams
    assert (image.shape, image.dtype, image.stacked, image.is_trigger) == ((64, 96, None), "uint8", 3, True)
    assert (state.shape, state.dtype, state.role) == ((2,), "float32", "observation")
    assert (action.names, action.stacked, action.role) == (("twist.linear.x", "twist.angular.z"), 1, "action")
    assert image.sources[0].align == "hold on header"
    assert image.sources[0].apply == ("resize: [64, 96]",)
    assert state.sources[0].max_age_s == 0.15


WARNINGS = {
    "no limits": (DRIVING[: DRIVING.index("limits:")] + DRIVING[DRIVING.index("memory:") :], "It has no limits"),
    "no expert": (DRIVING.replace("expert: {topic: /expert/cmd_vel, max_age: 150 ms}", ""), "can only halt"),
    "no size": (DRIVING.replace("apply: [resize: [64, 96]]", ""), "no 'resize'"),
    "no age": (DRIVING.replace("    max_age: 150 ms\n", "", 1), "held without 'max_age'"),
    "arrival": (DRIVING.replace("timeline: header", "timeline: receive", 1), "aligned by arrival"),
    "copycat": (
        DRIVING.replace("/odom", "/cmd_vel", 1)
        .replace("nav_msgs/msg/Odometry", "geometry_msgs/msg/TwistStamped")
        .replace("twist.twist.", "twist."),
        "copy its last action",
    ),
    "foreign type": (DRIVING.replace("nav_msgs/msg/Odometry", "my_msgs/msg/Odometry"), "fields were not checked"),
    "slow stop": (DRIVING.replace("rate: 10 m/s^2", "rate: 2 m/s^2"), "a stop takes up to 4.00 s"),
    "custom codec": (DRIVING.replace("topic: /odom", "topic: /odom\n      decoder: a.b:c"), "'a.b:c' is not imported"),
    "unused section": (DRIVING + "\nadjunct: []\n", "no effect here: adjunct."),
    "rotation": (
        DRIVING.replace(
            "twist.twist.linear.x, twist.twist.angular.z", ", ".join(f"pose.pose.orientation.{a}" for a in "xyzw")
        ),
        "kind quaternion",
    ),
    "text": (
        DRIVING.replace("nav_msgs/msg/Odometry", "std_msgs/msg/String")
        .replace("    select: [twist.twist.linear.x, twist.twist.angular.z]\n", "")
        .replace("timeline: header}\n    max_age", "timeline: receive}\n    max_age"),
        "carries text",
    ),
    "unknown unit": (
        (DATA / "every_feature.yaml").read_text().replace(", unit: 1}", "}"),
        "limits of data: no unit is declared",
    ),
}


@pytest.mark.parametrize(("text", "warning"), WARNINGS.values(), ids=WARNINGS)
def test_what_is_legal_and_likely_to_hurt_is_said(text: str, warning: str) -> None:
    """Catches a warning that went missing; each of these contracts loads."""
    warnings = describe(parse_contract(text)).warnings
    assert any(warning in one for one in warnings), warnings


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """Run the command on a contract's text, and return what it prints."""
    monkeypatch.setenv("COLUMNS", "200")

    def run_check(text: str) -> str:
        path = tmp_path / "robot.yaml"
        path.write_text(text)
        assert run(["contract", "check", str(path)]) == 0
        printed = capsys.readouterr()
        return printed.out + printed.err

    return run_check


def test_the_page_is_in_words_and_in_the_units_of_the_documentation(show: Callable[[str], str]) -> None:
    """Catches question marks for what is known, m/s/s, and one ticks."""
    shown = show(DRIVING)
    assert "3 frames of 64x96 pixels, uint8" in shown
    assert "channels: as the camera sends them" in shown
    assert "10 m/s^2" in shown
    assert "15 rad/s^2" in shown
    assert "3 frames, 1 tick apart" in shown
    assert "?" not in shown


def test_no_limits_no_table(show: Callable[[str], str]) -> None:
    """Catches the heading of a table that holds nothing."""
    shown = show(WARNINGS["no limits"][0])
    assert "minimum" not in shown
    assert "not deployed before it has limits" in shown


def test_contracts_on_the_page_load() -> None:
    """Catches documentation that does not work when it is typed in."""
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "robot_type:" in block]
    assert blocks
    for block in blocks:
        parse_contract(block)


def test_every_key_stands_on_the_page() -> None:
    """Catches a key of the vocabulary that was added without a word of documentation."""
    keys = {*load._KEYS, *UNUSED_SECTIONS, *streams.SOURCE_KEYS, *streams._ALIGN_KEYS, *channels.COMMAND_KEYS}
    keys |= {*channels._QOS_CHOICES, *streams._KIND_SIZES, *sections._LIMIT_KEYS, *sections.GATE_KEYS}
    missing = sorted(key for key in keys if f"`{key}`" not in PAGE)
    assert not missing


def test_every_unit_stands_on_the_page() -> None:
    """Catches a unit that works and that nobody can know of."""
    line = next(line for line in PAGE.splitlines() if line.startswith("Units:"))
    assert set(UNIT_NAMES) - {"1"} <= set(re.findall(r"`([^`]+)`", line))


def test_a_halt_that_creeps_is_warned_of() -> None:
    """Catches a range without 0, whose stop command drives the robot on."""
    creeping = DRIVING.replace(
        "{min: 0, max: 8 m/s, rate: 10 m/s^2, unit: m/s, stop: 0}", "{min: 0.1, max: 8, rate: 10}"
    )
    assert creeping != DRIVING
    warnings = describe(parse_contract(creeping)).warnings
    assert any("a halt leaves it at 0.1" in one and "creeps" in one for one in warnings), warnings
