"""The car's Gymnasium environment; what it has in common with the others is in `test_environments`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sim.driving.environment import DrivingEnvironment
from sim.driving.world import DrivingConfig

pytestmark = pytest.mark.sim


@pytest.fixture
def environment() -> Iterator[DrivingEnvironment]:
    """The environment with its default configuration."""
    made = DrivingEnvironment()
    yield made
    made.close()


def test_the_expert_earns_a_lap(environment: DrivingEnvironment) -> None:
    """Catches a reward that is not metres of progress, and an episode that ends at the wrong place."""
    _, info = environment.reset(seed=2)
    total, ended = 0.0, False
    while not ended:
        observation, reward, terminated, truncated, info = environment.step(info["expert_action"])
        total += reward
        ended = terminated or truncated
    assert (terminated, truncated, info["laps"], info["autonomy"]) == (False, True, 1, 1.0)
    assert total == pytest.approx(info["progress_m"])
    assert environment.world.track.length_m <= total < environment.world.track.length_m + 0.5
    assert observation["observation.state"] == pytest.approx(
        [environment.world.state.car.speed_m_s, environment.world.state.car.yaw_rate_rad_s]
    )


def test_leaving_the_road_terminates_and_time_truncates() -> None:
    """Catches the two ends being mixed up, which makes value functions wrong."""
    made = DrivingEnvironment(time_limit_s=0.5)
    made.reset(seed=2)
    ends = [made.step(np.array([1.0, 0.0], np.float32))[2:4] for _ in range(10)]
    assert ends == [(False, False)] * 9 + [(False, True)]
    made.close()
    made = DrivingEnvironment()
    made.reset(seed=2)
    terminated = truncated = False
    while not (terminated or truncated):
        _, _, terminated, truncated, info = made.step(np.array([5.0, 0.0], np.float32))
    assert (terminated, truncated, info["off_track"], info["off_track_events"]) == (True, False, True, 1)
    made.close()


def test_cameras_are_a_choice() -> None:
    """Catches side cameras that cost time although nobody asked, or that are missing when somebody did."""
    made = DrivingEnvironment(DrivingConfig(track_seed=1), cameras=("front", "left", "right"))
    observation, _ = made.reset(seed=0, options={"start_m": 12.0})
    assert made.world.status.arc_length_m == pytest.approx(12.0, abs=1e-6)
    assert set(observation) == {f"observation.images.{name}" for name in ("front", "left", "right")} | {
        "observation.state"
    }
    assert made.observation_space.contains(observation)
    made.close()
