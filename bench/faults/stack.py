"""The faults of processes, sensors and data, injected into really running stacks, in each mode.

``python -m bench.faults --only stack``; what is injected where stands in the sibling modules, and how an injection is
judged in :mod:`bench.faults.scene`. Every stack is a gate, a policy node and a recorder as processes around the rig,
or the simulated car with all of its nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.faults.bundle_swaps import foreign_bundles, hot_swaps, raising_classifier, refused_swaps
from bench.faults.bundles import Bundles
from bench.faults.memory import MEMORY_FAULTS, swap_recurrent, time_faults
from bench.faults.process_faults import hang_policy, killed_policies
from bench.faults.recordings import flipped_bits, full_disk, kill_recorder, lost_messages, record_whole, slow_disk
from bench.faults.rows import MODES, POLICY, RECORDING, Row
from bench.faults.scene import Scene, scene
from bench.faults.sensors import SENSOR_FAULTS
from bench.faults.tally import inject_each
from bench.faults.world import kill_gate, noise_beside_policy, noise_beyond_limits, terminate_stack

__all__ = ["Counts", "run_stack_faults"]

#: A new recorder has room for so few messages that two seconds of a slow disk are too many.
SMALL_QUEUE: dict[str, object] = {"queue_size": 20}


@dataclass(frozen=True)
class Counts:
    """How often each kind of fault is injected with the policy driving; a quarter of it in the other modes.

    Attributes:
        sensors: of each sensor fault, and of each that breaks the memory. About a second each.
        process: of each that hangs, and of each swap. About two seconds.
        stack: of each that needs a stack of its own, or reads a recording. Five to ten seconds.
        bits: flipped ones.
    """

    sensors: int
    process: int
    stack: int
    bits: int

    @classmethod
    def of(cls, *, quick: bool, injections: int) -> Counts:
        """Two of each in a quick run; otherwise as many as a quarter of an hour allows, and no more than asked for."""
        if quick:
            return cls(2, 2, 1, 10)
        return cls(*(max(1, min(most, injections)) for most in (12, 20, 5, 200)))

    def in_mode(self, mode: str) -> Counts:
        """Fewer in the other modes than with the policy driving."""
        if mode == POLICY:
            return self
        sensors, process, stack = (math.ceil(count / 4) for count in (self.sensors, self.process, self.stack))
        return Counts(sensors, process, stack, self.bits)


def run_stack_faults(quick: bool, injections: int, folder: Path) -> list[Row]:
    """Inject all of them.

    Args:
        quick: only a few of each.
        injections: of each, at most.
        folder: for logs, bundles and recordings; made.

    Returns:
        A row for each fault and mode.

    Raises:
        RuntimeError: a stack could not even be started.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = Counts.of(quick=quick, injections=injections)
    rows: list[Row] = []
    with scene(folder / "stack") as (rig, bundles):
        rows += _each_mode(rig, lambda mode: stack_faults(rig, bundles, mode, counts.in_mode(mode)))
        rows += recording_faults(rig, counts)
    with scene(folder / "recurrent", recurrent=True, simulated_time=True) as (rig, bundles):
        rows += _each_mode(rig, lambda mode: recurrent_faults(rig, bundles, mode, counts.in_mode(mode)))
    for mode in MODES:
        few = counts.in_mode(mode).stack
        rows.append(killed_policies(folder / "killed", mode, few))
        rows.append(kill_gate(folder / "gates", mode, few))
        rows.append(terminate_stack(folder / "ended", mode, few))
    rows.append(noise_beyond_limits(folder / "noise", counts.stack))
    return rows


def _each_mode(rig: Scene, faults: Callable[[str], list[Row]]) -> list[Row]:
    """Everything in one mode after the other; in the last one an episode is recorded meanwhile."""
    rows = []
    for mode in MODES:
        rig.enter(mode)
        if mode == RECORDING:
            rig.begin_recording("faults")
        rows += faults(mode)
    return rows


def stack_faults(rig: Scene, bundles: Bundles, mode: str, counts: Counts) -> list[Row]:
    """What leaves the stack as it was: hangs, sensors, bundles."""
    return [
        hang_policy(rig, mode, counts.process),
        *inject_each(SENSOR_FAULTS, rig, mode, counts.sensors, explain=mode == POLICY),
        raising_classifier(rig, mode, counts.sensors),
        hot_swaps(rig, mode, bundles, counts.process),
        *refused_swaps(rig, mode, bundles, counts.stack),
        *foreign_bundles(rig, mode, bundles, counts.stack),
        noise_beside_policy(rig, mode, counts.stack),
    ]


def recurrent_faults(rig: Scene, bundles: Bundles, mode: str, counts: Counts) -> list[Row]:
    """What a state must not survive; on simulated time, which is put wherever a fault wants it."""
    return [
        *inject_each(MEMORY_FAULTS, rig, mode, counts.sensors),
        swap_recurrent(rig, mode, bundles, counts.stack),
        *time_faults(rig, mode, counts.stack),
    ]


def recording_faults(rig: Scene, counts: Counts) -> list[Row]:
    """What befalls recordings; the recorder is another one afterwards."""
    whole = record_whole(rig, "whole")
    return [
        *flipped_bits(rig, whole, counts.bits),
        lost_messages(rig, counts.stack),
        lost_messages(rig, 1, burst=0, away_s=6.0),
        full_disk(rig, counts.stack),
        slow_disk(rig, counts.stack),
        kill_recorder(rig, counts.stack, last=SMALL_QUEUE),
        slow_disk(rig, counts.stack, small_queue=True),
    ]
