"""The arm's Gymnasium environment; what it has in common with the others is in `test_environments`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.contract import load_contract
from models.noise_file import load_noise
from sim.grasping.environment import GraspingEnvironment
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject
from sim.grasping.state import ACTION_NAMES
from sim.grasping.world import CONTROL_HZ, GraspingConfig

pytestmark = pytest.mark.sim

LONELY = (SceneObject(ObjectShape("box", (0.04, 0.04, 0.04)), ObjectPose((0.5, 0.05, 0.02))),)


@pytest.fixture
def environment() -> Iterator[GraspingEnvironment]:
    """The environment with its default configuration."""
    made = GraspingEnvironment()
    yield made
    made.close()


def test_spaces_are_the_contracts(environment: GraspingEnvironment) -> None:
    """Catches an environment whose policies would not fit the robot: other keys, sizes, units or limits."""
    contract = load_contract(Path(__file__).parents[1] / "contracts" / "grasping.yaml")
    spaces = environment.observation_space
    assert list(spaces.spaces) == [stream.key for stream in contract.observations]
    for stream in contract.observations:
        if stream.is_image:
            height_width = stream.sources[0].apply[0].height, stream.sources[0].apply[0].width
            assert spaces[stream.key].shape == (*height_width, 3)
        else:
            assert spaces[stream.key].shape == (len(stream.names),)
    assert contract.action_names == ACTION_NAMES
    assert environment.action_space.low == pytest.approx(contract.action_minimum)
    assert environment.action_space.high == pytest.approx(contract.action_maximum)
    assert contract.fps == CONTROL_HZ
    assert not contract.action_stop.any()


def test_the_noise_file_fits_the_contract() -> None:
    """Catches a disturbance of demonstrations whose dimensions are not the robot's."""
    contracts = Path(__file__).parents[1] / "contracts"
    noise = load_noise(contracts / "noise" / "grasping.yaml", load_contract(contracts / "grasping.yaml"))
    assert noise.names == ACTION_NAMES


def test_the_state_is_what_the_contract_selects(environment: GraspingEnvironment) -> None:
    """Catches joints in another order, a mirrored quaternion, and one whose sign jumps within the arm's range."""
    environment.reset(seed=0, options={"scene": LONELY})
    yaws = []
    for turn in [-1.5] * 12 + [1.5] * 42:
        observation, *_ = environment.step(np.array([0.0, 0.0, 0.0, turn, -0.02], np.float32))
        state, tool = observation["observation.state"], environment.world.state.tool
        assert state[:7] == pytest.approx(tool.joints_rad)
        assert state[7:9] == pytest.approx(environment.world.state.fingers_m)
        assert state[9:12] == pytest.approx(tool.position_m)
        assert state[12:] == pytest.approx([math.cos(tool.yaw_rad / 2.0), math.sin(tool.yaw_rad / 2.0)], abs=2e-3)
        yaws.append(tool.yaw_rad)
    assert min(yaws) < -0.8
    assert max(yaws) > 2.0


def test_the_expert_earns_the_whole_reward(environment: GraspingEnvironment) -> None:
    """Catches a reward that does not add up, and an episode that ends at the wrong place."""
    _, info = environment.reset(seed=2)
    total, ended = 0.0, False
    while not ended:
        _, reward, terminated, truncated, info = environment.step(info["expert_action"])
        total += reward
        ended = terminated or truncated
    assert (terminated, truncated, info["success"], info["lost"]) == (True, False, True, False)
    assert info["lift_m"] > 0.1
    assert total == pytest.approx(2.0)


def test_time_truncates_and_nothing_else_happens() -> None:
    """Catches the two ends being mixed up, which makes value functions wrong."""
    made = GraspingEnvironment(time_limit_s=0.5, cameras=(), with_expert=False)
    _, info = made.reset(seed=2)
    assert "expert_action" not in info
    results = [made.step(np.zeros(5, np.float32)) for _ in range(10)]
    assert [result[2:4] for result in results] == [(False, False)] * 9 + [(False, True)]
    assert [result[1] for result in results] == pytest.approx([0.0] * 10, abs=1e-3)
    assert list(results[0][0]) == ["observation.state"]
    made.close()


def test_a_target_that_left_the_table_ends_the_episode() -> None:
    """Catches an episode that goes on although nothing can be grasped any more."""
    can = SceneObject(ObjectShape("cylinder", (0.05, 0.05, 0.06)), ObjectPose((0.66, 0.0, 0.03)))
    made = GraspingEnvironment(cameras=(), with_expert=False)
    made.reset(seed=0, options={"scene": (can,)})
    terminated, ticks = False, 0
    while not terminated:
        # Down in front of it with closed fingers, then outwards.
        down = ticks < 32
        action = [0.0 if down else 0.25, 0.0, -0.25 if down else 0.0, 0.0, -0.1]
        _, _, terminated, truncated, info = made.step(np.array(action, np.float32))
        ticks += 1
        assert not truncated
    assert (info["lost"], info["success"]) == (True, False)
    made.close()


def test_scenes_and_looks_are_a_choice() -> None:
    """Catches a fixed scene that changes with the seed."""
    made = GraspingEnvironment(GraspingConfig(scene_seed=4), cameras=("wrist",))
    first, _ = made.reset(seed=0)
    second, _ = made.reset(seed=1)
    assert set(first) == {"observation.images.wrist", "observation.state"}
    assert np.array_equal(first["observation.images.wrist"], second["observation.images.wrist"])
    made.close()
