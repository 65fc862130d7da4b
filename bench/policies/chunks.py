"""Chunks bridge late frames: the simulated arm grasps while three camera frames in ten come late.

A late frame comes two periods after its stamp and nothing overtakes it, so that about half of all ticks have no new
frame. What then happens is what happens on a robot: the newest frame is answered, and the gate takes from the newest
proposal the row that is meant for now. A proposal of one action has none for a later tick; the gate stops trusting the
policy, as it does with any late answer (FAULTS.md, row 3), and since no expert stands by here it halts the arm.

*Without chunks* is a policy that was trained for one action, and *first row only* the chunked policy of which the gate
gets one action: the same network, so that nothing but the bridging differs. *Newest answer* is a loop without stamps
and without a gate: the last action goes on until another one comes. Control: the same scenes without late frames.
"""

from __future__ import annotations

import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from bench.harness import Bench, Interval, bootstrap_interval, wilson_interval
from bench.policies.chunks_pictures import draw_success
from bench.policies.grasps import DISTURBED, PERIOD_NS, Arrays, Grasp, demonstrate, grasp, table
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
ROBOT, PICTURE = ROOT / "contracts" / "grasping.yaml", ROOT / "runs" / "bench" / "chunks" / "success.png"
LATE_SHARE, LATE_PERIODS = 0.3, 2
# A policy that is worth delaying: what the arm's demo asks of it.
GOOD = 0.5
TIME_LIMIT_S = 12.0
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
    """

    title: str
    chunked: bool = True
    rows: int | None = None
    ensembled: bool = False
    gated: bool = True


WAYS = {
    "no_chunks": Way("without chunks", chunked=False),
    "first_row": Way("chunked policy, first row only", rows=1),
    "chunks": Way("chunks"),
    "chunks_ensembled": Way("chunks, ensembled", ensembled=True),
    "newest_answer": Way("newest answer, no gate", chunked=False, gated=False),
}
CONDITIONS = {"in_time": 0.0, "late": LATE_SHARE}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and tried.

    Attributes:
        demonstrated: scenes that the expert shows.
        epochs: passes over them.
        tried: scenes that nobody has shown, each in every way and condition.
    """

    demonstrated: int = 60
    epochs: int = 20
    tried: int = 20


QUICK = Size(demonstrated=20, epochs=4, tried=3)


@dataclass(frozen=True, slots=True)
class Tries:
    """One way, one condition, one seed.

    Attributes:
        successes: of all tries.
        seconds: to each success, simulated.
        policy_share: of the ticks, those that the policy moved the arm.
        fresh_share: of the ticks, those with a frame of that tick.
    """

    successes: int
    seconds: list[float]
    policy_share: float
    fresh_share: float


@dataclass(frozen=True, slots=True)
class Rate:
    """One way, one condition, all seeds.

    Attributes:
        success: of all tries, with Wilson's interval.
        median_s: to success, simulated; ``None`` without any.
        policy_share: mean of the seeds'.
        fresh_share: mean of the seeds'.
    """

    success: Interval
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


def run(bench: Bench, seeds: Sequence[int], quick: bool) -> dict[str, object]:
    """Learn, grasp with frames in time and late, compare; goals are held by ``bench``."""
    size = QUICK if quick else Size()
    contract = load_contract(ROBOT)
    torch.set_num_threads(1)  # a single observation is too small to share
    tries: dict[str, dict[str, list[Tries]]] = {condition: {way: [] for way in WAYS} for condition in CONDITIONS}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            shown = range(10_000 * (seed + 1), 10_000 * (seed + 1) + size.demonstrated)
            demonstrating = table(DISTURBED, time_limit_s=20.0)
            dataset = demonstrate(Path(folder) / "dataset", contract, shown, demonstrating)
            demonstrating.close()
            policies = {chunked: _learn(dataset, seed, size.epochs, chunked=chunked) for chunked in (False, True)}
        for condition, share in CONDITIONS.items():
            for name, way in WAYS.items():
                found = _try_all(policies[way.chunked], contract, way, share, seed, size.tried)
                tries[condition][name].append(found)
                print(f"seed {seed}, {name}, {condition}: {found}", file=sys.stderr, flush=True)
    return _report(bench, size, tries)


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
    for scene in range(10_000 * (seed + 1) + 5_000, 10_000 * (seed + 1) + 5_000 + count):
        arm = Arm(policy, contract, way, LateFrames(share, scene))
        grasps.append(grasp(environment, scene, arm.act))
        ticks, fresh, by_policy = ticks + arm.ticks, fresh + arm.fresh, by_policy + arm.by_policy
    environment.close()
    seconds = [round(found.elapsed_s, 2) for found in grasps if found.success]
    return Tries(len(seconds), seconds, by_policy / ticks, fresh / ticks)


def _report(bench: Bench, size: Size, tries: Mapping[str, Mapping[str, Sequence[Tries]]]) -> dict[str, object]:
    """Rates with intervals, goals, and a picture of them."""
    found = {condition: {name: _rate(each, size) for name, each in ways.items()} for condition, ways in tries.items()}
    gained = {
        f"{better} - {worse}": _gained(tries["late"][better], tries["late"][worse], size)
        for better in ("chunks", "chunks_ensembled")
        for worse in ("no_chunks", "first_row")
    }
    for name in ("chunks", "chunks_ensembled"):
        rate = found["in_time"][name].success.value
        bench.goal(f"chunks: success of {name}, frames in time (control)", rate, ">=", GOOD)
    for name, gain in gained.items():
        bench.goal(f"chunks: success with late frames, {name}, lower bound", gain.low, ">=", 0.05)
    titles = {name: way.title for name, way in WAYS.items()}
    draw_success(
        {name: {way: rate.success for way, rate in ways.items()} for name, ways in found.items()}, titles, PICTURE
    )
    return {
        "size": asdict(size),
        "late_share": LATE_SHARE,
        "late_s": LATE_PERIODS * PERIOD_NS * 1e-9,
        "found": {name: {way: asdict(rate) for way, rate in ways.items()} for name, ways in found.items()},
        "success_gained_late": {name: asdict(gain) for name, gain in gained.items()},
        "by_seed": {
            name: {way: [asdict(one) for one in each] for way, each in ways.items()} for name, ways in tries.items()
        },
        "picture": str(PICTURE.relative_to(ROOT)),
    }


def _rate(tries: Sequence[Tries], size: Size) -> Rate:
    seconds = [value for each in tries for value in each.seconds]
    return Rate(
        success=wilson_interval(sum(each.successes for each in tries), size.tried * len(tries)),
        median_s=float(np.median(seconds)) if seconds else None,
        policy_share=float(np.mean([each.policy_share for each in tries])),
        fresh_share=float(np.mean([each.fresh_share for each in tries])),
    )


def _gained(better: Sequence[Tries], worse: Sequence[Tries], size: Size) -> Interval:
    """Of the mean difference over seeds: both tried the same scenes with the same frames late."""
    pairs = zip(better, worse, strict=True)
    return bootstrap_interval([(one.successes - other.successes) / size.tried for one, other in pairs])
