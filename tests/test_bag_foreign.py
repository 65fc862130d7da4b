"""Ours read by others, and theirs read by us: the public readers and writers of rosbags and of mcap-ros2-support."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2._dynamic import generate_dynamic, serialize_dynamic
from mcap_ros2.decoder import DecoderFactory
from mcap_ros2.writer import Writer as Ros2McapWriter
from ros_messages import CAMERA, EXPERT, ODOMETRY, TOPIC_TYPES, make_contract, state_source
from rosbags.interfaces import Nodetype
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.serde import SerdeError
from test_dataset_builder import PERIOD_NS, START_NS, Message, drive, ticks_of

from il_nodes.bags import BagReader, BagWriter, find_bags
from il_nodes.bags.foreign import import_bag
from il_nodes.codecs import CODECS, canonical_cdr
from il_nodes.codecs.canonical import typestore
from il_nodes.dataset.builder import build_dataset
from models.contract import Contract
from models.episodes import open_dataset
from models.errors import RecordingError


def random_value(description: Any, rng: np.random.Generator) -> Any:
    """A value of a rosbags field description, with sequences and strings of any small length."""
    kind, details = description
    if kind == Nodetype.NAME:
        return random_message(details, rng)
    if kind == Nodetype.BASE:
        name, _ = details
        if name == "string":
            return "".join(rng.choice(list("abc/_ é"), rng.integers(0, 9)))
        return np.frombuffer(rng.bytes(8), _dtype(name), 1)[0].item() if name != "bool" else bool(rng.integers(2))
    element, length = details
    count = length if kind == Nodetype.ARRAY else int(rng.integers(0, 7))
    if element[0] == Nodetype.BASE and element[1][0] not in ("string", "bool"):
        dtype = np.dtype(_dtype(element[1][0]))
        return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    return [random_value(element, rng) for _ in range(count)]


def _dtype(name: str) -> str:
    return {"byte": "uint8", "octet": "uint8", "char": "uint8"}.get(name, name)


def random_message(type_name: str, rng: np.random.Generator) -> Any:
    """A message with random bits in every field."""
    _, fields = typestore().fielddefs[type_name]
    values = {name: random_value(description, rng) for name, description in fields}
    if "nanosec" in values:
        values["nanosec"] = int(rng.integers(0, 10**9))
    return typestore().types[type_name](**values)


def test_every_type_reads_back_byte_for_byte(tmp_path: Path) -> None:
    """Catches a definition, a padding or an index of ours that another reader takes for something else."""
    rng = np.random.default_rng(4)
    topics = {"/" + name.replace("/", "_"): name for name in CODECS}
    assert len(topics) == 15
    messages: list[Message] = []
    for index in range(60):
        for topic, name in topics.items():
            cdr = bytes(typestore().serialize_cdr(random_message(name, rng), name))
            messages.append((topic, START_NS + index * PERIOD_NS, cdr))
    with BagWriter(tmp_path, "all", make_contract(), topics) as writer:
        for message in messages:
            writer.write(*message)
        path = writer.close("success")
    assert list(BagReader(path).messages()) == messages
    with Reader(path) as reader:
        theirs = []
        for connection, stamp_ns, data in reader.messages():
            theirs.append((connection.topic, stamp_ns, bytes(data)))
            again = typestore().serialize_cdr(typestore().deserialize_cdr(data, connection.msgtype), connection.msgtype)
            assert bytes(again) == bytes(data)
    assert sorted(theirs) == sorted(messages)
    found = []
    with next(path.glob("*.mcap")).open("rb") as stream:
        mcap = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        for schema, channel, message, decoded in mcap.iter_decoded_messages(log_time_order=False):
            found.append((channel.topic, message.log_time, message.data))
            encode = serialize_dynamic(schema.name, schema.data.decode())[schema.name]
            assert bytes(encode(decoded)) == message.data, schema.name
    assert found == messages


def test_images_are_spelt_as_rosbags_spells_them() -> None:
    """Catches a short cut for large images that keeps stale memory, or that changes a value."""
    rng, kind = np.random.default_rng(6), "sensor_msgs/msg/Image"
    for _ in range(300):
        clean = bytes(typestore().serialize_cdr(random_message(kind, rng), kind))
        assert canonical_cdr(clean, kind) == clean
        assert canonical_cdr(clean + rng.bytes(3), kind) == clean, "bytes behind the last field"
        cut = clean[: int(rng.integers(5, len(clean)))]
        assert canonical_cdr(cut, kind) == cut, "what cannot be parsed stays as it is"
        position = int(rng.integers(4, len(clean)))
        dirty = clean[:position] + bytes([clean[position] ^ 0xA5]) + clean[position + 1 :]
        with contextlib.suppress(SerdeError, ValueError):
            message = typestore().deserialize_cdr(dirty, kind)
            assert canonical_cdr(dirty, kind) == bytes(typestore().serialize_cdr(message, kind))


def write_with_rosbags(
    path: Path, messages: list[Message], storage: StoragePlugin, mode: CompressionMode, types: dict[str, str]
) -> Path:
    writer = Writer(path, version=9, storage_plugin=storage)
    writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=typestore()) for topic, kind in types.items()
        }
        for topic, log_time_ns, cdr in messages:
            writer.write(connections[topic], log_time_ns, cdr)
    return path


def write_with_mcap(path: Path, messages: list[Message]) -> Path:
    with path.open("wb") as stream:
        writer = Ros2McapWriter(stream)
        schemas = {
            kind: writer.register_msgdef(kind, typestore().generate_msgdef(kind, ros_version=2)[0])
            for kind in sorted(set(TOPIC_TYPES.values()))  # the same bytes every time: tests damage some
        }
        for topic, log_time_ns, cdr in messages:
            kind = TOPIC_TYPES[topic]
            decode = generate_dynamic(kind, schemas[kind].data.decode())[kind]
            writer.write_message(topic, schemas[kind], decode(cdr), log_time_ns)
        writer.finish()  # type: ignore[no-untyped-call]
    return path


FOREIGN: dict[str, Callable[[Path], Path]] = {
    "rosbags zstd": lambda path: write_with_rosbags(
        path, drive(), StoragePlugin.MCAP, CompressionMode.STORAGE, TOPIC_TYPES
    ),
    "rosbags none": lambda path: write_with_rosbags(
        path, drive(), StoragePlugin.MCAP, CompressionMode.NONE, TOPIC_TYPES
    ),
    "rosbags sqlite3": lambda path: write_with_rosbags(
        path, drive(), StoragePlugin.SQLITE3, CompressionMode.NONE, TOPIC_TYPES
    ),
    "mcap-ros2-support": lambda path: write_with_mcap(path.with_suffix(".mcap"), drive()),
}


@pytest.mark.parametrize("writer", FOREIGN)
def test_what_others_recorded_becomes_a_dataset(tmp_path: Path, writer: str) -> None:
    """Catches a message lost or changed on the way in, and a dataset that differs from the one of our own recording."""
    source = FOREIGN[writer](tmp_path / "their drive")
    report = import_bag(source, make_contract(), tmp_path / "recordings", task="drive")
    assert (report.messages, report.warnings) == (len(drive()), ())
    assert report.seconds == pytest.approx(0.5)
    (path,) = find_bags(tmp_path / "recordings")
    assert path.name == "their_drive"
    reader = BagReader(path)
    assert sorted(reader.messages()) == sorted(drive())
    assert (reader.outcome, reader.quarantine, reader.task) == ("imported", "", "drive")
    assert reader.origin == f"imported from {source.name}"
    assert reader.contract == make_contract()
    build_dataset([path], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert ticks_of(dataset) == list(range(10))
    assert dataset.actions.tolist() == [[100.0 + tick, 0.5] for tick in range(10)]


def refused(tmp_path: Path, messages: list[Message], types: dict[str, str], contract: Contract | None = None) -> str:
    source = write_with_rosbags(tmp_path / "theirs", messages, StoragePlugin.MCAP, CompressionMode.NONE, types)
    with pytest.raises(RecordingError) as error:
        import_bag(source, contract or make_contract(), tmp_path / "recordings")
    assert find_bags(tmp_path / "recordings", include_partial=True) == []
    return str(error.value)


def test_a_bag_without_what_the_contract_needs(tmp_path: Path) -> None:
    """Catches an import that only fails days later, when a dataset is built of it."""
    assert "no messages on /odom" in refused(tmp_path, [m for m in drive() if m[0] != ODOMETRY], TOPIC_TYPES)


def test_a_bag_without_the_topic_at_all(tmp_path: Path) -> None:
    types = {topic: kind for topic, kind in TOPIC_TYPES.items() if topic != EXPERT}
    message = refused(tmp_path, [m for m in drive() if m[0] != EXPERT], types)
    assert "no messages on /expert/cmd_vel" in message
    assert "without gate.expert" in message


def test_a_bag_of_other_types(tmp_path: Path) -> None:
    types = {**TOPIC_TYPES, ODOMETRY: "geometry_msgs/msg/TwistStamped"}
    message = refused(tmp_path, [m for m in drive() if m[0] != ODOMETRY], types)
    assert "disagree about /odom" in message
    assert "nav_msgs/msg/Odometry" in message


def test_a_bag_whose_messages_do_not_hold_what_the_contract_selects(tmp_path: Path) -> None:
    contract = make_contract(state=state_source("joint_1", topic="/joints", type_name="sensor_msgs/msg/JointState"))
    kind = "sensor_msgs/msg/JointState"
    cdr = bytes(typestore().serialize_cdr(random_message(kind, np.random.default_rng(1)), kind))
    messages = [*drive(), ("/joints", START_NS, cdr)]
    assert "/joints" in refused(tmp_path, messages, {**TOPIC_TYPES, "/joints": kind}, contract)


def test_a_bag_without_stamps(tmp_path: Path) -> None:
    unstamped = [
        (topic, log_time_ns, cdr[:4] + bytes(8) + cdr[12:] if topic == CAMERA else cdr)
        for topic, log_time_ns, cdr in drive()
    ]
    assert "carry no stamps" in refused(tmp_path, unstamped, TOPIC_TYPES)


def test_a_damaged_bag_is_not_copied_under_fresh_checksums(tmp_path: Path) -> None:
    """Catches FAULTS 27 through the back door."""
    source = write_with_mcap(tmp_path / "theirs.mcap", drive())
    data = bytearray(source.read_bytes())
    data[800] ^= 0x10  # in the one chunk
    source.write_bytes(data)
    with pytest.raises(RecordingError, match="is damaged"):
        import_bag(source, make_contract(), tmp_path / "recordings")
    assert find_bags(tmp_path / "recordings", include_partial=True) == []


@pytest.mark.parametrize("content", [None, b"", b"no bag"])
@pytest.mark.parametrize("name", ["x.mcap", "x.db3", "x.txt", "folder"])
def test_what_is_no_bag(tmp_path: Path, name: str, content: bytes | None) -> None:
    path = tmp_path / name
    if content is not None:
        if name == "folder":
            path.mkdir()
            (path / "metadata.yaml").write_bytes(content)
        else:
            path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"no bag|cannot be read as a bag|no MCAP file"):
        import_bag(path, make_contract(), tmp_path / "recordings")


def test_a_bag_whose_name_has_no_letter_of_ours_needs_another(tmp_path: Path) -> None:
    """Catches an empty name that the error shows as such, without the option that gives it one."""
    source = write_with_mcap(tmp_path / "записи.mcap", drive())
    with pytest.raises(RecordingError) as error:
        import_bag(source, make_contract(), tmp_path / "recordings")
    assert "записи" in str(error.value)
    assert "--name" in str(error.value)
    assert not (tmp_path / "recordings").exists()
    import_bag(source, make_contract(), tmp_path / "recordings", episode_id="mine")
    assert [path.name for path in find_bags(tmp_path / "recordings")] == ["mine"]


def test_a_message_without_a_stamp_is_named(tmp_path: Path) -> None:
    """Catches a broken stamp deep in a bag that is told of without the topic."""
    spoiled = [(t, ns, cdr[:8] + b"\xff" * 4 + cdr[12:] if t == CAMERA and ns else cdr) for t, ns, cdr in drive()]
    assert f"a message on {CAMERA} cannot be read" in refused(tmp_path, spoiled, TOPIC_TYPES)


def test_our_own_recordings_need_no_import(tmp_path: Path) -> None:
    with BagWriter(tmp_path, "ours", make_contract(), TOPIC_TYPES) as writer:
        path = writer.close("success")
    with pytest.raises(RecordingError, match="of our own"):
        import_bag(path, make_contract(), tmp_path / "recordings")
