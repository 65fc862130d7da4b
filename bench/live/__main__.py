"""DAgger beside a car that drives over ROS 2: deadlines kept while policies train and are swapped in, rounds by round.

``python -m bench.live [--quick]``. Round 1 is the expert's, the others the newest policy's, behind the gate. The car
drives on through every training. Every episode that was recorded, also those between two rounds, is looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.harness import Bench
from bench.live.deadlines import read_deadlines
from bench.live.picture import draw_rounds
from il_nodes.bags import BagReader
from models.interactive import Plan
from understudy.console import Console
from understudy.environment.domains import reserve_domain
from understudy.environment.ros_environment import node_environment
from understudy.evaluation.trace_reader import read_trace
from understudy.evaluation.traces import DRIVERS, POLICY
from understudy.learning.live import LiveOptions
from understudy.learning.session import LearnSession
from understudy.learning.settings import SCRIPTED, LearnSettings
from understudy.stacks.drives import finished_episodes
from understudy.workspace import Workspace

TRIGGER, LABELS = "/camera/front/image_raw", "/label/expert/cmd_vel"
#: Round 1, and three of DAgger: the first of these brings the policy node up, the others swap.
PLAN, EPOCHS = Plan(rounds=5, ticks=500, validation=2, episodes=5), 8
QUICK, QUICK_EPOCHS = Plan(rounds=3, ticks=60, validation=0, episodes=2), 1


def main() -> None:
    """Learn, count, draw."""
    bench = Bench("live", __doc__.splitlines()[0])
    plan, epochs = (QUICK, QUICK_EPOCHS) if bench.quick else (PLAN, EPOCHS)
    bench.seeds = [plan.seed]  # one learning is all that is run, and all that the result file may name
    rule = {"beta": 0.0, "per": "step"}
    settings = LearnSettings("dagger", rule, plan=plan, epochs=epochs, chunk=4, live=SCRIPTED)
    with tempfile.TemporaryDirectory(prefix="bench-live-") as folder:
        place = Path(folder)
        with reserve_domain() as domain:
            pass  # free a moment ago: the learning takes it now
        with _watched(domain, place) as heard:
            live, console = LiveOptions(domain=domain), Console(json_mode=True)
            session = LearnSession(Workspace(place / "w"), console, settings, live=live)
            facts = session.run("python -m bench.live")
        deadlines = read_deadlines(heard, 0.05)
        recordings = place / "w" / "learning" / "recordings"
        rounds = [json.loads(line) for line in (place / "w" / "learning" / "live.jsonl").read_text().splitlines()]
        episodes = _episodes(finished_episodes(recordings))
        log = (place / "w" / "logs" / "learn" / "gate.log").read_text()
    by_round = facts["by_round"]
    assert isinstance(by_round, list)
    _judge(bench, deadlines.missed, deadlines.real_time_factor, episodes, rounds)
    table = [_row(told, entry, episodes) for told, entry in zip(rounds, by_round, strict=True)]
    if not bench.quick:
        draw_rounds("live", table)
    bench.finish(
        {
            "deadlines": asdict(deadlines),
            "rounds": table,
            "recorded_episodes": len(episodes),
            "labels": sum(one["labels"] for one in episodes.values()),
            "ticks": sum(one["ticks"] for one in episodes.values()),
            "gate_warnings": Counter(_words(line) for line in log.splitlines() if "[WARN" in line or "[ERROR" in line),
        }
    )


def _judge(
    bench: Bench, missed: int, factor: float, episodes: dict[str, dict[str, Any]], rounds: Sequence[dict[str, Any]]
) -> None:
    swaps = [entry for entry in rounds if entry["swapped"]]
    unlabelled = sum(one["ticks"] - one["labels"] for one in episodes.values())
    # Real time is what the simulator is paced at: it cannot be faster, and its timer is good to a part in thousand.
    bench.goal("real-time factor, to two digits", round(factor, 2), ">=", 1.0)
    bench.goal("ticks that the gate sent no command for", missed, "==", 0)
    bench.goal("recorded ticks without the expert's label", unlabelled, "==", 0)
    bench.goal("policies swapped in while the car drove", len(swaps), ">=", 1 if bench.quick else 3)
    bench.goal("recordings that could not be learned from", sum(len(entry["left_out"]) for entry in rounds), "==", 0)


def _row(told: dict[str, Any], entry: dict[str, Any], episodes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = [name for name in told["episodes"] if name in episodes]
    ticks = sum(episodes[name]["ticks"] for name in names)
    driven = entry["driven"]
    return {
        "round": told["round"],
        "policy": told["bundle"],
        "swapped_while_driving": told["swapped"],
        "swap_s": told["swap_s"],
        "episodes_driven_meanwhile": len(told["passed_over"]),
        "ticks": entry["ticks"],
        "labelled": entry["queries"],
        "unlabelled": driven["unlabelled"],
        "policy_share": round(sum(episodes[name]["by_policy"] for name in names) / max(1, ticks), 4),
        "falls": driven["falls"],
        "laps": round(driven["laps"], 3),
        "validation_falls": entry["validation"].get("falls"),
        "validation_laps": entry["validation"].get("laps"),
    }


def _episodes(bags: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Of every whole recording: its ticks, its labels, who drove."""
    found = {}
    for path in bags:
        reader = BagReader(path)
        if reader.outcome == "aborted":  # the one that the end of the learning cut off
            continue
        driver = read_trace(path).decisions.driver
        found[path.name] = {
            "ticks": reader.counts.get(TRIGGER, 0),
            "labels": reader.counts.get(LABELS, 0),
            "by_policy": int((driver == POLICY).sum()),
            "decisions": {name: int((driver == code).sum()) for code, name in enumerate(DRIVERS)},
        }
    return found


@contextmanager
def _watched(domain: int, folder: Path) -> Iterator[Path]:
    """A process that listens; the file that it fills."""
    heard = folder / "heard.txt"
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.live.watch", str(heard)], env=node_environment(domain, folder)
    )
    try:
        yield heard
    finally:
        process.terminate()
        process.wait(10.0)


def _words(line: str) -> str:
    return line.rpartition("]: ")[2][:100]


if __name__ == "__main__":
    main()
