"""When the expert answers."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from il_nodes.simulator.expert_driver import ExpertDriver, yaw_from_quaternion

ANGLES = np.linspace(0.0, 2.0 * math.pi, 200, endpoint=False)
CIRCLE = 15.0 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
ON_CIRCLE = (15.0, 0.0, math.pi / 2.0, 3.0)


def test_it_answers_only_on_the_path_of_the_running_episode() -> None:
    """Would catch a command for a new track from the old path, in whichever order path and episode arrive."""
    driver = ExpertDriver()
    assert driver.command(5, *ON_CIRCLE) is None
    driver.take_path(10, CIRCLE)
    assert driver.command(11, *ON_CIRCLE) is None, "a path without an episode"
    driver.start_episode("one", 10)
    assert driver.command(11, *ON_CIRCLE) is not None
    assert driver.command(9, *ON_CIRCLE) is None, "a state from before the episode"
    driver.start_episode("two", 20)
    assert driver.command(21, *ON_CIRCLE) is None, "the old path in the new episode"
    driver.take_path(20, CIRCLE[::-1].copy())
    answer = driver.command(21, *ON_CIRCLE)
    assert answer is not None
    driver.start_episode("", 30)
    assert driver.command(31, *ON_CIRCLE) is None, "after the end"
    assert (driver.answered, driver.unanswered) == (2, 5)


@pytest.mark.parametrize("position", range(4))
def test_a_state_that_is_not_finite_gets_no_answer(position: int) -> None:
    """Would catch an expert that dies of one NaN, or that answers it."""
    driver = ExpertDriver()
    driver.take_path(10, CIRCLE)
    driver.start_episode("one", 10)
    state = list(ON_CIRCLE)
    state[position] = math.nan
    assert driver.command(11, *state) is None
    assert driver.command(12, *ON_CIRCLE) is not None


@pytest.mark.parametrize("yaw", [-3.0, -0.5, 0.0, 1.0, 3.1])
def test_yaw_from_quaternion(yaw: float) -> None:
    """Would catch a sign or a factor of two."""
    assert yaw_from_quaternion(0.0, 0.0, math.sin(yaw / 2.0), math.cos(yaw / 2.0)) == pytest.approx(yaw)


def test_the_expert_needs_no_pybullet() -> None:
    """Would catch an import that drags the physics engine into a node that only does geometry."""
    code = "import sys, il_nodes.simulator.expert_driver; sys.exit('pybullet' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
