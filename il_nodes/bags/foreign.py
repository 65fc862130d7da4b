"""Takes in bags that others recorded: rosbag2 folders (MCAP or SQLite, compressed or not) and single files of either.

What comes out is a recording like our own, with the contract in it and a manifest, so that a dataset can be built.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcap.stream_reader import StreamReader
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.errors import ReaderError

from il_nodes.bags.files import MANIFEST
from il_nodes.bags.mcap_writer import Compression
from il_nodes.bags.reader import BagReader
from il_nodes.bags.rosbag2_metadata import RecordedTopic
from il_nodes.bags.writer import BagWriter, check_episode_id
from il_nodes.codecs import codec_for, decode_raw, header_stamp_ns
from il_nodes.codecs.interface import nearest
from il_nodes.dataset.recorded_episode import needed_topics
from models.contract import Contract, Qos, Source
from models.errors import CodecError, RecordingError, UnderstudyError

__all__ = ["ImportReport", "import_bag"]

Message = tuple[str, int, bytes]


@dataclass(frozen=True)
class ImportReport:
    """What was imported.

    Attributes:
        bag: the new recording.
        messages: how many.
        seconds: log time that they span.
        counts: topic to number of messages.
        warnings: what a person should know before training on it.
    """

    bag: str
    messages: int
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def import_bag(
    source: Path,
    contract: Contract,
    directory: Path,
    *,
    task: str = "",
    episode_id: str = "",
    compression: Compression = "zstd",
) -> ImportReport:
    """Make a recording of somebody else's bag; one bag is one episode.

    Args:
        source: a rosbag2 folder, or a ``.mcap`` or ``.db3`` file.
        contract: what the robot is; its observations and its expert's commands must be in the bag.
        directory: where the recording goes.
        task: what was to be done, in words.
        episode_id: of the recording; that of the file or folder when not given.
        compression: of the recording.

    Raises:
        RecordingError: not a bag, damaged, without what the contract needs, with other types, or the disk is full.
    """
    _require_foreign(source)
    _require_intact(source)
    name = episode_id or _episode_name(source)
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    reader = _open(source)
    try:
        topics = _topics(reader, source)
        checks = _Checks(contract, topics, source)
        origin = f"imported from {source.name}"
        with BagWriter(directory, name, contract, topics, task, origin=origin, compression=compression) as writer:
            try:
                for topic, log_time_ns, cdr in _messages(reader, source):
                    checks.look(topic, log_time_ns, cdr)
                    writer.write(topic, log_time_ns, cdr)
                checks.finish(writer.counts)
            except UnderstudyError:
                writer.discard()  # the bag itself is still there
                for folder in made:
                    with contextlib.suppress(OSError):  # no longer empty
                        folder.rmdir()
                raise
            path = writer.close("imported")
    finally:
        reader.close()
    done = BagReader(path)
    seconds = (done.end_ns - done.start_ns) * 1e-9
    return ImportReport(str(path), sum(done.counts.values()), seconds, done.counts, tuple(checks.warnings))


def _episode_name(source: Path) -> str:
    """The bag's own name in characters that an episode's may have. Raises RecordingError when none is left."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", source.name.removesuffix(source.suffix)).lstrip("._-")
    try:
        check_episode_id(name)
    except RecordingError as error:
        raise RecordingError(
            f"the episode cannot be named after {source.name}",
            found=error.found,
            expected=error.expected,
            fix="give it a name with --name",
        ) from error
    return name


def _not_a_bag(source: Path, found: object) -> RecordingError:
    return RecordingError(
        f"{source} cannot be read as a bag",
        found=found,
        expected="a rosbag2 folder with its metadata.yaml, or one .mcap or .db3 file",
    )


def _require_foreign(source: Path) -> None:
    if not source.exists():
        raise RecordingError(f"there is no bag {source}", fix="check the path")
    if source.is_dir() and (source / MANIFEST).exists():
        raise RecordingError(
            f"{source} is a recording of our own", fix="copy its folder beside the other recordings, without importing"
        )


def _require_intact(source: Path) -> None:
    """Look at every checksum there is: nothing behind this would notice a flipped bit, and the copy has new ones."""
    for file in [source] if source.is_file() else sorted(source.glob("*.mcap")):
        if file.suffix != ".mcap":
            continue
        try:
            with file.open("rb") as stream:
                for _ in StreamReader(stream, validate_crcs=True).records:
                    pass
        except Exception as error:  # on bad bytes, whatever three packages' parsers raise is one thing
            raise RecordingError(
                f"{file} is damaged, or no MCAP file",
                found=f"{type(error).__name__}: {error}",
                expected="intact chunks",
            ) from error


def _open(source: Path) -> Reader:
    try:
        reader = Reader(source)
        reader.open()
    except (ReaderError, OSError, ValueError, KeyError, AssertionError) as error:
        raise _not_a_bag(source, error) from error
    return reader


def _topics(reader: Reader, source: Path) -> dict[str, RecordedTopic]:
    found: dict[str, RecordedTopic] = {}
    for connection in reader.connections:
        item = RecordedTopic(connection.msgtype, _qos(connection.ext.offered_qos_profiles))
        other = found.setdefault(connection.topic, item)
        if other.type != item.type:
            raise RecordingError(
                f"{source} holds two types on {connection.topic}", found=f"{other.type} and {item.type}"
            )
        if connection.ext.serialization_format != "cdr":
            raise _not_a_bag(source, f"{connection.topic} is serialised as {connection.ext.serialization_format}")
    return found


def _qos(profiles: Any) -> Qos:
    """Of the first publisher; rosbags has read it already."""
    if not profiles:
        return Qos()
    words = (profiles[0].reliability.name.lower(), profiles[0].durability.name.lower())
    return Qos(
        reliability=words[0] if words[0] in ("reliable", "best_effort") else Qos().reliability,
        durability=words[1] if words[1] in ("volatile", "transient_local") else Qos().durability,
        depth=max(1, profiles[0].depth),
    )


def _messages(reader: Reader, source: Path) -> Iterator[Message]:
    try:
        for connection, log_time_ns, cdr in reader.messages():
            yield connection.topic, log_time_ns, bytes(cdr)
    except (ReaderError, OSError, ValueError, AssertionError) as error:
        raise _not_a_bag(source, error) from error


class _Checks:
    """What must be true of a foreign bag, and what a person should know."""

    def __init__(self, contract: Contract, topics: Mapping[str, RecordedTopic], source: Path) -> None:
        self._source = source
        self._needed = needed_topics(contract)
        for topic, channel in contract.topics().items():
            if topic in topics and topics[topic].type != channel.type:
                raise RecordingError(
                    f"{source} and the contract disagree about {topic}", found=topics[topic].type, expected=channel.type
                )
        for topic in self._needed:
            if topic not in topics:
                raise self._missing(topic, topics)
        observed = [part for stream in contract.observations for part in stream.sources]
        self._sources: dict[str, Source] = {part.channel.topic: part for part in observed}
        self._unseen = set(self._sources)
        self._newest_ns: dict[str, int] = {}
        self._backwards: dict[str, int] = {}
        self.warnings: list[str] = []

    def _missing(self, topic: str, there: Mapping[str, object]) -> RecordingError:
        return RecordingError(
            f"{self._source} has no messages on {topic}, which the contract needs",
            found=", ".join(sorted(there)) or "no topics",
            expected=nearest(topic, there),
            fix="correct the topic in the contract; a contract without gate.expert takes the robot's own commands as "
            "labels",
        )

    def look(self, topic: str, log_time_ns: int, cdr: bytes) -> None:
        """One message; the first of each observation must be what the contract says. Raises RecordingError."""
        source = self._sources.get(topic)
        if source is None:
            return
        if topic in self._unseen:
            self._unseen.remove(topic)
            try:
                decode_raw(cdr, source)
            except CodecError as error:
                raise RecordingError(f"{self._source}: {error}") from error
        if not codec_for(source.channel.type).has_header:
            return
        try:
            stamp_ns = header_stamp_ns(cdr)
        except CodecError as error:
            raise RecordingError(f"{self._source}: a message on {topic} cannot be read", found=error.problem) from error
        if stamp_ns < self._newest_ns.get(topic, stamp_ns):
            self._backwards[topic] = self._backwards.get(topic, 0) + 1
        self._newest_ns[topic] = stamp_ns

    def finish(self, counts: Mapping[str, int]) -> None:
        """Everything was seen. Raises RecordingError."""
        for topic in self._needed:
            if not counts.get(topic):
                raise self._missing(topic, {name: count for name, count in counts.items() if count})
        for topic, newest_ns in self._newest_ns.items():
            if newest_ns == 0 and self._sources[topic].align.timeline == "header":
                raise RecordingError(
                    f"{self._source}: the messages on {topic} carry no stamps",
                    found="0",
                    expected="the time at which they were measured",
                    fix="write 'timeline: receive' for it in the contract",
                )
        self.warnings += [
            f"stamps on {topic} went back {count} times: each counts as a new start"
            for topic, count in self._backwards.items()
        ]
