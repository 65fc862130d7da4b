"""The robots of the small worlds: contracts, demonstrations as a dataset, and drives of a policy.

A policy is driven by ``TorchRuntime`` tick by tick, with stacks gathered as the live assembler gathers them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bench.demonstrations import demonstrated
from models.contract import Contract, parse_contract
from models.data import FloatArray, Observation
from models.episodes import Episode, EpisodeDataset, write_dataset
from models.policies import Policy
from models.torch_runtime import TorchRuntime

__all__ = [
    "PERIOD_S",
    "STATE",
    "Act",
    "Array",
    "Drive",
    "World",
    "demonstrate",
    "drive",
    "expert_act",
    "policy_act",
    "robot_contract",
]

Array = npt.NDArray[np.float64]

STATE = "observation.state"
PERIOD_S = 0.1
PERIOD_NS = round(PERIOD_S * 1e9)

Act = Callable[[FloatArray, int], Array]
"""What is seen ``(D,)`` and the tick, from 0, to a command ``(A,)``; called once a tick, in order."""

_CONTRACT = """
robot_type: lane_robot
robot_interface: ros2
fps: 10
trigger: observation.state
memory: {{frames: {frames}, stride: 1, recurrent: {recurrent}, reset_gap: 500 ms}}
gate: {{expert: {{topic: /expert/command}}}}
observations:
  observation.state:
    channel: {{topic: /state, type: std_msgs/msg/Float32MultiArray}}
    align: {{strategy: hold, timeline: receive}}
    select: [{seen}]
    max_age: 300 ms
actions:
  action:
    channel: {{topic: /command, type: std_msgs/msg/Float32MultiArray, safety: zeros}}
    align: {{strategy: hold, timeline: receive}}
    select: [{commands}]
limits:
  action:
{limits}
"""


class World(Protocol):
    """One robot on a road of its own; x runs along the road, y to the left of its middle.

    Attributes:
        seen: names of what it observes.
        commands: names of what it is commanded by, with the magnitude that none exceeds.
    """

    seen: tuple[str, ...]
    commands: Mapping[str, float]

    def reset(self, seed: int) -> None:
        """Start anew; equal seeds give equal drives."""

    @property
    def place(self) -> tuple[float, float]:
        """Along the road and to the left of its middle, in m."""

    def observe(self) -> Sequence[float]:
        """The numbers that ``seen`` names."""

    def expert_command(self) -> Array:
        """``(A,)``, what the demonstrator would do."""

    def step(self, command: Array) -> bool:
        """Drive for one period; whether the drive is over."""


def robot_contract(world: World, frames: int = 1, *, recurrent: bool = False) -> Contract:
    """Of a world's robot, with a memory of so many frames, or with a state."""
    limits = [
        f"    {name}: {{min: {-most}, max: {most}, rate: {100 * most}, unit: m/s, stop: 0}}"
        for name, most in world.commands.items()
    ]
    text = _CONTRACT.format(
        frames=frames,
        recurrent=str(recurrent).lower(),
        seen=", ".join(world.seen),
        commands=", ".join(world.commands),
        limits="\n".join(limits),
    )
    return parse_contract(text, "lane_robot")


def demonstrate(
    path: Path,
    world: World,
    contract: Contract,
    seeds: Sequence[int],
    *,
    unsteady: float,
    disturbed: float = 0.0,
) -> EpisodeDataset:
    """A drive of the expert from each seed's start; labels are what it intended.

    Args:
        path: of the dataset.
        world: where.
        contract: with the memory of the policy that is to learn.
        seeds: of the drives.
        unsteady: standard deviation of what its hand adds to every command, in the command's unit: nobody's hand is
            perfectly steady, and the likelihood of one that is has no bound.
        disturbed: of what is added to commands as they are executed, so that the expert is seen to recover (DART,
            Laskey et al. 2017).
    """
    return write_dataset(path, (_show(world, seed, unsteady, disturbed) for seed in seeds), contract)


def _show(world: World, seed: int, unsteady: float, disturbed: float) -> Episode:
    random = np.random.default_rng(np.random.SeedSequence([seed, 0x73686F77]))
    most = np.array(list(world.commands.values()))
    seen, intended, executed, over = [], [], [], False
    world.reset(seed)
    while not over:
        seen.append(world.observe())
        intended.append(np.clip(world.expert_command() + unsteady * random.normal(size=len(most)), -most, most))
        executed.append(np.clip(intended[-1] + disturbed * random.normal(size=len(most)), -most, most))
        over = world.step(executed[-1])
    return demonstrated(
        f"drive-{seed}",
        PERIOD_NS * np.arange(1, len(seen) + 1, dtype=np.int64),
        {STATE: np.array(seen, np.float32)},
        np.array(intended, np.float32),
        np.array(executed, np.float32),
    )


@dataclass(frozen=True)
class Drive:
    """What happened, tick by tick.

    Attributes:
        places: ``(T + 1, 2)`` x and y in m.
        commands: ``(T, A)``.
        experts: ``(T, A)`` what the expert would have done there.
    """

    places: Array
    commands: Array
    experts: Array


def drive(world: World, act: Act, seed: int) -> Drive:
    """One drive from a seed's start to its end."""
    world.reset(seed)
    places, over = [world.place], False
    commands: list[Array] = []
    experts: list[Array] = []
    while not over:
        experts.append(world.expert_command())
        commands.append(act(np.array(world.observe(), np.float32), len(commands)))
        over = world.step(commands[-1])
        places.append(world.place)
    return Drive(np.array(places), np.array(commands), np.array(experts))


def policy_act(policy: Policy, contract: Contract, seed: int, every: int = 1) -> Act:
    """A policy as a robot runs it, for one drive; draws come of the seed and each tick's stamp.

    Args:
        policy: what drives.
        contract: its robot's.
        seed: of what it draws.
        every: ticks for which an answer is carried out before the next one counts.
    """
    runtime, memory = TorchRuntime(policy, noise_seed=seed), contract.memory
    plan: list[Array] = []
    past: deque[FloatArray] = deque(maxlen=(memory.frames - 1) * memory.stride + 1)

    def act(seen: FloatArray, tick: int) -> Array:
        past.append(seen)
        backs = range(memory.frames - 1, -1, -1)
        stack = np.stack([past[max(0, len(past) - 1 - back * memory.stride)] for back in backs])
        observation = Observation((tick + 1) * PERIOD_NS, {STATE: stack}, {}, starts_memory=tick == 0)
        if tick % every == 0:
            plan[:] = runtime.predict(observation).actions.astype(np.float64)
        return plan[tick % every]

    return act


def expert_act(world: World) -> Act:
    """The demonstrator, who sees everything."""
    return lambda _seen, _tick: world.expert_command()
