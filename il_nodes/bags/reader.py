"""Reads recordings, and refuses those that are not what was written.

Checksums are looked at before anything else: tools that recover a damaged bag write fresh ones over bad data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from il_nodes.bags.files import MANIFEST, PARTIAL_SUFFIX, Losses, Manifest, file_record
from il_nodes.bags.mcap_records import (
    CHUNK,
    METADATA,
    DamageError,
    MessageNumbers,
    read_chunk,
    read_metadata,
    read_records,
)
from il_nodes.codecs.interface import nearest
from models.contract import Contract, parse_contract
from models.errors import RecordingError

__all__ = ["BagReader", "find_mcap", "read_head"]

_RESTORE = "restore the folder from a copy, and do not repair it with a recovery tool: that hides the damage"


@dataclass(frozen=True)
class _Content:
    """What is in the file, up to which byte it is whole."""

    head: Mapping[str, str]
    types: Mapping[str, str]
    counts: Mapping[str, int]
    start_ns: int
    end_ns: int
    whole_bytes: int | None


class BagReader:
    """One recording, verified on construction.

    Messages come in the order in which they were written, which is the order in which live nodes saw them, even where a
    clock went back.

    Args:
        path: the recording's folder.
        allow_partial: also read a recording that was never finished: all of its chunks that are whole. Reading it says
            nothing about how much is missing, so it must not be trained on.

    Raises:
        RecordingError: no recording, an unfinished or an empty one, or files that differ from their checksums.
    """

    def __init__(self, path: Path | str, allow_partial: bool = False) -> None:
        self.path = Path(path)
        self._mcap = find_mcap(self.path)
        self._manifest = self._verify(allow_partial)
        self._content = _scan(self._mcap) if self._manifest is None else self._announced(self._manifest)

    @property
    def is_partial(self) -> bool:
        """Whether the recording was never finished."""
        return self._manifest is None

    @property
    def episode_id(self) -> str:
        """The episode."""
        return self._content.head["episode_id"]

    @property
    def task(self) -> str:
        """What was to be done."""
        return self._content.head["task"]

    @property
    def outcome(self) -> str:
        """How it ended; ``partial`` for a recording that was never finished."""
        return self._manifest.outcome if self._manifest else "partial"

    @property
    def quarantine(self) -> str:
        """Why it must not be trained on; empty if it may."""
        return self._manifest.quarantine if self._manifest else "the recording was never finished"

    @property
    def contract_hash(self) -> str:
        """Hash of the contract at the time of recording."""
        return self._content.head["contract_hash"]

    @cached_property
    def contract(self) -> Contract:
        """The contract it was recorded under. Raises ContractError."""
        return parse_contract(self._content.head["contract"], f"contract recorded in {self.path.name}")

    @property
    def counts(self) -> Mapping[str, int]:
        """Topic to number of messages."""
        return self._content.counts

    @property
    def losses(self) -> Losses:
        """Kind of loss to topic to number of messages, as the recorder counted them."""
        return self._manifest.losses if self._manifest else {}

    @property
    def origin(self) -> str:
        """Where the messages came from, unless they were recorded."""
        return self._manifest.origin if self._manifest else self._content.head.get("origin", "")

    @property
    def types(self) -> Mapping[str, str]:
        """Topic to ROS type."""
        return self._content.types

    @property
    def start_ns(self) -> int:
        """Earliest log time, 0 without messages."""
        return self._content.start_ns

    @property
    def end_ns(self) -> int:
        """Latest log time, 0 without messages."""
        return self._content.end_ns

    def require(self, topics: Iterable[str]) -> None:
        """Raise RecordingError unless each of the topics has messages."""
        for topic in topics:
            if not self.counts.get(topic):
                there = ", ".join(f"{name} ({count})" for name, count in self.counts.items() if count)
                raise RecordingError(
                    f"recording {self.path.name} has no messages on {topic}",
                    found=there or "no messages at all",
                    expected="" if topic in self.counts else nearest(topic, self.counts),
                    fix="record this topic, or correct it in the contract",
                )

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[tuple[str, int, bytes]]:
        """Topic, log time in nanoseconds, and CDR bytes of each message, in the order of writing.

        Args:
            topics: only these; all when not given.

        Raises:
            RecordingError: a topic that the recording does not have, or a damaged chunk.
        """
        wanted = set(self.types) if topics is None else set(topics)
        for topic in sorted(wanted - set(self.types)):
            raise RecordingError(
                f"recording {self.path.name} has no topic {topic}",
                found=", ".join(sorted(self.types)) or "no topics",
                expected=nearest(topic, self.types),
            )
        return self._messages(wanted)

    def _messages(self, wanted: set[str]) -> Iterator[tuple[str, int, bytes]]:
        topics: dict[int, str] = {}
        try:
            for opcode, _, body in read_records(self._mcap, self._content.whole_bytes):
                if opcode != CHUNK:
                    continue
                chunk = read_chunk(body)
                topics |= {channel_id: topic for channel_id, (topic, _) in chunk.channels.items()}
                for channel_id, log_time_ns, cdr in chunk.messages:
                    if topics[channel_id] in wanted:
                        yield topics[channel_id], log_time_ns, bytes(cdr)
        except DamageError as error:
            raise _damaged(self._mcap, str(error)) from error

    def _verify(self, allow_partial: bool) -> Manifest | None:
        """Manifest of a finished recording, all of its files checked; None for an unfinished one that is allowed."""
        finished = (self.path / MANIFEST).exists()
        if not allow_partial and (not finished or self.path.name.endswith(PARTIAL_SUFFIX)):
            raise RecordingError(
                f"the recording {self.path} was never finished",
                found="the folder of a recorder that was stopped hard"
                if not finished
                else f"a {PARTIAL_SUFFIX} folder",
                expected=f"a folder with a {MANIFEST}",
                fix="save its whole part with 'understudy episodes recover'; it stays out of training",
            )
        if not finished:
            return None
        manifest = Manifest.read(self.path / MANIFEST)
        for name, expected in manifest.files.items():
            file = self.path / name
            if not file.is_file():
                raise RecordingError(f"{file} is missing from its recording", expected=name, fix=_RESTORE)
            size = file.stat().st_size
            if size != expected.bytes:
                raise _damaged(file, f"{size} bytes", f"{expected.bytes} bytes, as written")
            found = file_record(file)
            if found != expected:
                raise _damaged(file, f"SHA-256 {found.sha256}", f"SHA-256 {expected.sha256}, as written")
        return manifest

    def _announced(self, manifest: Manifest) -> _Content:
        """Content of a finished recording, from its manifest and the head of its file."""
        return _Content(
            head=read_head(self._mcap),
            types=manifest.types,
            counts=manifest.counts,
            start_ns=manifest.start_ns,
            end_ns=manifest.end_ns,
            whole_bytes=None,
        )


def find_mcap(path: Path) -> Path:
    """The one MCAP file of a recording's folder. Raises RecordingError."""
    if not path.exists():
        raise RecordingError(f"there is no recording {path}", fix="check the path; a recording is a folder")
    files = sorted(path.glob("*.mcap")) if path.is_dir() else []
    if len(files) == 1:
        return files[0]
    there = (
        ", ".join(sorted(file.name for file in path.iterdir())[:8]) or "an empty folder" if path.is_dir() else "a file"
    )
    raise RecordingError(
        f"{path} is not a recording", found=there, expected=f"a folder with one .mcap file and a {MANIFEST}"
    )


def _damaged(file: Path, found: str, expected: str = "") -> RecordingError:
    return RecordingError(f"{file} is damaged", found=found, expected=expected, fix=_RESTORE)


def read_head(mcap: Path) -> dict[str, str]:
    """The recording's description, which its writer puts before everything else. Raises RecordingError."""
    try:
        for opcode, _, body in read_records(mcap):
            if opcode == METADATA:
                name, head = read_metadata(body)
                if name == "understudy" and {"contract", "contract_hash", "episode_id", "task"} <= set(head):
                    return head
            if opcode == CHUNK:
                break
    except DamageError as error:
        raise _damaged(mcap, str(error)) from error
    raise RecordingError(
        f"{mcap} was not recorded by Understudy",
        found="no metadata record named understudy",
        expected="the contract and the episode's id at the head of the file",
    )


def _scan(mcap: Path) -> _Content:
    """Content of an unfinished recording, chunk by chunk up to the first that is not whole.

    A damaged chunk at the end is what a power cut leaves behind; with whole chunks behind it, it is something worse.
    """
    head = read_head(mcap)
    channels: dict[int, tuple[str, str]] = {}
    counts: Counter[str] = Counter()
    times_ns: list[int] = []
    numbers, whole_bytes, damage = MessageNumbers(), 0, ""
    try:
        for opcode, offset, body in read_records(mcap):
            if opcode == CHUNK:
                try:
                    chunk = read_chunk(body)
                except DamageError as error:
                    damage = damage or f"{error}, at byte {offset}"
                    continue
                if damage:
                    raise _damaged(mcap, damage, "whole chunks up to the end")
                try:
                    numbers.add(chunk)
                except DamageError as error:
                    raise _damaged(mcap, f"{error}, at byte {offset}", "every message up to the end") from error
                channels |= chunk.channels
                counts.update(channels[channel_id][0] for channel_id, _, _ in chunk.messages)
                times_ns += [log_time_ns for _, log_time_ns, _ in chunk.messages]
            if not damage:
                whole_bytes = offset + 9 + len(body)
    except DamageError:
        pass  # the expected end of a file whose writer was killed
    return _Content(
        head=head,
        types=dict(channels.values()),
        counts={topic: counts[topic] for topic, _ in channels.values()},
        start_ns=min(times_ns, default=0),
        end_ns=max(times_ns, default=0),
        whole_bytes=whole_bytes,
    )
