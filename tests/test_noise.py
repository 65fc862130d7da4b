"""The noise itself, without ROS: its law, its determinism, its limits, and when there is none."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gated_robot import CONTRACT, PERIOD_NS, REPOSITORY

from il_nodes.expert.noise import NoiseInjector, Passing
from models.data import Action, FloatArray
from models.episode_noise import EpisodeNoise
from models.noise_file import NoiseFile

COVARIANCE = np.array([[0.16, 0.05], [0.05, 0.09]])
NOISE = NoiseFile(CONTRACT.action_names, COVARIANCE, seed=7)
SLOW = replace(NOISE, time_constant_s=0.5)
START_NS = 5_000_000_000
PERIOD_S = 0.05
#: Drawn once with NumPy 2.4, and the same with 1.26.
FIRST, FOURTH = [0.5174348315017743, 0.3015332696043268], [0.7397183664240042, 0.663001629246599]


def stamp(tick: float) -> int:
    return START_NS + round(tick * PERIOD_NS)


def action(tick: float, values: tuple[float, ...] = (4.0, 0.0)) -> Action:
    return Action(stamp(tick), np.array(values, np.float32))


def started(noise: NoiseFile = NOISE, episode: str = "drive") -> NoiseInjector:
    injector = NoiseInjector(CONTRACT, noise)
    assert injector.start_episode(episode, START_NS - 1_000_000)
    return injector


def cruising(noise: NoiseFile = NOISE) -> NoiseInjector:
    """At 4 m/s already, far from every limit: the rate limit counts from the stop command at the start."""
    injector = started(noise)
    for tick in range(10):
        injector.disturb(action(tick))
    return injector


@pytest.mark.parametrize("noise", [NOISE, SLOW])
def test_the_noise_has_the_covariance_of_the_file(noise: NoiseFile) -> None:
    """Catches a standard deviation taken for a variance, a lost correlation, a process that starts cold."""
    many = np.array([[EpisodeNoise(noise, f"e{k}", PERIOD_S).at(tick) for tick in (0, 3)] for k in range(6000)])
    for column in range(2):
        draws = many[:, column]
        np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.02)
        np.testing.assert_allclose(np.cov(draws.T), COVARIANCE, atol=0.01)


@pytest.mark.parametrize("time_constant_s", [0.0, 0.05, 0.5])
def test_the_time_constant_is_that_of_the_correlation(time_constant_s: float) -> None:
    """Catches noise that is white although it should not be, or the other way round."""
    process = EpisodeNoise(replace(NOISE, time_constant_s=time_constant_s), "long", PERIOD_S)
    series = np.array([process.at(tick)[0] for tick in range(20_000)])
    for lag in (1, 5):
        found = np.corrcoef(series[:-lag], series[lag:])[0, 1]
        expected = np.exp(-lag * PERIOD_S / time_constant_s) if time_constant_s else 0.0
        assert found == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("noise", [NOISE, SLOW])
def test_a_ticks_noise_depends_on_seed_episode_and_tick_alone(noise: NoiseFile) -> None:
    """Catches noise that depends on which ticks were asked for, in which order, or on an earlier episode."""
    whole = EpisodeNoise(noise, "drive", PERIOD_S)
    series = [whole.at(tick) for tick in range(200)]
    rng = random.Random(1)
    for _ in range(5):
        some = EpisodeNoise(noise, "drive", PERIOD_S)
        for tick in rng.sample(range(200), 40):
            np.testing.assert_array_equal(some.at(tick), series[tick])
    assert not np.array_equal(EpisodeNoise(noise, "drive-2", PERIOD_S).at(0), series[0])
    assert not np.array_equal(EpisodeNoise(replace(noise, seed=8), "drive", PERIOD_S).at(0), series[0])


def test_a_long_jump_is_cheap_and_changes_nothing_that_is_executed() -> None:
    """Catches seconds of catching up after a clock that was set forward."""
    walked, jumped = EpisodeNoise(SLOW, "drive", PERIOD_S), EpisodeNoise(SLOW, "drive", PERIOD_S)
    for tick in range(5000):
        last = walked.at(tick)
    np.testing.assert_allclose(jumped.at(4999), last, rtol=0, atol=1e-14)
    assert np.isfinite(jumped.at(10**9)).all()


def test_a_jump_with_a_long_memory_starts_the_process_anew() -> None:
    """Catches a noise node that answers nothing for seconds because the clock was set forward, or back."""
    long = replace(NOISE, time_constant_s=60.0)
    process = EpisodeNoise(long, "drive", PERIOD_S)
    process.at(0)
    drawn = 0
    draw = process._draw

    def counted(index: int) -> Any:
        nonlocal drawn
        drawn += 1
        return draw(index)

    process._draw = counted  # type: ignore[method-assign]
    for tick in (100_000, 100_001, 50_000, 10**9):
        process.at(tick)
    assert process.restarts == 3
    assert drawn <= 3 * 2 + 1
    process.at(10**9 + 500)
    assert process.restarts == 3, "half a minute is caught up on"
    injector = started(long)
    for tick in (0, 1, 100_000):
        injector.disturb(action(tick))
    assert injector.counts["restarts"] == 1


def test_behind_a_jump_the_noise_is_as_large_and_as_slow_as_ever() -> None:
    """Catches a process that starts at zero, or that goes on as if nothing had happened in between."""
    long, jump = replace(NOISE, time_constant_s=5.0), 20_000
    pairs = []
    for number in range(4000):
        process = EpisodeNoise(long, f"e{number}", PERIOD_S)
        pairs.append((process.at(0), process.at(jump), process.at(jump + 20)))
    before, behind, later = np.array(pairs).swapaxes(0, 1)
    np.testing.assert_allclose(np.cov(behind.T), COVARIANCE, atol=0.015)
    np.testing.assert_allclose(np.cov(later.T), COVARIANCE, atol=0.015)
    assert np.corrcoef(before[:, 0], behind[:, 0])[0, 1] == pytest.approx(0.0, abs=0.05)
    assert np.corrcoef(behind[:, 0], later[:, 0])[0, 1] == pytest.approx(np.exp(-20 * PERIOD_S / 5.0), abs=0.05)


def test_the_noise_of_a_seed_is_fixed_for_all_time() -> None:
    """Catches another generator or another key: a recording's noise could not be drawn again."""
    np.testing.assert_allclose(EpisodeNoise(NOISE, "drive-000", PERIOD_S).at(0), FIRST, rtol=1e-12)
    np.testing.assert_allclose(EpisodeNoise(SLOW, "drive-000", PERIOD_S).at(3), FOURTH, rtol=1e-12)


@pytest.mark.parametrize(("pause_ticks", "speed_m_s"), [(1, 5.0), (20, 0.5)])
def test_an_episode_that_begins_while_the_robot_drives_does_not_brake_it(pause_ticks: int, speed_m_s: float) -> None:
    """Catches a jerk at every start on a robot; one that was put elsewhere, after a pause, begins from rest."""
    still = replace(NOISE, covariance=np.diag([1e-12, 1e-12]))
    injector = NoiseInjector(CONTRACT, still)
    for tick in range(20):
        injector.disturb(action(tick, (5.0, 0.0)))
    begin = 19 + pause_ticks
    injector.start_episode("drive", stamp(begin) - 1)
    found = injector.disturb(action(begin, (5.0, 0.0)))
    assert found is not None
    assert found.values[0] == pytest.approx(speed_m_s, abs=1e-4)


def test_the_executed_command_is_the_intended_one_plus_noise() -> None:
    injector = cruising()
    for tick in range(10, 60):
        found = injector.disturb(action(tick))
        assert found is not None
        if not (found.clamped or found.rate_limited):
            np.testing.assert_allclose(found.values, np.array([4.0, 0.0]) + found.drawn, rtol=1e-6)
            np.testing.assert_array_equal(found.drawn, EpisodeNoise(NOISE, "drive", PERIOD_S).at(tick))
    assert injector.counts["disturbed"] == 60
    assert injector.counts["rate_limited"] < 30
    assert 0.1 < injector.executed_rms[1] < 0.5


def test_the_same_run_gives_the_same_commands_however_its_ticks_were_interrupted() -> None:
    """Catches wall time in the limits: stamps alone decide."""

    def run(episode_stamps: list[int]) -> list[FloatArray]:
        injector = NoiseInjector(CONTRACT, SLOW)
        for when in episode_stamps:
            injector.start_episode("drive", when)
        return [found.values for tick in range(50) if (found := injector.disturb(action(tick))) is not None]

    once = run([START_NS - 1])
    repeated = run([START_NS - 1, START_NS - 1, START_NS + 20 * PERIOD_NS])  # latched twice, and a recovery
    np.testing.assert_array_equal(once, repeated)


def test_limits_come_after_the_noise_and_are_counted() -> None:
    """FAULTS 23: noise far beyond the limits never leaves them, nor the rate limits; the intention stays what it is."""
    injector = started(replace(NOISE, covariance=np.diag([400.0, 100.0])))
    last = CONTRACT.action_stop
    for tick in range(200):
        intended = action(tick)
        found = injector.disturb(intended)
        assert found is not None
        assert (found.values >= CONTRACT.action_minimum).all()
        assert (found.values <= CONTRACT.action_maximum).all()
        assert (np.abs(found.values - last) <= CONTRACT.action_rate * PERIOD_S + 1e-5).all()
        assert intended.values.tolist() == [4.0, 0.0]
        last = found.values
    assert injector.counts["clamped"] > 150
    assert injector.counts["rate_limited"] > 100


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda: NoiseInjector(CONTRACT, NOISE), Passing.NO_EPISODE),
        (lambda: started(replace(NOISE, covariance=np.zeros((2, 2)))), Passing.NO_NOISE),
    ],
)
def test_where_there_is_no_noise_the_command_passes(prepare: Any, reason: str) -> None:
    injector = prepare()
    assert injector.passing(stamp(3)) == reason
    found = injector.disturb(action(3))
    assert not found.drawn.any()
    assert injector.counts == {"passed": 1}


def test_an_episode_that_ended_is_disturbed_no_more() -> None:
    injector = cruising()
    assert injector.passing(stamp(10)) == ""
    assert not injector.start_episode("", stamp(10.5))
    assert injector.passing(stamp(11)) == Passing.NO_EPISODE
    assert injector.start_episode("drive", stamp(50)), "the same name again is a new episode after the end"
    assert injector.passing(stamp(49)) == Passing.NO_EPISODE, "stamped before its start"


def test_a_policy_ends_the_noise_until_somebody_starts_it_anew() -> None:
    """FAULTS 23: catches noise on a deployed robot, and noise that comes back by itself."""
    injector = cruising()
    assert injector.forbid("/policy publishes")
    assert not injector.forbid("and again"), "reported twice"
    assert injector.passing(stamp(10)) == Passing.DEPLOYED
    injector.start_episode("next", stamp(20))
    assert injector.passing(stamp(21)) == Passing.DEPLOYED
    assert injector.forbidden == "/policy publishes"
    injector.permit()
    assert injector.passing(stamp(21)) == ""


def test_a_command_that_is_not_finite_is_no_command() -> None:
    injector = cruising()
    assert injector.disturb(action(10, (float("nan"), 0.0))) is None
    assert injector.disturb(action(10, (1.0, float("inf")))) is None
    assert injector.counts["not_finite"] == 2


def test_in_lock_step_a_command_waits_for_the_start_of_its_episode() -> None:
    """Catches a first tick that is disturbed or not by which of two topics was faster."""
    injector = NoiseInjector(CONTRACT, NOISE)
    assert injector.awaits_episode(stamp(0))
    injector.start_episode("one", stamp(-0.5))
    assert not injector.awaits_episode(stamp(0))
    injector.disturb(action(0))
    assert not injector.awaits_episode(stamp(1))
    assert injector.awaits_episode(stamp(21)), "the word of the end, and of the next start, are both on their way"
    injector.start_episode("", stamp(1.5))
    assert injector.awaits_episode(stamp(21))
    injector.start_episode("two", stamp(20.5))
    assert not injector.awaits_episode(stamp(21))
    injector.forbid("a policy")
    assert not injector.awaits_episode(stamp(50))
    assert not NoiseInjector(CONTRACT, replace(NOISE, covariance=np.zeros((2, 2)))).awaits_episode(stamp(0))


@pytest.mark.ros
def test_the_robots_side_loads_neither_torch_nor_pybullet() -> None:
    modules = "il_nodes.nodes.noise, il_nodes.nodes.labeller"
    code = f"import sys, {modules}; print([m for m in ('torch', 'onnxruntime', 'pybullet', 'cv2') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"
