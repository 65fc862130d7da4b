"""Geometry helps recovery: demonstrations of a perfect driver, and policies that are thrown off the centre.

The expert drives whole laps on the centre line, undisturbed; nothing shows how to get back to it. Every variant learns
from the same frames with the same number of steps, and then drives roads that it has not seen, where it is thrown up to
0.8 m to the side and turned by up to 0.15 rad every 15 m: the same throws for every variant. Autonomy is DAVE-2's,
``1 - 6 s * interventions / elapsed`` (Bojarski et al. 2016, sections 6 and 7); an intervention is more than 1 m off
centre, or a standstill. Negative control: pictures are moved, labels are not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.harness import Bench, Interval, bootstrap_interval
from bench.policies.drives import Act, Arrays, Drive, demonstrate, draw_pushes, drive, expert_act
from bench.policies.recovery_pictures import draw_autonomy, draw_montage, draw_traces
from bench.policies.variants import RIG, VARIANTS, Variant
from bench.policies.views import warp_errors
from models.contract import load_contract
from models.episodes import EpisodeDataset
from models.learners import BehavioralCloning, BehavioralCloningConfig
from models.policies import Policy
from sim.driving.world import DrivingConfig, DrivingWorld
from understudy.evaluation.evaluation import autonomy

__all__ = ["recovery"]

ROOT = Path(__file__).parent.parent.parent
ROBOT, RECORDED = ROOT / "contracts" / "driving.yaml", Path(__file__).with_name("recovery_rig.yaml")
PICTURES = ROOT / "runs" / "bench" / "recovery"
GOAL = 0.98  # what DAVE-2 reached on the road
# Every throw leaves the car inside the metre that counts, and the expert recovers from all of them (it is measured).
EVERY_M, LATERAL_M, HEADING_RAD = 15.0, (0.3, 0.8), 0.15


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and driven.

    Attributes:
        demonstrated: tracks, a lap each, one of which is held out to choose the checkpoint.
        epochs: passes over the frames.
        driven: tracks that nobody has seen, a lap each.
        variants: names of what is compared.
    """

    demonstrated: int = 6
    epochs: int = 12
    driven: int = 6
    variants: tuple[str, ...] = tuple(VARIANTS)


QUICK = Size(demonstrated=4, epochs=8, driven=2, variants=("none", "alvinn", "side_cameras"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One variant, one seed.

    Attributes:
        autonomy: over all its drives together.
        interventions: in all its drives.
        elapsed_s: simulated, of all its drives.
        laps: whole ones.
        mean_abs_cross_track_m: mean of the drives'.
        training_s: wall time.
    """

    autonomy: float
    interventions: int
    elapsed_s: float
    laps: int
    mean_abs_cross_track_m: float
    training_s: float = 0.0


def recovery(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, drive, compare and draw; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    seeds = bench.chosen_seeds()
    cv2.setNumThreads(1)  # one picture of 96 x 64 pixels is too small to share
    outcomes: dict[str, list[Outcome]] = {name: [] for name in ("expert", *size.variants)}
    frames: list[int] = []
    example: dict[str, Drive] = {}
    with DrivingWorld(DrivingConfig(cameras=RIG)) as world:
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                dataset = _demonstrations(Path(folder) / "dataset", seed, size, world)
                frames.append(len(dataset))
                drives = {"expert": _drive_all(world, None, dataset, seed, size.driven)}
                outcomes["expert"].append(_outcome(drives["expert"]))
                for name in size.variants:
                    policy, training_s = _learn(VARIANTS[name], dataset, seed, size.epochs)
                    drives[name] = _drive_all(world, policy, dataset, seed, size.driven)
                    outcomes[name].append(_outcome(drives[name], training_s))
                    print(f"seed {seed}, {name}: {outcomes[name][-1]}", file=sys.stderr, flush=True)
                example = example or {name: driven[0] for name, driven in drives.items()}
        warped = warp_errors(world, poses=10 if quick else 60)
        draw_montage(world, PICTURES / "views.png")
    draw_traces(example, PICTURES / "drives.png")
    return _report(bench, size, outcomes, frames, asdict(warped))


def _demonstrations(path: Path, seed: int, size: Size, world: DrivingWorld) -> EpisodeDataset:
    """Laps of the expert on tracks of this seed's own, for the robot with one camera."""
    tracks = range(100 * seed + 1, 100 * seed + 1 + size.demonstrated)
    return demonstrate(path, load_contract(RECORDED), tracks, world).for_robot(load_contract(ROBOT))


def _learn(variant: Variant, dataset: EpisodeDataset, seed: int, epochs: int) -> tuple[Policy, float]:
    """Behavioural cloning with one episode held out; every variant takes equally many steps."""
    config = BehavioralCloningConfig(
        policy=variant.policy,
        epochs=epochs,
        held_out=1.0 / len(dataset.episode_ids),
        safety=None,
        seed=seed,
        augmentation=variant.augmentation,
    )
    started = time.perf_counter()
    policy = BehavioralCloning(config).fit(dataset).policy
    return policy, time.perf_counter() - started


def _acting(policy: Policy) -> Act:
    def act(observation: Arrays) -> tuple[float, float]:
        actions, _ = policy.act(observation)
        return float(actions[0, 0]), float(actions[0, 1])

    return act


def _drive_all(
    world: DrivingWorld, policy: Policy | None, dataset: EpisodeDataset, seed: int, count: int
) -> list[Drive]:
    """A lap on each of this seed's roads, which nobody demonstrated; by the expert where there is no policy."""
    drives = []
    for track in range(100_000 + 100 * seed, 100_000 + 100 * seed + count):
        world.reset(track)
        length_m = world.track.length_m
        pushes = draw_pushes(track, length_m, every_m=EVERY_M, lateral_m=LATERAL_M, heading_rad=HEADING_RAD)
        act = expert_act(world) if policy is None else _acting(policy)
        keys = () if policy is None else dataset.streams
        drives.append(drive(world, act, pushes, keys, dataset.contract.memory))
    return drives


def _outcome(drives: Sequence[Drive], training_s: float = 0.0) -> Outcome:
    interventions = sum(driven.interventions for driven in drives)
    elapsed_s = sum(driven.elapsed_s for driven in drives)
    return Outcome(
        autonomy=autonomy(interventions, elapsed_s) or 0.0,
        interventions=interventions,
        elapsed_s=round(elapsed_s, 2),
        laps=sum(driven.laps for driven in drives),
        mean_abs_cross_track_m=float(np.mean([driven.mean_abs_cross_track_m for driven in drives])),
        training_s=round(training_s, 1),
    )


def _report(
    bench: Bench,
    size: Size,
    outcomes: Mapping[str, Sequence[Outcome]],
    frames: Sequence[int],
    warped: Mapping[str, float],
) -> dict[str, object]:
    """Intervals over seeds, goals, and a picture of them."""
    scores = {name: np.array([outcome.autonomy for outcome in found]) for name, found in outcomes.items()}
    intervals = {name: bootstrap_interval(values) for name, values in scores.items()}
    helped: list[str] = [name for name in ("alvinn", "side_cameras") if name in scores]
    for name in helped:
        bench.goal(f"recovery: autonomy with {name}", intervals[name].value, ">=", GOAL)
    gains = {f"{name} - none": _paired(scores[name], scores["none"]) for name in helped}
    if "not_relabelled" in scores:
        gains["alvinn - not_relabelled"] = _paired(scores["alvinn"], scores["not_relabelled"])
    for name, gain in gains.items():
        bench.goal(f"recovery: autonomy, {name}, lower bound", gain.low, ">=", 0.05)
    bench.goal("recovery: autonomy of the expert under the same throws", intervals["expert"].value, ">=", 1.0)
    report: dict[str, object] = {
        "size": asdict(size),
        "frames_recorded": list(frames),
        "autonomy": {name: asdict(interval) for name, interval in intervals.items()},
        "autonomy_gained": {name: asdict(gain) for name, gain in gains.items()},
        "by_seed": {name: [asdict(outcome) for outcome in found] for name, found in outcomes.items()},
        "warp": dict(warped),
        "pictures": str(PICTURES.relative_to(ROOT)),
    }
    draw_autonomy(report, bench.picture("recovery"))
    return report


def _paired(better: npt.NDArray[np.float64], worse: npt.NDArray[np.float64]) -> Interval:
    """Of the mean difference over seeds: both sides drove the same roads with the same throws."""
    return bootstrap_interval(better - worse)
