"""Recordings that lack a few camera frames: used when a person says so, without a window that reaches across a hole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from ros_messages import CAMERA, ODOMETRY, TOPIC_TYPES, image_cdr, make_contract
from test_dataset_builder import PERIOD_NS, START_NS, Message, drive, ticks_of

from il_nodes.bags import BagWriter
from il_nodes.dataset.builder import build_dataset
from il_nodes.recorder.message_accounts import reasons
from models.contract import Contract, parse_contract
from models.episodes import open_dataset
from models.errors import DatasetError
from understudy.__main__ import run as understudy
from understudy.console import Console
from understudy.stages import Stages
from understudy.workspace import Workspace

SIDE = "/camera/side"
Lost = Mapping[str, Mapping[str, int]]


def record(
    directory: Path,
    messages: list[Message],
    losses: Lost,
    episode_id: str = "drive",
    contract: Contract | None = None,
    quarantine: str | None = None,
) -> Path:
    """What the recorder writes: the losses, and the quarantine that follows from them."""
    types = {**TOPIC_TYPES, SIDE: TOPIC_TYPES[CAMERA]}
    with BagWriter(directory, episode_id, contract or make_contract(), types) as writer:
        for message in messages:
            writer.write(*message)
        return writer.close("complete", reasons(losses) if quarantine is None else quarantine, losses)


def without_frames(ticks: int, lost: set[int]) -> list[Message]:
    stamps = {START_NS + tick * PERIOD_NS for tick in lost}
    return [message for message in drive(ticks) if message[0] != CAMERA or message[1] not in stamps]


def two_cameras() -> Contract:
    extra = f"""
  observation.images.side:
    channel: {{topic: {SIDE}, type: sensor_msgs/msg/Image}}
    align: {{strategy: hold, timeline: header}}
    max_age: 1 s
  observation.state:"""
    return parse_contract(make_contract().text.replace("\n  observation.state:", extra))


def test_lost_frames_of_the_trigger_cost_their_ticks_and_no_window_crosses_them(tmp_path: Path) -> None:
    """Catches a stack, a chunk or a previous action that silently reaches over 150 ms as if they were 50."""
    bag = record(tmp_path, without_frames(12, {4, 5}), {"lost": {CAMERA: 2}, "missing": {CAMERA: 2}})
    for tolerated in (0, 1):
        with pytest.raises(DatasetError, match="2 messages lost on"):
            build_dataset([bag], tmp_path / "none", max_lost_frames=tolerated)
    report = build_dataset([bag], tmp_path / "set", max_lost_frames=2)
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11]
    assert np.flatnonzero(dataset.starts_memory).tolist() == [0, 4]
    stack = dataset.stack([5])["observation.images.front"][0, :, 0, 0, 0]
    assert stack.tolist() == [6, 6, 7], "the frame before the hole is in it"
    later, valid = dataset.later_index(3)
    assert valid[2].tolist() == [True, True, False], f"a chunk goes on behind the hole: {later[2]}"
    (used,) = report.used
    assert (used.lost_frames, used.without_frame, used.unlabelled, report.lost_frames) == (2, 0, 0, 2)


def test_ticks_whose_frame_of_a_second_camera_was_lost_are_left_out(tmp_path: Path) -> None:
    """Catches a tick that is observed with the frame before: held, and nobody would ever know."""
    contract = two_cameras()
    messages = drive(20)
    for index in range(10):  # half the rate of the first one
        if index != 4:
            stamp_ns = START_NS + 2 * index * PERIOD_NS
            messages.append((SIDE, stamp_ns, image_cdr(stamp_ns, np.full((4, 4, 3), index, np.uint8))))
    messages.sort(key=lambda message: message[1])
    whole = record(tmp_path, messages, {}, "whole", contract)
    assert len(open_dataset(Path(build_dataset([whole], tmp_path / "all").path))) == 20
    bag = record(tmp_path, messages, {"dropped": {SIDE: 1}}, "holed", contract)
    report = build_dataset([bag], tmp_path / "set", max_lost_frames=1)
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == [*range(8), *range(10, 20)]
    assert np.flatnonzero(dataset.starts_memory).tolist() == [0, 8]
    shown = dataset.observations["observation.images.side"][:, 0, 0, 0].tolist()
    assert shown == [tick // 2 for tick in (*range(8), *range(10, 20))]
    assert (report.used[0].lost_frames, report.used[0].without_frame) == (1, 2)


def test_a_jittering_camera_has_no_holes(tmp_path: Path) -> None:
    """Catches memory that starts anew all the time because frames come a third of a period early and late."""
    late = {tick: (PERIOD_NS // 3 if tick % 2 else 0) for tick in range(14)}
    messages = []
    for topic, stamp_ns, cdr in without_frames(14, {9}):
        tick = (stamp_ns - START_NS) // PERIOD_NS
        if topic == CAMERA:
            stamp_ns += late[tick]
            cdr = image_cdr(stamp_ns, np.full((4, 4, 3), tick, np.uint8))
        messages.append((topic, stamp_ns, cdr))
    messages.sort(key=lambda message: message[1])
    bag = record(tmp_path, messages, {"missing": {CAMERA: 1}})
    build_dataset([bag], tmp_path / "set", max_lost_frames=1)
    dataset = open_dataset(tmp_path / "set")
    assert [ticks_of(dataset)[row] for row in np.flatnonzero(dataset.starts_memory)] == [0, 10]


@pytest.mark.parametrize(
    ("losses", "quarantine"),
    [
        ({"lost": {CAMERA: 1, ODOMETRY: 1}}, None),
        ({"missing": {CAMERA: 1}, "experts": {"/expert/cmd_vel": 2}}, None),
        ({"unreadable": {CAMERA: 1}}, None),
        ({"outside": {CAMERA: 1}}, None),
        ({"absent": {CAMERA: 0}}, None),
        ({"lost": {CAMERA: 1}}, "never finished; recovered"),
        ({}, "somebody says so"),
    ],
)
def test_only_frames_are_tolerated(tmp_path: Path, losses: Lost, quarantine: str | None) -> None:
    """Catches a tolerance that lets in what nobody has counted, or what is no frame."""
    bag = record(tmp_path, drive(12), losses, quarantine=quarantine)
    with pytest.raises(DatasetError, match="none of the recordings can be used"):
        build_dataset([bag], tmp_path / "set", max_lost_frames=10_000)


def test_on_the_command_line_and_when_training_builds_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a tolerance that is forgotten as soon as another recording has come."""
    monkeypatch.chdir(tmp_path)
    place = Workspace(Path("runs/mine"))
    record(place.recordings, without_frames(12, {4, 5}), {"missing": {CAMERA: 2}}, "holed")
    record(place.recordings, [(t, s, c) for t, s, c in drive(12)], {}, "whole")
    words = ["episodes", "build", "-w", str(place.path)]
    assert understudy([*words, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [used["name"] for used in answer["used"]] == ["whole"]
    assert [left["name"] for left in answer["quarantined"]] == ["holed"]
    assert answer["lost_frames"] == 0
    assert understudy([*words, "--max-lost-frames", "2"]) == 0
    said = capsys.readouterr().out
    assert "used: holed, which lacks 2 camera frames; memory starts anew behind each hole" in said
    record(place.recordings, without_frames(12, {7}), {"missing": {CAMERA: 1}}, "later")
    Stages(place, Console()).dataset.refresh()
    said = capsys.readouterr().out
    assert "(1 new): building it anew" in said
    assert "used: later, which lacks 1 camera frame;" in said
