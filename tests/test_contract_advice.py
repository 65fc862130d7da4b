"""What a contract's author is advised to do, in words for somebody who has never seen a parser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_contract_errors import BAD_DRIVING, BAD_EVERY_FEATURE, DRIVING, EVERY_FEATURE
from test_contract_files import UNREADABLE

from models.contract import parse_contract
from models.errors import ContractError

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "contract.md").read_text()
ALIGN = "    align: {strategy: hold, timeline: header}\n"


def _message(text: str) -> str:
    with pytest.raises(ContractError) as caught:
        parse_contract(text, "my_robot.yaml")
    return str(caught.value)


ADVICE = {
    "no align": (ALIGN, "", "to do:    align: {strategy: hold, timeline: header}"),
    "one space too many": (
        "  observation.state:",
        "   observation.state:",
        "line 21 is indented by 3 spaces, the keys beside it by 2",
    ),
    "a tab": ("    align:", "\talign:", "YAML indents with spaces only"),
    "a stream slipped": ("  observation.state:", "observation.state:", "indent it by two spaces, under 'observations'"),
    "no colon": ("fps: 20", "fps 20", "line 6: not valid YAML: no ': ' behind the key"),
    "no space": ("fps: 20", "fps:20", "write 'fps: 20'"),
    "two colons": ("fps: 20", "fps: 20: 3", "a second ': ' on one line"),
    "open brace": ("timeline: header}", "timeline: header", "line 16: not valid YAML: a '{' that is not closed"),
    "open quote": ("fps: 20", 'fps: "20', "line 6: not valid YAML: a quote that is never closed"),
    "a length": ("8 m/s", "50 cm", "'cm' is a length, not a speed"),
    "a length mended": ("8 m/s", "50 cm", "did you mean '50 cm/s'?"),
    "a speed for an acceleration": ("10 m/s^2", "10 m/s", "did you mean '10 m/s^2'?"),
    "an angle": ("max: 2.5,", "max: 90 deg,", "did you mean '90 deg/s'?"),
    "a length for a time": ("150 ms", "150 m", "'m' is a length, not a time"),
    "not a unit": ("8 m/s", "8 mps", "did you mean 'm/s'?"),
    "own numbers": (
        "max: 8 m/s, rate: 10 m/s^2, unit: m/s",
        "max: 30, rate: 36, unit: km/h",
        "max: 30 km/h, rate: 36 ",
    ),
    "declared as a length": ("unit: rad/s", "unit: km", "to do:    write 'unit: rad/s'"),
}


@pytest.mark.parametrize(("old", "new", "advice"), ADVICE.values(), ids=ADVICE)
def test_the_advice_can_be_followed(old: str, new: str, advice: str) -> None:
    """Catches a parser's jargon, and advice about somebody else's numbers."""
    assert old in DRIVING
    message = _message(DRIVING.replace(old, new, 1))
    assert advice in message, message
    assert "block end" not in message


def test_every_row_of_the_page_is_really_said() -> None:
    """Catches an error table that quotes words which the program does not say."""
    tables = ((DRIVING, BAD_DRIVING), (EVERY_FEATURE, BAD_EVERY_FEATURE))
    texts = [text.replace(bad.old, bad.new, 1) for text, table in tables for bad in table.values()]
    texts += [text for text, _ in UNREADABLE.values()]
    texts += [DRIVING.replace(old, new, 1) for old, new, _ in ADVICE.values()]
    texts.append(DRIVING.replace(ALIGN + "    apply: [resize: [64, 96]]\n    max_age: 150 ms\n", ALIGN[2:], 1))
    texts.append(EVERY_FEATURE.replace(", unit: 1}", "}", 1).replace("ramp: 1500 ms", "stop: hold", 1))
    said = "\n".join(_message(text) for text in texts)
    without = parse_contract(DRIVING[: DRIVING.index("limits:")] + DRIVING[DRIVING.index("memory:") :])
    with pytest.raises(ContractError) as caught:
        without.require_limits()
    said += str(caught.value)
    rows = re.findall(r"^\| (.*?) \| .* \|$", PAGE[PAGE.index("| message | what to do |") :], re.MULTILINE)[2:]
    assert len(rows) > 20
    phrases = [phrase.split(" (on ")[0] for row in rows for phrase in row.split(" / ")]
    silent = [one for one in phrases if not re.search(".*".join(map(re.escape, one.split("…"))), said)]
    assert not silent


def test_the_example_of_the_page_is_really_said() -> None:
    """Catches an example whose line, path or words went stale."""
    example = PAGE[PAGE.index("```\nmy_robot.yaml") + 4 :].split("```")[0].strip()
    head, tail = DRIVING.split("  observation.state:")
    assert _message(head + "  observation.state:" + tail.replace("hold", "hodl", 1)) == example
