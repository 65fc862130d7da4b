"""Learned on tables, driven in the simulator: policies of the lane as bundles, on roads that nobody has seen."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from bench.harness import Bench, Interval, bootstrap_interval
from models.bundle import export_bundle
from models.data import Observation
from models.rewards.demonstrations import sample_demonstrations
from models.rewards.mdp import Floats
from models.runtime import PolicyRuntime
from sim.driving.metrics import DrivingStatus
from sim.simulated_world import PERIOD_NS
from sim.tabular.lane import lane
from sim.tabular.lane_drives import drive, open_world
from understudy.rewards.lane_policy import lane_checkpoint, lane_policy
from understudy.rewards.learning import LEARNERS, Settings, learn
from understudy.rewards.tasks import LANE_PENALTY, lane_lesson

__all__ = ["drives"]

Act = Callable[[Floats], tuple[float, float]]

STREAM = "observation.state"
# Tracks that nobody demonstrates on.
FIRST_TRACK = 1001
SETTINGS = Settings(epsilon=0.05, iterations=300, penalty=LANE_PENALTY)
# Thrown 0.9 m to the side and straight on, a car that answers at once stays within the metre that DAVE-2 counts.
GOAL = 0.98


@dataclass(frozen=True, slots=True)
class Size:
    """How much is demonstrated and driven."""

    tracks: int
    pieces: int
    driven: int
    learners: tuple[str, ...]


def drives(bench: Bench, quick: bool) -> dict[str, object]:
    """Autonomy as DAVE-2 counts it, thrown to the side every 15 m; the control learned from random demonstrations."""
    size = Size(2, 8, 1, ("maxent",)) if quick else Size(6, 10, 3, LEARNERS)
    results: dict[str, object] = {}
    for learner in size.learners:
        runs = [_exported(learner, seed, size) for seed in bench.seeds]
        found = _figures([statuses for statuses, _ in runs])
        bench.goal(f"{learner}, lane: autonomy of the bundle, lower end", found["autonomy"].low, ">=", GOAL)
        parity = max(error for _, error in runs)
        bench.goal(f"{learner}, lane: bundle against torch, largest error", parity, "<=", 1e-5)
        results[learner] = {name: asdict(value) for name, value in found.items()} | {"largest_parity_error": parity}
    control = _figures([_of_nobody(seed, size) for seed in bench.seeds])
    bench.goal("control: lane, random demonstrations, autonomy, upper end", control["autonomy"].high, "<=", 0.9)
    results["maxent, random demonstrations"] = {name: asdict(value) for name, value in control.items()}
    return results


def _figures(runs: Sequence[Sequence[DrivingStatus]]) -> dict[str, Interval]:
    """Means over the tracks of a seed, with an interval over seeds."""
    names = ("autonomy", "laps", "mean_abs_cross_track_m")
    return {
        name: bootstrap_interval([float(np.mean([getattr(one, name) for one in statuses])) for statuses in runs])
        for name in names
    }


def _exported(learner: str, seed: int, size: Size) -> tuple[list[DrivingStatus], float]:
    """Demonstrate, learn, export, drive the bundle; how it drove, and how far ONNX Runtime is from torch."""
    lesson = lane_lesson(size.tracks, size.pieces, seed, finite=learner == "maxent")
    assert lesson.task.shown is not None
    learned = learn(lesson.task, learner, lesson.task.shown, SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        report = export_bundle(lane_checkpoint(learned, lesson.numbers, SETTINGS), Path(folder) / "policy.onnx")
        statuses = _drive(lambda: _bundle_act(report.path), size)
    return statuses, max(report.parity.action, report.parity.unsafe_probability)


def _of_nobody(seed: int, size: Size) -> list[DrivingStatus]:
    """The same, learned from demonstrations of a policy that steers at random; its table drives without export."""
    task = lane()
    random = np.random.default_rng(seed)
    count = size.tracks * size.pieces
    shown = sample_demonstrations(task.mdp, task.mdp.uniform_policy(), count, random)
    learned = learn(replace(task, shown=shown), "maxent", shown, SETTINGS)
    policy = lane_policy(learned)

    def act(state: Floats) -> tuple[float, float]:
        speed, yaw_rate = policy.act({STREAM: state[None].astype(np.float32)})[0][0]
        return float(speed), float(yaw_rate)

    return _drive(lambda: act, size)


def _drive(make: Callable[[], Act], size: Size) -> list[DrivingStatus]:
    with open_world() as world:
        return [drive(world, FIRST_TRACK + track, make()) for track in range(size.driven)]


def _bundle_act(path: Path) -> Act:
    """What the policy node does: the bundle's own runtime, one observation a tick."""
    runtime = PolicyRuntime.load(path, provider="cpu")
    stamp_ns = 0

    def act(state: Floats) -> tuple[float, float]:
        nonlocal stamp_ns
        stamp_ns += PERIOD_NS
        arrays = {STREAM: state[None].astype(np.float32)}
        speed, yaw_rate = runtime.predict(Observation(stamp_ns, arrays, {STREAM: stamp_ns})).actions[0]
        return float(speed), float(yaw_rate)

    return act
