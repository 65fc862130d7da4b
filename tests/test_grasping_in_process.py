"""The grasping world for interactive learning: the same frames as everywhere, and tries that end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.contract import Contract, load_contract, parse_contract
from models.errors import SimulationError
from models.interactive import Answer, Assignment, InProcess, make_rule
from sim.grasping.environment import GraspingEnvironment
from sim.grasping.in_process import GraspingDriver, GraspingTask, InProcessGrasping
from sim.grasping.scene import draw_scene

pytestmark = pytest.mark.sim

CONTRACT_FILE = Path(__file__).parent.parent / "contracts" / "grasping.yaml"
TASK = GraspingTask((3,))
STATE = "observation.state"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(CONTRACT_FILE)


@pytest.fixture
def grasping(contract: Contract) -> Iterator[InProcessGrasping]:
    with InProcessGrasping(TASK, contract) as world:
        yield world


def test_it_shows_what_the_gymnasium_environment_shows(grasping: InProcessGrasping, contract: Contract) -> None:
    """Catches another picture, another state or another step: the same try, frame by frame, byte by byte."""
    grasping.reset(5)
    environment = GraspingEnvironment()
    frame, _ = environment.reset(seed=5, options={"scene": draw_scene(3, TASK.world.scene)})
    driver = GraspingDriver(grasping)
    for _ in range(6):
        observation = grasping.observe()
        assert grasping.observe() is observation
        for stream in contract.observations:
            np.testing.assert_array_equal(observation.arrays[stream.key][-1], frame[stream.key])
            if stream.is_image:
                assert observation.arrays[stream.key].shape[1:3] == stream.image_size
        action = driver.action(observation)
        np.testing.assert_array_equal(action, environment.expert_action())
        grasping.step(action)
        frame = environment.step(action)[0]
    environment.close()


def test_the_expert_grasps_and_the_try_is_over(grasping: InProcessGrasping) -> None:
    """Catches a success that is counted as a failure, and a try that goes on behind it."""
    grasping.reset(1)
    driver, over, ticks = GraspingDriver(grasping), False, 0
    assert grasping.outcome()["tries"] == 0.0
    far = grasping.deviation
    while not over:
        over = grasping.step(driver.action(grasping.observe()))
        ticks += 1
    assert grasping.world.status.success
    assert grasping.deviation < 0.05 < far
    outcome = grasping.outcome()
    assert (outcome["tries"], outcome["failures"]) == (1.0, 0.0)
    assert outcome["cost"] == pytest.approx(0.1 * ticks * 0.05 / TASK.time_limit_s)


def test_time_that_is_up_is_a_failure(contract: Contract) -> None:
    with InProcessGrasping(replace(TASK, time_limit_s=0.5), contract) as grasping:
        ticks = 1
        while not grasping.step(np.zeros(5, np.float32)):
            ticks += 1
        assert ticks == 10
        assert grasping.outcome()["failures"] == grasping.outcome()["tries"] == 1.0
        assert grasping.outcome()["cost"] == pytest.approx(1.1)


def test_rounds_are_collected_and_policies_scored(contract: Contract) -> None:
    """Catches labels that are not the expert's where the learner acts, and tries that nobody counts."""

    class Still:
        noise_width = 0

        def answer(self, observation: object, noise: object) -> Answer:
            return Answer(np.zeros(5, np.float32))

    with InProcessGrasping(replace(TASK, time_limit_s=0.5), contract) as grasping:
        collector = InProcess(grasping, GraspingDriver(grasping))
        (drive, _) = collector.collect(make_rule("dagger"), Assignment(1, Still(), None, 20, 7))
        assert drive.tally.expert_ticks == 0
        assert drive.tally.queries == drive.tally.kept == 10
        assert np.abs(drive.episode.actions).max() > 0.01
        assert not drive.episode.executed.any()
        told = collector.score(Still(), (1, 2))
    assert (told["tries"], told["failures"], told["ticks"]) == (2.0, 2.0, 20.0)


def test_a_contract_that_the_arm_cannot_serve_is_refused() -> None:
    text = CONTRACT_FILE.read_text().replace("observation.images.wrist", "observation.images.side")
    with pytest.raises(SimulationError, match=r"no 'observation\.images\.side'"):
        InProcessGrasping(TASK, parse_contract(text))
    with pytest.raises(SimulationError, match="needs a scene"):
        GraspingTask(())
