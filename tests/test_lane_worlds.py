"""The small worlds of the policies bench: what they show and hide decides what an experiment in them can say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.policies.lane.fork import CRUISE_M_S, SIGN_TICKS, Fork
from bench.policies.lane.ice import Ice
from bench.policies.lane.lamp import FAST_M_S, SNOW, Lamp
from bench.policies.lane.robot import (
    STATE,
    Array,
    World,
    demonstrate,
    drive,
    expert_act,
    policy_act,
    robot_contract,
)
from models.data import FloatArray
from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape

WORLDS: list[World] = [Fork(), Fork((2, 6)), Ice(), Ice(shows_slide=True), Lamp(), Lamp(0.0)]
STRAIGHT = np.full(2, CRUISE_M_S)


def _seen(world: Fork, seed: int) -> Array:
    """What a robot sees while the expert drives, ``(T, D)``."""
    rows: list[tuple[float, ...]] = []
    world.reset(seed)
    over = False
    while not over:
        rows.append(world.observe())
        over = world.step(world.expert_command())
    return np.array(rows)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: f"{type(world).__name__}-{len(world.seen)}")
def test_equal_seeds_give_equal_drives_and_others_do_not(world: World) -> None:
    """Catches chance that does not come from the seed, without which no two policies drive the same."""
    ways = [drive(world, expert_act(world), seed).places for seed in (2, 2, 4)]
    assert np.array_equal(ways[0], ways[1])
    assert ways[0].shape != ways[2].shape or not np.array_equal(ways[0], ways[2])


def test_the_expert_passes_on_both_sides_of_what_looks_the_same() -> None:
    """Catches a start that says which way is shown: a regression could then learn both."""
    world = Fork()
    for seed in range(0, 40, 2):
        left, right = _seen(world, seed), _seen(world, seed + 1)
        assert np.array_equal(left[0], right[0])
        assert not np.array_equal(left[1], right[1])
        outcomes = []
        for one in (seed, seed + 1):
            drive(world, expert_act(world), one)
            outcomes.append(world.outcome)
        assert outcomes == ["left", "right"]


def test_straight_on_hits_and_so_does_who_turns_too_late() -> None:
    """Catches an obstacle that a policy without a decision gets past."""
    world = Fork()
    drive(world, lambda _seen, _tick: STRAIGHT, 0)
    assert world.outcome == "hit"

    def hesitant(ticks: int) -> str:
        waited = 0

        def act(seen: FloatArray, _tick: int) -> Array:
            nonlocal waited
            waited += Fork.reaches(-float(seen[0]))
            return world.expert_command() if waited > ticks else STRAIGHT

        drive(world, act, 0)
        return world.outcome

    assert [hesitant(ticks) for ticks in (0, 14)] == ["left", "hit"]


def test_wheels_that_disagree_with_each_other_go_straight_on() -> None:
    """Catches a robot that turns by one wheel alone, for which independent wheels would do."""
    world = Fork()
    for both in (0.6, 1.4):
        world.reset(0)
        _, _, yaw = world.observe()
        world.step(np.full(2, both))
        assert world.observe()[2] == yaw


@pytest.mark.parametrize("gap", [4, 24])
def test_a_sign_is_gone_for_the_gap_before_the_obstacle(gap: int) -> None:
    """Catches a gap that a stack could look across, and drives that give the sign away while it is gone."""
    world = Fork((gap, gap))
    for seed in (0, 6):
        left, right = _seen(world, seed), _seen(world, seed + 1)
        assert (left[:SIGN_TICKS, 3].tolist(), right[:SIGN_TICKS, 3].tolist()) == ([1.0] * 3, [-1.0] * 3)
        first = int(np.argmax(left[:, 0] < left[0, 0]))
        assert first - SIGN_TICKS == gap
        assert np.array_equal(left[SIGN_TICKS : first + 1], right[SIGN_TICKS : first + 1])
        assert not left[SIGN_TICKS:, 3].any()


def test_a_meaningless_sign_says_nothing_about_the_way() -> None:
    """Catches a control that leaks."""
    agree = []
    world = Fork((4, 4), truthful=False)
    for seed in range(400):
        world.reset(seed)
        agree.append(world.sign == world.way)
    assert 0.42 < np.mean(agree) < 0.58


def test_on_ice_the_place_alone_is_not_enough() -> None:
    """Catches a puck that comes to rest by itself: then no memory would be needed."""
    world = Ice()
    offsets = {}
    for name, act in {
        "expert": expert_act(world),
        "by place": lambda seen, _tick: np.array([-4.0 * float(seen[0])]),
    }.items():
        ways = [drive(world, act, seed).places[:, 1] for seed in range(10)]
        offsets[name] = np.mean([np.abs(way).mean() for way in ways])
    assert offsets["by place"] > 3.0 * offsets["expert"]


def test_the_lamp_is_read_through_snow_and_its_demonstrator_sees_it_clearly() -> None:
    """Catches readings that are as good as the demonstrator's previous command: then nobody would lean on that."""
    errors, repeats = [], []
    for seed in range(20):
        world, snowed = Lamp(0.0), Lamp()
        for one in (world, snowed):
            one.reset(seed)
        commands = []
        over = False
        while not over:
            assert (world.observe()[0] > 0.0) == (world.expert_command()[0] == FAST_M_S)
            errors.append(snowed.observe()[0] - world.observe()[0])
            commands.append(world.expert_command()[0])
            over = world.step(np.array(commands[-1:])) & snowed.step(np.array(commands[-1:]))
        repeats.append(np.mean(np.diff(commands) == 0.0))
    assert np.std(errors) == pytest.approx(SNOW, rel=0.1)
    assert 0.95 < np.mean(repeats) < 1.0


def test_labels_are_what_the_expert_intended_and_not_what_was_executed(tmp_path: Path) -> None:
    """Catches disturbances that are learned."""
    world = Ice()
    dataset = demonstrate(tmp_path / "d", world, robot_contract(world), range(4), unsteady=0.0, disturbed=0.5)
    assert dataset.actions.shape == (len(dataset), 1)
    difference = np.asarray(dataset.executed) - np.asarray(dataset.actions)
    assert 0.3 < difference.std() < 0.6
    assert np.abs(dataset.actions).max() <= world.commands["thrust.left"]


def test_a_policy_is_shown_the_last_frames_as_it_learned_from_them(tmp_path: Path) -> None:
    """Catches stacks that differ from those that it learned from."""
    world = Ice()
    contract = robot_contract(world, 3)
    dataset = demonstrate(tmp_path / "d", world, contract, range(2), unsteady=0.0)
    specification = PolicySpecification(
        (StreamShape(STATE, (1,)),), 3, contract.action_names, PolicyConfig(state_dropout=0.0)
    )
    scaling = Scaling(
        {STATE: np.zeros(1), "action": np.zeros(1)},
        {STATE: np.ones(1), "action": np.ones(1)},
        contract.action_minimum,
        contract.action_maximum,
    )
    policy = Policy(specification, scaling).eval()
    stacks = dataset.stack(np.arange(8))[STATE]
    act = policy_act(policy, contract, 0)
    for tick in range(8):
        expected, _ = policy.act({STATE: stacks[tick]})
        assert act(np.asarray(dataset.observations[STATE][tick]), tick) == pytest.approx(expected[0])
