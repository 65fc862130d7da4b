"""The ROS package: what colcon installs is all of what is there, and what it needs is written down."""

from __future__ import annotations

import ast
import importlib
import re
import runpy
import sys
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ros_processes import REPOSITORY

PACKAGE = REPOSITORY / "ros2_ws" / "src" / "il_nodes"
NODES = {path.stem for path in (REPOSITORY / "il_nodes" / "nodes").glob("*.py")} - {"__init__", "__main__"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``setup.py`` tells setuptools."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(importlib.import_module("setuptools"), "setup", found.update)
    monkeypatch.setattr(sys, "argv", ["setup.py"])
    monkeypatch.chdir(PACKAGE)
    runpy.run_path(str(PACKAGE / "setup.py"))
    return found


def test_every_node_can_be_run(told: dict[str, Any]) -> None:
    """Would catch a node that ``ros2 run il_nodes`` does not know."""
    scripts = dict(entry.split(" = ") for entry in told["entry_points"]["console_scripts"])
    assert scripts.pop("understudy") == "understudy.__main__:main"
    assert scripts == {node: f"il_nodes.nodes.{node}:main" for node in NODES}


def test_every_shared_file_is_installed(told: dict[str, Any]) -> None:
    """Would catch a launch file without its parameters, and a policy file that only a checkout has."""
    installed = {
        f"{Path(target).relative_to('share')}/{Path(file).name}"
        for target, files in told["data_files"]
        for file in files
    }
    for folder, pattern in (
        ("launch", "*.launch.py"),
        ("launch/params", "*.yaml"),
        ("contracts", "*.yaml"),
        ("security", "*.xml"),
    ):
        files = list((REPOSITORY / folder).glob(pattern))
        assert files
        assert {f"il_nodes/{folder}/{file.name}" for file in files} <= installed
    assert {"il_nodes/package.xml", "ament_index/resource_index/packages/il_nodes"} <= installed


def test_it_holds_the_packages_of_the_project(told: dict[str, Any]) -> None:
    """Would catch a package, or a file that is read beside a module, that only pip installs."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert {name.split(".")[0] for name in told["packages"]} == {"il_nodes", "models", "sim", "understudy"}
    assert told["package_data"] == project["tool"]["setuptools"]["package-data"]
    assert told["version"] == project["project"]["version"]
    for folder in REPOSITORY.glob("*/__init__.py"):
        if folder.parent.name not in ("bench", "tests"):
            assert (PACKAGE / folder.parent.name).resolve() == folder.parent


def imports(folder: str) -> set[str]:
    """Top-level names that a package imports."""
    found: set[str] = set()
    for path in (REPOSITORY / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.split(".")[0])
    return found


def test_every_message_package_is_a_dependency() -> None:
    """Would catch a robot on which ``rosdep install`` leaves out a package that a node imports."""
    root = ElementTree.parse(PACKAGE / "package.xml").getroot()
    assert root.attrib["format"] == "3"
    assert root.findtext("export/build_type") == "ament_python"
    depends = {element.text for element in root.iter("exec_depend")}
    used = imports("il_nodes") | imports("understudy")
    wanted = {name for name in used if re.search(r"_(msgs|srvs|interfaces)$", name)} | {"rclpy", "launch", "launch_ros"}
    assert {"lifecycle_msgs", "std_srvs"} <= depends
    assert wanted <= depends
    # Messages that contracts name are imported when they are needed, by their name.
    named = set(
        re.findall(r"\b([a-z_]+_msgs)/msg/", "".join(p.read_text() for p in (REPOSITORY / "models").rglob("*.py")))
    )
    ours = {"std_msgs", "sensor_msgs", "geometry_msgs", "nav_msgs", "trajectory_msgs", "diagnostic_msgs"}
    assert named & ours <= depends
