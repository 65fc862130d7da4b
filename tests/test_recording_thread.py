"""The thread beside the recorder's callbacks: whatever happens to one episode, the next one is recorded."""

from __future__ import annotations

import queue
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from ros_messages import COMMAND, TOPIC_TYPES, command_cdr, make_contract

from il_nodes.bag import BagReader, BagWriter, find_bags
from il_nodes.recording_order import Stamped
from il_nodes.recording_thread import BagSink, RecordingEvent, RecordingThread

MESSAGE = Stamped(1_000_000_000, COMMAND, command_cdr(1_000_000_000, 1.0, 0.0))


class Recorder:
    """A recording thread with room for two messages, and its events as they come."""

    def __init__(self, open_bag: Callable[[str], BagSink]) -> None:
        self._signals: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.thread = RecordingThread(open_bag, lambda: self._signals.put(None), capacity=2)

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
    assert recorder.event().end_ns == 7
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
