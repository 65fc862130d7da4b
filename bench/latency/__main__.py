"""From the camera's stamp to the command out of the gate, beside the least that this machine allows.

``python -m bench.latency [--quick] [--minutes 10]``

Four chains, one after the other and several times over, each of real processes with real DDS between them:

*ours*: camera → policy node → gate; *bare*: camera → one ONNX Runtime call → a second process that passes it on, in as
few lines of plain rclpy as can be (two DDS hops and one inference); *lean*: the same on the project's own executor,
which is below what rclpy allows; *polling*: camera → one node that keeps the newest frame and runs the same network
eagerly in torch on a 30 Hz timer, without any gate.

An age is taken when the command leaves, by the stamp of the frame that it answers; for each frame the first command
counts. *Reaction* is what a robot sees of it: from a frame's stamp until a command has left that answers this frame or
a later one. A frame misses its deadline when no such command has left before the next frame is due.
"""

from __future__ import annotations

import argparse
import bisect
import json
import signal
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, Interval, median_interval
from bench.processes import Processes, processes
from models.bundle import export_bundle
from models.contract import Contract, parse_contract

SIDE = 96
#: The first frames, while connections settle, are no part of the figures.
WARM_UP_S = 1.0
VARIANTS = ("bare", "ours", "lean", "polling")

CONTRACT = """
robot_type: latency_probe
fps: {rate}
observations:
  observation.images.front:
    channel:
      topic: /camera/image_raw
      type: sensor_msgs/msg/Image
      qos: {{reliability: best_effort, history: keep_last, depth: 5}}
    align: {{strategy: hold, timeline: header}}
    apply: [resize: [96, 96]]
actions:
  action:
    channel: {{topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}}
    align: {{strategy: hold, timeline: header}}
    select: [twist.linear.x, twist.angular.z]
limits:
  action:
    twist.linear.x: {{min: 0, max: 8, rate: 1000, unit: m/s, stop: 0}}
    twist.angular.z: {{min: -2.5, max: 2.5, rate: 1000, unit: rad/s, stop: 0}}
memory: {{frames: 3}}
gate: {{threshold: 1, limited_after: 0}}
"""


@dataclass(frozen=True)
class Condition:
    """One camera."""

    rate: int
    width: int
    height: int

    @property
    def name(self) -> str:
        """For tables: ``50 Hz 640x480``."""
        return f"{self.rate} Hz {self.width}x{self.height}"


@dataclass(frozen=True)
class Measured:
    """One run of one chain: milliseconds, and counts of frames.

    Attributes:
        ages: ``(answered,)`` of the first command of each answered frame.
        reactions: ``(frames,)`` from each frame to the first command that knows of it; infinite where none followed.
        frames: how many count.
        missed: frames whose reaction took longer than the period.
        camera_late: frames that the camera itself published half a period late or more.
    """

    ages: npt.NDArray[np.float64]
    reactions: npt.NDArray[np.float64]
    frames: int
    missed: int
    camera_late: int


def contract_for(condition: Condition) -> Contract:
    """The probe's contract at that rate."""
    return parse_contract(CONTRACT.format(rate=condition.rate), "latency")


def make_policy(folder: Path, condition: Condition) -> None:
    """A small CNN with random weights as ``policy.onnx``, its checkpoint, and the contract."""
    import torch

    from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape
    from models.policies.checkpoint import Checkpoint

    contract = contract_for(condition)
    key = contract.trigger
    config = PolicyConfig(crop_top=0.35)  # as for the simulated car
    specification = PolicySpecification(
        (StreamShape(key, (SIDE, SIDE, 3)),), contract.memory.frames, contract.action_names, config
    )
    torch.manual_seed(0)
    policy = Policy(specification, Scaling.identity(specification)).eval()
    probe = {key: np.random.default_rng(0).integers(0, 256, (20, 3, SIDE, SIDE, 3), dtype=np.uint8)}
    checkpoint = Checkpoint(policy, contract, {"name": "none"}, "0" * 64, 0.9, probe)
    checkpoint.save(folder / "checkpoint")
    export_bundle(checkpoint, folder / "policy.onnx")
    (folder / "contract.yaml").write_text(contract.text)


def _start(group: Processes, variant: str, condition: Condition, policy: Path) -> list[str]:
    """Start everything but the camera; the names of those that write results."""
    size = ["--width", str(condition.width), "--height", str(condition.height), "--side", str(SIDE)]
    out = group.folder

    def part(role: str, *more: str) -> None:
        group.start(role, "bench.latency.parts", [role, "--out", str(out / f"{role}.json"), *size, *more])

    part("sink")
    if variant == "ours":
        contract = str(policy / "contract.yaml")
        group.start_node("gate", {"contract": contract, "enable_policy": True, "enable_control": True})
        group.start_node("policy", {"contract": contract, "bundle": str(policy / "policy.onnx"), "provider": "cpu"})
        return ["sink"]
    if variant in ("bare", "lean"):
        lean = ["--lean"] if variant == "lean" else []
        part("bare-gate", *lean)
        part("bare-policy", "--bundle", str(policy / "policy.onnx"), *lean)
        return ["bare-gate", "bare-policy", "sink"]
    part("polling", "--checkpoint", str(policy / "checkpoint"))
    return ["polling", "sink"]


def measure(variant: str, condition: Condition, seconds: float, policy: Path, folder: Path) -> Measured:
    """Run one chain for ``seconds`` of frames."""
    count = round((seconds + WARM_UP_S) * condition.rate)
    with processes(folder) as group:
        writers = _start(group, variant, condition, policy)
        camera = ["--rate", str(condition.rate), "--count", str(count)]
        size = ["--width", str(condition.width), "--height", str(condition.height)]
        # The camera counts subscribers of its own topic; what is behind the first hop has been up for longer.
        _wait_until_connected(group, variant)
        group.start("camera", "bench.latency.parts", ["camera", "--out", str(folder / "camera.json"), *camera, *size])
        group.wait("camera", seconds + 90.0)
        for name in writers:
            group.signal(name, signal.SIGTERM)
        for name in writers:
            group.wait(name, 20.0)
    shown = json.loads((folder / "camera.json").read_text())
    source = {"ours": "sink", "polling": "polling"}.get(variant, "bare-gate")
    found = json.loads((folder / f"{source}.json").read_text())
    begin_ns = shown["stamps"][0] + WARM_UP_S * 1e9
    stamps = [stamp for stamp in shown["stamps"] if stamp >= begin_ns]
    return evaluate(stamps, found["ages_ms"], 1e3 / condition.rate, shown["late"])


def _wait_until_connected(group: Processes, variant: str) -> None:
    """Give discovery between the later hops its time: nothing there tells an outsider that it is over."""
    import rclpy

    wanted = {"ours": ["/policy/proposal"], "polling": []}.get(variant, ["/bare/proposal"])
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=group.domain)
    watcher = rclpy.create_node("watcher", context=context)
    try:
        deadline_s = time.monotonic() + 60.0
        topics = [*wanted, "/cmd_vel"]
        while not all(watcher.count_publishers(t) and watcher.count_subscribers(t) for t in topics):
            if time.monotonic() > deadline_s:
                logs = "\n".join(f"{name}: {group.log(name)[-1000:]}" for name in group.running)
                raise RuntimeError(f"{variant}: the chain did not connect\n{logs}")
            time.sleep(0.05)
    finally:
        watcher.destroy_node()
        rclpy.try_shutdown(context=context)


def evaluate(
    stamps_ns: Sequence[int], answers: Sequence[tuple[int, float]], period_ms: float, camera_late: int
) -> Measured:
    """Ages and reactions of the frames ``stamps_ns``, from ``(stamp, age in ms)`` of every command in order."""
    first: dict[int, float] = {}
    for stamp_ns, age_ms in answers:
        first.setdefault(stamp_ns, age_ms)
    left = sorted((stamp_ns, stamp_ns + age_ms * 1e6) for stamp_ns, age_ms in first.items())
    answered = [stamp_ns for stamp_ns, _ in left]
    # Of the commands that answer a frame or a later one, the first to leave.
    earliest = np.minimum.accumulate([at for _, at in reversed(left)])[::-1] if left else np.empty(0)
    reactions = []
    for stamp_ns in stamps_ns:
        index = bisect.bisect_left(answered, stamp_ns)
        reactions.append((earliest[index] - stamp_ns) * 1e-6 if index < len(answered) else float("inf"))
    counted = np.array(reactions)
    ages = np.array([first[stamp_ns] for stamp_ns in stamps_ns if stamp_ns in first])
    return Measured(ages, counted, len(stamps_ns), int(np.sum(counted > period_ms)), camera_late)


def summary(runs: Sequence[Measured]) -> dict[str, float | int]:
    """Percentiles over all frames of some runs, in milliseconds."""
    ages = np.concatenate([run.ages for run in runs])
    reactions = np.concatenate([run.reactions for run in runs])
    p50, p99 = np.percentile(ages, [50, 99]) if ages.size else (float("nan"), float("nan"))
    return {
        "frames": sum(run.frames for run in runs),
        "answered": int(ages.size),
        "age_p50_ms": round(float(p50), 3),
        "age_p99_ms": round(float(p99), 3),
        "age_max_ms": round(float(ages.max()), 3) if ages.size else float("nan"),
        "reaction_p50_ms": round(float(np.percentile(reactions, 50)), 3),
        "reaction_p99_ms": round(float(np.percentile(reactions, 99)), 3),
        "missed_deadlines": sum(run.missed for run in runs),
        "camera_late": sum(run.camera_late for run in runs),
    }


def compare(bench: Bench, condition: Condition, rounds: int, seconds: float, root: Path) -> dict[str, object]:
    """All chains on one camera, round by round."""
    policy = root / condition.name.replace(" ", "-")
    policy.mkdir(parents=True)
    make_policy(policy, condition)
    runs: dict[str, list[Measured]] = {variant: [] for variant in VARIANTS}
    for number in range(rounds):
        # Another one begins each round: what the machine does meanwhile hits all alike.
        for shift in range(len(VARIANTS)):
            variant = VARIANTS[(number + shift) % len(VARIANTS)]
            runs[variant].append(measure(variant, condition, seconds, policy, policy / f"{variant}-{number}"))
    medians = {variant: [float(np.median(run.ages)) for run in found] for variant, found in runs.items()}
    reactions = {variant: [float(np.median(run.reactions)) for run in found] for variant, found in runs.items()}
    to_limit = [ours / bare for ours, bare in zip(medians["ours"], medians["bare"], strict=True)]
    to_lean = [ours / lean for ours, lean in zip(medians["ours"], medians["lean"], strict=True)]
    to_polling = [poll / ours for poll, ours in zip(reactions["polling"], reactions["ours"], strict=True)]
    bench.goal(f"{condition.name}: p50 age, ours / bare limit", statistics.median(to_limit), "<=", 1.3)
    bench.goal(f"{condition.name}: p50 reaction, polling / ours", statistics.median(to_polling), ">=", 3.0)
    return {
        **{variant: summary(found) for variant, found in runs.items()},
        "ours_to_bare_p50": [round(ratio, 3) for ratio in to_limit],
        "ours_to_lean_p50": [round(ratio, 3) for ratio in to_lean],
        "polling_to_ours_reaction_p50": [round(ratio, 3) for ratio in to_polling],
        "ours_to_bare_p50_interval": _numbers(median_interval(to_limit)),
    }


def _numbers(interval: Interval) -> dict[str, float]:
    """An interval's numbers, rounded."""
    return {name: round(getattr(interval, name), 3) for name in ("value", "low", "high")}


def endure(bench: Bench, seconds: float, root: Path) -> dict[str, object]:
    """Many minutes at 50 Hz: count the ticks that go without their command."""
    condition = Condition(50, 96, 96)
    policy = root / "endurance"
    policy.mkdir(parents=True)
    make_policy(policy, condition)
    run = measure("ours", condition, seconds, policy, policy / "run")
    bench.goal(f"missed ticks in {seconds / 60:.1f} min at 50 Hz", run.missed, "==", 0)
    return {"seconds": seconds, **summary([run])}


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0, help="of the endurance run at 50 Hz (default: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="of every comparison (default: 3)")


def main() -> None:
    bench = Bench("latency", __doc__.splitlines()[0], _configure)
    if bench.quick:
        conditions = [Condition(50, 96, 96)]
        rounds, seconds, endurance_s = 1, 5.0, 10.0
    else:
        conditions = [Condition(rate, *size) for size in ((96, 96), (640, 480)) for rate in (20, 50, 100)]
        rounds, seconds, endurance_s = bench.options.rounds, 10.0, 60.0 * bench.options.minutes
    with tempfile.TemporaryDirectory(prefix="understudy-latency-") as folder:
        compared = {c.name: compare(bench, c, rounds, seconds, Path(folder)) for c in conditions}
        endured = endure(bench, endurance_s, Path(folder))
    bench.finish({"conditions": compared, "endurance": endured})


if __name__ == "__main__":
    main()
