"""From recordings to a dataset: labels, who drove, resets, and what is left out and named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from ros_messages import (
    CAMERA,
    COMMAND,
    EXPERT,
    ODOMETRY,
    TOPIC_TYPES,
    command_cdr,
    decision_cdr,
    header_cdr,
    image_cdr,
    make_contract,
    odometry_cdr,
    state_source,
)

from il_nodes.bags import BagReader, BagWriter
from il_nodes.bags.files import MANIFEST, Manifest, mark_recording
from il_nodes.dataset.builder import build_dataset
from il_nodes.observation.assembler import ObservationAssembler
from models.contract import Contract, parse_contract
from models.data import Observation
from models.episodes import EpisodeDataset, open_dataset
from models.errors import DatasetError
from models.label_file import LabelFile, write_labels

Message = tuple[str, int, bytes]
START_NS, PERIOD_NS = 3_000_000_000, 50_000_000
IMAGES, STATE = "observation.images.front", "observation.state"


def drive(ticks: int = 10, size: int = 4, source: Callable[[int], str] = lambda _: "expert") -> list[Message]:
    """A drive whose every number tells its tick, in the order of a lock-step recorder: by stamp, then topic."""
    messages: list[Message] = [("/episode", START_NS, header_cdr(START_NS, "drive"))]
    for tick in range(ticks):
        now = START_NS + tick * PERIOD_NS
        messages += [
            (CAMERA, now, image_cdr(now, np.full((size, size, 3), tick, np.uint8))),
            (ODOMETRY, now, odometry_cdr(now, float(tick), 0.0)),
            (EXPERT, now, command_cdr(now, 100.0 + tick, 0.5)),
            (COMMAND, now, command_cdr(now, 200.0 + tick, 0.25)),
            ("/gate/decision", now, decision_cdr(now, source(tick))),
        ]
    end = START_NS + ticks * PERIOD_NS
    messages.append(("/episode", end, header_cdr(end, "")))
    return sorted(messages, key=lambda message: (message[1], message[0]))


def record(
    directory: Path,
    messages: Iterable[Message],
    episode_id: str = "drive",
    contract: Contract | None = None,
    quarantine: str = "",
) -> Path:
    with BagWriter(directory, episode_id, contract or make_contract(), TOPIC_TYPES, "drive the track") as writer:
        for message in messages:
            writer.write(*message)
        return writer.close("success", quarantine)


def ticks_of(dataset: EpisodeDataset) -> list[int]:
    return [int(shade) for shade in dataset.observations[IMAGES][:, 0, 0, 0]]


def test_a_recording_becomes_an_episode(tmp_path: Path) -> None:
    """Catches labels, commands or drivers that are off by a tick, or the executed action taken for the label."""
    names = ["expert"] * 4 + ["policy"] * 5 + ["halt"]
    bag = record(tmp_path, drive(10, source=lambda tick: names[tick]))
    report = build_dataset([bag], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == list(range(10))
    assert dataset.stamps_ns.tolist() == [START_NS + tick * PERIOD_NS for tick in range(10)]
    assert dataset.observations[STATE][:, 0].tolist() == list(range(10))
    assert dataset.actions.tolist() == [[100.0 + tick, 0.5] for tick in range(10)]
    assert dataset.executed.tolist() == [[200.0 + tick, 0.25] for tick in range(10)]
    assert dataset.driver.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1, 2]
    assert dataset.starts_memory.tolist() == [True] + [False] * 9
    assert dataset.metas == ({"recording": "drive", "task": "drive the track", "outcome": "success"},)
    assert dataset.contract == make_contract()
    (used,) = report.used
    assert (used.name, used.frames, used.drivers) == ("drive", 10, {"expert": 4, "policy": 5, "halt": 1})
    assert (used.unlabelled, used.late, used.gaps, used.refused) == (0, 0, 0, 0)
    assert (report.frames, report.late, report.gaps, report.quarantined) == (10, 0, 0, [])
    assert (report.dataset_hash, report.contract_hash) == (dataset.hash, make_contract().hash)
    json.dumps(asdict(report))


def test_offline_stacks_are_the_live_ones(tmp_path: Path) -> None:
    """Catches any difference between what is trained on and what is driven with: digests of every tick are compared."""
    rng = np.random.default_rng(2)
    messages, now = [], START_NS
    for tick in range(60):
        now += PERIOD_NS if tick % 23 else 700_000_000
        messages.append((ODOMETRY, now - 7_000_000, odometry_cdr(now - 7_000_000, rng.normal(), rng.normal())))
        messages.append((CAMERA, now + 2_000_000, image_cdr(now, rng.integers(0, 256, (6, 8, 3), np.uint8))))
        messages.append((EXPERT, now + 3_000_000, command_cdr(now, 1.0, 0.0)))
        messages.append((ODOMETRY, now + 4_000_000, odometry_cdr(now + 1_000_000, rng.normal(), rng.normal())))
    assembler = ObservationAssembler(make_contract())
    live: list[Observation] = []
    for topic, receive_ns, cdr in messages:
        if topic in assembler.topics:
            found = assembler.add(topic, cdr, receive_ns)
            live += [found] if found else []
    build_dataset([record(tmp_path, messages)], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert len(dataset) == len(live) == 60
    stacks = dataset.stack(range(60))
    for row, observation in enumerate(live):
        arrays = {key: stacked[row] for key, stacked in stacks.items()}
        offline = Observation(int(dataset.stamps_ns[row]), arrays, {}, starts_memory=bool(dataset.starts_memory[row]))
        assert offline.digest() == observation.digest()
        assert offline.starts_memory == observation.starts_memory


def test_labels_are_never_from_the_future_nor_stale(tmp_path: Path) -> None:
    """Catches a label that the expert gave after the tick, or one that it gave long before."""
    messages = [message for message in drive(20) if message[0] != EXPERT]
    for stamp, value in ((START_NS + 10, 1.0), (START_NS + 120_000_000, 2.0), (START_NS + 120_000_001, 3.0)):
        messages.append((EXPERT, stamp, command_cdr(stamp, value, 0.0)))
    report = build_dataset([record(tmp_path, messages)], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    # Tick 0 is older than the first command; ticks 3 to 5 follow the later two of them by at most 150 ms.
    assert ticks_of(dataset) == [1, 2, 3, 4, 5]
    assert dataset.actions[:, 0].tolist() == [1.0, 1.0, 3.0, 3.0, 3.0]
    assert report.used[0].unlabelled == 15


def test_no_stack_reaches_over_ticks_that_were_left_out(tmp_path: Path) -> None:
    """Catches frames half a second apart in a stack that claims to be three consecutive ticks."""
    messages = drive(12)
    hole = {START_NS + tick * PERIOD_NS for tick in (3, 4, 5, 6, 7)}
    build_dataset([record(tmp_path, [m for m in messages if not (m[0] == EXPERT and m[1] in hole)])], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]  # 150 ms is how long a command counts
    assert np.flatnonzero(dataset.starts_memory).tolist() == [0, 6]
    assert dataset.stack([7])[IMAGES][0, :, 0, 0, 0].tolist() == [8, 8, 9]


def test_going_on_after_a_recovery_starts_memory_anew(tmp_path: Path) -> None:
    """Catches stacks that hold the crash and the recovered car: in a bag, the word of it lies behind the frame."""
    messages = drive(8)
    again = START_NS + 4 * PERIOD_NS
    messages.append(("/episode", again, header_cdr(again, "drive")))
    build_dataset([record(tmp_path, sorted(messages, key=lambda m: (m[1], m[0])))], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == list(range(8))
    assert np.flatnonzero(dataset.starts_memory).tolist() == [0, 4]


def test_what_was_recorded_before_the_episode_is_left_out(tmp_path: Path) -> None:
    messages = [message for message in drive(8) if message[0] != "/episode"]
    started = START_NS + 3 * PERIOD_NS
    messages.append(("/episode", started, header_cdr(started, "drive")))
    build_dataset([record(tmp_path, messages)], tmp_path / "set")
    assert ticks_of(open_dataset(tmp_path / "set")) == [3, 4, 5, 6, 7]


def test_teleoperation_without_an_expert_topic_labels_with_its_own_commands(tmp_path: Path) -> None:
    text = make_contract().text
    contract = parse_contract(text[: text.index("gate:")])
    messages = [message for message in drive(5) if message[0] not in (EXPERT, "/gate/decision")]
    report = build_dataset([record(tmp_path, messages, contract=contract)], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.actions.tolist() == dataset.executed.tolist() == [[200.0 + tick, 0.25] for tick in range(5)]
    assert report.used[0].drivers == {"expert": 5}


def test_ticks_without_a_command_say_so(tmp_path: Path) -> None:
    messages = [message for message in drive(5) if message[0] != COMMAND]
    build_dataset([record(tmp_path, messages)], tmp_path / "set")
    assert np.isnan(open_dataset(tmp_path / "set").executed).all()


def test_losses_are_counted(tmp_path: Path) -> None:
    """Catches a report that says all is well while a sensor was silent, broken, or late."""
    contract = make_contract(state=state_source(max_age="60 ms"))
    messages = []
    for topic, log_time_ns, cdr in drive(12):
        tick = (log_time_ns - START_NS) // PERIOD_NS
        if topic == ODOMETRY and tick in (4, 5):
            continue  # held at tick 4, 50 ms old; at tick 5 it is 100 ms old
        if topic == ODOMETRY and tick == 8:
            cdr = odometry_cdr(log_time_ns, float("nan"), 0.0)
        if topic == ODOMETRY and tick == 10:
            log_time_ns += 20_000_000  # behind the settle time
        messages.append((topic, log_time_ns, cdr))
    messages.sort(key=lambda m: m[1])
    report = build_dataset([record(tmp_path, messages, contract=contract)], tmp_path / "set")
    (used,) = report.used
    assert ticks_of(open_dataset(tmp_path / "set")) == [0, 1, 2, 3, 4, 6, 7, 9, 10, 11]
    assert (used.gaps, used.refused, used.late) == (1, 1, 1)
    assert (report.gaps, report.late) == (1, 1)


def flip_bit(bag: Path) -> None:
    (mcap,) = bag.glob("*.mcap")
    data = bytearray(mcap.read_bytes())
    data[len(data) // 2] ^= 1
    mcap.write_bytes(data)


def test_recordings_that_cannot_be_used_are_named_and_the_others_go_on(tmp_path: Path) -> None:
    """Catches one bad bag that costs the whole dataset, or one that slips in."""
    good = record(tmp_path, drive(6), "good")
    no_odometry = record(tmp_path, [m for m in drive(6) if m[0] != ODOMETRY], "no-odometry")
    no_labels = record(
        tmp_path, [(t, n, command_cdr(n - 10**9, 1, 0) if t == EXPERT else c) for t, n, c in drive(6)], "no-labels"
    )
    other = record(tmp_path, drive(6), "other", contract=make_contract(fps=30))
    marked = record(tmp_path, drive(6), "marked", quarantine="7 images were lost")
    damaged = record(tmp_path, drive(6), "damaged")
    flip_bit(damaged)
    larger = record(tmp_path, drive(6, size=8), "larger")
    empty = record(tmp_path, [], "empty")
    again = record(tmp_path / "copy", drive(6), "good")
    writer = BagWriter(tmp_path, "killed", make_contract(), TOPIC_TYPES)
    writer.abort()
    also_good = record(tmp_path, drive(4), "also-good")
    seen: list[tuple[int, int]] = []
    bags = [good, no_odometry, no_labels, other, marked, damaged, larger, empty, again, writer.partial_path, also_good]
    report = build_dataset(
        [*bags, tmp_path / "missing"], tmp_path / "set", lambda done, total: seen.append((done, total))
    )
    assert [used.name for used in report.used] == ["good", "also-good"]
    reasons = {recording.name: recording.reason for recording in report.quarantined}
    for name, reason in {
        "no-odometry": "no messages on /odom",
        "no-labels": "no label for any of its 6 ticks",
        "other": "another contract",
        "marked": "7 images were lost",
        "damaged": "is damaged",
        "larger": "another shape than in good",
        "empty": "no messages on /camera/front/image_raw",
        "good": "used already",
        "killed.partial": "never finished",
        "missing": "no recording",
    }.items():
        assert reason in reasons.pop(name)
    assert reasons == {}
    assert open_dataset(tmp_path / "set").episode_ids == ("good", "also-good")
    assert seen[-1] == (12, 12)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


@pytest.mark.parametrize("topic", ["/gate/decision", "/episode"])
@pytest.mark.parametrize("cdr", [b"", b"\0\0\0\0" + bytes(40), b"\0\1\0\0" + bytes(5)])
def test_a_message_that_cannot_be_read_costs_its_own_recording_only(tmp_path: Path, topic: str, cdr: bytes) -> None:
    bad = record(tmp_path, [*drive(6), (topic, START_NS + 10 * PERIOD_NS, cdr)], "bad")
    report = build_dataset([bad, record(tmp_path, drive(6), "good")], tmp_path / "set")
    assert [used.name for used in report.used] == ["good"]
    assert f"a message on {topic} cannot be read" in report.quarantined[0].reason


def test_the_contract_may_be_chosen(tmp_path: Path) -> None:
    other = make_contract(fps=30)
    bags = [record(tmp_path, drive(6), f"drive-{k}") for k in range(2)] + [
        record(tmp_path, drive(6), "other", contract=other)
    ]
    assert [used.name for used in build_dataset(bags, tmp_path / "a").used] == ["drive-0", "drive-1"]
    assert [used.name for used in build_dataset(bags, tmp_path / "b", contract=other).used] == ["other"]


def test_without_anything_usable_there_is_no_dataset(tmp_path: Path) -> None:
    bag = record(tmp_path, drive(6))
    flip_bit(bag)
    with pytest.raises(DatasetError, match=r"none of the recordings can be used(.|\n)*drive: (.|\n)*damaged"):
        build_dataset([bag], tmp_path / "set")
    with pytest.raises(DatasetError, match="no recordings to build"):
        build_dataset([], tmp_path / "set")
    no_odometry = record(tmp_path, [m for m in drive(6) if m[0] != ODOMETRY], "no-odometry")
    with pytest.raises(DatasetError, match=r"no-odometry: (.|\n)*/odom"):
        build_dataset([no_odometry], tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_an_existing_dataset_is_kept_unless_asked(tmp_path: Path) -> None:
    bags = [record(tmp_path, drive(6))]
    first = build_dataset(bags, tmp_path / "set")
    with pytest.raises(DatasetError, match="exists already"):
        build_dataset(bags, tmp_path / "set")
    assert build_dataset(bags, tmp_path / "set", overwrite=True).dataset_hash == first.dataset_hash


def test_the_same_recordings_give_the_same_dataset(tmp_path: Path) -> None:
    """Catches a dataset hash that depends on paths or on the time of day."""
    hashes = {
        build_dataset([record(tmp_path / name, drive(6))], tmp_path / name / "set").dataset_hash for name in ("a", "b")
    }
    assert len(hashes) == 1


def test_the_helpers_write_what_a_gate_would(tmp_path: Path) -> None:
    """Catches test messages that only our own reader understands."""
    reader = BagReader(record(tmp_path, drive(2)))
    assert reader.counts["/gate/decision"] == 2
    assert reader.types["/gate/decision"] == "diagnostic_msgs/msg/DiagnosticArray"


def test_the_first_tick_after_a_recovery_has_no_old_label(tmp_path: Path) -> None:
    """Catches the crash's last command taken as the answer to the car that was just put back on the road."""
    again = START_NS + 4 * PERIOD_NS
    messages = [m for m in drive(8) if m[0] not in (EXPERT, COMMAND) or m[1] != again]
    messages.append(("/episode", again, header_cdr(again, "drive")))
    report = build_dataset([record(tmp_path, sorted(messages, key=lambda m: (m[1], m[0])))], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == [0, 1, 2, 3, 5, 6, 7]
    assert report.used[0].unlabelled == 1
    assert dataset.actions[4].tolist() == [105.0, 0.5]


LABEL = "/label" + EXPERT


def label_drive(labelled: range) -> list[Message]:
    """The same drive, with the labeller's answers of some ticks beside what the expert commanded."""
    stamps = [(tick, START_NS + tick * PERIOD_NS) for tick in labelled]
    return drive(8) + [(LABEL, stamp, command_cdr(stamp, 300.0 + tick, 0.75)) for tick, stamp in stamps]


def record_with_labels(directory: Path, messages: list[Message], name: str = "drive") -> Path:
    topics = {**TOPIC_TYPES, LABEL: "geometry_msgs/msg/TwistStamped"}
    with BagWriter(directory, name, make_contract(), topics) as writer:
        for message in sorted(messages, key=lambda m: (m[1], m[0])):
            writer.write(*message)
        return writer.close("success")


def test_the_labellers_answers_are_preferred(tmp_path: Path) -> None:
    """Catches a label that answers an earlier tick, and a bag whose answers are overlooked."""
    report = build_dataset([record_with_labels(tmp_path, label_drive(range(2, 7)))], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == [2, 3, 4, 5, 6]
    assert dataset.actions.tolist() == [[300.0 + tick, 0.75] for tick in range(2, 7)]
    assert report.used[0].unlabelled == 3
    build_dataset([record_with_labels(tmp_path, label_drive(range(0)), "plain")], tmp_path / "plain-set")
    assert open_dataset(tmp_path / "plain-set").actions[0, 0] == 100.0, "a topic without messages is no answer"


def test_the_answers_to_an_expert_with_a_relative_topic_are_preferred_too(tmp_path: Path) -> None:
    """Catches DAgger on the live commands, which answer nothing, because of a slash."""
    relative = EXPERT.removeprefix("/")
    contract = parse_contract(make_contract().text.replace(EXPERT, relative))
    messages = [(relative if topic == EXPERT else topic, at, cdr) for topic, at, cdr in label_drive(range(2, 7))]
    topics = {**TOPIC_TYPES, LABEL: "geometry_msgs/msg/TwistStamped", relative: "geometry_msgs/msg/TwistStamped"}
    with BagWriter(tmp_path, "drive", contract, topics) as writer:
        for topic, stamp_ns, cdr in sorted(messages, key=lambda m: (m[1], m[0])):
            writer.write(topic, stamp_ns, cdr)
        bag = writer.close("success")
    build_dataset([bag], tmp_path / "set")
    assert open_dataset(tmp_path / "set").actions[0].tolist() == [302.0, 0.75]


def test_labels_that_meet_no_tick_are_said_to(tmp_path: Path) -> None:
    """Catches an hour's work that is ignored in silence."""
    bag = record(tmp_path, drive(6))
    sha256 = Manifest.read(bag / MANIFEST).files["drive_0.mcap"].sha256
    stamps = np.array([START_NS + 1], np.int64)
    names = make_contract().action_names
    write_labels(tmp_path / "labels" / "drive.json", LabelFile("drive", sha256, names, stamps, np.ones((1, 2), "f4")))
    with pytest.raises(DatasetError, match="afterwards is for one of its ticks"):
        build_dataset([bag], tmp_path / "set", labels=tmp_path / "labels")


def test_failures_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    """Catches a demonstration that its own driver called a failure, learnt from all the same."""
    good, bad = record(tmp_path, drive(6), "good"), record(tmp_path, drive(6), "bad")
    mark_recording(bad, "failure")
    report = build_dataset([good, bad], tmp_path / "set")
    assert [used.name for used in report.used] == ["good"]
    assert report.quarantined[0].reason == "a person marked it as a failure"
    both = build_dataset([good, bad], tmp_path / "both", failures=True)
    assert [used.name for used in both.used] == ["good", "bad"]
