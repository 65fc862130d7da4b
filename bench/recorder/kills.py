"""SIGKILL at random times, and what is on the disk afterwards held against the feeder's own count."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.harness import Bench, median_interval
from bench.processes import processes
from bench.recorder.rig import TYPES, Counters, start_recorder
from il_nodes.bags import BagReader
from il_nodes.bags.recovery import recover_recording
from understudy.environment.ros_environment import repository_root

__all__ = ["kill_node", "kill_thread", "kills"]

RIG = "bench.recorder.rig"


@dataclass
class Killed:
    """What was found after one SIGKILL."""

    completed: int = 0
    lost: int = 0
    wrong_counts: int = 0
    open_loss_s: float = 0.0
    open_recovered: bool = True
    problem: str = ""


def judge(folder: Path) -> Killed:
    """Hold what is on the disk against the feeder's own count."""
    counters, result = Counters(folder / "counters"), Killed()
    recordings = folder / "recordings"
    for episode, (given, first_ns, newest_ns, ended) in enumerate(counters.rows.tolist()):
        if not given:
            break
        name = f"episode-{episode:03d}"
        partial = recordings / f"{name}.partial"
        if partial.exists():
            found = recover_recording(partial)
            if ended or found.result == "failed":
                result.problem = f"{name}: {found.result}, {found.words}"
            bag = recordings / found.bag if found.bag else None
        else:
            bag = recordings / name if (recordings / name).exists() else None
        is_complete = bag is not None and bag.name == name
        if ended and not is_complete:
            result.problem = result.problem or f"{name} was acknowledged and is not there"
        reader = BagReader(bag) if bag else None
        times = [log_time_ns for _, log_time_ns, _ in reader.messages(list(TYPES))] if reader else []
        if is_complete:
            result.completed += 1
            lost = sum(reader.losses.get("lost", {}).values()) if reader else 0
            result.lost += lost
            result.wrong_counts += len(times) + lost != given
        else:
            newest_saved_ns = max(times, default=first_ns)
            result.open_loss_s = max(result.open_loss_s, (newest_ns - newest_saved_ns) * 1e-9)
            result.open_recovered = bool(times) or newest_ns - first_ns < 1_000_000_000
    return result


def kill_thread(folder: Path, seed: int) -> Killed:
    """One process that runs the recorder's thread and writer, killed."""
    folder.mkdir(parents=True)
    rng = random.Random(seed)
    process = subprocess.Popen(
        [sys.executable, "-m", RIG, "thread", str(folder), "--seed", str(seed)],
        cwd=repository_root(),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(rng.uniform(0.05, 5.0))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    result = judge(folder)
    shutil.rmtree(folder)
    return result


def kill_node(folder: Path, seed: int) -> Killed:
    """The recorder node under DDS, killed."""
    rng = random.Random(seed)
    with processes(folder) as group:
        start_recorder(group, folder)
        group.start("rig", RIG, ["publish", str(folder), "--width", "128", "--seed", str(seed)])
        deadline_s = time.monotonic() + 60.0
        while "ready" not in group.log("rig"):
            if time.monotonic() > deadline_s:
                raise RuntimeError(f"the rig did not begin:\n{group.log('rig')}\n{group.log('recorder')}")
            time.sleep(0.02)
        time.sleep(rng.uniform(0.5, 6.0))
        group.signal("recorder", signal.SIGKILL)
        group.signal("rig", signal.SIGKILL)  # what it published from now on would count as lost
    result = judge(folder)
    shutil.rmtree(folder)
    return result


def kills(
    bench: Bench, folder: Path, name: str, kill: Callable[[Path, int], Killed], count: int, at_once: int
) -> dict[str, object]:
    """So many kills, several at once."""
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(lambda seed: kill(folder / f"{name}-{seed}", seed), range(count)))
    losses = [item.open_loss_s for item in found]
    problems = [item.problem for item in found if item.problem]
    for problem in problems[:5]:
        print(f"       {problem}", file=sys.stderr)
    completed = sum(item.completed for item in found)
    bench.goal(f"{name}, {count} kills: problems", len(problems), "==", 0)
    wrong = sum(item.wrong_counts for item in found)
    bench.goal(f"{name}: completed episodes that do not account for every message, of {completed}", wrong, "==", 0)
    bench.goal(f"{name}: messages lost in them", sum(item.lost for item in found), "==", 0)
    bench.goal(f"{name}: open episodes not recovered", sum(not item.open_recovered for item in found), "==", 0)
    bench.goal(f"{name}: most that an open episode lost", max(losses), "<=", 1.0, "s")
    return {"kills": count, "completed": completed, "loss_s": asdict(median_interval(losses)), "worst_s": max(losses)}
