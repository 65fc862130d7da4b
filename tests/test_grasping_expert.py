"""The expert: what it does wrong, every policy learns."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.contract import load_contract
from models.errors import SimulationError
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.expert import Expert
from sim.grasping.footprints import Footprints
from sim.grasping.grasps import Grasps
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject
from sim.grasping.pushes import best_push, standing_behind
from sim.grasping.state import Command, GraspingState
from sim.grasping.world import PERIOD_S, STOP, GraspingConfig, GraspingWorld

pytestmark = pytest.mark.sim

CONTRACT = load_contract(Path(__file__).parents[1] / "contracts" / "grasping.yaml")
CAN = ObjectShape("cylinder", (0.04, 0.04, 0.05))
BLOCK = ObjectShape("box", (0.04, 0.04, 0.04))
RANGES = np.array([0.28, 0.68]), np.array([-0.32, 0.32])


def standing(shape: ObjectShape, x: float, y: float) -> SceneObject:
    """An object on the table."""
    return SceneObject(shape, ObjectPose((x, y, shape.size_m[2] / 2.0)))


#: A can with four blocks against it: there is no room for the fingers on any side.
SURROUNDED = (
    standing(CAN, 0.5, 0.0),
    *(standing(BLOCK, 0.5 + 0.042 * dx, 0.042 * dy) for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1))),
)


def run(world: GraspingWorld, seconds: float = 20.0) -> list[GraspingState]:
    """Let the expert try; every state on the way."""
    expert, seen = Expert(), [world.state]
    while not (world.status.success or world.status.lost) and world.status.elapsed_s < seconds:
        seen.append(world.step(expert.command(world.state)))
    return seen


@pytest.mark.parametrize("seed", range(8))
def test_takes_the_target_out_of_the_clutter(seed: int) -> None:
    """Catches an expert that misses, crawls, drops what it holds or hits the table."""
    with GraspingWorld(seed=seed) as world:
        run(world)
        assert world.status.success
        assert world.status.elapsed_s < 12.0
        assert world.status.drops == 0
        assert world.status.collisions == 0


def test_makes_room_where_there_is_none() -> None:
    """Catches fingers that come down on what is in the way, or an expert that waits for ever."""
    with GraspingWorld() as world:
        world.reset(0, scene=SURROUNDED)
        footprints = Footprints(world.state.objects)
        assert (Grasps.around(world.state.target, footprints, 0.0, (-1.0, 2.3)).free_m() < 0.0).all()
        run(world)
        assert world.status.success
        assert world.status.pushes >= 1
        assert world.status.clutter_moved_m > 0.02


@pytest.mark.parametrize("seed", [1, 2, 3, 6])
def test_recovers_from_disturbances(seed: int) -> None:
    """Catches an expert that only knows its own way: noise on the arm, shoves, and a target that is knocked away."""
    disturbances = DisturbanceConfig(0.05, 0.3, shoves_per_s=0.2, knocks_per_s=0.2)
    with GraspingWorld(GraspingConfig(disturbances=disturbances), seed) as world:
        run(world, 30.0)
        assert world.status.success


def test_takes_up_what_it_lost() -> None:
    """Catches an expert that goes on lifting nothing after the target slipped out of the grip."""
    with GraspingWorld() as world:
        world.reset(0, scene=(standing(CAN, 0.5, 0.05),))
        expert = Expert()
        while world.status.lift_m < 0.08:
            world.step(expert.command(world.state))
        for _ in range(15):
            world.step((0.0, 0.0, 0.0, 0.0, 0.1))
        assert world.status.drops == 1
        run(world, 25.0)
        assert world.status.success
        assert world.status.pick_ups == 2


def test_equal_states_give_equal_commands_within_the_contracts_limits() -> None:
    """Catches a hidden memory, which could not label a learner's states, and labels that the gate would cut."""
    disturbances = DisturbanceConfig(0.1, 0.5, shoves_per_s=0.5, knocks_per_s=0.5)
    with GraspingWorld(GraspingConfig(disturbances=disturbances), 5) as world:
        states = run(world, 8.0)
    commands = [Expert().command(state) for state in states]
    backwards = Expert()
    assert [backwards.command(state) for state in reversed(states)][::-1] == commands
    assert (np.array(commands) >= CONTRACT.action_minimum - 1e-6).all()
    assert (np.array(commands) <= CONTRACT.action_maximum + 1e-6).all()


def test_the_gates_rate_limits_do_not_stop_it() -> None:
    """Catches an expert that jumps to and fro between two plans, which a rate limiter turns into standing still."""
    rates = CONTRACT.action_rate * PERIOD_S
    expert = Expert()
    with GraspingWorld() as world:
        for seed in (59, 3):
            world.reset(seed)
            last = np.array(STOP)
            while not world.status.success:
                assert world.status.elapsed_s < 15.0
                wanted = np.array(expert.command(world.state))
                last = np.clip(wanted, last - rates, last + rates)
                command: Command = tuple(last.tolist())
                world.step(command)


def test_pushes_lead_away_from_the_target_and_stay() -> None:
    """Catches a push that runs the target over, starts inside something, or is given up for another half-way."""
    footprints = Footprints(SURROUNDED)
    grasps = Grasps.around(SURROUNDED[0], footprints, 0.0, (-1.0, 2.3))
    push = best_push(footprints, grasps, np.array([0.5, 0.2]), *RANGES)
    assert push is not None
    away = footprints.centres_m[push.index] - footprints.centres_m[0]
    assert away @ push.direction > -1e-6
    start = footprints.centres_m[push.index] - push.behind_m * push.direction
    for index, item in enumerate(SURROUNDED):
        assert math.dist(start, footprints.centres_m[index]) > item.shape.size_m[0] / 2.0 + 0.01
    moved = list(SURROUNDED)
    for way in (0.0, 0.01, 0.02):
        centre = footprints.centres_m[push.index] + way * push.direction
        moved[push.index] = standing(BLOCK, *centre.tolist())
        now = Footprints(moved)
        again = best_push(now, Grasps.around(moved[0], now, 0.0, (-1.0, 2.3)), start + way * push.direction, *RANGES)
        if again is None or (Grasps.around(moved[0], now, 0.0, (-1.0, 2.3)).free_m() > 0.008).any():
            break
        assert again.index == push.index
        assert again.direction == pytest.approx(push.direction)
    alone = Footprints(SURROUNDED[:1])
    assert best_push(alone, Grasps.around(SURROUNDED[0], alone, 0.0, (-1.0, 2.3)), start, *RANGES) is None


def test_standing_behind_is_where_a_push_works() -> None:
    """Catches a push that starts beside or in front of what it should move."""
    ahead = np.array([1.0, 0.0])
    assert standing_behind(np.array([-0.05, 0.0]), ahead, 0.05) == 1.0
    assert 0.0 < standing_behind(np.array([-0.05, 0.01]), ahead, 0.05) < 0.5
    for wrong in ((-0.05, 0.02), (0.05, 0.0), (-0.10, 0.0), (0.0, 0.0)):
        assert standing_behind(np.array(wrong), ahead, 0.05) == 0.0


def test_a_state_that_is_not_finite_is_refused() -> None:
    """Catches NaN poses that would become a NaN label."""
    with GraspingWorld() as world:
        state = world.state
    broken = replace(state, tool=replace(state.tool, position_m=np.array([math.nan, 0.0, 0.2])))
    with pytest.raises(SimulationError, match="finite"):
        Expert().command(broken)
    with pytest.raises(SimulationError, match="finite"):
        Expert().command(replace(state, fingers_m=(math.nan, 0.0)))


def test_the_expert_needs_no_simulator() -> None:
    """Catches an import that would load PyBullet into the expert's ROS 2 node."""
    program = "import sys, sim.grasping.expert; sys.exit('pybullet' in sys.modules or 'gymnasium' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
