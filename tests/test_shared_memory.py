"""Shared memory that dead processes leave: found and removed, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from understudy.environment import domains, shared_memory

#: Starts fast: a bare interpreter without the packages of this environment.
PYTHON = (sys.executable, "-I", "-S", "-c")


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A Fast DDS segment with its lock file, of no process, where nobody else cleans up."""
    path = tmp_path / f"fastrtps_{os.getpid():x}feed0000"
    lock = path.with_name(path.name + "_el")
    path.write_bytes(b"\0" * 4096)
    lock.touch()
    return path


def test_a_dead_processes_segment_is_found_and_removed(segment: Path) -> None:
    found = shared_memory.find_leftovers(segment.parent)
    assert {segment, segment.with_name(segment.name + "_el")} <= set(found.files)
    own = tuple(path for path in found.files if path.name.startswith(segment.name))
    assert shared_memory.remove_leftovers(shared_memory.Leftovers(own, 4096)) == 2
    assert not segment.exists()


@pytest.mark.parametrize(
    "hold",
    [
        pytest.param("import mmap; f = open(path, 'r+b'); m = mmap.mmap(f.fileno(), 0); f.close()", id="mapped"),
        pytest.param("f = open(path, 'rb')", id="open"),
        pytest.param("import fcntl; f = open(path + '_el', 'r+b'); fcntl.flock(f, fcntl.LOCK_EX)", id="locked"),
    ],
)
def test_a_live_processes_segment_is_left_alone(segment: Path, hold: str) -> None:
    """Catches a clean-up that cuts the memory from under a robot that somebody else runs on this machine."""
    script = f"path = {str(segment)!r}; {hold}; print('held', flush=True); import sys; sys.stdin.read()"
    command = [*PYTHON, script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert segment not in shared_memory.find_leftovers(segment.parent).files
        process.communicate("")
    assert segment in shared_memory.find_leftovers(segment.parent).files


def test_a_run_leaves_the_ports_of_other_domains_alone(segment: Path) -> None:
    port = segment.with_name(f"fastrtps_port{domains.FIRST_PORT + 250 * 200}")  # a domain that no run may have
    port.touch()
    assert port not in shared_memory.find_leftovers(segment.parent, domain=199).files
    assert port in shared_memory.find_leftovers(segment.parent, domain=200).files


def test_a_segment_that_is_opened_while_it_is_being_removed_keeps_its_name(segment: Path) -> None:
    """Catches the race of two runs on one machine: one cleans up a port at the moment when the other opens it."""
    found = shared_memory.find_leftovers(segment.parent)
    own = tuple(path for path in found.files if path.name.startswith(segment.name))
    with segment.open("rb"):  # opened between the look and the deletion
        assert shared_memory.remove_leftovers(shared_memory.Leftovers(own, 0)) == 1  # its lock file, which nobody has
        assert segment.stat().st_size == 4096
    assert not list(segment.parent.glob(f".understudy-*{segment.name}*"))
