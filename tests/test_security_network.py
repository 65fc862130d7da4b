"""Who can find our nodes: nobody beyond this machine, unless the person says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ros_processes import REPOSITORY, RosEnvironment

from understudy.environment.domains import FIRST_PORT, PORTS_PER_DOMAIN


def bound_ports(domain: int) -> set[int]:
    """UDP ports of a domain that are open on this machine, counted from its first."""
    first = FIRST_PORT + PORTS_PER_DOMAIN * domain
    rows = [row for table in ("udp", "udp6") for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    ports = {int(row.split()[1].rpartition(":")[2], 16) - first for row in rows}
    return {port for port in ports if 0 <= port < PORTS_PER_DOMAIN}


@pytest.mark.ros
@pytest.mark.parametrize("node", ["expert", "recorder"])  # without shared memory, and with it
@pytest.mark.parametrize(("discovery_range", "is_announced"), [("", False), ("SUBNET", True)])
def test_a_node_is_announced_to_the_network_only_on_request(
    ros_environment: RosEnvironment, node: str, discovery_range: str, is_announced: bool
) -> None:
    """Would catch a robot that anybody in the same network can find and command, because a default was lost.

    Port 0 of a domain takes the announcements that are sent to everybody (DDSI-RTPS 9.6.2.3: PB + DG * domain + d0). A
    node that stays on its machine does not open it; one that was told to look around does, which shows that the test
    would see it.
    """
    ours = ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE")
    environment = {name: value for name, value in ros_environment.environment.items() if name not in ours}
    if discovery_range:
        environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = discovery_range
    assert not bound_ports(ros_environment.domain_id)
    command = [sys.executable, "-m", f"il_nodes.nodes.{node}"]
    process = subprocess.Popen(
        command, env=environment, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wanted = {10, 11} | ({0} if is_announced else set())
        ros_environment.wait_until(lambda: wanted <= bound_ports(ros_environment.domain_id), 20, "the node is up")
        # Its own two ports are opened after the common one.
        assert (0 in bound_ports(ros_environment.domain_id)) is is_announced
    finally:
        process.terminate()
        process.wait(10)


def test_a_node_that_is_started_by_hand_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch a setting that only the supervisor makes, and one that overrules the robot's owner."""
    from il_nodes.ros.middleware import PROFILE, prepare_environment

    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    prepare_environment()
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] == str(PROFILE)
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    prepare_environment()
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


@pytest.mark.ros
@pytest.mark.parametrize(("node", "is_used"), [("gate", False), ("recorder", True)])
def test_the_gate_shares_no_memory_with_what_may_be_killed(
    ros_environment: RosEnvironment, node: str, is_used: bool
) -> None:
    """Catches shared memory that ROS 2 adds to a profile: with it, a gate stands still when somebody is killed."""
    process = ros_environment.spawn_node(node, {"contract": str(REPOSITORY / "contracts" / "driving.yaml")})
    ros_environment.wait_until(lambda: "active: " in process.log, 20.0, f"the {node}")
    ros_environment.wait_until(lambda: node in ros_environment.probe.get_node_names(), 20.0, "to be discovered")
    maps = Path("/proc", str(process.process.pid), "maps").read_text()
    assert ("/dev/shm/fastrtps" in maps) is is_used
