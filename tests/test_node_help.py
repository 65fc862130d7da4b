"""``--help`` of every node: everything that it declares, in words, and nothing happens."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ros_processes import REPOSITORY, RosEnvironment

from il_nodes.nodes.__main__ import nodes

pytestmark = pytest.mark.ros

CONTRACT = str(REPOSITORY / "contracts" / "driving.yaml")


def ask(ros: RosEnvironment, *words: str) -> subprocess.CompletedProcess[str]:
    here = ros.directory / "here"
    here.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=ros.environment,
        cwd=here,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("name", sorted(nodes()))
def test_a_node_explains_what_can_be_set(ros_environment: RosEnvironment, name: str) -> None:
    """Catches a node that starts instead of answering, a parameter without words, and one of the files that is gone."""
    done = ask(ros_environment, f"il_nodes.nodes.{name}", "--help")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith((f"usage: python -m il_nodes.nodes.{name} ", "pybullet build time"))
    lines = done.stdout.splitlines()
    explained = {line.split()[0]: below for line, below in itertools.pairwise(lines) if ", default: " in line}
    assert "autostart" in explained
    assert all(words.startswith("      ") and len(words.split()) > 0 for words in explained.values())
    for file in ("driving", "robot"):
        content: dict[str, Any] = yaml.safe_load((REPOSITORY / "launch" / "params" / f"{file}.yaml").read_text())
        used = {*content.get("/**", {}).get("ros__parameters", {}), *content.get(name, {}).get("ros__parameters", {})}
        everywhere = {"use_sim_time", "contract", "lock_step"}  # of /**, which not every node has
        assert used - everywhere <= explained.keys()
    assert "/diagnostics  diagnostic_msgs/msg/DiagnosticArray" in done.stdout
    assert not list((ros_environment.directory / "here").iterdir()), "it made something"


def test_types_ranges_choices_topics_and_services_are_there(ros_environment: RosEnvironment) -> None:
    gate = ask(ros_environment, "il_nodes.nodes", "gate", "--help").stdout
    for words in (
        "\n  policy_silence_s  float, default: 1, 0.1 to 10\n      a policy silent for longer is kept away, s\n",
        "\n  wait_for  list of str, default: [expert]\n",
        "publishes:\n\n",
        "\n  ~/decision  diagnostic_msgs/msg/DiagnosticArray\n  and the robot's own, by its contract\n",
        "\n  /episode  std_msgs/msg/Header\n",
        "\n  ~/takeover  std_srvs/srv/SetBool\n",
    ):
        assert words in gate
    policy = ask(ros_environment, "il_nodes.nodes", "policy", "-h").stdout
    assert "\n  chunk_mode  str, default: receding_horizon, one of: receding_horizon, temporal_ensemble\n" in policy
    assert "\n  bundle  str, default: (empty), may be set while the node runs\n" in policy
    assert "\n  ~/reload  std_srvs/srv/Trigger\n" in policy
    recorder = ask(ros_environment, "il_nodes.nodes", "recorder", "--help", "--ros-args", "-p", "queue_size:=50").stdout
    assert "\n  queue_size  int, given: 50, at least 10\n" in recorder
    assert "\n  /recorder/stop  std_srvs/srv/Trigger\n" in recorder


def test_help_beside_a_node_of_that_name_that_runs(ros_environment: RosEnvironment) -> None:
    """Asking is no second gate: neither is refused, and nobody sees anybody."""
    gate = ros_environment.spawn_node("gate", {"contract": CONTRACT})
    probe = ros_environment.probe
    ros_environment.wait_until(lambda: "active: " in gate.log, 20.0, "the gate")
    ros_environment.wait_until(lambda: "gate" in probe.get_node_names(), 20.0, "the gate to be discovered")
    seen: set[int] = set()

    def count() -> bool:
        seen.add(probe.get_node_names().count("gate"))
        return asked.poll() is not None

    command = [sys.executable, "-m", "il_nodes.nodes.gate", "--help"]
    asked = subprocess.Popen(command, env=ros_environment.environment, stdout=subprocess.DEVNULL)
    ros_environment.wait_until(count, 20.0, "the answer")
    assert asked.returncode == 0
    assert seen == {1}
    assert gate.returncode is None


def test_a_name_that_is_none(ros_environment: RosEnvironment, tmp_path: Path) -> None:
    done = ask(ros_environment, "il_nodes.nodes", "gaet")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("there is no node gaet; did you mean gate?\n  found:    expert, gate, ")
    bad = ask(ros_environment, "il_nodes.nodes.gate", "--help", "--ros-args", "-p", "policy_silence_s:=99.0")
    assert bad.returncode == 7
    assert "policy_silence_s" in bad.stderr
    assert "Traceback" not in bad.stderr
