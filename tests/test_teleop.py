"""From deflections to commands: what a deflection means, slow motion, limits, and where a command counts from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from teleop_robots import ARM, CAR

from il_nodes.teleop.shaping import CommandShaper, Dimension, Mode, dimensions, per_dimension, wish
from models.contract import Contract
from models.errors import ContractError, DeploymentError

PERIOD_S = CAR.period_s
NAMES = ("speed", "turn", "lift")


def shaper(contract: Contract = CAR, scale: float = 0.5, rate: bool = False) -> CommandShaper:
    return CommandShaper(contract, [rate] * len(contract.action_names), scale)


def settle(one: CommandShaper, wanted: tuple[float, ...], ticks: int = 100, period_s: float = PERIOD_S) -> list[float]:
    """The command after that many ticks of one wish."""
    for tick in range(ticks):
        command = one.drive(np.array(wanted), 1000.0 + tick * period_s)
        assert command is not None
    return [float(value) for value in command]


def test_items_are_for_all_dimensions_or_for_each() -> None:
    """Would catch a list that is silently cut, or an error that does not say which dimensions there are."""
    assert per_dimension("signs", [], NAMES, 7) == [7, 7, 7]
    assert per_dimension("signs", [3], NAMES, 7) == [3, 3, 3]
    assert per_dimension("signs", [1, 2, 3], NAMES, 7) == [1, 2, 3]
    with pytest.raises(DeploymentError, match="signs") as caught:
        per_dimension("signs", [1, 2], NAMES, 7)
    assert "speed, turn, lift" in caught.value.expected


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"signs": [2]}, "signs"),
        ({"signs": [True]}, "signs"),
        ({"scales": [-1.0]}, "scales"),
        ({"scales": [math.nan]}, "scales"),
        ({"offsets": ["far"]}, "offsets"),
        ({"modes": ["speed"]}, "modes"),
        ({"modes": ["rate", "rate", "rate"]}, "modes"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(options: dict[str, list[object]], words: str) -> None:
    """Would catch a mapping that starts although one of its numbers is nonsense."""
    with pytest.raises(DeploymentError, match=words):
        dimensions(CAR, **options)


def test_by_default_a_full_deflection_reaches_the_limits_on_either_side() -> None:
    """Would catch a stick that reverses a car which cannot, or a limit that cannot be reached."""
    speed, turn = dimensions(CAR)
    assert [speed.wish(x) for x in (-1.0, 0.0, 0.5, 1.0)] == [0.0, 0.0, 4.0, 8.0]
    assert [turn.wish(x) for x in (-1.0, 0.0, 1.0)] == [-2.5, 0.0, 2.5]
    assert speed.mode is Mode.ABSOLUTE


def test_sign_scale_and_offset() -> None:
    """Would catch a sign that turns the offset round too, or a scale that is not in SI units."""
    speed, turn = dimensions(CAR, signs=[1, -1], scales=[3, 0], offsets=[1.0, 0.5])
    assert [speed.wish(x) for x in (-1.0, 0.0, 1.0)] == [-2.0, 1.0, 4.0]
    assert [turn.wish(x) for x in (-1.0, 0.0, 1.0)] == [2.5, 0.5, -2.5]


def test_positions_are_moved_and_others_are_set() -> None:
    """Would catch an arm that springs back when the stick is let go, or a gripper that creeps."""
    elbow, lift, gripper = dimensions(ARM)
    assert [one.mode for one in (elbow, lift, gripper)] == [Mode.RATE, Mode.RATE, Mode.ABSOLUTE]
    assert (elbow.up, elbow.down) == (1.0, 1.0), "across 4 rad in four seconds"
    assert lift.up == pytest.approx(0.125)
    fast = replace(ARM, limits=(replace(ARM.limits[0], rate=0.3), *ARM.limits[1:]))
    assert dimensions(fast)[0].up == 0.3, "not faster than the joint may go"
    assert dimensions(ARM, modes=["absolute"])[0].mode is Mode.ABSOLUTE


def test_a_command_keeps_limits_and_rates_from_the_stop_command_on() -> None:
    """Would catch a first command that jumps, or one beyond the limits."""
    one = shaper()
    first = one.drive(np.array([100.0, -100.0]), 5.0)
    assert first is not None
    assert first.tolist() == pytest.approx([10.0 * PERIOD_S, -15.0 * PERIOD_S])
    assert settle(one, (100.0, -100.0)) == [8.0, -2.5]
    assert not one.is_stopped
    one.rest()
    assert one.is_stopped


@given(
    wishes=st.lists(
        st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 2, st.booleans(), st.floats(-0.1, 0.3)),
        max_size=30,
    )
)
def test_whatever_is_wished_no_limit_is_broken(wishes: list[tuple[float, float, bool, float]]) -> None:
    """Would catch NaN, a broken limit or a broken rate, for any wish, any clock, and slow motion on and off."""
    for rate in (False, True):
        one, clock_s, last = shaper(scale=0.05, rate=rate), 100.0, np.zeros(2)
        for speed, turn, slow, elapsed_s in wishes:
            one.slow_motion = slow
            clock_s += elapsed_s
            command = one.drive(np.array([speed, turn]), clock_s)
            if command is None:
                assert not (math.isfinite(speed) and math.isfinite(turn))
                continue
            assert np.isfinite(command).all()
            assert (CAR.action_minimum <= command).all()
            assert (command <= CAR.action_maximum).all()
            assert (np.abs(command - last) <= CAR.action_rate * 2 * PERIOD_S * 1.0001 + 1e-6).all()
            last = command.astype(np.float64)


def test_what_is_not_finite_or_of_another_size_is_refused_and_counted() -> None:
    """Would catch NaN that is clamped into a command."""
    one = shaper()
    assert one.drive(np.array([math.nan, 0.0]), 1.0) is None
    assert one.drive(np.array([0.0, math.inf]), 1.0) is None
    assert one.drive(np.array([0.0]), 1.0) is None
    assert one.refused == 3
    assert one.last.tolist() == [0.0, 0.0]


def test_slow_motion_scales_speeds() -> None:
    """Would catch slow motion that leaves the top speed, or that weakens the brakes."""
    one = shaper(scale=0.25)
    assert settle(one, (8.0, 1.0)) == [8.0, 1.0]
    one.slow_motion = True
    step = one.drive(np.array([8.0, 1.0]), 1000.0 + 100 * PERIOD_S)
    assert step is not None
    assert step[0] == pytest.approx(8.0 - 10.0 * PERIOD_S), "down to the slow speed at the full rate"
    assert settle(one, (8.0, 1.0)) == pytest.approx([2.0, 0.25])
    assert settle(one, (80.0, 1.0))[0] == pytest.approx(2.0), "beyond the limit is the limit, scaled"
    idles = replace(CAR, limits=(replace(CAR.limits[0], stop=2.0), CAR.limits[1]))
    one = shaper(idles, scale=0.25)
    one.slow_motion = True
    assert settle(one, (2.0, 0.0))[0] == 2.0, "at rest it rests, slow or not"
    assert settle(one, (6.0, 0.0))[0] == 3.0


def test_slow_motion_scales_the_way_of_positions() -> None:
    """Would catch slow motion that scales a joint's angle, or that does not slow a leader that moves fast."""
    one = shaper(ARM, scale=0.5)
    one.place(np.array([1.0, 0.25, np.nan], np.float32))
    one.slow_motion = True
    step = one.drive(np.array([2.0, 0.25, 1.0]), 10.0)
    assert step is not None
    assert step.tolist() == pytest.approx([1.0 + 2.0 * 0.5 * 0.02, 0.25, 4.0 * 0.5 * 0.02])
    assert settle(one, (2.0, 0.25, 1.0), 400, 0.02) == pytest.approx([2.0, 0.25, 1.0]), "it gets there"


def test_rates_move_the_command_and_leave_it() -> None:
    """Would catch a joint that runs on when the stick is let go, or that is wound up beyond its limit."""
    one = shaper(ARM, rate=True)
    one.place(np.array([0.5, 0.1, np.nan], np.float32))
    for tick in range(50):
        command = one.drive(np.array([1.0, 0.0, 0.0]), 10.0 + tick * 0.02)
    assert command is not None
    assert command.tolist() == pytest.approx([1.5, 0.1, 0.0], abs=1e-3)
    for tick in range(50, 200):
        command = one.drive(np.array([1.0, 0.0, 0.0]), 10.0 + tick * 0.02)
    assert command is not None
    assert command[0] == 2.0
    back = one.drive(np.array([-1.0, 0.0, 0.0]), 10.0 + 200 * 0.02)
    assert back is not None
    assert back[0] == pytest.approx(1.98), "nothing to unwind"
    one.slow_motion = True
    slow = one.drive(np.array([-1.0, 0.0, 0.0]), 10.0 + 201 * 0.02)
    assert slow is not None
    assert slow[0] == pytest.approx(1.97)


def test_slow_motion_caps_a_speed_that_the_stick_moves() -> None:
    """Would catch a held throttle that creeps up to full speed in slow motion."""
    one = shaper(scale=0.5, rate=True)
    one.slow_motion = True
    assert settle(one, (4.0, 0.0))[0] == 4.0


def test_stopping_is_never_slowed() -> None:
    """Would catch slow motion that brakes slowly."""
    one = shaper(scale=0.1)
    settle(one, (8.0, 2.0))
    one.slow_motion = True
    step = one.stop(1000.0 + 100 * PERIOD_S)
    assert step is not None
    assert step.tolist() == pytest.approx([8.0 - 10.0 * PERIOD_S, 2.0 - 15.0 * PERIOD_S])
    for tick in range(101, 130):
        step = one.stop(1000.0 + tick * PERIOD_S)
    assert step is not None
    assert step.tolist() == [0.0, 0.0]


def test_nothing_is_sent_to_an_arm_that_nobody_has_seen() -> None:
    """Would catch an arm that is driven from an invented pose; a leader's own pose will do, as it does for the gate."""
    moved = CommandShaper(ARM, [True, True, False], 1.0)
    assert not moved.is_placed
    assert moved.stop(1.0) is None
    assert moved.drive(np.zeros(3), 1.0) is None
    assert moved.refused == 0
    moved.place(np.array([1.0, np.nan, np.nan], np.float32))
    assert moved.drive(np.zeros(3), 1.0) is None
    moved.place(np.array([1.0, 0.25, np.nan], np.float32))
    held = moved.stop(1.0)
    assert held is not None
    assert held.tolist() == [1.0, 0.25, 0.0]
    led = CommandShaper(ARM, [False] * 3, 1.0)
    command = led.drive(np.array([1.5, 0.25, 1.0]), 1.0)
    assert command is not None
    assert command.tolist() == pytest.approx([1.5, 0.25, 0.08])


def test_the_human_begins_where_the_policy_left_the_robot() -> None:
    """Would catch a dip to the human's old command at every takeover, or an arm that creeps back to its old pose."""
    one = CommandShaper(ARM, [True, True, False], 1.0)
    one.place(np.array([0.0, 0.1, np.nan], np.float32))
    one.drive(np.array([0.0, 0.0, 1.0]), 1.0)
    executed = np.array([1.0, 0.4, 0.5], np.float32)
    one.follow(executed, all_dimensions=False)
    assert one.last.tolist() == pytest.approx([1.0, 0.4, 0.08]), "where wishes are values, the human's own stays"
    one.follow(executed, all_dimensions=True)
    assert one.last.tolist() == pytest.approx([1.0, 0.4, 0.5])
    one.follow(np.array([9.0, np.nan, 0.0], np.float32), all_dimensions=True)
    one.follow(np.array([1.0], np.float32), all_dimensions=True)
    assert one.last.tolist() == pytest.approx([1.0, 0.4, 0.5])
    one.follow(np.array([9.0, 0.4, 0.5], np.float32), all_dimensions=True)
    assert one.last[0] == 2.0, "a command of another sender is brought inside the limits"


def test_a_robot_without_limits_is_refused() -> None:
    """Would catch a human who drives a robot that has no limits at all."""
    with pytest.raises(ContractError, match="limits"):
        shaper(replace(CAR, limits=()))


def test_wishes_are_one_a_dimension() -> None:
    """Would catch inputs that are cut to the shorter list."""
    one = Dimension("x", Mode.ABSOLUTE, 1.0, 2.0, 2.0)
    assert wish([one, one], [0.0, 1.0]).tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match="zip"):
        wish([one, one], [0.0])
