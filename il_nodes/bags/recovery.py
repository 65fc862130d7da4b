"""Saves what is whole of recordings that were never finished: a killed recorder, a power cut, a full disk.

Every chunk's checksum is looked at before anything is written: a tool that recovers first writes fresh checksums over
bad data, and nobody sees the damage any more (FAULTS 27). The original is never changed, and kept.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from il_nodes.bags.files import MANIFEST, ORIGINALS, PARTIAL_SUFFIX, sync_directory
from il_nodes.bags.mcap_records import CHUNK, ChunkContent, DamageError, MessageNumbers, read_chunk, read_records
from il_nodes.bags.reader import BagReader, find_mcap, read_head
from il_nodes.bags.rosbag2_metadata import RecordedTopic, qos_from_text
from il_nodes.bags.writer import BagWriter
from models.contract import parse_contract
from models.errors import RecordingError, UnderstudyError

__all__ = ["RECOVERED_SUFFIX", "Recovery", "recover_recording"]

RECOVERED_SUFFIX = ".recovered"

Result = Literal["recovered", "completed", "nothing", "busy", "failed"]


@dataclass(frozen=True)
class Recovery:
    """What became of one unfinished recording.

    Attributes:
        name: its folder.
        result: ``recovered`` into a new bag; ``completed``, since only its name was missing; ``nothing`` in it is
            whole; ``busy``, since it is being recorded right now; ``failed``.
        bag: the new bag; empty without one.
        messages: how many are in it.
        seconds: log time that it spans.
        words: what was lost, or why there is no bag.
    """

    name: str
    result: Result
    bag: str = ""
    messages: int = 0
    seconds: float = 0.0
    words: str = ""


@dataclass
class _Survey:
    """What a look at every chunk found, up to the first that is not whole, and behind it."""

    topics: dict[str, RecordedTopic] = field(default_factory=dict)
    chunks: int = 0
    messages: int = 0
    start_ns: int = 0
    end_ns: int = 0
    damage: str = ""
    behind: Counter[str] = field(default_factory=Counter)
    behind_ns: int = 0

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) * 1e-9

    def add(self, chunk: ChunkContent) -> None:
        times = [log_time_ns for _, log_time_ns, _ in chunk.messages]
        if self.damage:
            self.behind.update(chunks=1, messages=len(times))
            self.behind_ns = max([self.behind_ns, *times])
            return
        for topic, kind in chunk.channels.values():
            self.topics[topic] = RecordedTopic(kind, qos_from_text(chunk.qos_profiles[topic]))
        self.chunks += 1
        if times:
            self.start_ns = min(times) if not self.messages else min(self.start_ns, *times)
            self.end_ns = max(self.end_ns, *times)
        self.messages += len(times)

    def words(self) -> str:
        """What was lost, as far as the file tells."""
        text = f"never finished: {self.messages} messages over {self.seconds:.2f} s are whole"
        if not self.damage:
            return f"{text}; what was still in memory is lost, at most about a second"
        text += f", then {self.damage}"
        if self.behind:
            lost_s = max(0, self.behind_ns - self.end_ns) * 1e-9
            text += (
                f"; {self.behind['messages']} whole messages behind it were left out, {lost_s:.2f} s in all are lost"
            )
        return text


def recover_recording(partial: Path) -> Recovery:
    """Save one unfinished recording as ``<name>.recovered``, marked as partial and not for training.

    Its folder then goes to ``originals/`` beside the recordings. Interrupted and called again, it goes on; nothing that
    is there is ever overwritten.

    Args:
        partial: a folder whose name ends in ``.partial``.
    """
    if (partial / MANIFEST).exists():
        return _complete(partial)
    try:
        mcap = find_mcap(partial)
        if _is_being_written(mcap):
            return Recovery(partial.name, "busy", words="it is being recorded right now")
        survey = _survey(mcap)
        if not survey.chunks:
            return Recovery(
                partial.name, "nothing", words=survey.damage or "its recorder ended before it wrote anything"
            )
        bag = _save(partial, mcap, survey)
        _keep(partial)
    except UnderstudyError as error:
        return Recovery(partial.name, "failed", words=str(error))
    return Recovery(partial.name, "recovered", bag.name, survey.messages, survey.seconds, survey.words())


def _complete(partial: Path) -> Recovery:
    """Everything was written and synchronised; only the last step, the new name, is missing."""
    try:
        reader = BagReader(partial, allow_partial=True)
        final = partial.with_name(partial.name.removesuffix(PARTIAL_SUFFIX))
        if final.exists():
            raise RecordingError(f"{final} exists already and is never overwritten", fix=f"move {partial} away")
        partial.rename(final)
        sync_directory(final.parent)
    except UnderstudyError as error:
        return Recovery(partial.name, "failed", words=str(error))
    seconds = (reader.end_ns - reader.start_ns) * 1e-9
    return Recovery(partial.name, "completed", final.name, sum(reader.counts.values()), seconds, "it was whole")


def _is_being_written(mcap: Path) -> bool:
    descriptor = os.open(mcap, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(descriptor)
    return False


def _survey(mcap: Path) -> _Survey:
    survey, numbers = _Survey(), MessageNumbers()
    try:
        for opcode, offset, body in read_records(mcap):
            if opcode == CHUNK:
                _look_at(body, offset, survey, numbers)
    except DamageError as error:
        survey.damage = survey.damage or str(error)
    return survey


def _look_at(body: bytes, offset: int, survey: _Survey, numbers: MessageNumbers) -> None:
    try:
        chunk = read_chunk(body)
    except DamageError as error:
        survey.damage = survey.damage or f"{error}, at byte {offset}"
        return
    if not survey.damage:
        try:
            numbers.add(chunk)
        except DamageError as error:
            survey.damage = f"{error}, at byte {offset}"
    survey.add(chunk)


def _whole_messages(mcap: Path, chunks: int) -> Iterator[tuple[str, int, bytes]]:
    topics: dict[int, str] = {}
    for opcode, _, body in read_records(mcap):
        if opcode == CHUNK and chunks:
            chunks -= 1
            chunk = read_chunk(body)
            topics |= {channel_id: topic for channel_id, (topic, _) in chunk.channels.items()}
            for channel_id, log_time_ns, cdr in chunk.messages:
                yield topics[channel_id], log_time_ns, bytes(cdr)
        if not chunks:
            return


def _save(partial: Path, mcap: Path, survey: _Survey) -> Path:
    """The new bag; one that an interrupted recovery has finished already is taken as it is."""
    name = partial.name.removesuffix(PARTIAL_SUFFIX) + RECOVERED_SUFFIX
    origin = f"recovered from {partial.name}"
    head = read_head(mcap)
    bag = partial.with_name(name)
    if bag.exists() and BagReader(bag).origin == origin:
        return bag
    half_done = partial.with_name(name + PARTIAL_SUFFIX)
    if half_done.exists():
        _clear_away(half_done, origin)
    contract = parse_contract(head["contract"], f"contract recorded in {partial.name}")
    with BagWriter(
        partial.parent, name, contract, survey.topics, head["task"], canonical=False, origin=origin
    ) as writer:
        for message in _whole_messages(mcap, survey.chunks):
            writer.write(*message)
        return writer.close("partial", survey.words())


def _clear_away(half_done: Path, origin: str) -> None:
    """What an interrupted recovery left is deleted, since its source is still there; anything else is kept aside."""
    try:
        is_ours = BagReader(half_done, allow_partial=True).origin == origin
    except RecordingError:
        is_ours = False  # killed before it wrote so much as its head: there is nothing in it to be lost
    if is_ours:
        shutil.rmtree(half_done)
    else:
        _keep(half_done)


def _keep(partial: Path) -> None:
    """Move the original aside, under a number where its name is taken."""
    folder = partial.parent / ORIGINALS
    try:
        folder.mkdir(exist_ok=True)
        target, number = folder / partial.name, 1
        while target.exists():
            number += 1
            target = folder / f"{partial.name}.{number}"
        partial.rename(target)
        sync_directory(folder)
        sync_directory(partial.parent)
    except OSError as error:
        raise RecordingError(f"{partial} was recovered, but cannot be moved to {folder}", found=str(error)) from error
