"""Every Gymnasium environment: what training libraries rely on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sim
from models.errors import SimulationError
from sim.driving.environment import DrivingEnvironment
from sim.grasping.environment import GraspingEnvironment

pytestmark = pytest.mark.sim

Environment = DrivingEnvironment | GraspingEnvironment


@dataclass(frozen=True)
class Case:
    """One environment, and what is its own in a test of all of them.

    Attributes:
        kind: its class.
        dimensions: of an action.
        action_words: how an error calls an action.
        endless: options with which an episode would have no length.
    """

    kind: type[Environment]
    dimensions: int
    action_words: str
    endless: Mapping[str, float]


CASES = {
    "Understudy/Driving-v0": Case(DrivingEnvironment, 2, "speed and yaw rate", {"laps": 0}),
    "Understudy/Grasping-v0": Case(GraspingEnvironment, 5, "three speeds", {"time_limit_s": 0.0}),
}


@pytest.fixture(params=sorted(CASES))
def name(request: pytest.FixtureRequest) -> str:
    """As it is registered."""
    return str(request.param)


@pytest.fixture
def environment(name: str) -> Iterator[Environment]:
    """With its default configuration."""
    made = CASES[name].kind()
    yield made
    made.close()


def test_every_environment_has_a_case() -> None:
    sim.register()
    assert {known for known in gymnasium.registry if known.startswith("Understudy/")} == set(CASES)


def test_gymnasium_accepts_it(name: str) -> None:
    """Catches a broken space, seed, reset or render; the one warning allowed is about actions in SI units."""
    sim.register()
    sim.register()
    made = gymnasium.make(name, render_mode="rgb_array")
    assert isinstance(made.unwrapped, CASES[name].kind)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_env(made.unwrapped)
    made.close()
    unexpected = [str(w.message) for w in caught if "symmetric and normalized" not in str(w.message)]
    assert unexpected == []


def test_a_seed_repeats_an_episode(environment: Environment) -> None:
    """Catches observations or rewards that depend on the episode before; later episodes have seeds of their own."""

    def content(observation: dict[str, np.ndarray]) -> bytes:
        return b"".join(observation[key].tobytes() for key in sorted(observation))

    def episode(seed: int | None) -> tuple[list[bytes], list[float], int]:
        observation, info = environment.reset(seed=seed)
        frames, rewards = [content(observation)], []
        for _ in range(15):
            observation, reward, _, _, info = environment.step(info["expert_action"])
            frames.append(content(observation))
            rewards.append(reward)
        return frames, rewards, info["seed"]

    first = episode(7)
    following = episode(None)
    assert episode(7) == first
    assert episode(None) == following
    assert first[0] != following[0]
    assert episode(following[2])[0] == following[0]


def test_mistakes_are_named(name: str, environment: Environment) -> None:
    """Catches NaN actions and misspelt options that would pass silently."""
    case = CASES[name]
    environment.reset(seed=0)
    action = np.zeros(case.dimensions, np.float32)
    action[0] = math.nan
    with pytest.raises(SimulationError, match="finite"):
        environment.step(action)
    with pytest.raises(SimulationError, match=case.action_words):
        environment.step(np.zeros(3, np.float32))
    with pytest.raises(SimulationError, match="unknown option"):
        environment.reset(options={"no such option": ()})
    with pytest.raises(SimulationError, match="no camera 'rear'"):
        case.kind(cameras=("rear",))
    with pytest.raises(SimulationError, match="cannot be shown"):
        case.kind(render_mode="human")
    with pytest.raises(SimulationError, match="needs a length"):
        case.kind(**case.endless)
