"""Recordings of a robot that runs by itself as rounds of a learning; and the deadlines that its bench counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from recorded_drives import PERIOD_NS, START_NS, Message, contract, drive, picture, write_bag

from bench.live.deadlines import read_deadlines
from il_nodes.live.wishes import Told
from models.data import FloatArray, Observation
from models.episodes import EXPERT, POLICY
from models.errors import DeploymentError, RecordingError
from models.interactive import Answer, Assignment, Drive, Measure, Rule, make_rule
from models.interactive.ports import Actor, Notice
from understudy.learning.live_collector import LiveCollector
from understudy.learning.recorded_drives import recorded_drive

MEASURE = Measure("distance from the centre line", "m", 2.0)
TICKS = 40


class Still:
    """A policy that nobody asks here: the gate has."""

    noise_width = 0

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        raise AssertionError("a robot that runs by itself was asked in process")


def _who(elapsed_s: float) -> tuple[str, str]:
    return ("expert", "unsafe") if elapsed_s < 0.5 else ("policy", "policy_trusted")


def _messages(seconds: float, error_rad_s: float = 0.2) -> list[Message]:
    """A drive through the dark: nobody looks at the pictures."""
    dark = np.zeros((64, 96, 3), np.uint8)
    stamps = range(START_NS, START_NS + round(seconds * 1e9), PERIOD_NS)
    drives = drive(3, seconds, who=_who, error_rad_s=error_rad_s)
    return drives + [picture(stamp_ns, dark) for stamp_ns in stamps]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags"), "live-001-000-track-3", _messages(2.0))


def _drive(bag: Path, rule: str, actor: Actor | None, ticks: int = 1000) -> Drive:
    return recorded_drive(bag, contract(), MEASURE, make_rule(rule), Assignment(1, actor, None, ticks, 0))


def test_the_gate_decided_and_the_rule_keeps(bag: Path) -> None:
    """Catches labels that are kept where the rule asks nobody, and drivers that are mixed up."""
    dagger = _drive(bag, "dagger", Still())
    assert dagger.tally.ticks == dagger.tally.kept == dagger.tally.queries == TICKS
    assert dagger.tally.expert_ticks == 10
    assert dagger.tally.switches == 1
    assert dagger.episode.driver.tolist() == [EXPERT] * 10 + [POLICY] * 30
    for rule in ("safedagger", "human-gated"):
        gated = _drive(bag, rule, Still())
        assert gated.tally.kept == gated.tally.queries == 10
        assert gated.episode.weights is not None
        assert gated.episode.weights.tolist() == [1.0] * 10 + [0.0] * 30
        assert _drive(bag, rule, None).tally.kept == TICKS, "the first round is the expert's"


def test_an_episode_is_cut_where_the_ticks_are_used_up(bag: Path) -> None:
    """Catches a round that is longer than was asked for, and an outcome of ticks that are not in it."""
    whole, cut = _drive(bag, "dagger", Still()), _drive(bag, "dagger", Still(), 12)
    assert cut.tally.ticks == len(cut.episode) == 12
    np.testing.assert_array_equal(cut.episode.actions, whole.episode.actions[:12])
    assert cut.tally.outcome["seconds"] == pytest.approx(0.6)
    assert whole.tally.outcome["seconds"] == pytest.approx(2.0)
    assert cut.tally.outcome["laps"] < whole.tally.outcome["laps"]
    assert cut.tally.outcome["cost"] <= whole.tally.outcome["cost"]


def test_what_left_the_road_has_fallen(tmp_path: Path) -> None:
    """Catches a cost that is not that of the drives in process: six seconds a fall, and the way beside the line."""
    bag = write_bag(tmp_path, "live-001-001-track-3", _messages(6.0, error_rad_s=3.0))
    outcome = _drive(bag, "dagger", Still()).tally.outcome
    assert outcome["falls"] >= 1.0
    assert 6.0 * outcome["falls"] < outcome["cost"] <= 6.0 * outcome["falls"] + 6.0
    assert outcome["unlabelled"] == 0.0


class _Judge:
    """Everything of a collector that needs no robot."""

    contract, measure = contract(), MEASURE

    def collect(self, rule: Rule, assignment: Assignment) -> Iterator[Drive]:
        raise AssertionError("rounds are the robot's")

    def score(self, actor: Actor, seeds: Sequence[int], notice: Notice | None = None) -> Mapping[str, float]:
        return {"cost": 1.0, "ticks": 2.0}


class _Hands:
    """Puts policies in, and says in which episode."""

    def __init__(self, episode: str) -> None:
        self.episode = episode
        self.bundles: list[str] = []

    def put_in(self, bundle: Path, check: Callable[[], None]) -> Told:
        self.bundles.append(bundle.name)
        return Told(seconds=0.5, episode=self.episode, swapped=len(self.bundles) > 1)


def _collector(
    folder: Path, hands: _Hands, check: Callable[[], None] = lambda: None
) -> tuple[LiveCollector, list[str]]:
    said: list[str] = []
    collector = LiveCollector(
        folder / "recordings",
        "live-001",
        2.0,
        judge=_Judge(),
        director=hands,  # type: ignore[arg-type]
        bundle_of=lambda actor, number: folder / f"policy-{number:03d}.onnx",
        log=folder / "live.jsonl",
        check=check,
        say=said.append,
    )
    return collector, said


def _record(folder: Path, numbers: Sequence[int]) -> None:
    for number in numbers:
        write_bag(folder / "recordings", f"live-001-{number:03d}-track-3", _messages(1.0))


def test_a_round_begins_behind_the_episode_that_the_policy_came_into(tmp_path: Path) -> None:
    """Catches a round with another policy's ticks, a recording in two rounds, and one of an earlier run."""
    hands = _Hands("live-001-002-track-3")

    def robot_drives_on() -> None:
        if hands.bundles and not (tmp_path / "recordings" / "live-001-003-track-3").exists():
            _record(tmp_path, (3, 4))

    collector, _ = _collector(tmp_path, hands, robot_drives_on)
    _record(tmp_path, range(3))
    write_bag(tmp_path / "recordings", "live-000-009-track-3", _messages(1.0))
    rule = make_rule("dagger")
    first = list(collector.collect(rule, Assignment(0, None, None, 20, 0)))
    second = list(collector.collect(rule, Assignment(1, Still(), None, 30, 0)))
    assert [one.episode.episode_id for one in first] == ["live-001-000-track-3"]
    assert [one.episode.episode_id for one in second] == ["live-001-003-track-3", "live-001-004-track-3"]
    assert [one.tally.ticks for one in second] == [20, 10]
    rounds = [json.loads(line) for line in (tmp_path / "live.jsonl").read_text().splitlines()]
    assert [entry["bundle"] for entry in rounds] == ["", "policy-001.onnx"]
    assert rounds[1]["passed_over"] == ["live-001-001-track-3", "live-001-002-track-3"]
    assert collector.score(Still(), (1,))["cost"] == 1.0


def test_it_waits_for_the_robot_and_can_be_told_to_stop(tmp_path: Path) -> None:
    """Catches a wait without an end, and an episode that is taken before it is closed."""
    waits = threading.Event()

    def stop() -> None:
        if waits.is_set():
            raise DeploymentError("told to stop")
        waits.set()

    collector, _ = _collector(tmp_path, _Hands(""), stop)
    (tmp_path / "recordings" / "live-001-000-track-3.partial").mkdir(parents=True)
    with pytest.raises(DeploymentError, match="told to stop"):
        list(collector.collect(make_rule("dagger"), Assignment(0, None, None, 20, 0)))


def test_a_recording_that_cannot_be_used_is_named_and_several_in_a_row_are_an_error(tmp_path: Path) -> None:
    """Catches a round that takes what quarantine keeps from training, and one that never ends."""
    _record(tmp_path, [0])
    for number in range(1, 6):
        messages = [one for one in _messages(1.0) if one[0] != "/camera/front/image_raw"]
        write_bag(tmp_path / "recordings", f"live-001-{number:03d}-track-3", messages)
    collector, said = _collector(tmp_path, _Hands(""))
    drives = collector.collect(make_rule("dagger"), Assignment(0, None, None, 40, 0))
    assert next(drives).tally.ticks == 20
    with pytest.raises(RecordingError):
        next(drives)
    assert len(said) == 5
    assert "live-001-001-track-3" in said[0]


def test_deadlines_are_those_of_whoever_wrote(tmp_path: Path) -> None:
    """Catches a missed tick that nobody counts, and the pause between two episodes that somebody does."""
    period_ns = 50_000_000
    lines, source_ns = [], 10**18
    for episode in range(2):
        for tick in range(20):
            stamp_ns = episode * 10**10 + tick * period_ns
            source_ns = 10**18 + episode * 12 * 10**9 + tick * (period_ns if episode == 0 else 2 * period_ns)
            lines.append(f"tick {stamp_ns} {source_ns}")
            if (episode, tick) not in ((0, 7), (0, 8)):
                lines.append(f"decision {stamp_ns} {source_ns + 3_000_000}")
            if episode == 1:  # a slow simulator, and a gate that keeps its rate
                lines.append(f"decision {stamp_ns} {source_ns + 53_000_000}")
    path = tmp_path / "heard.txt"
    path.write_text("\n".join(lines))
    found = read_deadlines(path, 0.05)
    assert (found.ticks, found.missed) == (40, 2)
    assert found.longest_gap_ms == pytest.approx(150.0)
    assert found.slowest == pytest.approx(0.5)
    assert found.real_time_factor == pytest.approx(2 * 0.95 / (0.95 + 1.9))
