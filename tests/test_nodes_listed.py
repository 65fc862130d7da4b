"""Nodes without the command line around them: which there are, and a slip in starting one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from il_nodes.nodes.__main__ import main, nodes


def test_the_nodes_are_listed_with_what_they_do() -> None:
    """Catches a node without a sentence, and a newcomer who has to look into the folder."""
    found = nodes()
    assert {"gate", "recorder", "policy", "teleop", "sim"} <= found.keys()
    assert all(len(words) > 20 for words in found.values())
    assert "__main__" not in found
    assert main([]) == 0


def test_a_parameter_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Catches the raw words of rcl about a slip of the pen."""
    command = [
        sys.executable,
        "-m",
        "il_nodes.nodes.gate",
        "--ros-args",
        "--params-file",
        str(tmp_path / "nothere.yaml"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 7
    assert ended.stderr.strip() == f"gate: there is no parameter file {tmp_path / 'nothere.yaml'}"
