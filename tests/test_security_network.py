"""Who can find our nodes: nobody beyond this machine, unless the person says so."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ros_processes import REPOSITORY, RosEnvironment

from understudy.environment.domains import FIRST_PORT, PORTS_PER_DOMAIN

#: What decides who finds a node.
VARIABLES = (
    "FASTRTPS_DEFAULT_PROFILES_FILE",
    "ROS_AUTOMATIC_DISCOVERY_RANGE",
    "RMW_IMPLEMENTATION",
    "ROS_LOCALHOST_ONLY",
    "ROS_STATIC_PEERS",
    "ROS_DISCOVERY_SERVER",
)


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
@pytest.mark.parametrize(
    ("node", "said", "is_used"),
    [("gate", {}, False), ("gate", {"ROS_LOCALHOST_ONLY": "1"}, False), ("recorder", {}, True)],
)
def test_the_gate_shares_no_memory_with_what_may_be_killed(
    ros_environment: RosEnvironment, node: str, said: dict[str, str], is_used: bool
) -> None:
    """Catches shared memory that ROS 2 adds to a profile: with it, a gate stands still when somebody is killed."""
    contract = str(REPOSITORY / "contracts" / "driving.yaml")
    process = ros_environment.spawn_node(node, {"contract": contract}, environment=said)
    ros_environment.wait_until(lambda: "active: " in process.log, 20.0, f"the {node}")
    ros_environment.wait_until(lambda: node in ros_environment.probe.get_node_names(), 20.0, "to be discovered")
    maps = Path("/proc", str(process.process.pid), "maps").read_text()
    assert ("/dev/shm/fastrtps" in maps) is is_used


@pytest.mark.parametrize(
    ("said", "profile", "discovery_range"),
    [
        ({}, "fastdds_small_localhost.xml", "SYSTEM_DEFAULT"),
        ({"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}, "fastdds_small_localhost.xml", "SYSTEM_DEFAULT"),
        ({"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "fastdds_small.xml", "SUBNET"),
        # The range stays here all the same, and ROS 2 would put shared memory back.
        ({"ROS_LOCALHOST_ONLY": "1"}, "fastdds_small_localhost.xml", "SYSTEM_DEFAULT"),
        ({"ROS_LOCALHOST_ONLY": "1", "ROS_STATIC_PEERS": "10.0.0.7"}, "fastdds_small_localhost.xml", "SYSTEM_DEFAULT"),
        ({"ROS_LOCALHOST_ONLY": "0"}, "fastdds_small_localhost.xml", "SYSTEM_DEFAULT"),
        # Reads no profile of Fast DDS, and takes SYSTEM_DEFAULT for the whole network.
        ({"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, "fastdds_shm.xml", "LOCALHOST"),
        ({"RMW_IMPLEMENTATION": "rmw_zenoh_cpp"}, "fastdds_shm.xml", "LOCALHOST"),
        # Dropped by SYSTEM_DEFAULT, and out of the loopback interface's reach.
        ({"ROS_STATIC_PEERS": "10.0.0.7"}, "fastdds_shm.xml", "LOCALHOST"),
        ({"ROS_DISCOVERY_SERVER": "10.0.0.7:11811"}, "fastdds_shm.xml", "LOCALHOST"),
        ({"ROS_STATIC_PEERS": "10.0.0.7", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}, "fastdds_small.xml", "SUBNET"),
        ({"FASTRTPS_DEFAULT_PROFILES_FILE": "/etc/robot.xml"}, "robot.xml", "LOCALHOST"),
    ],
)
def test_a_node_without_images_keeps_what_its_owner_set(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], profile: str, discovery_range: str
) -> None:
    """Would catch a gate that other middleware announces to the whole network, and one that a robot's peers lose."""
    from il_nodes.ros.middleware import prepare_environment

    for name in VARIABLES:
        monkeypatch.setenv(name, "")  # so that what the function sets is undone, too
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    prepare_environment(images=False)
    assert Path(os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"]).name == profile
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == discovery_range
    assert os.environ.get("ROS_LOCALHOST_ONLY") != "1"


@pytest.mark.ros
def test_the_gate_announces_itself_to_the_robots_static_peers(ros_environment: RosEnvironment) -> None:
    """Catches a gate that never meets a robot on another machine, which its owner named in ``ROS_STATIC_PEERS``.

    That machine is another address of this one here. Participants listen at 7410 + 250 * domain + 2 * their number; the
    gate is the first.
    """
    contract = str(REPOSITORY / "contracts" / "driving.yaml")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.2", FIRST_PORT + PORTS_PER_DOMAIN * ros_environment.domain_id + 10 + 2))
        peer.setblocking(False)
        ros_environment.spawn_node("gate", {"contract": contract}, environment={"ROS_STATIC_PEERS": "127.0.0.2"})

        def heard() -> bytes:
            try:
                return peer.recv(65_536)
            except BlockingIOError:
                return b""

        ros_environment.wait_until(lambda: heard().startswith(b"RTPS"), 20.0, "the gate's announcement")
