"""The gate dies, the whole stack is told to end, noise goes beyond the limits (rows 18, 23 and 29 of the table)."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry

from bench.faults.bundles import write_bundle
from bench.faults.gate_rig import check_commands
from bench.faults.rig import DEEP, rig_contract
from bench.faults.rows import EXPERT, RECORDING, Row
from bench.faults.scene import Scene, scene
from bench.faults.tally import Tally
from bench.processes import Processes, processes
from il_nodes.bags import BagReader
from il_nodes.codecs import decode_raw
from il_nodes.ros.executor import LeanExecutor
from models.contract import load_contract
from understudy.environment.ros_environment import repository_root

__all__ = ["kill_gate", "noise_beside_policy", "noise_beyond_limits", "terminate_stack"]

DRIVING = repository_root() / "contracts" / "driving.yaml"
#: m/s above which the car counts as driving, and below which it stands.
DRIVES, STANDS = 1.0, 0.05
CLOSED_WITHIN_S = 2.0


@dataclass
class World:
    """Watches a stack around the simulated car.

    Attributes:
        group: its processes.
        ticks: of the simulator: how many of its commands had timed out by then, and whether one had come since the
            tick before.
        speed: m/s, newest.
        decisions: source and reason of each.
    """

    group: Processes
    ticks: list[tuple[int, bool]] = field(default_factory=list)
    speed: float = 0.0
    decisions: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=self.group.domain)
        node = self.node = rclpy.create_node("watcher", context=self.context)
        self.executor = LeanExecutor(context=self.context)
        self.executor.add_node(node)
        node.create_subscription(DiagnosticArray, "/sim/status", self._on_status, DEEP)
        node.create_subscription(Odometry, "/odom", self._on_odometry, DEEP)
        node.create_subscription(DiagnosticArray, "/gate/decision", self._on_decision, DEEP)

    def _on_status(self, message: Any) -> None:
        values = {item.key: item.value for item in message.status[0].values}
        self.ticks.append((int(values["command_timeouts"]), "command_age_ms" in values))

    def _on_odometry(self, message: Any) -> None:
        self.speed = message.twist.twist.linear.x

    def _on_decision(self, message: Any) -> None:
        values = {item.key: item.value for item in message.status[0].values}
        self.decisions.append((values["source"], values["reason"]))

    def is_driven_by(self, driver: str) -> bool:
        """Whether the car moves, and the newest commands all came from ``driver``."""
        return bool(self.ticks) and self.speed > DRIVES and {source for source, _ in self.decisions[-3:]} == {driver}

    def wait_until(self, condition: Any, timeout_s: float, what: str) -> None:
        """Serve what comes until the condition holds; raises RuntimeError with the nodes' last words."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                logs = "\n".join(f"--- {name}:\n{self.group.log(name)[-800:]}" for name in self.group.running)
                raise RuntimeError(f"waited {timeout_s} s in vain for {what}\n{logs}")
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        """Let go of ROS."""
        self.executor.shutdown(timeout_sec=0)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@contextmanager
def world(folder: Path, mode: str) -> Iterator[World]:
    """The simulated car, driven as the mode says: by the scripted expert or by a policy, recorded or not."""
    with processes(folder) as group:
        wait_for = ["expert", "gate"]
        common = {"use_sim_time": True, "contract": str(DRIVING)}
        if mode != EXPERT:
            bundle = write_bundle(folder / "policy.onnx", load_contract(DRIVING), 3.0)
            group.start_node("policy", {**common, "bundle": str(bundle), "provider": "cpu"})
            wait_for.append("policy")
        if mode == RECORDING:
            group.start_node("recorder", {**common, "directory": str(folder / "recordings"), "min_free_mb": 0.0})
            wait_for.append("recorder")
        group.start_node("gate", {**common, "enable_control": True, "enable_policy": mode != EXPERT})
        group.start_node("expert", {"use_sim_time": True})
        endless = {"track_seeds": [3], "max_episode_s": 600.0, "laps": 0, "seed": 1, "off_track_s": 1e6}
        group.start_node("sim", {**endless, "wait_for_nodes": wait_for})
        watched = World(group)
        try:
            driver = "expert" if mode == EXPERT else "policy"
            watched.wait_until(lambda: watched.is_driven_by(driver), 90.0, f"the {driver} to drive the car")
            yield watched
        finally:
            watched.close()


def kill_gate(folder: Path, mode: str, injections: int) -> Row:
    """Row 18: the simulator's own watchdog, since nobody commands the car any more."""
    tally = Tally(18, "gate dies (SIGKILL)", mode, "the simulator stops the car within 2 ticks")
    for number in range(injections):
        with tally.injection(), world(folder / f"{mode}-{number}", mode) as car:
            went_on = ticks_without_gate(car)
            tally.require(went_on <= 2, f"the car went on for {went_on} ticks")
            tally.figures["it went on for {} ticks at most"].append(went_on)
            car.wait_until(lambda: car.speed < STANDS, 10.0, "the car to stand")
            tally.seen["its watchdog stopped the car, which then stood"] += 1
    return tally.to_row()


def ticks_without_gate(car: World) -> int:
    """Kill the gate; on how many ticks the car then went on although no command had come since the one before."""
    before = car.ticks[-1][0]
    gate = car.group.running.pop("gate")
    gate.send_signal(signal.SIGKILL)
    gate.wait()
    car.wait_until(lambda: car.ticks[-1][0] > before, 5.0, "the watchdog")
    stopped = next(index for index, (timeouts, _) in enumerate(car.ticks) if timeouts > before)
    commanded = max(index for index, (_, answered) in enumerate(car.ticks[:stopped]) if answered)
    return stopped - commanded - 1


def terminate_stack(folder: Path, mode: str, injections: int) -> Row:
    """Row 29: SIGTERM to every process at once, in the middle of an episode."""
    tally = Tally(29, "SIGTERM in mid-episode to the whole stack", mode, "H first, file closed within 2 s")
    for number in range(injections):
        run = folder / f"{mode}-{number}"
        with tally.injection(), scene(run, recorder=mode == RECORDING) as (rig, _):
            rig.enter(mode)
            terminate(rig, tally)
    return tally.to_row()


def terminate(rig: Scene, tally: Tally) -> None:
    """Row 29 on a stack that runs; it is gone afterwards."""
    if tally.mode == RECORDING:
        rig.begin_recording("ended")
    rig.settle(tally.mode)
    rig.ticks(20)
    rig.settle(tally.mode)
    begin, commands, begin_s = len(rig.log), len(rig.published), time.monotonic()
    nodes = dict(rig.group.running)
    for name in nodes:
        rig.group.signal(name, signal.SIGTERM)
    closed_s = float("nan")
    while any(process.poll() is None for process in nodes.values()):
        rig.tick()
        if "recorder" in nodes and nodes["recorder"].poll() is not None and closed_s != closed_s:
            closed_s = time.monotonic() - begin_s
        if time.monotonic() - begin_s > 15.0:
            raise RuntimeError(f"still there: {[name for name, p in nodes.items() if p.poll() is None]}")
    rig.spin(0.2)
    log, values = rig.log[begin:], [command.values for command in rig.published[commands:]]
    halts = [decided for decided in log if decided.source == "halt"]
    tally.reasons.update(decided.reason for decided in halts)
    tally.require(halts and halts[-1].reason == "shutdown", "the gate ended without a halt")
    tally.require(values and values[-1] == (0.0, 0.0), f"the last command was {values[-1:]}")
    after = log[log.index(halts[0]) :] if halts else []
    tally.require(all(decided.source == "halt" for decided in after), "somebody drove again after the halt began")
    codes = {name: process.returncode for name, process in nodes.items()}
    tally.require(not any(codes.values()), f"exit codes {codes}")
    tally.seen["ramped down to the stop command, every process ended with 0"] += 1
    rig.group.running.clear()
    if tally.mode != RECORDING:
        return
    path = rig.recordings / "ended"
    if tally.require(path.exists(), f"the bag was not closed: {sorted(p.name for p in rig.recordings.iterdir())}"):
        bag = BagReader(path)
        tally.require(bag.outcome == "aborted", f"it says {bag.outcome}")
        tally.require(closed_s <= CLOSED_WITHIN_S, f"closed after {closed_s:.2f} s")
        tally.figures["closed within {} s"].append(closed_s)
        tally.seen["the bag was closed whole, as aborted"] += 1


def noise_file(folder: Path) -> Path:
    """Noise as large as the limits themselves."""
    path = folder / "noise.yaml"
    names, units = ["twist.linear.x", "twist.angular.z"], ["m/s", "rad/s"]
    content = {"format": "understudy-noise-1", "names": names, "units": units, "std": [6.0, 4.0], "seed": 7}
    path.write_text(json.dumps(content))
    return path


def noise_beyond_limits(folder: Path, injections: int, ticks: int = 60) -> Row:
    """Row 23: the expert drives, its commands are disturbed beyond all limits, and recorded as it gave them."""
    tally = Tally(23, "DART noise beyond the limits", EXPERT, "limited after the noise; clean label and seed recorded")
    folder.mkdir(parents=True)
    with processes(folder / "stack") as group:
        contract = rig_contract(20.0, expert_periods=10.0)
        rig = Scene(group, contract)
        try:
            rig.start("noise", {"file": str(noise_file(folder))})
            remapped = ["-r", "/expert/cmd_vel:=/noise/expert/cmd_vel"]
            rig.start("gate", {"enable_control": True, "enable_policy": False}, remapped)
            rig.start("recorder", rig.recorder_parameters())
            rig.wait_for_topics(60.0)
            rig.tick_until(lambda: rig.drives("expert", 3), 60.0, "the expert to drive")
            for number in range(injections):
                with tally.injection():
                    _disturb(rig, tally, f"noisy-{number}", ticks)
        finally:
            rig.close()
    return tally.to_row()


def _disturb(rig: Scene, tally: Tally, name: str, ticks: int) -> None:
    rig.begin_recording(name)
    rig.tick_until(lambda: "disturbing" in rig.diagnostics.get("noise: noise", (0, "", {}))[1], 20.0, "the noise")
    first = len(rig.published)
    rig.ticks(ticks)
    checked = check_commands(rig.published[first:], rig.contract)
    values = np.array([command.values for command in rig.published[first:]])
    tally.require(checked.bad == 0, f"{checked.bad} of {checked.commands} commands beyond the limits")
    tally.require(np.ptp(values[:, 0]) > 3.0, "the fault did not take place: hardly any noise")
    # At the end of the range, or on the way there as fast as the rate limit allows.
    fastest = 0.9 * rig.contract.action_rate * rig.contract.period_s
    limited = int((np.abs(np.diff(values, axis=0)) >= fastest).any(axis=1).sum())
    tally.require(limited > len(values) // 4, f"the fault did not take place: {limited} commands were limited")
    bag = rig.end_recording(name)
    source = rig.contract.action_sources[0]
    labels = np.array([decode_raw(cdr, source) for _, _, cdr in bag.messages(["/expert/cmd_vel"])])
    tally.require(len(labels) and np.allclose(labels, [1.0, 0.1]), "the recorded label is not the expert's")
    injected = [cdr for _, _, cdr in bag.messages(["/noise/injected"])]
    tally.require(injected and b"file_sha256" in injected[-1] and b"seed" in injected[-1], "no seed in the recording")
    tally.require(bag.counts["/noise/expert/cmd_vel"] > 0, "what was executed instead is not recorded")
    tally.seen["every command within limits and rates; label clean; seed and file recorded"] += 1


def noise_beside_policy(rig: Scene, mode: str, injections: int) -> Row:
    """Row 23: in a deployment the noise node does not start, and whoever drives drives on."""
    tally = Tally(23, "noise node started in a deployment", mode, "refuses to start")
    file = noise_file(rig.folder)
    for number in range(injections):
        with tally.injection():
            rig.settle(mode)
            begin, name = len(rig.log), f"noise_{number}"
            rig.start_node_as(name, "noise", {"file": str(file)})
            code = rig.tick_until_ended(name)
            said = rig.group.log(name)
            tally.require(
                code not in (0, 1) and "never runs beside a policy" in said, f"it ended with {code}: {said[-300:]}"
            )
            tally.seen["refused"] += 1
            tally.drove_on(rig, rig.log[begin:])
    return tally.to_row()
