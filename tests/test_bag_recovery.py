"""Recordings that were never finished, saved as far as they are whole; and what is damaged, never dressed up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ros_messages import ODOMETRY, TOPIC_TYPES, make_contract, odometry_cdr
from test_bag_crash import STEP_NS, record_ends, unfinished

from il_nodes.bags import BagReader, BagWriter, find_bags
from il_nodes.bags.files import ORIGINALS
from il_nodes.bags.recovery import recover_recording
from models.contract import Channel, Qos
from models.errors import RecordingError


def expected(count: int) -> list[tuple[str, int, bytes]]:
    return [(ODOMETRY, k * STEP_NS, odometry_cdr(k * STEP_NS, 0.1 * k, 0.0)) for k in range(count)]


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_whole_part_is_saved_and_the_original_kept(tmp_path: Path) -> None:
    """Would catch a recovery that loses messages, passes for a finished episode, or spends the original."""
    partial = unfinished(tmp_path)
    before = content(partial)
    found = recover_recording(partial)
    assert (found.result, found.bag, found.messages) == ("recovered", "drive.recovered", 200)
    reader = BagReader(tmp_path / "drive.recovered")
    assert list(reader.messages()) == expected(200)
    assert (reader.outcome, reader.origin) == ("partial", "recovered from drive.partial")
    assert reader.quarantine.startswith("never finished: 200 messages over 3.98 s are whole")
    assert (reader.contract, reader.types) == (make_contract(), TOPIC_TYPES)
    assert not partial.exists()
    assert content(tmp_path / ORIGINALS / "drive.partial") == before
    assert find_bags(tmp_path, include_partial=True) == [tmp_path / "drive.recovered"]


def flipped(data: bytes, position: int) -> bytes:
    broken = bytearray(data)
    broken[position] ^= 0x04
    return bytes(broken)


def test_nothing_behind_a_damage_is_taken(tmp_path: Path) -> None:
    """Would catch FAULTS 27: a chunk with a flipped bit that gets a fresh checksum."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    data = mcap.read_bytes()
    chunks = [end for end in record_ends(data)[:-1] if data[end] == 0x06]
    mcap.write_bytes(flipped(data, chunks[2] + 200))
    found = recover_recording(partial)
    assert (found.result, found.messages) == ("recovered", 50)
    assert "a chunk" in found.words
    assert "125 whole messages behind it were left out, 3.00 s in all are lost" in found.words
    reader = BagReader(tmp_path / "drive.recovered")
    assert list(reader.messages()) == expected(50)
    assert reader.quarantine == found.words


@pytest.mark.parametrize(("marker", "shift", "byte"), [(b"understudy", -1, 0x40), (b"robot_type", 0, 0xFF)])
def test_a_flipped_byte_in_the_head_costs_one_recording(tmp_path: Path, marker: bytes, shift: int, byte: int) -> None:
    """Would catch one broken head, its length or its text, that ends the recovery of every other recording too."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    data = bytearray(mcap.read_bytes())
    data[data.index(marker, 30) + shift] = byte
    mcap.write_bytes(data)
    found = recover_recording(partial)
    assert found.result == "failed"
    assert "is damaged" in found.words
    assert partial.exists()
    with pytest.raises(RecordingError, match="is damaged"):
        BagReader(partial, allow_partial=True)


@pytest.mark.parametrize("number", [0, 2])
def test_a_chunk_that_is_none_any_more_is_a_damage(tmp_path: Path, number: int) -> None:
    """Would catch one flipped bit that takes a chunk away as if it had never been."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    data = bytearray(mcap.read_bytes())
    chunks = [end for end in record_ends(bytes(data))[:-1] if data[end] == 0x06]
    data[chunks[number]] ^= 0x01
    mcap.write_bytes(data)
    with pytest.raises(RecordingError, match="messages are missing"):
        BagReader(partial, allow_partial=True)
    found = recover_recording(partial)
    assert (found.result, found.messages) == (("recovered", 50) if number else ("nothing", 0))
    assert "messages are missing before a chunk, at byte" in found.words


@pytest.mark.parametrize("length", [0, 4, 30, 400])
def test_a_recorder_that_wrote_nothing_whole(tmp_path: Path, length: int) -> None:
    """Would catch an empty bag made of nothing, and a traceback."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    mcap.write_bytes(mcap.read_bytes()[:length])
    found = recover_recording(partial)
    assert found.result in ("nothing", "failed")
    assert found.words
    assert find_bags(tmp_path, include_partial=True) == [partial]


def test_interrupted_recoveries_go_on(tmp_path: Path) -> None:
    """Would catch a recovery that, killed at any point, gets in its own way or doubles the episode."""
    partial = unfinished(tmp_path)
    original = next(partial.glob("*.mcap")).read_bytes()
    half_done = BagWriter(
        tmp_path, "drive.recovered", make_contract(), TOPIC_TYPES, origin="recovered from drive.partial"
    )
    half_done.write(*expected(1)[0])
    half_done.abort()
    assert recover_recording(partial).result == "recovered"
    # Killed between the new bag and the move of the original: the same once more.
    partial.mkdir()
    (partial / "drive_0.mcap").write_bytes(original)
    before = content(tmp_path / "drive.recovered")
    assert recover_recording(partial).result == "recovered"
    assert content(tmp_path / "drive.recovered") == before
    assert sorted(path.name for path in (tmp_path / ORIGINALS).iterdir()) == ["drive.partial", "drive.partial.2"]


def test_another_recording_of_that_name_is_not_touched(tmp_path: Path) -> None:
    """Would catch a recovery that overwrites."""
    partial = unfinished(tmp_path)
    with BagWriter(tmp_path, "drive.recovered", make_contract(), TOPIC_TYPES) as writer:
        writer.close("success")
    before = content(tmp_path / "drive.recovered")
    found = recover_recording(partial)
    assert found.result == "failed"
    assert "exists already" in found.words
    assert content(tmp_path / "drive.recovered") == before
    assert partial.exists()


def test_one_that_only_lacks_its_name_gets_it(tmp_path: Path) -> None:
    """Would catch a whole episode marked as partial because its recorder died one step before the end."""
    with BagWriter(tmp_path, "drive", make_contract(), TOPIC_TYPES) as writer:
        for message in expected(10):
            writer.write(*message)
        path = writer.close("success")
    partial = path.rename(tmp_path / "drive.partial")
    assert recover_recording(partial).result == "completed"
    assert (BagReader(path).outcome, BagReader(path).quarantine) == ("success", "")
    mcap = next(path.rename(partial).glob("*.mcap"))
    mcap.write_bytes(flipped(mcap.read_bytes(), 500))
    found = recover_recording(partial)
    assert found.result == "failed"
    assert "damaged" in found.words
    assert partial.exists()


HOLD = """
import sys
from pathlib import Path
from ros_messages import ODOMETRY, TOPIC_TYPES, make_contract, odometry_cdr
from il_nodes.bags import BagWriter

writer = BagWriter(Path(sys.argv[1]), "drive", make_contract(), TOPIC_TYPES)
writer.write(ODOMETRY, 0, odometry_cdr(0, 0.0, 0.0))
writer.flush()
print("written", flush=True)
sys.stdin.read()
"""


def test_what_is_being_recorded_is_left_alone(tmp_path: Path) -> None:
    """Would catch a recovery that takes the folder away from under a running recorder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    recorder = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent, text=True
    )
    try:
        assert recorder.stdout is not None
        assert recorder.stdout.readline() == "written\n"
        assert recover_recording(tmp_path / "drive.partial").result == "busy"
    finally:
        recorder.kill()
        recorder.communicate()
    assert recover_recording(tmp_path / "drive.partial").result == "recovered"


def test_latched_topics_stay_latched(tmp_path: Path) -> None:
    """Would catch a recovered bag whose episode start is played back to nobody."""
    topics = {"/episode": Channel("/episode", "std_msgs/msg/Header", Qos(durability="transient_local", depth=3))}
    writer = BagWriter(tmp_path, "drive", make_contract(), topics)
    writer.write("/episode", 0, b"\x00\x01\x00\x00" + bytes(13))
    writer.abort()
    recover_recording(writer.partial_path)
    from rosbags.rosbag2 import Reader

    with Reader(tmp_path / "drive.recovered") as reader:
        (profile,) = reader.connections[0].ext.offered_qos_profiles
    assert (profile.durability.name, profile.depth) == ("TRANSIENT_LOCAL", 3)
