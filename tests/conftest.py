"""Fixtures that several test modules share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ros_processes import RosEnvironment

from understudy.environment.domains import reserve_domain
from understudy.environment.shared_memory import find_leftovers, remove_leftovers

if TYPE_CHECKING:
    from exported_parts import ExportedParts


@pytest.fixture
def ros_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RosEnvironment]:
    """A private ROS domain with a helper to start nodes as processes; everything in it is gone afterwards.

    Use: ``node = ros_environment.spawn_node("gate", {"lock_step": True})``,
    ``messages = ros_environment.collect("/cmd_vel", TwistStamped)``,
    ``ros_environment.wait_until(lambda: len(messages) > 3, 10.0, "three commands")``.
    """
    with reserve_domain() as domain_id:
        directory = tmp_path / "ros"
        directory.mkdir()
        ros = RosEnvironment(domain_id, directory)
        for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_DOMAIN_ID"):
            monkeypatch.setenv(name, ros.environment[name])
        try:
            yield ros
        finally:
            ros.close()
            remove_leftovers(find_leftovers(domain=domain_id))


@pytest.fixture(scope="session")
def exported_parts(tmp_path_factory: pytest.TempPathFactory) -> ExportedParts:
    """Bundles of every head and memory, exported when first asked for: an export takes more than a second.

    Use: ``policy, report = exported_parts("mixture drawn, lstm")``.
    """
    from exported_parts import ExportedParts

    return ExportedParts(tmp_path_factory.mktemp("parts"))
