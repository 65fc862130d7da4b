"""Files that are none: whatever a person names as bundle, contract or noise file is read or refused at once."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from models.regular_file import read_regular_file
from understudy.environment.ros_environment import repository_root

#: Reads the named file, and says with which error it is refused.
READERS = {
    "bundle": "from models.bundle import inspect_bundle as read",
    "contract": "from models.contract import load_contract as read",
    "noise": f"""from models.contract import load_contract
from models.noise_file import load_noise
contract = load_contract({str(repository_root() / "contracts" / "driving.yaml")!r})
read = lambda path: load_noise(path, contract)""",
}


@pytest.mark.parametrize("reader", READERS)
def test_a_pipe_is_refused_and_not_waited_for(reader: str, tmp_path: Path) -> None:
    """Catches a node that hangs in open(), where no SIGTERM reaches it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = f"""import sys
from models.errors import UnderstudyError
{READERS[reader]}
try:
    read(sys.argv[1])
except UnderstudyError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(repository_root())}
    done = subprocess.run(
        [sys.executable, "-c", script, str(pipe)], env=environment, capture_output=True, text=True, timeout=30
    )
    assert "a pipe, and no regular file" in done.stdout, done.stderr


def test_devices_sockets_and_directories_are_refused(tmp_path: Path) -> None:
    """Catches an endless device that fills the memory."""
    with pytest.raises(OSError, match="a device, and no regular file"):
        read_regular_file(Path(os.devnull), 10)
    with pytest.raises(IsADirectoryError):
        read_regular_file(tmp_path, 10)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="socket"):
            read_regular_file(tmp_path / "socket", 10)


def test_a_file_is_read_up_to_its_limit_and_a_byte(tmp_path: Path) -> None:
    """Catches a limit that cuts a file in silence, and a link that is not followed."""
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(path)
    assert read_regular_file(tmp_path / "link", 5) == b"12345"
    assert read_regular_file(path, 3) == b"1234"
