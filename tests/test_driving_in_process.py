"""The driving world for interactive learning: the same frames as everywhere, and costs that mean something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.contract import Contract, load_contract, parse_contract
from models.errors import SimulationError
from models.interactive import Assignment, InProcess, make_rule
from sim.driving.config import DrivingConfig
from sim.driving.environment import DrivingEnvironment
from sim.driving.in_process import DrivingCosts, DrivingDriver, DrivingTask, InProcessDriving, Overseer

pytestmark = pytest.mark.sim

CONTRACT_FILE = Path(__file__).parent.parent / "contracts" / "driving.yaml"
TASK = DrivingTask((3, 4), time_limit_s=2.0)
FRONT, STATE = "observation.images.front", "observation.state"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(CONTRACT_FILE)


@pytest.fixture
def driving(contract: Contract) -> Iterator[InProcessDriving]:
    with InProcessDriving(TASK, contract) as world:
        yield world


def test_it_shows_what_the_gymnasium_environment_shows(driving: InProcessDriving, contract: Contract) -> None:
    """Catches another picture, another state or another step: the same drive, frame by frame, byte by byte."""
    driving.reset(5)
    environment = DrivingEnvironment(DrivingConfig())
    track = next(seed for seed in TASK.tracks if np.isclose(_length(seed), driving.world.track.length_m))
    frame, _ = environment.reset(seed=track, options={"start_m": driving.world.status.arc_length_m})
    driver = DrivingDriver(driving)
    for _ in range(12):
        observation = driving.observe()
        assert driving.observe() is observation
        np.testing.assert_array_equal(observation.arrays[FRONT][-1], frame[FRONT])
        np.testing.assert_array_equal(observation.arrays[STATE][-1], frame[STATE])
        assert observation.arrays[FRONT].shape == (contract.memory.frames, 64, 96, 3)
        action = driver.action(observation)
        np.testing.assert_array_equal(action, environment.expert_action())
        driving.step(action)
        frame = environment.step(action)[0]
    environment.close()


def _length(seed: int) -> float:
    from sim.driving.track import Track

    return Track.from_seed(seed).length_m


def test_stacks_are_those_of_the_dataset(driving: InProcessDriving, contract: Contract, tmp_path: Path) -> None:
    """Catches a policy that trains on other stacks than it acts on, across a fall in particular."""
    from models.episodes import write_dataset

    seen = []

    class Swerving:
        noise_width = 0

        def answer(self, observation: object, noise: object) -> object:
            from models.interactive import Answer

            seen.append(observation)
            return Answer(np.array([6.0, 2.0], np.float32))

    collector = InProcess(driving, DrivingDriver(driving))
    assignment = Assignment(1, Swerving(), None, 90, 7)  # type: ignore[arg-type]
    drives = list(collector.collect(make_rule("dagger"), assignment))
    dataset = write_dataset(tmp_path / "d", (drive.episode for drive in drives), contract)
    assert sum(drive.tally.outcome["falls"] for drive in drives) > 0
    assert int(dataset.starts_memory.sum()) > len(drives)
    stacks = dataset.stack(np.arange(len(dataset)))
    for tick, observation in enumerate(seen):
        for key in (FRONT, STATE):
            np.testing.assert_array_equal(observation.arrays[key], stacks[key][tick])


def test_equal_seeds_drive_equal_episodes(driving: InProcessDriving) -> None:
    starts = []
    for seed in (1, 2, 1):
        driving.reset(seed)
        starts.append((driving.world.track.length_m, driving.world.status.arc_length_m))
    assert starts[0] == starts[2] != starts[1]


def test_a_fall_costs_six_seconds_and_the_car_is_put_back(driving: InProcessDriving) -> None:
    """Catches a fall that is counted at every tick off the road, or not at all."""
    driving.reset(1)
    falls = 0.0
    for _ in range(40):
        driving.step(np.array([7.0, 2.4], np.float32))
        now = driving.outcome()["falls"]
        if now > falls:
            falls = now
            assert driving.deviation < 0.05
            assert driving.observe().starts_memory
            assert driving.world.state.car.speed_m_s < 0.1
    assert falls >= 1
    assert 6.0 * falls < driving.outcome()["cost"] < 6.0 * falls + 2.0


def test_a_car_that_is_left_where_it_went_falls_once(contract: Contract) -> None:
    with InProcessDriving(replace(TASK, puts_back=False, time_limit_s=9.0), contract) as driving:
        driving.reset(1)
        over = False
        while not over:
            over = driving.step(np.array([5.0, 0.0], np.float32))
        assert driving.outcome()["falls"] == 1
        assert driving.deviation > driving.measure.limit


def test_a_car_that_stands_needs_a_person(contract: Contract) -> None:
    """Catches a policy that never falls because it never drives."""
    with InProcessDriving(replace(TASK, time_limit_s=10.0), contract) as driving:
        driving.reset(1)
        over = False
        while not over:
            over = driving.step(np.zeros(2, np.float32))
        assert driving.outcome()["falls"] == 3


def test_the_overseer_takes_over_far_out_and_hands_back_close_in(driving: InProcessDriving) -> None:
    """Catches a threshold without hysteresis, which would hand the wheel to and fro."""
    overseer = Overseer(0.6, 0.15)
    overseer.begin()
    found = []
    for lateral_m in (0.0, 0.5, 0.7, 0.4, 0.1, 0.5):
        driving.world.place_on_track(10.0, lateral_m)
        found.append(overseer.in_control(driving))
    assert found == [False, False, True, True, False, False]
    with pytest.raises(SimulationError, match="hands back closer"):
        Overseer(0.3, 0.3)


def test_a_turn_costs_what_it_leads_away_from_the_expert(driving: InProcessDriving) -> None:
    """Catches labels that are not the expert's own, a sign, and a mistake that costs the same standing and driving."""
    driving.reset(2)
    driver = DrivingDriver(driving)
    costs, weights = DrivingCosts(driving, driver), []
    for tick in range(40):
        action = driver.action(driving.observe())
        actions, found = costs.alternatives(action)
        label, weight = make_rule("searn").target(action, costs)
        np.testing.assert_array_equal(label, action)
        weights.append(weight)
        assert actions.shape == (5, 2)
        assert len(set(actions[:, 0].tolist())) == 1
        assert found[0] == 0.0
        if tick > 10:
            assert found[1] > found[2] > 0.0
            assert found[4] > found[3] > 0.0
        driving.step(action)
    assert weights[0] == 0.0
    assert weights[39] > 2 * weights[10] > 0.0


def test_a_contract_of_another_car_is_refused() -> None:
    text = CONTRACT_FILE.read_text().replace("observation.images.front", "observation.images.rear")
    with pytest.raises(SimulationError, match=r"has no 'observation\.images\.rear'"):
        InProcessDriving(TASK, parse_contract(text, "rear"))
    with pytest.raises(SimulationError, match="a track and a length"):
        DrivingTask(())
