"""The thread beside the recorder's callbacks: whatever happens to one episode, the next one is recorded."""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ros_messages import COMMAND, ODOMETRY, TOPIC_TYPES, command_cdr, make_contract

from il_nodes.bags import BagReader, BagWriter, find_bags
from il_nodes.recorder.ordering import Stamped
from il_nodes.recorder.thread import BagSink, RecordingEvent, RecordingThread

MESSAGE = Stamped(1_000_000_000, COMMAND, command_cdr(1_000_000_000, 1.0, 0.0))


class Recorder:
    """A recording thread with room for two messages, and its events as they come."""

    def __init__(
        self, open_bag: Callable[[str], BagSink], capacity_bytes: int = 10**6, flush_s: float | None = None
    ) -> None:
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.thread = RecordingThread(
            open_bag, lambda: self._signals.put(None), capacity=2, capacity_bytes=capacity_bytes, flush_s=flush_s
        )

    def event(self) -> RecordingEvent:
        self._signals.get(timeout=5.0)
        (event,) = self.thread.take_events()
        return event


def test_a_folder_that_vanishes_costs_one_episode(tmp_path: Path) -> None:
    """Catches an error that ends the thread in silence: nothing is recorded any more, and lock-step hangs."""
    folder = tmp_path / "recordings"
    folder.mkdir()

    def open_bag(episode_id: str) -> BagWriter:
        assert shutil.disk_usage(folder).free > 0  # as the recorder node does, before it opens a bag
        return BagWriter(folder, episode_id, make_contract(), TOPIC_TYPES)

    recorder = Recorder(open_bag)
    folder.rmdir()
    recorder.thread.open("first")
    event = recorder.event()
    assert (event.kind, event.episode_id) == ("failed", "first")
    assert "No such file" in event.message
    for _ in range(5):
        recorder.thread.write(MESSAGE, wait=True)  # more than there is room for: this must not wait for ever
    recorder.thread.close("complete", end_ns=7)
    event = recorder.event()
    assert (event.kind, event.end_ns) == ("nothing", 7)
    folder.mkdir()
    recorder.thread.open("second")
    assert recorder.event().kind == "opened"
    recorder.thread.write(MESSAGE, wait=True)
    recorder.thread.close("complete")
    assert recorder.event().kind == "closed"
    assert recorder.thread.stop(5.0)
    assert [BagReader(bag).counts[COMMAND] for bag in find_bags(folder)] == [1]


@pytest.mark.parametrize("log_time_ns", [-1, 2**64])
def test_a_message_that_no_bag_can_hold_ends_its_episode_only(tmp_path: Path, log_time_ns: int) -> None:
    """In lock-step the log time is a stamp off the wire, and a bag's is unsigned."""
    recorder = Recorder(lambda episode_id: BagWriter(tmp_path, episode_id, make_contract(), TOPIC_TYPES))
    recorder.thread.open("drive")
    assert recorder.event().kind == "opened"
    recorder.thread.write(MESSAGE)
    recorder.thread.write(Stamped(log_time_ns, COMMAND, MESSAGE.cdr))
    assert recorder.event().kind == "failed"
    assert recorder.thread.stop(5.0)
    partial = BagReader(tmp_path / "drive.partial", allow_partial=True)
    assert partial.counts[COMMAND] == 1


def test_an_episode_id_cannot_write_lines_into_the_log(tmp_path: Path) -> None:
    """It comes over the wire, and what is logged ends in a terminal."""
    recorder = Recorder(lambda episode_id: BagWriter(tmp_path, episode_id, make_contract(), TOPIC_TYPES))
    recorder.thread.open("x\n[INFO] all is well\x1b[2J")
    message = recorder.event().message
    assert "\x1b" not in message
    assert not any(line.startswith("[INFO]") for line in message.splitlines())
    assert recorder.thread.stop(5.0)


class SlowBag(BagWriter):
    """A bag on a disk that stands still until it is let go."""

    go_on = threading.Event()

    def write(self, topic: str, log_time_ns: int, cdr: bytes) -> None:
        self.go_on.wait(20.0)
        super().write(topic, log_time_ns, cdr)


def test_a_slow_disk_holds_up_nobody_and_every_drop_is_counted(tmp_path: Path) -> None:
    """FAULTS 25 and 26: catches callbacks that wait for the disk, and an episode with holes that calls itself whole."""
    SlowBag.go_on.clear()
    recorder = Recorder(lambda episode_id: SlowBag(tmp_path, episode_id, make_contract(), TOPIC_TYPES))
    recorder.thread.open("drive")
    assert recorder.event().kind == "opened"
    for _ in range(10):
        recorder.thread.write(MESSAGE)
    recorder.thread.write(Stamped(1, ODOMETRY, b""))
    assert recorder.thread.dropped == {COMMAND: 8, ODOMETRY: 1}
    recorder.thread.close("complete", losses={"lost": {COMMAND: 2}})
    assert recorder.thread.dropped == {}
    SlowBag.go_on.set()
    event = recorder.event()
    assert event.kind == "closed"
    assert "not for training" in event.message
    reader = BagReader(tmp_path / "drive")
    assert reader.counts[COMMAND] == 2
    assert reader.losses == {"lost": {COMMAND: 2}, "dropped": {COMMAND: 8, ODOMETRY: 1}}
    assert reader.quarantine == (
        "2 messages lost on /cmd_vel; 8 messages on /cmd_vel dropped, the disk is too slow; "
        "1 message on /odom dropped, the disk is too slow"
    )
    assert recorder.thread.stop(5.0)


def test_what_may_wait_is_limited_in_bytes_too(tmp_path: Path) -> None:
    """Catches 2,000 large images that wait for a slow disk and fill the memory; one alone must pass all the same."""
    SlowBag.go_on.clear()
    recorder = Recorder(lambda episode_id: SlowBag(tmp_path, episode_id, make_contract(), TOPIC_TYPES), 10)
    recorder.thread.open("drive")
    assert recorder.event().kind == "opened"
    recorder.thread.write(MESSAGE)
    recorder.thread.write(MESSAGE)
    assert recorder.thread.dropped == {COMMAND: 1}
    SlowBag.go_on.set()
    recorder.thread.write(MESSAGE, wait=True)
    recorder.thread.close("complete")
    assert recorder.event().kind == "closed"
    assert BagReader(tmp_path / "drive").counts[COMMAND] == 2
    assert recorder.thread.stop(5.0)


def test_a_quiet_second_brings_everything_to_the_disk(tmp_path: Path) -> None:
    """Catches messages that sit in memory until the next one comes, however long that takes."""
    recorder = Recorder(lambda episode_id: BagWriter(tmp_path, episode_id, make_contract(), TOPIC_TYPES), flush_s=0.05)
    recorder.thread.open("drive")
    assert recorder.event().kind == "opened"
    recorder.thread.write(MESSAGE)
    deadline_s = time.monotonic() + 10.0
    while not BagReader(tmp_path / "drive.partial", allow_partial=True).counts.get(COMMAND):
        assert time.monotonic() < deadline_s
    recorder.thread.close("complete")
    assert recorder.event().kind == "closed"
    assert recorder.thread.stop(5.0)


def test_slow_log_time_keeps_nothing_in_memory(tmp_path: Path) -> None:
    """Catches minutes of a slow simulation, or of a clock that stands, lost with a killed recorder (FAULTS 24)."""
    recorder = Recorder(lambda episode_id: BagWriter(tmp_path, episode_id, make_contract(), TOPIC_TYPES), flush_s=0.3)
    recorder.thread.open("drive")
    assert recorder.event().kind == "opened"
    deadline_s = time.monotonic() + 3.0
    while not BagReader(tmp_path / "drive.partial", allow_partial=True).counts.get(COMMAND):
        assert time.monotonic() < deadline_s
        recorder.thread.write(MESSAGE, wait=True)  # never quiet, never later, and too few to fill a chunk
        threading.Event().wait(0.02)
    recorder.thread.close("complete")
    assert recorder.event().kind == "closed"
    assert recorder.thread.stop(5.0)


def test_the_last_episode_can_be_marked(tmp_path: Path) -> None:
    """Catches a mark that goes to another episode, and one that overtakes the closing of its own."""
    recorder = Recorder(lambda episode_id: BagWriter(tmp_path, episode_id, make_contract(), TOPIC_TYPES))
    for name in ("first", "second"):
        recorder.thread.open(name)
        assert recorder.event().kind == "opened"
        recorder.thread.close("complete")
        assert recorder.event().kind == "closed"
    recorder.thread.mark("first", "failure")
    assert recorder.event().kind == "unmarked"
    recorder.thread.mark("second", "success")
    event = recorder.event()
    assert (event.kind, event.message) == ("marked", "second: success (was complete)")
    assert [BagReader(bag).outcome for bag in find_bags(tmp_path)] == ["complete", "success"]
    (tmp_path / "second" / "manifest.json").write_text("{}")
    recorder.thread.mark("second", "failure")
    event = recorder.event()
    assert (event.kind, "damaged" in event.message) == ("unmarked", True)
    assert recorder.thread.stop(5.0)


def test_every_mark_is_answered(tmp_path: Path) -> None:
    """Catches a caller of the service who waits for ever, for a manifest that cannot even be read as damaged."""
    recorder = Recorder(lambda episode_id: BagWriter(tmp_path, episode_id, make_contract(), TOPIC_TYPES))
    recorder.thread.open("drive")
    assert recorder.event().kind == "opened"
    recorder.thread.close("complete")
    assert recorder.event().kind == "closed"
    (tmp_path / "drive" / "manifest.json").write_text("[" * 100_000)
    recorder.thread.mark("drive", "success")
    assert recorder.event().kind == "unmarked"
    assert recorder.thread.stop(5.0)
