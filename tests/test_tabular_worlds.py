"""The worlds that are tables: what their actions really do."""

from __future__ import annotations

import numpy as np
import pytest

from models.cells import Cells
from models.errors import SimulationError
from models.rewards.demonstrations import sample_demonstrations
from models.rewards.mixture import feature_expectations
from sim.tabular.gridworld import ACTIONS, EXERCISE_PATHS, exercise, grid_transitions, gridworld
from sim.tabular.highway import ACTIONS as MANOEUVRES
from sim.tabular.highway import STYLE_FEATURES, Style, careless, highway, safe_highway
from sim.tabular.lane import CELLS, CURVATURES_PER_M, SPEED_M_S, STEP_S, lane


def test_cells_are_numbered_and_found_again() -> None:
    cells = Cells((-1.0, 0.0), (1.0, 3.0), (4, 3))
    index = np.arange(cells.count)
    assert np.array_equal(cells.index(cells.middles_of(index)), index)
    assert np.array_equal(cells.join(*cells.split(index)), index)
    assert cells.index(np.array([[-9.0, 9.0], [0.99, -0.1]])).tolist() == [2, 9]
    assert cells.width(1) == 1.0


def test_moves_on_the_grid() -> None:
    """By name: a move that slips, a wall, a corner, and a cell that is never left."""
    tensor = grid_transitions(2, 3, slip=0.4, absorbing=(5,))
    right = tensor[0, ACTIONS.index("right")]
    # 0.6 as meant and 0.1 slipped to the right, 0.1 down, and 0.2 against two walls.
    np.testing.assert_allclose(right, [0.2, 0.7, 0.0, 0.1, 0.0, 0.0])
    np.testing.assert_allclose(tensor[5, :, 5], 1.0)


def test_the_exercise_has_the_lectures_paths() -> None:
    for finite in (True, False):
        task = exercise(finite=finite)
        assert task.shown is not None
        task.shown.require_within(task.mdp)
        for path, states, actions in zip(EXERCISE_PATHS, task.shown.states, task.shown.actions, strict=True):
            assert tuple(states[:5] + 1) == path
            assert set(states[5:]) <= {8}
            for here, action, there in zip(states[:-1], actions, states[1:], strict=True):
                assert task.mdp.transitions[[here * 4 + action]].toarray()[0, there] == 1.0


def test_gridworlds_differ_by_seed_and_pay_the_expert() -> None:
    first, same, other = (gridworld(seed, size=6, block=2) for seed in (0, 0, 1))
    assert np.array_equal(first.true_reward, same.true_reward)
    assert not np.array_equal(first.true_reward, other.true_reward)
    assert first.features.sum(axis=1).tolist() == [1.0] * 36
    assert first.share_of_expert(first.value(first.mdp.uniform_policy())) == 0.0
    assert first.share_of_expert(first.value(first.expert)) == 1.0
    with pytest.raises(SimulationError, match="whole blocks"):
        gridworld(0, size=7, block=2)


def test_styles_of_driving_show() -> None:
    """Catches a feature or a weight that got the wrong name: what each style's expert does, as shares of its time."""
    seen = {}
    for style in Style:
        task = highway(style)
        shares = feature_expectations(task.mdp, task.expert, task.features) * (1.0 - task.mdp.discount)
        seen[style] = dict(zip(STYLE_FEATURES, shares.tolist(), strict=True))
        lanes = [seen[style][name] for name in ("grass", "left lane", "middle lane", "right lane")]
        assert sum(lanes) == pytest.approx(1.0)
        assert seen[style]["grass"] < 0.05
    assert seen[Style.NICE]["collision"] < 0.01
    assert seen[Style.NASTY]["collision"] > 0.2
    assert seen[Style.RIGHT_LANE_NICE]["right lane"] > 0.7
    assert seen[Style.RIGHT_LANE_NICE]["collision"] < 0.02
    assert seen[Style.RIGHT_LANE_NASTY]["collision"] > 0.1
    assert seen[Style.MIDDLE_LANE]["middle lane"] > 0.95


def test_cars_are_met_in_turn_and_manoeuvres_do_what_they_are_called() -> None:
    task = highway(Style.NICE)
    shape = (5, 3, 3, 9)

    def after(lane: int, speed: int, other: int, gap: int, action: str) -> dict[tuple[int, ...], float]:
        state = int(np.ravel_multi_index((lane, speed, other, gap), shape))
        row = task.mdp.transitions[[state * 5 + MANOEUVRES.index(action)]].toarray()[0]
        return {tuple(map(int, np.unravel_index(end, shape))): float(row[end]) for end in np.flatnonzero(row)}

    assert after(2, 1, 0, 5, "keep on") == pytest.approx({(2, 1, 0, 3): 1.0})
    assert after(2, 1, 0, 5, "faster") == pytest.approx({(2, 2, 0, 3): 1.0})
    assert after(2, 1, 0, 5, "left") == pytest.approx({(1, 1, 0, 3): 0.9, (2, 1, 0, 3): 0.1})
    assert after(4, 0, 0, 5, "right") == pytest.approx({(4, 0, 0, 4): 1.0})
    passing = after(2, 2, 1, 1, "keep on")
    assert len(passing) == 9
    assert {gap for _, _, _, gap in passing} == {6, 7, 8}
    hit = task.features[int(np.ravel_multi_index((2, 2, 1, 1), shape)), 0]
    beside = task.features[int(np.ravel_multi_index((1, 2, 1, 1), shape)), 0]
    assert (hit, beside) == (1.0, 0.0)


def test_carelessness_is_worse_at_everything() -> None:
    task = safe_highway()
    best, worse = (
        feature_expectations(task.mdp, policy, task.features) for policy in (task.expert, careless(task.expert, 0.3))
    )
    assert (worse < best).all()


@pytest.mark.parametrize("bend_per_m", [0.0, 0.1])
def test_the_lane_moves_as_the_car_does(bend_per_m: float) -> None:
    """The mean of where a step leads, against the kinematics integrated finely; catches a sign of any of the three."""
    task = lane()
    steered = CURVATURES_PER_M.index(0.1)
    start = np.array([[0.6, 0.1, bend_per_m]])
    state = int(CELLS.index(start)[0])
    middle = CELLS.middles_of(np.array([state]))[0]
    error, heading, curvature = middle
    for _ in range(1000):
        step = SPEED_M_S * STEP_S / 1000
        error, heading = (
            error + step * np.sin(heading),
            heading + step * (0.1 - curvature * np.cos(heading) / (1.0 - error * curvature)),
        )
    row = task.mdp.transitions[[state * len(CURVATURES_PER_M) + steered]].toarray()[0]
    mean = row @ CELLS.middles_of(np.arange(CELLS.count))
    np.testing.assert_allclose(mean[:2], [error, heading], atol=0.01)
    assert mean[0] > middle[0]
    # Curvature is a chain of its own, the same to the left and to the right, that tends to straight road.
    assert mean[2] == pytest.approx(0.0, abs=1e-9) if bend_per_m == 0.0 else 0.0 < mean[2] < curvature


def test_steering_into_the_error_ends_on_the_edge() -> None:
    task = lane()
    policy = np.zeros((CELLS.count, len(CURVATURES_PER_M)))
    policy[:, -1] = 1.0
    walked = sample_demonstrations(task.mdp, policy, 20, np.random.default_rng(0), length=60)
    assert set(CELLS.split(walked.states[:, -1])[0]) == {CELLS.counts[0] - 1}
