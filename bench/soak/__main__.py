"""An hour of driving with a hot swap every 30 s and a fault every minute: does anything grow, stall, or stay behind.

``python -m bench.soak [--quick] [--minutes 60]``

Two policies are made on the simulated car first (recorded, trained, exported by the product's own stages). Then
simulator, expert, policy, gate and recorder run as processes in real time. Every 30 s the running policy is told to
swap to the other bundle; every minute one of the faults of ``bench/soak/faults.py`` strikes, one after the other.
Memory, file descriptors and threads of each process are read every 5 s; growth is the Theil-Sen slope over each
process' life after a warm-up. Memory of its own (anonymous pages) and memory shared with other processes (segments of
the middleware) are told apart: a peer that was killed leaves the segment through which it received mapped in everybody
who wrote to it, so the second grows by kills, not by hours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.harness import Bench
from bench.processes import Processes, processes
from bench.soak.faults import FAULTS, Hands

SWAP_S, FAULT_S, SAMPLE_S = 30.0, 60.0, 5.0
PERIOD_S = 0.05
#: Growth is measured after caches have filled, and only over lives long enough to tell it from noise.
WARM_UP_S, SHORTEST_LIFE_S = 300.0, 600.0
NODES = ("sim", "expert", "policy", "gate", "recorder")


class Row(NamedTuple):
    """What a process used at one moment."""

    at_s: float
    own_mib: float
    shared_mib: float
    descriptors: int
    threads: int


@dataclass
class Life:
    """One process from its start to its end."""

    node: str
    pid: int
    rows: list[Row]

    def slope(self, warm_up_s: float) -> float | None:
        """MiB of its own an hour, Theil-Sen; ``None`` for a life that is too short to tell."""
        rows = np.array([(row.at_s, row.own_mib) for row in self.rows if row.at_s >= warm_up_s])
        if len(rows) < 12:
            return None
        first, second = np.triu_indices(len(rows), k=1)
        return float(np.median((rows[second, 1] - rows[first, 1]) / (rows[second, 0] - rows[first, 0])) * 3600.0)


def _memory_mib(pid: int) -> tuple[float, float]:
    """Anonymous memory and shared memory that a process has touched and still has."""
    status = dict(line.split(":", 1) for line in Path("/proc", str(pid), "status").read_text().splitlines())
    own, shared = (int(status[field].split()[0]) / 1024 for field in ("RssAnon", "RssShmem"))
    return own, shared


class Watch:
    """Reads what the processes use, and what the gate and the simulator say."""

    def __init__(self, node: Any) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import TwistStamped

        self.lives: list[Life] = []
        self.sources: Counter[str] = Counter()
        self.recent: list[tuple[float, str]] = []
        self.gaps_s: list[float] = []
        self.silences: list[tuple[float, float]] = []
        self.sim: dict[str, str] = {}
        self.gate: dict[str, str] = {}
        self.policy: dict[str, str] = {}
        self.ages_ms: list[float] = []
        self.off_track: set[str] = set()
        self._last_s: float | None = None
        node.create_subscription(DiagnosticArray, "/gate/decision", self._on_decision, 50)
        node.create_subscription(DiagnosticArray, "/sim/status", self._on_status, 50)
        node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        node.create_subscription(TwistStamped, "/cmd_vel", self._on_command, 50)

    def _on_decision(self, message: Any) -> None:
        source = next(item.value for item in message.status[0].values if item.key == "source")
        self.sources[source] += 1
        self.recent.append((time.monotonic(), source))
        del self.recent[:-400]

    def _on_command(self, _message: Any, info: Mapping[str, Any]) -> None:
        # When the gate sent it, and not when this process, which counts and kills, came to read it.
        sent_s = info["source_timestamp"] * 1e-9
        if self._last_s is not None:
            self.gaps_s.append(sent_s - self._last_s)
            if self.gaps_s[-1] > 2.5 * PERIOD_S:
                self.silences.append((self._last_s, self.gaps_s[-1]))
        self._last_s = sent_s

    def _on_status(self, message: Any) -> None:
        self.sim = {item.key: item.value for item in message.status[0].values}
        if "command_age_ms" in self.sim:
            self.ages_ms.append(float(self.sim["command_age_ms"]))

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            if status.name == "gate: gate":
                self.gate = values
            elif status.name == "policy: policy":
                self.policy = values

    def share(self, seconds: float, source: str) -> float:
        """Share of the decisions of the last ``seconds`` that ``source`` made."""
        newest = [who for at_s, who in self.recent if at_s > time.monotonic() - seconds]
        return newest.count(source) / max(len(newest), 1)

    def sample(self, group: Processes, begun_s: float) -> None:
        """One row for each process that runs."""
        for node in NODES:
            process = group.running.get(node)
            if process is None or process.poll() is not None:
                continue
            life = next((life for life in reversed(self.lives) if life.node == node), None)
            if life is None or life.pid != process.pid:
                life = Life(node, process.pid, [])
                self.lives.append(life)
            folder = Path("/proc", str(process.pid))
            descriptors, threads = len(os.listdir(folder / "fd")), len(os.listdir(folder / "task"))
            at_s = time.monotonic() - begun_s
            life.rows.append(Row(at_s, *_memory_mib(process.pid), descriptors, threads))


def make_bundles(root: Path, *, quick: bool) -> tuple[Path, Path, Path]:
    """Two policies of different seeds, and a copy of the first with one bit flipped."""
    from models.learners import BehavioralCloningConfig, SafetyConfig
    from models.policies import PolicyConfig
    from understudy.console import Console
    from understudy.demo import DemoSettings
    from understudy.stages import Stages
    from understudy.training.robots import learning_of
    from understudy.workspace import Workspace

    settings = DemoSettings.quick() if quick else DemoSettings()
    stages = Stages(Workspace(root / "workspace"), Console())
    stages.record(settings.demonstrations)
    stages.dataset.build()
    made = []
    for seed in (0, 1):
        safety = SafetyConfig(deployed_share=0.01, seed=seed)
        policy = PolicyConfig(**learning_of("understudy_car").policy)
        stages.train(BehavioralCloningConfig(policy, epochs=settings.epochs, safety=safety, seed=seed))
        stages.export()
        made.append(root / f"policy-{seed}.onnx")
        (root / "workspace" / "policy.onnx").rename(made[-1])
    content = bytearray(made[0].read_bytes())
    content[len(content) // 2] ^= 1
    corrupt = root / "corrupt.onnx"
    corrupt.write_bytes(content)
    return made[0], made[1], corrupt


def start_stack(group: Processes, bundle: Path, recordings: Path) -> Callable[[str], None]:
    """Start the deployment; a function that starts one of its nodes anew."""
    from understudy.stacks.running import default_params_file

    seeds = list(range(2001, 2400))
    parameters: dict[str, dict[str, object]] = {
        "sim": {
            "track_seeds": seeds,
            "wait_for_nodes": ["expert", "policy", "gate", "recorder"],
            "laps": 3,
            "max_episode_s": 120.0,
            "episode_prefix": "soak",
        },
        "expert": {},
        "policy": {"bundle": str(bundle), "provider": "cpu"},
        "gate": {"enable_policy": True},
        "recorder": {"directory": str(recordings)},
    }

    def start(node: str) -> None:
        group.start_node(node, parameters[node], ["--params-file", str(default_params_file())])

    for node in NODES:
        start(node)
    return start


def run(bench: Bench, seconds: float, root: Path) -> dict[str, object]:
    """The drive itself."""
    import rclpy

    from il_nodes.ros.executor import LeanExecutor

    first, second, corrupt = make_bundles(root, quick=bench.quick)
    recordings = root / "recordings"
    with processes(root / "nodes") as group:
        restart = start_stack(group, first, recordings)
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=group.domain)
        node = rclpy.create_node("soak", context=context)
        executor = LeanExecutor(context=context)
        executor.add_node(node)
        watch = Watch(node)
        hands = Hands(node, executor, group.signal, restart, corrupt)
        try:
            found = _drive(bench, hands, watch, group, (first, second), recordings, seconds)
        finally:
            executor.shutdown(timeout_sec=0)
            node.destroy_node()
            rclpy.try_shutdown(context=context)
    return found


def _drive(
    bench: Bench,
    hands: Hands,
    watch: Watch,
    group: Processes,
    bundles: tuple[Path, Path],
    recordings: Path,
    seconds: float,
) -> dict[str, object]:
    deadline_s = time.monotonic() + 90.0
    while watch.share(2.0, "policy") < 0.5:
        if time.monotonic() > deadline_s:
            logs = "\n".join(f"{name}: {group.log(name)[-800:]}" for name in group.running)
            raise RuntimeError(f"the policy never drove\n{logs}")
        hands.wait(0.2)
    begun_s, began_s = time.monotonic(), time.time()
    watch.gaps_s.clear()
    watch.silences.clear()
    swap_s, fault_s, sample_s = begun_s + SWAP_S / 2, begun_s + FAULT_S / 2, begun_s
    if bench.quick:
        swap_s, fault_s = begun_s + 2.0, begun_s + 5.0
    swaps: Counter[str] = Counter()
    faults: list[dict[str, object]] = []
    while time.monotonic() - begun_s < seconds:
        now_s = time.monotonic()
        if now_s >= sample_s:
            watch.sample(group, begun_s)
            _remove_finished(recordings)
            sample_s += SAMPLE_S
        if now_s >= swap_s:
            swaps["accepted" if hands.swap(bundles[(sum(swaps.values()) + 1) % 2]) else "refused"] += 1
            swap_s += SWAP_S
        if now_s >= fault_s:
            faults.append({"at_s": round(now_s - begun_s, 1)} | _strike(hands, watch, len(faults)))
            print(f"{now_s - begun_s:6.0f} s  {faults[-1]}", flush=True)
            fault_s += FAULT_S if not bench.quick else 12.0
        hands.wait(0.1)
    hands.wait(10.0)
    found = _conclude(bench, watch, group, swaps, faults, seconds)
    # What the nodes themselves said, so that a goal that was missed can be explained afterwards.
    silences = [(round(at_s - began_s, 1), round(gap_s * 1e3, 1)) for at_s, gap_s in watch.silences]
    return found | {
        "silences_at_s_ms": silences,
        "warnings": {name: _warnings(group.log(name)) for name in NODES},
    }


def _warnings(log: str, at_most: int = 60) -> list[str]:
    lines = [line for line in log.splitlines() if any(f"[{word}]" in line for word in ("WARN", "ERROR", "FATAL"))]
    return lines[-at_most:]


def _strike(hands: Hands, watch: Watch, index: int) -> dict[str, object]:
    """Inject the next fault; who drove meanwhile, and how long until the policy drove again."""
    fault = FAULTS[index % len(FAULTS)]
    before = Counter(watch.sources)
    begun_s = time.monotonic()
    fault.inject(hands)
    during = Counter(watch.sources)
    during.subtract(before)
    injected_s = time.monotonic()
    while watch.share(1.0, "policy") < 0.9 and time.monotonic() - injected_s < 30.0:
        hands.wait(0.1)
    return {
        "fault": fault.name,
        "expected": fault.expected,
        "seen": during[fault.expected] > 0,
        "ticks": {source: count for source, count in sorted(during.items()) if count},
        "lasted_s": round(injected_s - begun_s, 1),
        "policy_back_after_s": round(time.monotonic() - injected_s, 1),
        "policy_is_back": watch.share(1.0, "policy") >= 0.9,
    }


def _remove_finished(recordings: Path) -> None:
    """An hour of recordings is not what this is about, and the disk is not ours alone."""
    import shutil

    for manifest in recordings.glob("*/manifest.json"):
        shutil.rmtree(manifest.parent, ignore_errors=True)


def _conclude(
    bench: Bench,
    watch: Watch,
    group: Processes,
    swaps: Counter[str],
    faults: list[dict[str, object]],
    seconds: float,
) -> dict[str, object]:
    warm_up_s, shortest_s = (WARM_UP_S, SHORTEST_LIFE_S) if not bench.quick else (5.0, 20.0)
    growth: dict[str, dict[str, object]] = {}
    for life in watch.lives:
        if life.rows[-1].at_s - life.rows[0].at_s < shortest_s:
            continue
        slope = life.slope(life.rows[0].at_s + warm_up_s)
        if slope is None:
            continue
        settled = [row for row in life.rows if row.at_s >= life.rows[0].at_s + warm_up_s]
        first, last = settled[0], settled[-1]
        # Peers that were killed and started anew in that time; the bench itself leaves nothing behind.
        killed = sum(other.rows[0].at_s > first.at_s for other in watch.lives if other is not life)
        per_kill = (last.shared_mib - first.shared_mib) / max(killed, 1)
        growth[f"{life.node} ({life.pid})"] = {
            "own_mib_per_hour": round(slope, 2),
            "own_mib": [round(first.own_mib, 1), round(last.own_mib, 1)],
            "shared_mib": [round(first.shared_mib, 1), round(last.shared_mib, 1)],
            "peers_killed": killed,
            "shared_mib_per_killed_peer": round(per_kill, 3),
            "descriptors": [first.descriptors, last.descriptors],
            "threads": [first.threads, last.threads],
            "hours": round((last.at_s - first.at_s) / 3600, 2),
        }
        if not bench.quick:
            bench.goal(f"{life.node}: growth of its own memory", slope, "<=", 10.0, "MiB/h")
            bench.goal(f"{life.node}: shared memory for each peer killed", per_kill, "<=", 1.0, "MiB")
        bench.goal(f"{life.node}: further descriptors", last.descriptors - first.descriptors, "<=", 2)
    gaps = np.array(watch.gaps_s)
    missed = int(np.sum(gaps > 2.5 * PERIOD_S))
    bench.goal(
        "ticks that the gate sent no command for", int(np.sum(np.maximum(gaps / PERIOD_S - 1.5, 0) // 1)), "==", 0
    )
    bench.goal(
        "faults after which the policy drove again", sum(bool(f["policy_is_back"]) for f in faults), "==", len(faults)
    )
    bench.goal("faults answered by whom the table says", sum(bool(f["seen"]) for f in faults), "==", len(faults))
    bench.goal("swaps accepted", swaps["accepted"], "==", sum(swaps.values()))
    alive = [name for name in NODES if group.running[name].poll() is None]
    bench.goal("nodes alive at the end", len(alive), "==", len(NODES))
    bench.goal("share of the policy in the last 10 s", watch.share(10.0, "policy"), ">=", 0.9)
    total = sum(watch.sources.values())
    ages = np.array(watch.ages_ms or [float("nan")])
    return {
        "seconds": seconds,
        "ticks": total,
        "share": {source: round(count / max(total, 1), 4) for source, count in watch.sources.items()},
        "command_age_ms": {f"p{p}": round(float(np.percentile(ages, p)), 2) for p in (50, 99)},
        "gaps_over_2.5_periods": missed,
        "longest_gap_ms": round(float(gaps.max()) * 1e3, 1) if gaps.size else None,
        "swaps": dict(swaps),
        "faults": faults,
        "growth": growth,
        "gate_at_the_end": watch.gate,
        "policy_at_the_end": watch.policy,
    }


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=60.0, help="of driving (default: 60)")


def main() -> None:
    bench = Bench("soak", __doc__.splitlines()[0], _configure)
    seconds = 45.0 if bench.quick else 60.0 * bench.options.minutes
    with tempfile.TemporaryDirectory(prefix="understudy-soak-") as folder:
        found = run(bench, seconds, Path(folder))
    bench.finish(found)


if __name__ == "__main__":
    main()
