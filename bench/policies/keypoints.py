"""Where, not what: the simulated arm grasps with keypoints and with a flattened image, after the same demonstrations.

Both policies are the arm's demo's but for their image encoder; they learn from the same frames with the same number of
steps, and grasp by themselves in scenes that nobody has shown. The curve is their success in some of these scenes after
every few epochs. Negative control: the policy with keypoints is shown the pictures of the scene behind the one that it
is in, so that what it knows of its own arm is right and what it sees is not.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.harness import Bench, bootstrap_interval, wilson_interval
from bench.policies.grasps import DISTURBED, Arrays, demonstrate, grasp, table
from bench.policies.kept_seeds import Found, KeptSeeds
from bench.policies.keypoints_pictures import draw_curves
from models.contract import load_contract
from models.data import FloatArray
from models.episodes import EpisodeDataset
from models.learners import BehavioralCloning
from models.policies import Policy
from sim.grasping.environment import GraspingEnvironment
from understudy.demo_settings import GraspDemoSettings

__all__ = ["run"]

ROOT = Path(__file__).parent.parent.parent
ROBOT = ROOT / "contracts" / "grasping.yaml"
ENCODERS = ("small", "keypoints")
# Half the scenes, which is what the demo asks for, with the whole interval above it.
GOAL = 0.5


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and tried.

    Attributes:
        demonstrated: scenes that the expert shows.
        epochs: passes over them.
        every: epochs between two points of the curve.
        watched: scenes at each of these points.
        tried: other scenes that nobody has shown, after the last epoch.
        encoders: what is compared.
    """

    demonstrated: int = 40
    epochs: int = 20
    every: int = 5
    watched: int = 6
    tried: int = 12
    encoders: tuple[str, ...] = ENCODERS


QUICK = Size(demonstrated=30, epochs=12, every=12, watched=2, tried=4, encoders=("keypoints",))


@dataclass(frozen=True, slots=True)
class Learned:
    """One encoder, one seed.

    Attributes:
        successes: of the scenes tried.
        curve: epoch and share of the watched scenes held up.
        training_s: wall time, without the curve.
    """

    successes: int
    curve: list[tuple[int, float]]
    training_s: float


def run(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, grasp, compare; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    torch.set_num_threads(1)  # a single observation is too small to share
    settings = (asdict(size), asdict(GraspDemoSettings().learning()), ROBOT.read_text())
    kept = KeptSeeds("keypoints", settings, resume=bench.options.resume)
    found = [kept.result(seed, partial(_one_seed, seed, size)) for seed in bench.chosen_seeds()]
    learned = {name: [Learned(**each["learned"][name]) for each in found] for name in size.encoders}
    report = _report(bench, size, learned, [each["misled"] for each in found])
    return {**report, "seconds_by_seed": kept.seconds}


def _one_seed(seed: int, size: Size) -> Found:
    """Every encoder by name, and the control: demonstrations and scenes are this seed's own."""
    first = 100_000 + 1_000 * seed
    scenes = range(first + 500, first + 500 + size.tried)
    learned: Found = {}
    misled = 0
    environment = table()
    with tempfile.TemporaryDirectory() as folder:
        showing = table(DISTURBED, time_limit_s=20.0)
        shown = range(first, first + size.demonstrated)
        dataset = demonstrate(Path(folder) / "dataset", load_contract(ROBOT), shown, showing)
        showing.close()
        for name in size.encoders:
            policy, found = _learn(dataset, name, seed, size, environment, scenes)
            learned[name] = asdict(found)
            print(f"seed {seed}, {name}: {found}", file=sys.stderr, flush=True)
            if name == "keypoints":
                misled = sum(_try(environment, policy, scene, scene + 1) for scene in scenes)
                print(f"seed {seed}, shown other scenes: {misled}", file=sys.stderr, flush=True)
    environment.close()
    return {"learned": learned, "misled": misled}


def _learn(
    dataset: EpisodeDataset, encoder: str, seed: int, size: Size, environment: GraspingEnvironment, scenes: range
) -> tuple[Policy, Learned]:
    demo = GraspDemoSettings(seed=seed, epochs=size.epochs).learning()
    policy = replace(demo.policy, encoder=encoder)
    config = replace(demo, policy=policy, safety=None, evaluate_every=size.every)
    watched = range(scenes.stop, scenes.stop + size.watched)
    curve: list[tuple[int, float]] = []
    watching_s = 0.0

    def watch(learning: Policy) -> float:
        nonlocal watching_s
        begun_s = time.perf_counter()
        held_up = float(np.mean([_try(environment, learning, scene) for scene in watched]))
        curve.append((min(size.every * (len(curve) + 1), size.epochs), held_up))
        watching_s += time.perf_counter() - begun_s
        # The last epoch is kept. By the loss on held-out demonstrations it would be an early one of the flattened
        # image's, which grasps less.
        return float(len(curve))

    started_s = time.perf_counter()
    learned = BehavioralCloning(config).fit(dataset, evaluate=watch).policy
    training_s = time.perf_counter() - started_s - watching_s
    successes = sum(_try(environment, learned, scene) for scene in scenes)
    return learned, Learned(successes, curve, round(training_s, 1))


def _try(environment: GraspingEnvironment, policy: Policy, scene: int, pictured: int | None = None) -> bool:
    """Whether the policy held the target up by itself.

    Args:
        environment: the arm.
        policy: what moves it.
        scene: what lies on the table.
        pictured: the scene at whose start the pictures were taken that the policy is shown; its own by default.
    """
    pictures: Arrays = {}
    if pictured is not None:
        observation, _ = environment.reset(seed=pictured)
        pictures = {key: frame for key, frame in observation.items() if frame.ndim == 3}

    def act(observation: Arrays, stamp_ns: int) -> FloatArray:
        actions, _ = policy.act({key: frame[None] for key, frame in {**observation, **pictures}.items()})
        now: FloatArray = actions[0]
        return now

    return grasp(environment, scene, act).success


def _report(
    bench: Bench, size: Size, learned: Mapping[str, Sequence[Learned]], misled: Sequence[int]
) -> dict[str, object]:
    """Rates with intervals, goals, and a picture of the curves."""
    successes = {name: [found.successes for found in each] for name, each in learned.items()} | {"misled": list(misled)}
    rates = {name: wilson_interval(sum(each), size.tried * len(each)) for name, each in successes.items()}
    found = rates["keypoints"]
    # Of one seed's few scenes even the best interval reaches below half.
    bench.goal("keypoints: success by the policy alone", found.value if bench.quick else found.low, ">=", GOAL)
    bench.goal("keypoints: success when shown other scenes (control), upper bound", rates["misled"].high, "<=", GOAL)
    gained = None
    if "small" in successes:
        pairs = zip(successes["keypoints"], successes["small"], strict=True)
        gained = bootstrap_interval([(one - other) / size.tried for one, other in pairs])
        bench.goal("keypoints: success gained over the flattened image, lower bound", gained.low, ">=", 0.05)
    picture = bench.picture("keypoints")
    draw_curves({name: [found.curve for found in each] for name, each in learned.items()}, picture)
    return {
        "size": asdict(size),
        "success": {name: asdict(rate) for name, rate in rates.items()},
        "success_gained": None if gained is None else asdict(gained),
        "by_seed": {name: [asdict(found) for found in each] for name, each in learned.items()},
        "misled_by_seed": list(misled),
        "picture": str(picture.relative_to(ROOT)),
    }
