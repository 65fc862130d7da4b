"""Recordings that are finished: what was written comes back, for us and for other tools, byte for byte."""

from __future__ import annotations

import io
import resource
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from ros_messages import CAMERA, COMMAND, ODOMETRY, TOPIC_TYPES, command_cdr, image_cdr, make_contract, odometry_cdr
from rosbags.rosbag2 import Reader

from il_nodes.bags import BagReader, BagWriter, find_bags
from il_nodes.bags.files import MAX_MANIFEST_BYTES, Manifest, mark_recording
from il_nodes.bags.mcap_records import MAX_CHUNK_BYTES, DamageError, read_chunk
from il_nodes.bags.mcap_writer import Compression
from il_nodes.codecs import CODECS
from models.contract import Channel, Qos
from models.errors import RecordingError

Message = tuple[str, int, bytes]
START_NS = 5_000_000_000


def drive(ticks: int = 40) -> list[Message]:
    """Two and a bit seconds at 20 Hz on three topics, with noise as images so that they do not compress away."""
    rng = np.random.default_rng(3)
    messages = []
    for tick in range(ticks):
        now = START_NS + tick * 50_000_000
        messages.append((CAMERA, now, image_cdr(now, rng.integers(0, 256, (64, 96, 3), np.uint8))))
        messages.append((ODOMETRY, now, odometry_cdr(now, 0.1 * tick, -0.5)))
        messages.append((COMMAND, now, command_cdr(now, 1.0, 0.25 * tick)))
    return messages


def record(directory: Path, messages: list[Message], episode_id: str = "drive-1", outcome: str = "success") -> Path:
    topics = {topic: TOPIC_TYPES[topic] for topic, _, _ in messages} or TOPIC_TYPES
    with BagWriter(directory, episode_id, make_contract(), topics, "drive the track") as writer:
        for topic, log_time_ns, cdr in messages:
            writer.write(topic, log_time_ns, cdr)
        return writer.close(outcome)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    messages = drive()
    reader = BagReader(record(tmp_path, messages))
    assert list(reader.messages()) == messages
    assert list(reader.messages([ODOMETRY])) == [m for m in messages if m[0] == ODOMETRY]
    assert reader.counts == {CAMERA: 40, ODOMETRY: 40, COMMAND: 40}
    assert (reader.start_ns, reader.end_ns) == (START_NS, START_NS + 39 * 50_000_000)
    assert (reader.episode_id, reader.task, reader.outcome) == ("drive-1", "drive the track", "success")
    assert (reader.quarantine, reader.is_partial) == ("", False)
    assert reader.types[CAMERA] == "sensor_msgs/msg/Image"
    assert reader.contract == make_contract()
    assert reader.contract_hash == make_contract().hash


def test_rosbags_and_mcap_read_the_same_bytes(tmp_path: Path) -> None:
    """Catches a bag that only we can open: Foxglove and ros2 bag play read what these two libraries read."""
    messages = drive()
    path = record(tmp_path, messages)
    with Reader(path) as reader:
        theirs = [(connection.topic, stamp, bytes(data)) for connection, stamp, data in reader.messages()]
        assert reader.message_count == len(messages)
        for connection in reader.connections:
            assert "MSG: std_msgs/Header" in connection.msgdef.data
            assert connection.digest.startswith("RIHS01_")
    assert sorted(theirs) == sorted(messages)
    with next(path.glob("*.mcap")).open("rb") as stream:
        reader_of_mcap = make_reader(stream, validate_crcs=True)
        found = [(c.topic, m.log_time, m.data) for _, c, m in reader_of_mcap.iter_messages(log_time_order=False)]
        summary = reader_of_mcap.get_summary()
    assert found == messages
    assert summary is not None
    assert {chunk.compression for chunk in summary.chunk_indexes} == {"zstd"}
    assert {schema.encoding for schema in summary.schemas.values()} == {"ros2msg"}


def test_every_chunk_has_a_checksum(tmp_path: Path) -> None:
    """Catches a writer that leaves CRCs empty, as rosbags' does: a flipped bit would go unnoticed in other tools."""
    chunks = chunks_of(next(record(tmp_path, drive()).glob("*.mcap")))
    assert len(chunks) >= 2
    assert all(chunk.uncompressed_crc for chunk in chunks)


def test_equal_messages_give_equal_bytes(tmp_path: Path) -> None:
    """Catches wall-clock times or chunk boundaries that depend on the machine's speed."""
    first, second = record(tmp_path / "a", drive()), record(tmp_path / "b", drive())
    names = sorted(file.name for file in first.iterdir())
    assert names == ["drive-1_0.mcap", "manifest.json", "metadata.yaml"]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_messages_keep_the_order_of_writing_when_a_clock_goes_back(tmp_path: Path) -> None:
    """Catches sorting by log time: offline would then see another sequence than the live nodes saw."""
    messages = [(ODOMETRY, now * 10**9, odometry_cdr(now * 10**9, 1.0, 0.0)) for now in (8, 9, 1, 2, 2)]
    assert list(BagReader(record(tmp_path, messages)).messages()) == messages


def test_channels_serve_as_topics_and_their_qos_is_recorded(tmp_path: Path) -> None:
    """Catches a bag whose latched topics are played back volatile, so that late subscribers see nothing."""
    latched = Qos(durability="transient_local", depth=1)
    topics: dict[str, str | Channel] = {
        "/episode": Channel("/episode", "std_msgs/msg/Header", latched),
        ODOMETRY: "nav_msgs/msg/Odometry",
    }
    with BagWriter(tmp_path, "a", make_contract(), topics) as writer:
        writer.write(ODOMETRY, 1, odometry_cdr(1, 0.0, 0.0))
        path = writer.close("success")
    with Reader(path) as reader:
        profiles = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert (profiles["/episode"].durability.name, profiles["/episode"].depth) == ("TRANSIENT_LOCAL", 1)
    assert profiles[ODOMETRY].durability.name == "VOLATILE"


def test_a_type_of_an_unknown_package_is_recorded_all_the_same(tmp_path: Path) -> None:
    """Catches a hole in the recording of a robot with its own messages."""
    cdr = b"\x00\x01\x00\x00" + bytes(range(13))
    with BagWriter(tmp_path, "a", make_contract(), {"/own": "robot_msgs/msg/Own"}) as writer:
        writer.write("/own", 7, cdr)
        path = writer.close("success")
    assert list(BagReader(path).messages()) == [("/own", 7, cdr)]


def test_a_quarantined_episode_says_so(tmp_path: Path) -> None:
    with BagWriter(tmp_path, "a", make_contract(), TOPIC_TYPES) as writer:
        path = writer.close("success", quarantine="12 images were lost")
    reader = BagReader(path)
    assert (reader.outcome, reader.quarantine, reader.counts[CAMERA]) == ("success", "12 images were lost", 0)
    assert list(reader.messages()) == []


@pytest.mark.parametrize("suffix", ["", ".partial"])
def test_an_episode_is_never_overwritten(tmp_path: Path, suffix: str) -> None:
    path = record(tmp_path, drive(3))
    before = sorted(file.read_bytes() for file in path.iterdir())
    path.rename(path.with_name(path.name + suffix))
    with pytest.raises(RecordingError, match="never overwritten"):
        record(tmp_path, drive(4))
    assert sorted(file.read_bytes() for file in path.with_name(path.name + suffix).iterdir()) == before


@pytest.mark.parametrize("episode_id", ["", "../up", "a/b", ".hidden", "a b", "x.partial", "line\nbreak", "x" * 248])
def test_an_episode_id_must_be_a_folder_name(tmp_path: Path, episode_id: str) -> None:
    """Catches a recording that lands outside its directory."""
    with pytest.raises(RecordingError, match="episode id"):
        BagWriter(tmp_path / "in", episode_id, make_contract(), TOPIC_TYPES)
    assert not list(tmp_path.iterdir())


def test_a_topic_that_was_not_announced_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path, "a", make_contract(), TOPIC_TYPES) as writer:
        with pytest.raises(RecordingError, match="did you mean '/odom'"):
            writer.write("/odm", 0, b"")
        path = writer.close("success")
    with pytest.raises(RecordingError, match="is closed"):
        writer.write(ODOMETRY, 0, b"")
    with pytest.raises(RecordingError, match=r"no topic /odm(.|\n)*'/odom'"):
        BagReader(path).messages(["/odm"])


def test_required_topics(tmp_path: Path) -> None:
    reader = BagReader(record(tmp_path, drive(2)))
    reader.require([CAMERA, ODOMETRY])
    with pytest.raises(
        RecordingError, match=r"no messages on /camera/front(.|\n)*/odom \(2\)(.|\n)*/camera/front/image_raw"
    ):
        reader.require(["/camera/front"])


def test_a_mark_changes_the_manifest_only(tmp_path: Path) -> None:
    """Catches a mark that breaks a checksum, or a crash in mid-mark that leaves the recording without a manifest."""
    path = record(tmp_path, drive(2), outcome="complete")
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    (path / "manifest.json.new").write_text("left by a crash")
    assert mark_recording(path, "failure") == "complete"
    after = {file.name: file.read_bytes() for file in path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"manifest.json"}
    assert after.keys() == before.keys()
    assert BagReader(path).outcome == "failure"


@pytest.mark.parametrize("kept", [[], ["metadata.yaml"], ["drive-1_0.mcap"]])
def test_a_manifest_must_name_every_file(tmp_path: Path, kept: list[str]) -> None:
    """Catches a manifest that vouches for nothing: with it, any file would pass for the one that was written."""
    path = record(tmp_path, drive(2))
    manifest = Manifest.read(path / "manifest.json")
    files = {name: manifest.files[name] for name in kept}
    (path / "manifest.json").write_text(replace(manifest, files=files).to_json())
    with pytest.raises(RecordingError, match=r"no checksum of"):
        BagReader(path)


@pytest.mark.parametrize("spoil", [lambda text: "[" * 200_000, lambda text: text + " " * MAX_MANIFEST_BYTES])
def test_a_manifest_of_anything_is_refused(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    """Catches a damaged folder that ends the listing of all others, or fills the memory."""
    path = record(tmp_path, drive(2))
    manifest = path / "manifest.json"
    manifest.write_text(spoil(manifest.read_text()))
    with pytest.raises(RecordingError, match="the manifest of recording"):
        BagReader(path)


def test_finding_recordings(tmp_path: Path) -> None:
    for name in ("b", "a"):
        record(tmp_path, drive(1), name)
    BagWriter(tmp_path, "c", make_contract(), TOPIC_TYPES).abort()
    (tmp_path / "notes").mkdir()
    assert find_bags(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert find_bags(tmp_path, include_partial=True) == [tmp_path / "a", tmp_path / "b", tmp_path / "c.partial"]
    assert find_bags(tmp_path / "missing") == []


def test_discarding_leaves_nothing(tmp_path: Path) -> None:
    with BagWriter(tmp_path, "a", make_contract(), TOPIC_TYPES) as writer:
        writer.write(ODOMETRY, 0, odometry_cdr(0, 0.0, 0.0))
        writer.discard()
    assert list(tmp_path.iterdir()) == []


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("allow_partial", [False, True])
@pytest.mark.parametrize("name", ["drive-1_0.mcap", "metadata.yaml", "manifest.json"])
@pytest.mark.parametrize(
    ("damage", "message"), [(flip_bit, "SHA-256|damaged"), (truncate, "bytes|damaged"), (empty, "0 bytes|damaged")]
)
def test_damage_is_noticed_before_anything_is_read(
    tmp_path: Path, damage: Callable[[Path], None], message: str, name: str, allow_partial: bool
) -> None:
    """Catches training on a recording with a flipped bit; recovery must not come before the checksum (fault 27)."""
    path = record(tmp_path, drive())
    damage(path / name)
    with pytest.raises(RecordingError, match=message):
        BagReader(path, allow_partial=allow_partial)


@pytest.mark.parametrize(("announced", "problem"), [(10, "another size"), (MAX_CHUNK_BYTES + 1, "announces")])
def test_a_few_bytes_do_not_unpack_to_fill_the_memory(announced: int, problem: str) -> None:
    """Catches a chunk whose frame unpacks to more than it announces, and one that announces it."""
    data = zstandard.compress(bytes(MAX_CHUNK_BYTES // 8) if announced == 10 else b"")
    head = struct.pack("<QQQI", 0, 0, announced, 0) + struct.pack("<I", 4) + b"zstd"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DamageError, match=problem):
        read_chunk(head + struct.pack("<Q", len(data)) + data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096  # KiB


def test_a_truncated_file_is_told_by_its_size(tmp_path: Path) -> None:
    path = record(tmp_path, drive(5))
    (mcap,) = path.glob("*.mcap")
    size = mcap.stat().st_size
    truncate(mcap)
    with pytest.raises(RecordingError, match=rf"{size - 100} bytes(.|\n)*{size} bytes, as written"):
        BagReader(path)


def test_what_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="there is no recording"):
        BagReader(tmp_path / "missing")
    with pytest.raises(RecordingError, match=r"is not a recording(.|\n)*an empty folder"):
        BagReader(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(RecordingError, match=r"is not a recording(.|\n)*notes\.txt"):
        BagReader(tmp_path)
    with pytest.raises(RecordingError, match="a file"):
        BagReader(tmp_path / "notes.txt")
    path = record(tmp_path, drive(2))
    (path / "manifest.json").unlink()
    with pytest.raises(RecordingError, match="never finished"):
        BagReader(path)
    path = record(tmp_path, drive(2), "drive-2")
    (path / "metadata.yaml").unlink()
    with pytest.raises(RecordingError, match=r"metadata\.yaml is missing"):
        BagReader(path)


def chunks_of(mcap: Path) -> list[Any]:
    records = StreamReader(io.BytesIO(mcap.read_bytes()), emit_chunks=True).records
    return [record for record in records if hasattr(record, "uncompressed_crc")]


def test_flushes_follow_the_log_time(tmp_path: Path) -> None:
    """Catches a writer that keeps a slow episode in memory until a chunk is full, or cuts it by the wall clock."""
    writer = BagWriter(tmp_path, "a", make_contract(), TOPIC_TYPES)
    for tick in range(25):
        writer.write(ODOMETRY, tick * 50_000_000, odometry_cdr(tick, 0.0, 0.0))
    writer.flush()
    assert len(list(BagReader(writer.partial_path, allow_partial=True).messages())) == 25
    chunks = chunks_of(next(writer.close("success").glob("*.mcap")))
    assert [(chunk.message_start_time, chunk.message_end_time) for chunk in chunks] == [
        (0, 450_000_000),
        (500_000_000, 950_000_000),
        (1_000_000_000, 1_200_000_000),
    ]


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_a_bag_reads_the_same_with_and_without_compression(tmp_path: Path, compression: Compression) -> None:
    """Catches a parameter that changes more than the size, and chunks that say another method than theirs."""
    messages = drive()
    with BagWriter(tmp_path, "a", make_contract(), TOPIC_TYPES, compression=compression) as writer:
        for message in messages:
            writer.write(*message)
        path = writer.close("success")
    assert list(BagReader(path).messages()) == messages
    chunks = chunks_of(next(path.glob("*.mcap")))
    assert {chunk.compression for chunk in chunks} == {"" if compression == "none" else "zstd"}
    with Reader(path) as reader:
        theirs = [(connection.topic, stamp, bytes(data)) for connection, stamp, data in reader.messages()]
    assert sorted(theirs) == sorted(messages)


def test_padding_is_recorded_as_zeros_only(tmp_path: Path) -> None:
    """Catches stale memory of a robot's process in a recording; and a writer that does it where told not to."""
    clean = odometry_cdr(1, 0.5, 0.25)
    dirty = bytearray(clean)
    position = clean.index(b"base_link\x00") + len(b"base_link\x00")
    dirty[position : position + 2] = b"\xde\xad"
    for canonical, expected in ((True, clean), (False, bytes(dirty))):
        with BagWriter(tmp_path, f"a{canonical}", make_contract(), TOPIC_TYPES, canonical=canonical) as writer:
            writer.write(ODOMETRY, 1, bytes(dirty))
            path = writer.close("success")
        assert [cdr for _, _, cdr in BagReader(path).messages()] == [expected]


def test_a_codec_exists_for_every_topic_of_these_tests() -> None:
    """Catches a typing slip in the helpers that would make recordings of unknown types."""
    assert {TOPIC_TYPES[topic] for topic in (CAMERA, ODOMETRY, COMMAND)} <= set(CODECS)
