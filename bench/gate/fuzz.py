"""Random lives of a gate, and a checker that knows the rules but none of the gate's code.

A *sequence* is one gate's life of 6 to 14 ticks, every sixteenth one of 60. On each tick anything may arrive in any
order: commands of the expert and proposals of a policy (sound, late, early, repeated, NaN, infinite, huge, of another
size or name, several at once), people who take over and let go, faults, episodes, processes that come and go, clocks
that pause, leap and go back. The clocks mostly run as they should, and most messages are sound, or nothing would ever
drive.

The checker keeps its own account of what was sent and counts what breaks a rule:

- ``not_finite``, ``out_of_limits``, ``beyond_rate``: of any command, the last one against the last command *sent*;
- ``wrong_driver``: the policy drives while a human holds the robot, while it is latched, during a fault, or by a
  proposal that was never sound; the expert drives by a command that was never sound, or too old;
- ``no_halt``: a halt that has not reached the stop command in the time that ramp and rate limits take, or a held
  position that moves;
- ``silent``: a tick without a decision, or with an exception.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from il_nodes.gate.decision import Decision, Driver, Reason
from il_nodes.gate.gate import Gate
from models.contract import Contract, load_contract, parse_contract
from models.data import Action, FloatArray, Proposal

__all__ = ["RULES", "Report", "contracts", "fuzz"]

RULES = ("not_finite", "out_of_limits", "beyond_rate", "wrong_driver", "no_halt", "silent")
#: Commands and chunks are drawn once per batch, not once per tick: drawing them is dearer than deciding.
POOL = 512
#: Sequences between two drawings.
BATCH = 500
_EVENTS = 10
_REPOSITORY = Path(__file__).parents[2]

_ARM = """
robot_type: arm_on_wheels
fps: 50
observations:
  observation.state:
    channel: {topic: /joint_states, type: sensor_msgs/msg/JointState}
    align: {strategy: hold, timeline: header}
    select: [position.elbow]
actions:
  action:
    - channel: {topic: /elbow/command, type: sensor_msgs/msg/JointState}
      align: {strategy: hold, timeline: header}
      select: [position.elbow]
    - channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}
      align: {strategy: hold, timeline: header}
      select: [twist.linear.x]
limits:
  action:
    position.elbow: {min: -2, max: 2, rate: 2, unit: rad}
    twist.linear.x: {min: -0.5, max: 0.5, rate: 1}
gate: {expert: {topic: [/expert/elbow, /expert/cmd_vel]}, halt: {ramp: 0.3, stop: hold}, limited_after: 2}
"""

_JOINTS = """
robot_type: seven_joints
fps: 100
observations:
  observation.state:
    channel: {topic: /joint_states, type: sensor_msgs/msg/JointState}
    align: {strategy: hold, timeline: header}
    select: [j1, j2, j3, j4, j5, j6, j7]
actions:
  action:
    channel: {topic: /joint_commands, type: sensor_msgs/msg/JointState}
    align: {strategy: hold, timeline: header}
    select: [j1, j2, j3, j4, j5, j6, j7]
limits:
  action:
    j1: &one {min: -2.9, max: 2.9, rate: 40, unit: rad, stop: 0.3}
    j2: *one
    j3: *one
    j4: *one
    j5: *one
    j6: *one
    j7: *one
gate: {expert: {topic: /expert/joint_commands}, halt: {ramp: 0.05}, dwell: 0}
"""


def contracts() -> dict[str, Contract]:
    """The simulated car; an arm that a halt holds; seven joints of which three have no rate limit."""
    joints = parse_contract(_JOINTS)
    free = tuple(
        replace(one, rate=math.inf) if index % 2 else replace(one, rate=one.rate * (index + 1))
        for index, one in enumerate(joints.limits)
    )
    return {
        "driving": load_contract(_REPOSITORY / "contracts" / "driving.yaml"),
        "held": parse_contract(_ARM),
        "seven": replace(joints, limits=free),
    }


@dataclass
class Report:
    """What a run of sequences found.

    Attributes:
        sequences: how many.
        ticks: decisions in all.
        broken: rule to how often it was broken.
        drivers: driver to decisions: a fuzzer under which nobody drives proves nothing.
        reasons: reason to decisions.
        stops: commands of a halt that had to have reached the stop command.
        first: the first broken rule in words.
    """

    sequences: int
    ticks: int
    broken: Counter[str]
    drivers: Counter[str]
    reasons: Counter[str]
    stops: int = 0
    first: str = ""

    def add(self, other: Report) -> None:
        """Take in another run's."""
        self.sequences += other.sequences
        self.ticks += other.ticks
        self.broken += other.broken
        self.drivers += other.drivers
        self.reasons += other.reasons
        self.stops += other.stops
        self.first = self.first or other.first


class _Pool:
    """Sound and unsound commands of one contract, drawn once."""

    def __init__(self, contract: Contract, rng: np.random.Generator) -> None:
        low, high = contract.action_minimum.astype(np.float64), contract.action_maximum.astype(np.float64)
        dims = len(low)
        middle, half = (low + high) / 2, (high - low) / 2
        wild = rng.normal(size=(POOL, dims)) * half * 3 + middle
        tame = rng.uniform(low, high, size=(POOL, dims)) * 0.3 + middle * 0.7
        edges = np.where(rng.random((POOL, dims)) < 0.5, low, high)
        huge = rng.choice([1e30, -1e30, 3.4e38, -3.4e38, 1e-40, 0.0], size=(POOL, dims))
        kinds = [tame, tame, tame, wild, edges, huge]
        self.sound: list[FloatArray] = [kinds[i % 6][i].astype(np.float32) for i in range(POOL)]
        bad: list[FloatArray] = []
        for index in range(POOL):
            values = self.sound[index].copy()
            values[index % dims] = (math.nan, math.inf, -math.inf)[index % 3]
            odd = np.resize(values, dims + (-1, 1)[index % 2])
            bad.append((values, odd, np.nan_to_num(odd, posinf=1.0, neginf=-1.0))[index // 3 % 3])
        self.bad = bad
        self.chunks = [np.stack([self.sound[(i + k) % POOL] for k in range(1 + i % 5)]) for i in range(POOL)]
        rows = [np.vstack([self.sound[i], self.sound[i - 1]]) for i in range(POOL)]
        for index, chunk in enumerate(rows):
            chunk[index % 2, index % dims] = (math.nan, math.inf, -math.inf)[index % 3]
        abstain = np.full((1, dims), np.nan, np.float32)
        empty, narrow = np.empty((0, dims), np.float32), np.zeros((2, dims + 1), np.float32)
        self.bad_chunks = [(rows[i], rows[i], abstain, empty, narrow, self.sound[i])[i % 6] for i in range(POOL)]
        self.places = [np.where(rng.random(dims) < 0.2, np.nan, one).astype(np.float32) for one in tame]


class _Checker:
    """The rules, on plain floats."""

    def __init__(self, contract: Contract, gate: Gate) -> None:
        self.contract, self.gate = contract, gate
        self.broken: Counter[str] = Counter()
        self.first = ""
        self.stops = 0
        self.low, self.high = contract.action_minimum.tolist(), contract.action_maximum.tolist()
        self.rate = contract.action_rate.astype(np.float64).tolist()
        self.held = contract.action_held.tolist()
        rest = np.clip(contract.action_stop, contract.action_minimum, contract.action_maximum).tolist()
        self.rest = rest
        way = [max(h - s, s - lo) / r for h, lo, s, r in zip(self.high, self.low, rest, self.rate, strict=True)]
        slowest = max(0.0 if kept else one for one, kept in zip(way, self.held, strict=True))
        # One period of slack for the grid, and one for the first command of the halt.
        self.halt_s = max(contract.gate.halt_ramp_s, slowest) + 2 * contract.period_s
        self.human = False
        self.fault = False
        self.waiting = False
        self.crowded = False
        self.proposals: set[int] = set()
        self.commands: set[int] = set()
        self.begin()

    def begin(self) -> None:
        """The robot stands: nothing that was sent before counts."""
        self.last: list[float | None] = [
            None if held else stop for held, stop in zip(self.held, self.rest, strict=True)
        ]
        self.last_s: float | None = None
        self.halted_s: float | None = None
        self._newest_s = -math.inf
        self._went_back = False

    def check(self, decision: Decision, now_s: float) -> None:
        """Count what this decision breaks."""
        # On any tick, whether or not something was sent on it.
        self._went_back |= now_s < self._newest_s
        self._newest_s = now_s
        values = decision.command.tolist()
        if decision.command.dtype != np.float32 or not all(map(math.isfinite, values)):
            self._break("not_finite", f"{values}")
            return
        for value, low, high in zip(values, self.low, self.high, strict=True):
            if not low <= value <= high:
                self._break("out_of_limits", f"{value} outside {low} to {high}")
        self._check_driver(decision)
        if decision.sent:
            elapsed_s = self._elapsed_s(now_s)
            self._check_rate(values, elapsed_s)
            self._check_halt(decision, values, elapsed_s)
            self.last, self.last_s, self._went_back = values, now_s, False

    def _elapsed_s(self, now_s: float) -> float:
        if self.last_s is None or now_s < self.last_s:
            return self.contract.period_s
        return min(now_s - self.last_s, 2 * self.contract.period_s)

    def _check_rate(self, values: list[float], elapsed_s: float) -> None:
        for value, before, rate in zip(values, self.last, self.rate, strict=True):
            # A float32 is exact to a ten-millionth of its size.
            if before is not None and abs(value - before) > rate * elapsed_s + 1e-6 * max(1.0, abs(value)):
                self._break("beyond_rate", f"{before} to {value} in {elapsed_s} s")

    def _check_driver(self, decision: Decision) -> None:
        source = decision.source
        if source is Driver.POLICY:
            forbidden = self.human or self.fault or self.waiting or decision.latched or decision.withheld
            if forbidden or decision.stamp_ns not in self.proposals:
                self._break("wrong_driver", f"policy: {decision}")
        elif source is Driver.EXPERT:
            old = decision.expert_age_s > self.contract.gate.expert_max_age_s + 2e-6
            if self.fault or self.waiting or self.crowded or old or decision.stamp_ns not in self.commands:
                self._break("wrong_driver", f"expert: {decision}")
        if (self.waiting and decision.sent) or decision.source not in Driver:
            self._break("wrong_driver", f"{decision}")

    def _check_halt(self, decision: Decision, values: list[float], elapsed_s: float) -> None:
        if decision.source is not Driver.HALT:
            self.halted_s = None
            return
        # On a clock that went back a halt begins anew: that one is lock-step's, and a robot's never does.
        begins = self.halted_s is None or self.last_s is None or self._went_back
        self.halted_s = 0.0 if begins else (self.halted_s or 0.0) + elapsed_s
        overdue = self.halted_s > self.halt_s
        self.stops += overdue
        for value, before, held, rest in zip(values, self.last, self.held, self.rest, strict=True):
            if (held and before is not None and value != before) or (overdue and not held and value != rest):
                self._break("no_halt", f"{value} after {self.halted_s:.2f} s")

    def _break(self, rule: str, words: str) -> None:
        self.broken[rule] += 1
        self.first = self.first or f"{rule}: {words}"


class _Life:
    """One gate, and everything that happens to it."""

    def __init__(self, contract: Contract, pool: _Pool, make: Callable[[Contract], Gate]) -> None:
        self.gate = make(contract)
        self.checker = _Checker(contract, self.gate)
        self._pool, self._names = pool, contract.action_names
        self._period_s, self._period_ns = contract.period_s, round(contract.period_s * 1e9)
        self._now_s, self._clock_ns = 1000.0, 10**12
        self._controls: tuple[Callable[[int], Any], ...] = (
            lambda _: self.gate.enable_policy(),
            lambda _: self.gate.enable_policy(),
            lambda _: self.gate.disable_policy(),
            lambda _: self._hold(True),
            lambda _: self._hold(False),
            lambda _: self.gate.policy_restarted(),
            lambda _: self.gate.start_episode(self._clock_ns),
            lambda _: self.gate.end_episode(self._clock_ns),
            lambda r: self.gate.note_proposers(r % 3),
            lambda r: self._crowd(r % 3),
            lambda _: self._crowd(1),
            lambda _: self.gate.refuse_proposal(Reason.PROPOSAL_UNREADABLE),
            lambda _: self._fault(True),
            lambda _: self._fault(False),
            lambda _: self._wait(True),
            lambda _: self._wait(False),
            lambda _: self._rest(),
            lambda r: self.gate.place(self._pool.places[r % POOL]),
        )

    def _hold(self, on: bool) -> None:
        self.checker.human = on
        (self.gate.take_over if on else self.gate.release)()

    def _fault(self, on: bool) -> None:
        self.checker.fault = on
        self.gate.raise_fault(Reason.SECOND_PUBLISHER) if on else self.gate.clear_fault()

    def _crowd(self, count: int) -> None:
        self.checker.crowded = count > 1
        # What came before, or while there were several, is nobody's command any more.
        if count > 1:
            self.checker.commands.clear()
        self.gate.note_experts(count)

    def _wait(self, on: bool) -> None:
        self.checker.waiting = on
        self.gate.waiting = Reason.DISCOVERY if on else None

    def _rest(self) -> None:
        self.gate.rest()
        self.checker.begin()

    def tick(self, draws: list[int], report: Report) -> None:
        """Time goes on, things arrive, the gate decides, the checker looks."""
        kind = draws[0] % 64
        if kind < 52:
            step_s = clock_s = self._period_s * (1.0 + (draws[0] >> 6) % 100 * 0.002 - 0.1)
        else:
            step_s = self._period_s * (0.0, 0.001, 0.3, 3.0, 30.0, -20.0)[kind % 6]
            clock_s = self._period_s * (0.0, 0.5, 1.0, -0.9, -3.0, 100.0, 1e6)[(draws[0] >> 6) % 7]
        self._now_s, self._clock_ns = self._now_s + step_s, self._clock_ns + round(clock_s * 1e9)
        if draws[1] % 4 == 0:
            self._controls[(draws[1] >> 2) % len(self._controls)](draws[2])
        for sender, draw in (
            ((self._expert, draws[3]), (self._policy, draws[4]))
            if draws[1] & 64
            else (
                (self._policy, draws[4]),
                (self._expert, draws[3]),
            )
        ):
            if draw % 8:
                sender(draw >> 3, draws[5])
        if draws[1] % 16 == 1:
            self._policy(draws[6], draws[7])
            self._expert(draws[8], draws[9])
        decision = self.gate.decide(self._clock_ns, self._now_s)
        self.checker.check(decision, self._now_s)
        report.ticks += 1
        report.drivers[decision.source] += 1
        report.reasons[decision.reason] += 1

    def _stamp_ns(self, draw: int) -> int:
        """Mostly now, or a little earlier; sometimes long ago, ahead, or from another age."""
        if draw % 16 < 13:
            return self._clock_ns - draw % 3 * self._period_ns // 8
        return self._clock_ns + (-3, 1, 2, -40, 3, -1)[draw % 6] * self._period_ns

    def _expert(self, draw: int, more: int) -> None:
        stamp_ns, sound = self._stamp_ns(more), draw % 8 > 0
        values = (self._pool.sound if sound else self._pool.bad)[(draw >> 3) % POOL]
        if len(values) == len(self._names) and np.isfinite(values).all() and not self.checker.crowded:
            self.checker.commands.add(stamp_ns)
        self.gate.offer_expert(Action(stamp_ns, values), self._clock_ns, self._now_s)

    def _policy(self, draw: int, more: int) -> None:
        stamp_ns, sound = self._stamp_ns(more >> 4), draw % 16 > 0
        actions = (self._pool.chunks if sound else self._pool.bad_chunks)[(draw >> 4) % POOL]
        unsafe = (0.0, 0.1, 0.3, 0.45, 0.0, 0.2, 0.0, 0.9, math.nan, 1.5)[(more >> 8) % 10 if more & 8 else 0]
        names = self._names[::-1] if draw % 64 == 17 and len(self._names) > 1 else self._names
        if actions.ndim == 2 and len(actions) and actions.shape[1] == len(names) and np.isfinite(actions).all():
            self.checker.proposals.add(stamp_ns)
        self.gate.offer_proposal(Proposal(stamp_ns, actions, unsafe, names), self._clock_ns, self._now_s)


def fuzz(
    contract: Contract,
    sequences: int,
    seed: int,
    make: Callable[[Contract], Gate] = lambda contract: Gate(contract, policy_enabled=True),
) -> Report:
    """Random sequences on one contract.

    Args:
        contract: of the robot.
        sequences: how many.
        seed: of all of them.
        make: the gate to try; another one than the real one for the checker's own test.
    """
    rng = np.random.default_rng(seed)
    report = Report(0, 0, Counter(), Counter(), Counter())
    while report.sequences < sequences:
        pool = _Pool(contract, rng)
        for _ in range(min(BATCH, sequences - report.sequences)):
            _run_one(contract, pool, make, rng, report)
            report.sequences += 1
    return report


def _run_one(
    contract: Contract, pool: _Pool, make: Callable[[Contract], Gate], rng: np.random.Generator, report: Report
) -> None:
    life = _Life(contract, pool, make)
    ticks = int(rng.integers(6, 15)) if report.sequences % 16 else 60
    draws = rng.integers(0, 2**30, size=(ticks, _EVENTS)).tolist()
    try:
        for row in draws:
            life.tick(row, report)
    except Exception as error:
        life.checker.broken["silent"] += 1
        life.checker.first = life.checker.first or f"silent: {error!r}"
    report.broken += life.checker.broken
    report.stops += life.checker.stops
    report.first = report.first or life.checker.first
