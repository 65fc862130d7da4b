"""Scores and report of a robot of one's own: nobody counted laps there, and the page must not say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from html_outline import outline
from recorded_drives import CONTRACT_PATH, TYPES, drive, write_bag

from il_nodes.bags import BagWriter
from models.contract import parse_contract
from understudy.__main__ import run
from understudy.console import Console
from understudy.deployments import Driver, write_driver
from understudy.evaluation.evaluation import evaluate
from understudy.evaluation.goals import Verdict
from understudy.report import Goals, ReportInputs, write_report
from understudy.report.headlines import headlines, verdict
from understudy.report.tracks import _row
from understudy.stages import Stages
from understudy.workspace import Workspace

ROVER = parse_contract(CONTRACT_PATH.read_text().replace("understudy_car", "rover"), "rover.yaml")
SENSORS = ("/odom", "/gate/decision", "/expert/cmd_vel", "/policy/proposal")


def by_policy(_elapsed_s: float) -> tuple[str, str]:
    return "policy", "policy_trusted"


def by_expert(_elapsed_s: float) -> tuple[str, str]:
    return "expert", "unsafe"


def rover_bag(
    folder: Path, name: str, *, commanded: bool = True, who: Callable[[float], tuple[str, str]] = by_policy
) -> Path:
    """Two seconds of a robot without a simulator."""
    topics = (*SENSORS, "/cmd_vel") if commanded else SENSORS
    messages = [message for message in drive(3, 2.0, who=who) if message[0] in topics]
    with BagWriter(folder, name, ROVER, {topic: TYPES[topic] for topic in topics}, "") as writer:
        for topic, stamp_ns, cdr in sorted(messages, key=lambda message: message[1]):
            writer.write(topic, stamp_ns, cdr)
        writer.close("complete")
    return folder / name


def test_what_nobody_counted_is_neither_met_nor_missed(tmp_path: Path) -> None:
    """Catches `0 laps, MISSED`, `never off the road` and `autonomy 100 %` of a robot that has no road."""
    scored = evaluate([rover_bag(tmp_path, "one")])
    judged = Verdict(scored, Goals())
    assert dict(judged.met) == {"policy_share": True}
    answer = judged.as_json()
    assert answer["dry_run"] is False
    for name in ("laps", "laps_by_track", "off_track", "interventions", "autonomy"):
        assert answer[name] is None
    text = judged.as_text()
    for words in ("laps", "road", "autonomy", "dry run"):
        assert words not in text
    kept = json.loads(scored.to_json())
    assert not {"laps_total", "autonomy", "clean_share", "off_track"} & kept["summary"].keys()
    assert not {"track", "laps", "autonomy"} & kept["episodes"][0].keys()
    assert [one.label for one in headlines(scored, Goals())] == ["driven by the policy"]


def test_the_page_of_a_robot_speaks_of_no_laps(tmp_path: Path) -> None:
    scored = evaluate([rover_bag(tmp_path, "one"), rover_bag(tmp_path, "two")])
    found = outline(write_report(tmp_path / "r.html", ReportInputs("Rover", scored, film=False)).read_text())
    assert found.problems == []
    for words in (" lap", "track-", "unknown track", "autonomy", "left the road", "Track by track", "damage"):
        assert words not in found.text, words
    assert "2 episodes were recorded on the robot" in found.text
    assert {"one", "two"} <= set(found.text.split())


@pytest.mark.parametrize("told_by", ["bag", "driver.json"])
def test_a_dry_run_is_called_one(tmp_path: Path, told_by: str) -> None:
    """Catches "the policy had the wheel" of a gate that commanded nothing, whoever else drove the robot meanwhile."""
    bag = rover_bag(tmp_path, "dry", commanded=told_by != "bag")
    if told_by == "driver.json":
        write_driver(tmp_path, Driver("policy.onnx", "00", 0.5, dry_run=True), ["dry"])
    scored = evaluate([bag])
    assert scored.dry_run
    assert verdict(scored).startswith("Dry run: no command was sent, the gate only decided.")
    assert "dry run: no command was sent" in Verdict(scored, Goals()).as_text()
    assert Verdict(scored, Goals()).as_json()["dry_run"] is True
    assert not evaluate([bag, rover_bag(tmp_path, "driven")]).dry_run


def test_a_policy_that_never_drove_has_no_autonomy(tmp_path: Path) -> None:
    """Catches `autonomy 100 %` of a simulated drive in which the expert had the wheel all the time."""
    scored = evaluate([write_bag(tmp_path, "never", drive(3, 2.0, who=by_expert))])
    assert scored.summary.policy_share == 0
    assert scored.summary.autonomy is scored.episodes[0].autonomy is None
    judged = Verdict(scored, Goals())
    assert judged.met["autonomy"] is False
    assert "autonomy      –" in judged.as_text()
    assert "0 in the worst episode" in judged.as_text()
    assert _row("track", list(zip(scored.traces, scored.episodes, strict=True)))[6] == "–"


def test_the_contract_is_the_one_in_the_bags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches the simulated car's name and hash on the page of a rover."""
    monkeypatch.chdir(tmp_path)
    place = Workspace(Path("runs/rover"))
    rover_bag(place.deployment, "one")
    stages = Stages(place, Console(json_mode=True))
    assert run(["report", "--json", "-w", "runs/rover"]) == 0
    text = outline(stages.workspace.report.read_text()).text
    assert "rover" in text
    assert ROVER.hash[:16] in text
    assert "understudy_car" not in text
