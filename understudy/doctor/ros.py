"""Doctor, ROS 2: environment variables, the DDS profile, other processes in the domain, and a real round trip."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from il_nodes.ros.middleware import PROFILE
from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Check, Patient, Row
from understudy.doctor.packages import run_probe
from understudy.environment.domains import domain_ports_in_use, reserve_domain
from understudy.environment.ros_environment import PROFILE_VARIABLE, node_environment
from understudy.environment.shared_memory import find_leftovers, remove_leftovers

__all__ = ["CHECKS"]

_GROUP = "ROS 2"
# 32 MiB lost no raw 640x480 image at 300 Hz; Fast DDS's default of 512 KiB lost nearly all.
_SEGMENT_WANTED_BYTES = 32 * 2**20
# Median of the round trip of a 96x64 image between two processes on two cores: about 1 ms. Ten times that is trouble.
_SLOW_ROUND_TRIP_MS = 10.0

# A child echoes images back; the median of 40 round trips, in ms. Reliable, so that a lost message shows as a time-out.
_ROUND_TRIP_PROBE = """
import array, json, os, statistics, subprocess, sys, time
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
rclpy.init()
echo = len(sys.argv) > 1
node = Node("doctor_echo" if echo else "doctor")
if echo:
    publisher = node.create_publisher(Image, "/doctor/pong", 10)
    node.create_subscription(Image, "/doctor/ping", publisher.publish, 10)
    try:
        while os.getppid() == int(sys.argv[1]):
            rclpy.spin_once(node, timeout_sec=0.2)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    sys.exit(0)
command = [sys.executable, "-c", sys.orig_argv[2], str(os.getpid())]
child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    got = []
    publisher = node.create_publisher(Image, "/doctor/ping", 10)
    node.create_subscription(Image, "/doctor/pong", got.append, 10)
    message = Image(height=64, width=96, encoding="rgb8", step=288, data=array.array("B", bytes(64 * 288)))
    deadline, times = time.monotonic() + 15, []
    while len(times) < 40 and time.monotonic() < deadline:
        if not (publisher.get_subscription_count() and node.count_publishers("/doctor/pong")):
            rclpy.spin_once(node, timeout_sec=0.05)
            continue
        start = time.perf_counter()
        got.clear()
        publisher.publish(message)
        while not got and time.perf_counter() - start < 1:
            rclpy.spin_once(node, timeout_sec=0.1)
        if got:
            times.append(1000 * (time.perf_counter() - start))
    rmw = rclpy.get_rmw_implementation_identifier()
    print(json.dumps({"rmw": rmw, "ms": statistics.median(times) if times else None, "answers": len(times)}))
finally:
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    node.destroy_node()
    rclpy.try_shutdown()
"""


def _row(check: str, level: str, found: str, mend: str = "") -> Row:
    return Row(_GROUP, check, level, found, mend)


def check_profile(patient: Patient) -> Sequence[Row]:
    """The profile that this shell's own ROS programs would use; understudy gives its nodes the right one anyway."""
    environment = patient.environment
    rows = []
    if "FASTDDS_DEFAULT_PROFILES_FILE" in environment and PROFILE_VARIABLE not in environment:
        mend = f"rename it to {PROFILE_VARIABLE}: Fast DDS of ROS 2 Jazzy ignores the other name without a word"
        rows.append(_row("profile variable", PROBLEM, "FASTDDS_DEFAULT_PROFILES_FILE is set", mend))
    elif PROFILE_VARIABLE not in environment:
        mend = f"for your own programs (rviz2, ros2 topic): export {PROFILE_VARIABLE}={PROFILE}"
        rows.append(_row("profile variable", OK, "not set in this shell; understudy sets it for its nodes", mend))
    else:
        rows.append(_row("profile variable", OK, f"{PROFILE_VARIABLE}={environment[PROFILE_VARIABLE]}"))
    return [*rows, _profile_file_row(Path(environment.get(PROFILE_VARIABLE, PROFILE)))]


def _profile_file_row(path: Path) -> Row:
    mend = f"use the profile that comes with understudy: {PROFILE}"
    try:
        root = ElementTree.parse(path).getroot()
    except OSError as error:
        return _row("profile file", PROBLEM, f"{path}: {error.strerror}", mend)
    except ElementTree.ParseError as error:
        return _row("profile file", PROBLEM, f"{path} is no XML: {error}", mend)
    sizes = [
        int(e.text or 0) for e in root.iter() if e.tag.endswith("segment_size") and (e.text or "").strip().isdigit()
    ]
    if not any(e.tag.endswith("}type") and (e.text or "").strip() == "SHM" for e in root.iter()):
        return _row("profile file", WARNING, f"{path} has no shared-memory transport: camera images will be lost", mend)
    size = max(sizes, default=0)
    if size < _SEGMENT_WANTED_BYTES:
        found = f"segment_size is {size} bytes: large images will be lost"
        return _row("profile file", WARNING, found, f"set it to {_SEGMENT_WANTED_BYTES} in {path}")
    return _row("profile file", OK, f"{path.name}: shared memory of {size / 2**20:.0f} MiB")


def check_variables(patient: Patient) -> Sequence[Row]:
    """Variables that send ROS elsewhere than one expects."""
    environment = patient.environment
    rmw = environment.get("RMW_IMPLEMENTATION", "")
    rows = [_row("RMW_IMPLEMENTATION", OK, rmw or "not set; understudy uses rmw_fastrtps_cpp")]
    if rmw not in ("", "rmw_fastrtps_cpp"):
        mend = "simulated runs use rmw_fastrtps_cpp all the same; with --no-sim it is this one, as on your robot"
        rows = [_row("RMW_IMPLEMENTATION", WARNING, rmw, mend)]
    distribution = environment.get("ROS_DISTRO", "")
    if distribution not in ("", "jazzy"):
        mend = "use a shell that has not sourced it: its libraries and the Jazzy wheels do not mix"
        rows.append(_row("ROS_DISTRO", PROBLEM, distribution, mend))
    if "LD_PRELOAD" in environment:
        found = f"LD_PRELOAD={environment['LD_PRELOAD']}"
        rows.append(_row("preloaded libraries", WARNING, found, "unset it if a node fails to load its libraries"))
    return rows


def check_domain(patient: Patient) -> Sequence[Row]:
    """Whether somebody is in the domain of this shell already."""
    text = patient.environment.get("ROS_DOMAIN_ID", "0") or "0"
    if not text.isdigit() or int(text) > 232:
        return [_row("ROS domain", PROBLEM, f"ROS_DOMAIN_ID={text}", "set it to a number from 0 to 101, or unset it")]
    ports = domain_ports_in_use(int(text))
    if ports:
        mend = "those nodes will not hear a supervised run, which takes a free domain; --domain joins one on purpose"
        return [_row("ROS domain", WARNING, f"domain {text} is in use on this machine ({ports} ports)", mend)]
    return [_row("ROS domain", OK, f"domain {text} is free; supervised runs take one of their own")]


def check_round_trip(patient: Patient) -> Sequence[Row]:
    """Send camera images to another process and back, with the settings that nodes get."""
    import tempfile

    if not os.access(tempfile.gettempdir(), os.W_OK):
        return [_row("DDS round trip", WARNING, "not tried: no temporary folder", "make it writable")]
    with tempfile.TemporaryDirectory() as folder, reserve_domain() as domain:
        environment = node_environment(domain, Path(folder), patient.environment)
        answer, failure = run_probe(_ROUND_TRIP_PROBE, (), environment, patient.timeout_s)
        remove_leftovers(find_leftovers(domain=domain))
    if not answer:
        return [
            _row("DDS round trip", PROBLEM, failure, "mend the rclpy row first; then the profile and shared memory")
        ]
    if answer["ms"] is None:
        mend = "does a firewall stop loopback multicast? is the shared memory full?"
        return [_row("DDS round trip", PROBLEM, "no image came back within 15 s", mend)]
    time_ms = float(str(answer["ms"]))
    found = f"{time_ms:.1f} ms (median of {answer['answers']} images, {answer['rmw']})"
    if time_ms > _SLOW_ROUND_TRIP_MS:
        return [_row("DDS round trip", WARNING, found, "is the machine busy? expect missed deadlines in real time")]
    return [_row("DDS round trip", OK, found)]


CHECKS: tuple[Check, ...] = (check_profile, check_variables, check_domain, check_round_trip)
