"""Our bag writer beside rosbags' plain one, which checks nothing: the same messages, in turn, in one run."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from bench.harness import Bench, median_interval
from bench.recorder.rig import CONTRACT, TYPES, Rig, schedule
from il_nodes.bags import BagWriter
from il_nodes.bags.mcap_writer import Compression
from il_nodes.codecs.canonical import typestore
from models.contract import parse_contract

__all__ = ["throughput"]

Messages = list[tuple[str, int, bytes]]


def rig_messages(seconds: float) -> Messages:
    """What the rig gives in so many seconds."""
    rig = Rig()
    return [(topic, offset_ns, rig.message(topic, index, offset_ns)) for offset_ns, topic, index in schedule(seconds)]


def write_ours(folder: Path, messages: Messages, compression: Compression, sync: bool, level: int) -> Path:
    contract = parse_contract(CONTRACT)
    with BagWriter(folder, "ours", contract, TYPES, compression=compression, sync=sync, level=level) as writer:
        for message in messages:
            writer.write(*message)
        return writer.close("complete")


def write_theirs(folder: Path, messages: Messages, compression: Compression, sync: bool) -> Path:
    path = folder / "theirs"
    writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
    if compression == "zstd":
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with writer:
        connections = {t: writer.add_connection(t, kind, typestore=typestore()) for t, kind in TYPES.items()}
        for topic, log_time_ns, cdr in messages:
            writer.write(connections[topic], log_time_ns, cdr)
    if sync:
        for file in path.iterdir():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    return path


@dataclass
class Contest:
    """MB/s of each writer, round by round."""

    theirs: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    ours_level_3: list[float] = field(default_factory=list)
    megabytes: dict[str, float] = field(default_factory=dict)

    def ratio(self, ours: list[float]) -> dict[str, float]:
        """Median, with its interval, of the rounds' ratios."""
        return asdict(median_interval(np.array(ours) / np.array(self.theirs)))


def contest(folder: Path, messages: Messages, compression: Compression, sync: bool, rounds: int) -> Contest:
    """Both writers in turn; who begins changes from round to round."""
    size = sum(len(cdr) for _, _, cdr in messages)
    result = Contest()

    def run(name: str, write: Callable[[], Path], into: list[float]) -> None:
        os.sync()  # nobody pays for what another one left to be written
        begin_s = time.perf_counter()
        path = write()
        into.append(size / (time.perf_counter() - begin_s) / 1e6)
        result.megabytes[name] = sum(file.stat().st_size for file in path.iterdir()) / 1e6
        shutil.rmtree(path)

    runs: list[tuple[str, Callable[[], Path], list[float]]] = [
        ("theirs", lambda: write_theirs(folder, messages, compression, sync), result.theirs),
        ("ours", lambda: write_ours(folder, messages, compression, sync, 1), result.ours),
        ("ours_level_3", lambda: write_ours(folder, messages, compression, sync, 3), result.ours_level_3),
    ]
    if compression == "none":
        runs.pop()
    for number in range(rounds):
        for name, write, into in runs if number % 2 == 0 else runs[::-1]:
            run(name, write, into)
    return result


def throughput(bench: Bench, folder: Path) -> dict[str, object]:
    """Our writer beside rosbags'."""
    messages = rig_messages(1.0 if bench.quick else 6.0)
    rounds = 5 if bench.quick else 7
    results: dict[str, object] = {"megabytes": sum(len(cdr) for _, _, cdr in messages) / 1e6, "rounds": rounds}
    for compression, sync in (("zstd", True), ("zstd", False), ("none", True), ("none", False)):
        name = f"{compression}, {'with' if sync else 'without'} fsync"
        found = contest(folder, messages, "zstd" if compression == "zstd" else "none", sync, rounds)
        ratios = {"ours": found.ratio(found.ours)}
        if found.ours_level_3:
            ratios["ours_level_3"] = found.ratio(found.ours_level_3)
        results[name] = {**asdict(found), "ratios": ratios}
        # Uncompressed, SHA-256 of every byte is the limit (380 MB/s on a core without instructions for it), and
        # rosbags' writer computes none: shown, and no goal.
        if compression == "zstd":
            bench.goal(f"writer / rosbags' writer, {name}", ratios["ours"]["value"], ">=", 0.8)
        else:
            print(f"       writer / rosbags' writer, {name}: {ratios['ours']['value']:.3g}", file=sys.stderr)
    return results
