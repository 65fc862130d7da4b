"""The recorder: nothing lost at 50 MB/s, as fast as a writer that checks nothing, and killed a couple of hundred times.

Three parts: the real node under DDS at 50 MB/s; our writer beside rosbags' plain one (``bench.recorder.writers``);
SIGKILL at random times (``bench.recorder.kills``).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench.harness import Bench
from bench.processes import processes
from bench.recorder.kills import kill_node, kill_thread, kills
from bench.recorder.rig import TYPES, Counters, schedule, start_recorder
from bench.recorder.writers import throughput
from il_nodes.bags import BagReader, find_bags

#: Above what a run needs, so that no disk is filled by a bench.
SPARE_BYTES = 2_000_000_000
RATE_MB_S = 49.9


def require_space(folder: Path, size: float) -> None:
    """Refuse to begin what does not fit."""
    free = shutil.disk_usage(folder).free
    if free < size + SPARE_BYTES:
        sys.exit(f"the bench needs {(size + SPARE_BYTES) / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def full_rate(bench: Bench, folder: Path, seconds: float) -> dict[str, object]:
    """The node at 50 MB/s."""
    require_space(folder, seconds * RATE_MB_S * 1e6)
    with processes(folder / "processes") as group:
        start_recorder(group, folder)
        group.start("rig", "bench.recorder.rig", ["publish", str(folder), "--seconds", str(seconds)])
        pid = group.running["recorder"].pid
        group.wait("rig", seconds + 120.0)
        cpu_s = cpu_seconds(pid)
        log = group.log("recorder")
    (bag,) = find_bags(folder / "recordings", include_partial=True)
    published = int(Counters(folder / "counters").rows[0, Counters.GIVEN])
    expected = {topic: sum(entry[1] == topic for entry in schedule(seconds)) for topic in TYPES}
    reader = BagReader(bag)
    found = dict.fromkeys(TYPES, 0)
    size = 0
    for topic, _, cdr in reader.messages(list(TYPES)):  # every byte is read and checked, not only the manifest
        found[topic] += 1
        size += len(cdr)
    lost = published - sum(found.values())
    name = f"{seconds:g} s at {size / seconds / 1e6:.1f} MB/s"
    bench.goal(f"{name}: messages lost of {published}", lost, "==", 0)
    bench.goal(f"{name}: topics whose count differs", sum(found[t] != expected[t] for t in TYPES), "==", 0)
    bench.goal(f"{name}: quarantined", float(bool(reader.quarantine)), "==", 0)
    bench.goal(f"{name}: rate", size / seconds / 1e6, ">=", 49.0, "MB/s")
    result = {
        "seconds": seconds,
        "published": published,
        "recorded": found,
        "lost": lost,
        "megabytes": size / 1e6,
        "bag_megabytes": sum(file.stat().st_size for file in bag.iterdir()) / 1e6,
        "quarantine": reader.quarantine,
        "losses": {kind: dict(counts) for kind, counts in reader.losses.items()},
        "recorder_cpu_share_of_one_core": cpu_s / seconds,
        "recorder_said": log.splitlines()[-1] if log else "",
    }
    shutil.rmtree(folder / "recordings")
    return result


def main() -> None:
    bench = Bench("recorder", __doc__.splitlines()[0])
    with tempfile.TemporaryDirectory(prefix="understudy-recorder-") as name:
        folder = Path(name)
        for part in ("rate", "writers", "kills"):
            (folder / part).mkdir()
        at_rate = full_rate(bench, folder / "rate", 6.0 if bench.quick else 120.0)
        writers = throughput(bench, folder / "writers")
        threads = kills(bench, folder / "kills", "thread", kill_thread, 12 if bench.quick else 200, 4)
        nodes = kills(bench, folder / "kills", "node", kill_node, 2 if bench.quick else 20, 2)
    bench.finish({"full_rate": at_rate, "throughput": writers, "thread_kills": threads, "node_kills": nodes})


if __name__ == "__main__":
    main()
