"""Chunks bridge late frames: the simulated arm grasps while three camera frames in ten come late.

A late frame comes two periods after its stamp and nothing overtakes it, so that about half of all ticks have no new
frame. What then happens is what happens on a robot: the newest frame is answered, and the gate takes from the newest
proposal the row that is meant for now. A proposal of one action has none for a later tick; the gate stops trusting the
policy, as it does with any late answer (FAULTS.md, row 3), and since no expert stands by here it halts the arm.

*Without chunks* is a policy that was trained for one action, and *first row only* the chunked policy of which the gate
gets one action: the same network, so that nothing but the bridging differs. *Newest answer* is a loop without stamps
and without a gate: the last action goes on until another one comes. Control: the same scenes without late frames, where
the first row is all that is ever taken of a chunk and every answer is new, so that these two ways need none.

What a halt costs is time: nothing moves meanwhile, neither arm nor target. So beside the scenes held up before the time
is up stand those held up *in good time*, within one and a half times the control's median.
"""

from __future__ import annotations

import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from bench.harness import Bench, Interval, bootstrap_interval, wilson_interval
from bench.policies.chunks_pictures import draw_success
from bench.policies.grasps import DISTURBED, PERIOD_NS, Arrays, Grasp, demonstrate, grasp, table
from bench.policies.kept_seeds import Found, KeptSeeds
from bench.policies.seeds import shown_seeds, tried_seeds
from bench.policies.tables import of_each
from il_nodes.gate.decision import Driver
from il_nodes.gate.gate import Gate
from models.chunks import TemporalEnsemble
from models.contract import Contract, load_contract
from models.data import FloatArray, Proposal
from models.episodes import EpisodeDataset
from models.learners import BehavioralCloning
from models.policies import Policy
from understudy.demo_settings import GraspDemoSettings

__all__ = ["run"]

ROOT = Path(__file__).parent.parent.parent
ROBOT = ROOT / "contracts" / "grasping.yaml"
LATE_SHARE, LATE_PERIODS = 0.3, 2
# A policy that is worth delaying: what the arm's demo asks of it.
GOOD = 0.5
# All but the first ticks of an episode whose first frame is late.
MOVED = 0.95
TIME_LIMIT_S = 12.0
GOOD_TIME = 1.5
_STREAM = 0x6C617465


@dataclass(frozen=True, slots=True)
class Way:
    """One way of running a policy.

    Attributes:
        title: for people.
        chunked: whether the policy was trained for chunks.
        rows: of each answer that are passed on; ``None`` for all.
        ensembled: whether chunks that overlap are averaged.
        gated: whether the gate decides; otherwise the newest answer's first row goes on.
        controlled: whether it is also tried with all frames in time.
    """

    title: str
    chunked: bool = True
    rows: int | None = None
    ensembled: bool = False
    gated: bool = True
    controlled: bool = True


WAYS = {
    "no_chunks": Way("without chunks", chunked=False),
    "first_row": Way("chunked policy, first row only", rows=1, controlled=False),
    "chunks": Way("chunks"),
    "chunks_ensembled": Way("chunks, ensembled", ensembled=True),
    "newest_answer": Way("newest answer, no gate", chunked=False, gated=False, controlled=False),
}
CONDITIONS = {"in_time": 0.0, "late": LATE_SHARE}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and tried.

    Attributes:
        demonstrated: scenes that the expert shows.
        epochs: passes over them.
        tried: scenes that nobody has shown, each in every way and condition.
        ways: names of what is compared.
    """

    demonstrated: int = 40
    epochs: int = 20
    tried: int = 12
    ways: tuple[str, ...] = tuple(WAYS)


QUICK = Size(demonstrated=30, epochs=12, tried=4, ways=("first_row", "chunks"))


@dataclass(frozen=True, slots=True)
class Tries:
    """One way, one condition, one seed.

    Attributes:
        seconds: to each success, simulated.
        policy_share: of the ticks, those that the policy moved the arm.
        fresh_share: of the ticks, those with a frame of that tick.
    """

    seconds: list[float]
    policy_share: float
    fresh_share: float


@dataclass(frozen=True, slots=True)
class Rate:
    """One way, one condition, all seeds.

    Attributes:
        success: share of all tries, with Wilson's interval.
        in_good_time: the same of those that took no longer than that.
        median_s: to success, simulated; ``None`` without any.
        policy_share: mean of the seeds'.
        fresh_share: mean of the seeds'.
    """

    success: Interval
    in_good_time: Interval
    median_s: float | None
    policy_share: float
    fresh_share: float


class LateFrames:
    """Frames on their way from the camera, in order.

    Args:
        share: of the frames, those that are late.
        scene: draws which, the same for every way of running a policy.
    """

    def __init__(self, share: float, scene: int) -> None:
        self._share = share
        self._random = np.random.default_rng(np.random.SeedSequence([scene, _STREAM]))
        self._sent: deque[tuple[int, int, Arrays]] = deque()
        self._last_ns = 0

    def exchange(self, frame: Arrays, stamp_ns: int) -> tuple[int, Arrays] | None:
        """Send the tick's frame off; the newest that has arrived by now with its stamp, ``None`` where none has."""
        late = self._random.random() < self._share
        self._last_ns = max(self._last_ns, stamp_ns + late * LATE_PERIODS * PERIOD_NS)
        self._sent.append((self._last_ns, stamp_ns, frame))
        newest = None
        while self._sent and self._sent[0][0] <= stamp_ns:
            _, sent_ns, arrived = self._sent.popleft()
            newest = (sent_ns, arrived)
        return newest


class Arm:
    """A policy as a robot runs it, one scene long.

    Args:
        policy: what answers frames.
        contract: the robot's.
        way: how.
        frames: how they come.
    """

    def __init__(self, policy: Policy, contract: Contract, way: Way, frames: LateFrames) -> None:
        self._policy, self._way, self._frames = policy, way, frames
        self._names = contract.action_names
        self._ensemble = TemporalEnsemble(contract.period_s) if way.ensembled else None
        self._gate = Gate(contract, policy_enabled=True)
        self._held = np.zeros(len(self._names), np.float32)
        self.ticks = self.fresh = self.by_policy = 0

    def act(self, observation: Arrays, stamp_ns: int) -> FloatArray:
        """The command of this tick, ``(dims,)`` in SI units."""
        self.ticks += 1
        arrived = self._frames.exchange(observation, stamp_ns)
        if arrived is not None:
            self.fresh += arrived[0] == stamp_ns
            self._answer(*arrived, stamp_ns)
        if not self._way.gated:
            self.by_policy += 1
            return self._held
        decision = self._gate.decide(stamp_ns, stamp_ns * 1e-9)
        self.by_policy += decision.source is Driver.POLICY
        return decision.command

    def _answer(self, sent_ns: int, observation: Arrays, now_ns: int) -> None:
        actions, _ = self._policy.act({key: frame[None] for key, frame in observation.items()})
        proposal = Proposal(sent_ns, actions[: self._way.rows], 0.0, self._names)
        if self._ensemble is not None:
            proposal = self._ensemble.add(proposal)
        self._held = proposal.actions[0]
        self._gate.offer_proposal(proposal, now_ns, now_ns * 1e-9)


def run(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, grasp with frames in time and late, compare; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    torch.set_num_threads(1)  # a single observation is too small to share
    tries: dict[str, dict[str, list[Tries]]] = {
        condition: {name: [] for name in size.ways if share or WAYS[name].controlled}
        for condition, share in CONDITIONS.items()
    }
    settings = (asdict(size), asdict(GraspDemoSettings().learning()), ROBOT.read_text())
    kept = KeptSeeds("chunks", settings, resume=bench.options.resume)
    for seed in bench.chosen_seeds():
        found = kept.result(seed, partial(_one_seed, seed, size))
        for condition, ways in tries.items():
            for name, each in ways.items():
                each.append(Tries(**found[f"{name}, {condition}"]))
    return {**_report(bench, size, tries), "seconds_by_seed": kept.seconds}


def _one_seed(seed: int, size: Size) -> Found:
    """Every way and condition by name: demonstrations, policies and scenes are this seed's own."""
    contract = load_contract(ROBOT)
    with tempfile.TemporaryDirectory() as folder:
        shown = shown_seeds(seed + 1, size.demonstrated)
        demonstrating = table(DISTURBED, time_limit_s=20.0)
        dataset = demonstrate(Path(folder) / "dataset", contract, shown, demonstrating)
        demonstrating.close()
        kinds = {WAYS[name].chunked for name in size.ways}
        policies = {chunked: _learn(dataset, seed, size.epochs, chunked=chunked) for chunked in kinds}
    found: Found = {}
    for condition, share in CONDITIONS.items():
        for name in size.ways:
            way = WAYS[name]
            if share or way.controlled:
                tries = _try_all(policies[way.chunked], contract, way, share, seed, size.tried)
                found[f"{name}, {condition}"] = asdict(tries)
                print(f"seed {seed}, {name}, {condition}: {tries}", file=sys.stderr, flush=True)
    return found


def _learn(dataset: EpisodeDataset, seed: int, epochs: int, *, chunked: bool) -> Policy:
    """As the arm's demo learns, for chunks or for one action at a time."""
    demo = GraspDemoSettings(seed=seed, epochs=epochs).learning()
    policy = demo.policy if chunked else replace(demo.policy, chunk=1)
    return BehavioralCloning(replace(demo, policy=policy, safety=None)).fit(dataset).policy


def _try_all(policy: Policy, contract: Contract, way: Way, share: float, seed: int, count: int) -> Tries:
    """A try in each of this seed's scenes that nobody has shown."""
    environment = table(time_limit_s=TIME_LIMIT_S)
    grasps: list[Grasp] = []
    ticks = fresh = by_policy = 0
    for scene in tried_seeds(seed + 1, count):
        arm = Arm(policy, contract, way, LateFrames(share, scene))
        grasps.append(grasp(environment, scene, arm.act))
        ticks, fresh, by_policy = ticks + arm.ticks, fresh + arm.fresh, by_policy + arm.by_policy
    environment.close()
    seconds = [round(found.elapsed_s, 2) for found in grasps if found.success]
    return Tries(seconds, by_policy / ticks, fresh / ticks)


def _report(bench: Bench, size: Size, tries: Mapping[str, Mapping[str, Sequence[Tries]]]) -> dict[str, object]:
    """Rates with intervals, goals, and a picture of them."""
    good_s = GOOD_TIME * float(np.median(_seconds(tries["in_time"]["chunks"]) or [TIME_LIMIT_S]))
    rates = of_each(tries, lambda each: _rate(each, size, good_s))
    share = rates["late"]["chunks"].policy_share
    bench.goal("chunks: policy's share of the ticks, frames late", share, ">=", MOVED)
    gained: dict[str, Interval] = {}
    if "no_chunks" in size.ways:
        for name in ("chunks", "chunks_ensembled"):
            success = rates["in_time"][name].success.value
            bench.goal(f"chunks: success of {name}, frames in time (control)", success, ">=", GOOD)
            for other in ("no_chunks", "first_row"):
                gain = _gained(tries["late"][name], tries["late"][other], size, good_s)
                gained[f"{name} - {other}"] = gain
                bench.goal(f"chunks: in good time, frames late, {name} - {other}, lower bound", gain.low, ">=", 0.05)
    titles = {name: WAYS[name].title for name in size.ways}
    curves = of_each(tries, _seconds)
    picture = bench.picture("chunks")
    draw_success(curves, titles, size.tried * len(tries["late"]["chunks"]), TIME_LIMIT_S, picture)
    return {
        "size": asdict(size),
        "late_share": LATE_SHARE,
        "late_s": LATE_PERIODS * PERIOD_NS * 1e-9,
        "time_limit_s": TIME_LIMIT_S,
        "good_time_s": good_s,
        "rates": of_each(rates, asdict),
        "in_good_time_gained_late": {name: asdict(gain) for name, gain in gained.items()},
        "by_seed": of_each(tries, lambda each: [asdict(one) for one in each]),
        "picture": str(picture.relative_to(ROOT)),
    }


def _seconds(tries: Sequence[Tries]) -> list[float]:
    return [value for each in tries for value in each.seconds]


def _rate(tries: Sequence[Tries], size: Size, good_s: float) -> Rate:
    seconds, count = _seconds(tries), size.tried * len(tries)
    return Rate(
        success=wilson_interval(len(seconds), count),
        in_good_time=wilson_interval(sum(value <= good_s for value in seconds), count),
        median_s=float(np.median(seconds)) if seconds else None,
        policy_share=float(np.mean([each.policy_share for each in tries])),
        fresh_share=float(np.mean([each.fresh_share for each in tries])),
    )


def _gained(better: Sequence[Tries], worse: Sequence[Tries], size: Size, good_s: float) -> Interval:
    """Of the mean difference over seeds: both tried the same scenes with the same frames late."""

    def share(one: Tries) -> float:
        return sum(value <= good_s for value in one.seconds) / size.tried

    return bootstrap_interval([share(one) - share(other) for one, other in zip(better, worse, strict=True)])
