"""A gate on a clock of its own, for tests: the car's contract, and one method for each thing that can happen."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from il_nodes.gate.decision import Decision, Driver, Reason
from il_nodes.gate.gate import Gate
from models.contract import Contract, load_contract, parse_contract
from models.data import Action, Proposal

__all__ = ["ARM", "CONTRACT", "CRUISE", "NAMES", "PERIOD_NS", "REPOSITORY", "Robot", "contract", "driven_by_policy"]

REPOSITORY = Path(__file__).resolve().parents[1]
CONTRACT = load_contract(REPOSITORY / "contracts" / "driving.yaml")
NAMES = CONTRACT.action_names
#: An elbow that a halt holds in place, on a base that it stops.
ARM = parse_contract("""
robot_type: arm_on_wheels
fps: 20
observations:
  observation.state:
    channel: {topic: /joint_states, type: sensor_msgs/msg/JointState}
    align: {strategy: hold, timeline: header}
    select: [velocity.elbow, position.elbow]
    apply: [rad2deg]
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
gate:
  expert: {topic: [/expert/elbow, /expert/cmd_vel]}
  halt: {ramp: 0.5, stop: hold}
""")
PERIOD_NS = 50_000_000
#: In tests without a hand-over in question the robot has been driven at this command, far inside every limit.
CRUISE = (0.4, 0.1)


def contract(**gate: object) -> Contract:
    """The car's contract with another gate section."""
    return replace(CONTRACT, gate=replace(CONTRACT.gate, **gate))  # type: ignore[arg-type]


class Robot:
    """A gate on a clock that both the stamps and ``now_s`` follow; each method acts at the current tick."""

    def __init__(self, contract: Contract = CONTRACT, **options: object) -> None:
        options.setdefault("policy_enabled", True)
        self.gate = Gate(contract, **options)  # type: ignore[arg-type]
        self.tick = 100

    @property
    def now_s(self) -> float:
        return self.clock_ns * 1e-9

    @property
    def clock_ns(self) -> int:
        return self.tick * PERIOD_NS

    def expert(self, values: tuple[float, ...] = CRUISE, stamp_ns: int | None = None) -> Reason | None:
        stamp = self.clock_ns if stamp_ns is None else stamp_ns
        return self.gate.offer_expert(Action(stamp, np.array(values, np.float32)), self.clock_ns, self.now_s)

    def propose(
        self,
        *rows: tuple[float, ...],
        unsafe: float = 0.0,
        stamp_ns: int | None = None,
    ) -> Reason | None:
        actions = np.array(rows or (CRUISE,), np.float32)
        stamp = self.clock_ns if stamp_ns is None else stamp_ns
        names = self.gate.contract.action_names
        return self.gate.offer_proposal(Proposal(stamp, actions, unsafe, names), self.clock_ns, self.now_s)

    def abstain(self, stamp_ns: int | None = None) -> Reason | None:
        """A policy that is alive and cannot answer: nothing but NaN."""
        return self.propose((math.nan,) * len(NAMES), unsafe=math.nan, stamp_ns=stamp_ns)

    def decide(self) -> Decision:
        return self.gate.decide(self.clock_ns, self.now_s)

    def step(self, *, unsafe: float | None = 0.0, expert: bool = True) -> Decision:
        """One ordinary tick: next stamp, the expert's command, a proposal (``unsafe=None``: none), the decision."""
        self.tick += 1
        if expert:
            self.expert()
        if unsafe is not None:
            self.propose(unsafe=unsafe)
        return self.decide()


def driven_by_policy(contract: Contract = CONTRACT, **options: object) -> Robot:
    """A robot after its first tick under the policy."""
    robot = Robot(contract, **options)
    assert robot.step().source is Driver.POLICY
    return robot
