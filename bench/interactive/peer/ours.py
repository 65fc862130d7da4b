"""Understudy's side: the loop and the rules of ``understudy learn``, in a world of Gymnasium."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import gymnasium
import numpy as np
import torch

from bench.interactive.peer.order import Learned, Order, answer
from bench.interactive.peer.tasks import TASKS, Act, Actions, Floats, Task
from models.contract import Contract, parse_contract
from models.data import FloatArray, Observation
from models.interactive import InProcess, Measure, Plan, RoundStore, learn, make_rule
from models.learners import BehavioralCloningConfig
from models.learners.interactive import CloningLearner, TorchActor
from models.policies import Policy, PolicyConfig
from models.policies.heads import IndependentOptions, PointOptions

__all__ = ["STATE", "GymExpert", "GymWorld", "contract_of"]

STATE = "observation.state"
#: Two layers of so many units are the default of the peer's policy.
WIDTH = 32
#: Names of the state, name and largest size of the action, control rate, and what deviates from 0 how far at most.
_ROBOTS = {
    "cartpole": (("position", "velocity", "angle", "angular_velocity"), "force", 10.0, 50, (2, "angle", 0.21)),
    "pendulum": (("cosine", "sine", "angular_velocity"), "torque", 2.0, 20, (1, "sine of the angle", 1.0)),
}
_CONTRACT = """
robot_type: {name}
fps: {rate}
observations:
  {state}:
    channel: {{topic: /{name}/state, type: std_msgs/msg/Float32MultiArray}}
    align: {{strategy: hold, timeline: receive}}
    select: [{names}]
actions:
  action:
    channel: {{topic: /{name}/{action}, type: std_msgs/msg/Float32}}
    align: {{strategy: hold, timeline: receive}}
    select: [{action}]
limits: {{action: {{{action}: {{min: -{largest}, max: {largest}, rate: 1000, unit: "1", stop: 0}}}}}}
"""


def contract_of(name: str) -> Contract:
    """The robot of a task; a choice between two actions is one between two forces."""
    names, action, largest, rate, _ = _ROBOTS[name]
    text = _CONTRACT.format(name=name, rate=rate, state=STATE, names=", ".join(names), action=action, largest=largest)
    return parse_contract(text, name)


class GymWorld:
    """A world of Gymnasium as ``models.interactive`` sees it.

    Args:
        name: key of `bench.interactive.peer.tasks.TASKS`.

    Attributes:
        contract: of its robot.
        measure: of one number of the state.
    """

    def __init__(self, name: str) -> None:
        self.task: Task = TASKS[name]
        self.contract = contract_of(name)
        (self._index, label, limit) = _ROBOTS[name][-1]
        self.measure = Measure(label, "1", limit)
        self._environment = gymnasium.make(self.task.environment)
        self._period_ns = round(self.contract.period_s * 1e9)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start an episode."""
        self._state = self._environment.reset(seed=seed)[0]
        self._tick, self._return = 0, 0.0

    @property
    def state(self) -> Floats:
        """``(D,)`` what the environment shows."""
        found: Floats = np.asarray(self._state, np.float32)
        return found

    @property
    def deviation(self) -> float:
        """Of the state from the goal."""
        return abs(float(self._state[self._index]))

    def observe(self) -> Observation:
        """The state, stamped with the tick."""
        stamp_ns = self._tick * self._period_ns
        return Observation(stamp_ns, {STATE: self.state[None]}, {STATE: stamp_ns}, starts_memory=self._tick == 0)

    def step(self, action: FloatArray) -> bool:
        """Push; whether the episode is over."""
        taken = int(action[0] > 0.0) if self.task.has_choice else action
        self._state, reward, terminated, truncated, _ = self._environment.step(taken)
        self._tick, self._return = self._tick + 1, self._return + float(reward)
        return bool(terminated or truncated)

    def outcome(self) -> Mapping[str, float]:
        """The return, and as a cost."""
        return {"cost": -self._return, "return": self._return}

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()


class GymExpert:
    """The task's expert in SI units, or one who always does the same.

    Args:
        world: what it looks at.
        control: whether it is the latter.
    """

    def __init__(self, world: GymWorld, control: bool = False) -> None:
        self._world, self._control = world, control
        self._largest = float(world.contract.action_maximum[0])

    def action(self, observation: Observation) -> FloatArray:
        """``(1,)`` force or torque."""
        task = self._world.task
        if self._control:
            return np.array([task.control * self._largest], np.float32)
        asked = task.expert(self._world.state[None])[0]
        return np.array([self._largest * (2.0 * asked - 1.0)] if task.has_choice else asked, np.float32)


def configuration(order: Order) -> BehavioralCloningConfig:
    """Two layers of 32 units, as the peer's policy has them; no safety classifier, which it does not have either."""
    return BehavioralCloningConfig(
        policy=PolicyConfig(
            head=IndependentOptions(bins=2) if order.world.has_choice else PointOptions(),
            features=WIDTH,
            state_features=WIDTH,
            state_layers=1,
            state_dropout=0.0,
        ),
        epochs=order.epochs,
        batch_size=order.batch_size,
        safety=None,
        seed=order.seed,
    )


def run(order: Order) -> Learned:
    """Drive, ask, train; cloning drives everything first and trains once."""
    world = GymWorld(order.task)
    bc = order.algorithm == "bc"
    rounds, per_round = (1, order.rounds) if bc else (order.rounds, 1)
    task = world.task
    plan = Plan(rounds, per_round * task.steps, validation=0, seed=order.seed, episodes=per_round * task.episodes)
    learner = CloningLearner(configuration(order))
    try:
        with tempfile.TemporaryDirectory(prefix="understudy-peer-") as folder:
            collector = InProcess(world, GymExpert(world, order.control))
            learned = learn(make_rule(order.algorithm), collector, learner, RoundStore(Path(folder), {}), plan)
    finally:
        world.close()
    assert isinstance(learned.actor, TorchActor)
    policy = learned.actor.checkpoint.policy
    assert isinstance(policy, Policy)
    frames = sum(record.collected.ticks for record in learned.records)
    return Learned(_act_of(policy, task), frames, order.epochs * sum(one.learned_from for one in learned.records))


def _act_of(policy: Policy, task: Task) -> Act:
    def act(observations: Floats) -> Actions:
        with torch.inference_mode():
            actions, _ = policy({STATE: torch.from_numpy(observations[:, None])})
        found: Floats = actions[:, 0].numpy()
        return (found[:, 0] > 0.0).astype(np.int64) if task.has_choice else found

    return act


if __name__ == "__main__":
    torch.set_num_threads(1)
    answer(run)
