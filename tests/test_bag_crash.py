"""Recordings that were never finished: a killed recorder, a full disk, a power cut (faults 24 and 25)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ros_messages import ODOMETRY, TOPIC_TYPES, make_contract, odometry_cdr

from il_nodes.bags import BagReader, BagWriter, find_bags
from models.errors import RecordingError

TESTS = Path(__file__).parent
#: 50 Hz of log time.
STEP_NS = 20_000_000

RECORD_UNTIL_KILLED = """
import sys
from pathlib import Path
from ros_messages import ODOMETRY, TOPIC_TYPES, make_contract, odometry_cdr
from il_nodes.bags import BagWriter

writer = BagWriter(Path(sys.argv[1]), "drive", make_contract(), TOPIC_TYPES, "drive the track")
for step in range(int(sys.argv[2])):
    writer.write(ODOMETRY, step * 20_000_000, odometry_cdr(step * 20_000_000, 0.1 * step, 0.0))
print("written", flush=True)
sys.stdin.read()
"""

#: The kernel refuses to let the file grow beyond the limit, in the middle of a write, just as a full disk does.
RECORD_UNTIL_FULL = """
import os, resource, sys
from pathlib import Path
from ros_messages import ODOMETRY, TOPIC_TYPES, make_contract, odometry_cdr
from il_nodes.bags import BagWriter
from models.errors import RecordingError

resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
writer = BagWriter(Path(sys.argv[1]), "drive", make_contract(), {**TOPIC_TYPES, "/noise": "robot_msgs/msg/Noise"})
written = 0
try:
    for step in range(10_000):
        writer.write(ODOMETRY, step * 20_000_000, odometry_cdr(step * 20_000_000, 0.1 * step, 0.0))
        writer.write("/noise", step * 20_000_000, b"\\x00\\x01\\x00\\x00" + os.urandom(100))
        written += 1
except RecordingError as error:
    print(written, flush=True)
    print(error, flush=True)
try:
    writer.close("success")
except RecordingError as error:
    print("closing:", error, flush=True)
"""


def record_ends(data: bytes) -> list[int]:
    """Where each record of an MCAP file ends, by the lengths that the records state."""
    ends = [8]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 9 + int.from_bytes(data[ends[-1] + 1 : ends[-1] + 9], "little"))
    return ends


def run_script(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=TESTS,
        # Also where the project is not installed, but run from its folder.
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")])),
        },
    )


@pytest.mark.parametrize("steps", [175, 200, 251])
def test_a_killed_recorder_loses_at_most_a_second(tmp_path: Path, steps: int) -> None:
    """Catches data that waits in the process for a chunk to fill, and a torn folder that passes for a whole one."""
    process = run_script(RECORD_UNTIL_KILLED, tmp_path, steps)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
    finally:
        process.kill()
        process.communicate()
    assert find_bags(tmp_path) == []
    (partial,) = find_bags(tmp_path, include_partial=True)
    with pytest.raises(RecordingError, match="never finished"):
        BagReader(partial)
    reader = BagReader(partial, allow_partial=True)
    messages = list(reader.messages())
    assert messages == [(ODOMETRY, k * STEP_NS, odometry_cdr(k * STEP_NS, 0.1 * k, 0.0)) for k in range(len(messages))]
    assert (steps - 1) * STEP_NS - messages[-1][1] <= 1_000_000_000
    assert reader.counts[ODOMETRY] == len(messages)
    assert (reader.is_partial, reader.outcome, reader.episode_id) == (True, "partial", "drive")
    assert reader.contract == make_contract()
    assert reader.quarantine


def test_a_full_disk_ends_the_recording_and_spares_what_is_there(tmp_path: Path) -> None:
    """Catches a bare OSError, a torn record in the middle of the file, and a folder that claims to be complete."""
    process = run_script(RECORD_UNTIL_FULL, tmp_path)
    output, _ = process.communicate(timeout=60)
    lines = output.splitlines()
    assert process.returncode == 0, output
    written = int(lines[0])
    assert "stopped: its data cannot be written" in output
    assert "File too large" in output
    assert "closing: the recording drive is failed" in output
    assert find_bags(tmp_path) == []
    (partial,) = find_bags(tmp_path, include_partial=True)
    reader = BagReader(partial, allow_partial=True)
    stamps = [log_time_ns for _, log_time_ns, _ in reader.messages([ODOMETRY])]
    assert stamps == [k * STEP_NS for k in range(len(stamps))]
    assert 0 < written - len(stamps) <= 51
    # No torn record is left at the end, so that other tools can read the file as well.
    data = next(partial.glob("*.mcap")).read_bytes()
    assert record_ends(data)[-1] == len(data)


def unfinished(directory: Path, seconds: int = 4) -> Path:
    writer = BagWriter(directory, "drive", make_contract(), TOPIC_TYPES)
    for step in range(seconds * 50):
        writer.write(ODOMETRY, step * STEP_NS, odometry_cdr(step * STEP_NS, 0.1 * step, 0.0))
    writer.abort()
    return writer.partial_path


def test_an_aborted_recording_keeps_everything(tmp_path: Path) -> None:
    reader = BagReader(unfinished(tmp_path), allow_partial=True)
    assert reader.counts[ODOMETRY] == 200
    assert len(list(reader.messages())) == 200


def test_leaving_the_context_with_an_error_never_finishes_the_episode(tmp_path: Path) -> None:
    def record_and_fail() -> BagWriter:
        with BagWriter(tmp_path, "drive", make_contract(), TOPIC_TYPES) as writer:
            writer.write(ODOMETRY, 0, odometry_cdr(0, 0.0, 0.0))
            writer.write("/unknown", 0, b"")
        return writer

    with pytest.raises(RecordingError, match="does not record"):
        record_and_fail()
    assert find_bags(tmp_path) == []
    assert BagReader(tmp_path / "drive.partial", allow_partial=True).counts[ODOMETRY] == 1


@pytest.mark.parametrize("tail", [b"\x00" * 5000, b"\x06\xff", b"\xff" * 40])
def test_what_a_power_cut_leaves_at_the_end_is_left_out(tmp_path: Path, tail: bytes) -> None:
    """Catches a reader that gives up on four good seconds because of zeros that the file system put behind them."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    mcap.write_bytes(mcap.read_bytes() + tail)
    assert len(list(BagReader(partial, allow_partial=True).messages())) == 200


def test_every_length_a_file_may_be_cut_to_reads_up_to_there(tmp_path: Path) -> None:
    """Catches a crash on some unlucky byte, and messages made up from half a chunk."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    data = mcap.read_bytes()
    counts = []
    for length in range(len(data), 0, -97):
        mcap.write_bytes(data[:length])
        try:
            reader = BagReader(partial, allow_partial=True)
        except RecordingError:
            counts.append(-1)  # not even the description at the head is whole
            continue
        stamps = [log_time_ns for _, log_time_ns, _ in reader.messages()]
        assert stamps == [k * STEP_NS for k in range(len(stamps))]
        counts.append(len(stamps))
    assert counts == sorted(counts, reverse=True)
    assert {200, 150, 100, 50, 0} <= set(counts)


def test_a_flipped_bit_in_an_unfinished_recording(tmp_path: Path) -> None:
    """Catches damage in the middle that is passed over as if the recorder had been killed there."""
    partial = unfinished(tmp_path)
    mcap = next(partial.glob("*.mcap"))
    data = mcap.read_bytes()
    offsets = [end for end in record_ends(data)[:-1] if data[end] == 0x06]
    assert len(offsets) == 8

    def flipped(offset: int) -> bytes:
        broken = bytearray(data)
        broken[offset + 200] ^= 0x04
        return bytes(broken)

    mcap.write_bytes(flipped(offsets[1]))
    with pytest.raises(RecordingError, match=r"is damaged(.|\n)*chunk"):
        BagReader(partial, allow_partial=True)
    mcap.write_bytes(flipped(offsets[-1]))  # the last one: may have been on its way to the disk
    assert len(list(BagReader(partial, allow_partial=True).messages())) == 175


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00", b"\x89MCAP0\r\n"])
def test_files_that_hold_no_recording(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "drive.partial"
    folder.mkdir()
    (folder / "drive_0.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match=r"empty|not an MCAP file|not recorded by Understudy"):
        BagReader(folder, allow_partial=True)
