"""The chain on which one mistake is enough: where behavioural cloning pays T² for what DAgger pays T.

The kind of problem that shows the bound of Ross & Bagnell 2010 ("Efficient Reductions for Imitation Learning",
theorem 2.1) to be tight. At every step on the path a cue says left or right, and the expert goes there. With a small
probability there is no cue, and whoever is not the expert can only guess: ``mistake_rate`` is how often that goes
wrong. A mistake leaves the path, and only ``BACK`` leads back to it. The expert never makes one, so that it never shows
the way back: a learner who has only seen the expert stays off for good, at a cost of 1 a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.contract import Contract, parse_contract
from models.data import FloatArray, Observation
from models.errors import SimulationError
from models.interactive.ports import Measure

__all__ = ["BACK", "LEFT", "LOST", "NO_CUE", "RIGHT", "Chain", "ChainExpert"]

#: Actions; the first two are cues as well.
LEFT, RIGHT, BACK = 0, 1, 2
#: Observations besides the two cues.
NO_CUE, LOST = 2, 3

_STATE = "observation.state"
_CONTRACT = """
robot_type: chain
fps: 10
observations:
  observation.state:
    channel: {topic: /cue, type: nav_msgs/msg/Odometry}
    align: {strategy: hold, timeline: header}
    select: [twist.twist.linear.x]
actions:
  action:
    channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}
    align: {strategy: hold, timeline: header}
    select: [twist.linear.x]
limits:
  action:
    twist.linear.x: {min: 0, max: 2, rate: 100, unit: m/s, stop: 0}
"""


class Chain:
    """The chain as a world that waits.

    Args:
        horizon: T, steps of an episode.
        mistake_rate: ε, how often a step on the path goes wrong for who can only guess without a cue.
        lasting: whether a mistake leaves the path; without, it only costs what it costs, which is the control.

    Attributes:
        contract: one number in, one number out.
        measure: what ``deviation`` is.
    """

    measure = Measure("off the path", "1", 1.0)

    def __init__(self, horizon: int, mistake_rate: float, *, lasting: bool = True) -> None:
        if horizon < 1 or not 0.0 <= mistake_rate <= 0.5:
            raise SimulationError(
                "no such chain", found=f"horizon {horizon}, mistake_rate {mistake_rate}", expected="T >= 1, ε <= 1/2"
            )
        self.contract: Contract = parse_contract(_CONTRACT, "chain")
        self._horizon, self._mistake_rate, self._lasting = horizon, mistake_rate, lasting
        self._period_ns = round(self.contract.period_s * 1e9)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start on the path."""
        self._random = np.random.default_rng(np.random.SeedSequence([seed, 0x636861]))
        self._tick, self._mistakes, self._lost = 0, 0, False
        self._draw()

    def _draw(self) -> None:
        self.right_way = int(self._random.integers(2))
        has_cue = self._random.random() >= 2.0 * self._mistake_rate
        self._seen = LOST if self._lost else self.right_way if has_cue else NO_CUE

    def observe(self) -> Observation:
        """The cue, ``NO_CUE`` or ``LOST`` as one number."""
        cue = np.array([[self._seen]], np.float32)
        stamp_ns = self._tick * self._period_ns
        return Observation(stamp_ns, {_STATE: cue}, {_STATE: stamp_ns}, starts_memory=self._tick == 0)

    def step(self, action: FloatArray) -> bool:
        """Take the nearest action; whether T steps are over."""
        mistake = round(float(action[0])) != self.expert_action
        self._mistakes += mistake
        self._lost = mistake and self._lasting
        self._tick += 1
        self._draw()
        return self._tick >= self._horizon

    @property
    def expert_action(self) -> int:
        """What leads on, or back."""
        return BACK if self._lost else self.right_way

    @property
    def deviation(self) -> float:
        """1 off the path, 0 on it."""
        return float(self._lost)

    def outcome(self) -> Mapping[str, float]:
        """Steps that differed from the expert's, which is what they cost."""
        return {"cost": float(self._mistakes)}


class ChainExpert:
    """Who knows the way, cue or not, and what each mistake costs.

    Args:
        chain: the world.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def action(self, observation: Observation) -> FloatArray:
        """The right way."""
        return np.array([self._chain.expert_action], np.float32)

    def alternatives(self, expert: FloatArray) -> tuple[FloatArray, FloatArray]:
        """All three actions, of which two are a mistake: it costs 1, and then the expert goes back."""
        actions = np.array([[LEFT], [RIGHT], [BACK]], np.float32)
        return actions, (actions[:, 0] != expert[0]).astype(np.float32)
