"""The joystick: axes, pairs of buttons, the dead-man button, silence, presses, and joysticks that do not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_nodes.teleop.buttons import ButtonEdges, Press
from il_nodes.teleop.joy import JoyAxis, JoyDriver, JoyMapping, JoyPair, joy_mapping
from il_nodes.teleop.shaping import State
from models.errors import CodecError, DeploymentError

NAMES = ("speed", "turn")
REST = (0.0,) * 6


def buttons(*down: int, count: int = 8) -> list[int]:
    return [int(index in down) for index in range(count)]


def driver(timeout_s: float = 0.5, **options: Any) -> JoyDriver:
    return JoyDriver(joy_mapping(NAMES, **options), timeout_s, 0.05)


def held(**options: Any) -> JoyDriver:
    """A driver whose dead-man button was pressed at 0.1 s."""
    one = driver(**options)
    one.take(REST, buttons(), 0.0)
    one.take(REST, buttons(4), 0.1)
    assert one.reading(0.1).state is State.DRIVE
    return one


def test_the_dead_zone_is_still_and_nothing_jumps_at_its_edge() -> None:
    """Would catch a robot that creeps by a worn stick, and a jump where the dead zone ends."""
    axis = JoyAxis(0, deadzone=0.2)
    assert [axis.read([raw], []) for raw in (0.0, 0.2, -0.2, 0.1)] == [0.0, 0.0, 0.0, 0.0]
    assert axis.read([0.2 + 1e-6], []) < 1e-5
    assert axis.read([0.6], []) == pytest.approx(0.5)
    assert axis.read([-0.6], []) == pytest.approx(-0.5)
    assert (axis.read([1.0], []), axis.read([-1.0], [])) == (1.0, -1.0)
    assert axis.read([1.7], []) == 1.0, "some drivers report more than 1"


def test_expo_is_finer_in_the_middle_and_the_same_at_the_ends() -> None:
    """Would catch expo that bends the wrong way."""
    cubic = JoyAxis(0, deadzone=0.0, expo=1.0)
    assert cubic.read([0.5], []) == pytest.approx(0.125)
    assert cubic.read([-0.5], []) == pytest.approx(-0.125)
    assert JoyAxis(0, 0.0, 0.5).read([0.5], []) == pytest.approx(0.5 * 0.5 + 0.5 * 0.125)
    assert JoyAxis(0, 0.1, 0.7).read([1.0], []) == pytest.approx(1.0)


@given(raw=st.floats(-2, 2), more=st.floats(0, 1), deadzone=st.floats(0, 0.9), expo=st.floats(0, 1), index=st.just(0))
def test_an_axis_is_odd_monotonic_and_bounded(
    raw: float, more: float, deadzone: float, expo: float, index: int
) -> None:
    """Would catch any combination that reverses a stick somewhere on its way."""
    axis = JoyAxis(index, deadzone, expo)
    here = axis.read([raw], [])
    assert -1.0 <= here <= 1.0
    assert axis.read([-raw], []) == -here
    assert axis.read([raw + more], []) >= here - 1e-12


def test_a_pair_of_buttons() -> None:
    """Would catch two buttons that fight, or one of a pair that is not there."""
    pair = JoyPair(2, 3)
    assert [pair.read([], buttons(*down)) for down in ((), (2,), (3,), (2, 3))] == [0.0, 1.0, -1.0, 0.0]
    assert JoyPair(2, -1).read([], buttons(2)) == 1.0
    assert JoyPair(-1, 3).read([], buttons(3)) == -1.0


def test_nothing_is_said_until_the_dead_man_button_was_pressed() -> None:
    """Would catch a stick that drives as soon as it is plugged in."""
    one = driver()
    assert one.reading(0.0).state is State.SILENT
    assert math.isinf(one.age_s(0.0))
    assert one.dead_man == "unknown"
    one.take((1.0,) * 6, buttons(), 0.0)
    assert one.reading(0.0).state is State.SILENT
    assert one.dead_man == "released"
    one.take((1.0,) * 6, buttons(4), 0.1)
    assert one.dead_man_pressed
    assert one.reading(0.1).inputs == (1.0, 1.0)
    one.take((1.0,) * 6, buttons(4), 0.2)
    assert not one.dead_man_pressed, "a press is told once"


def test_a_released_dead_man_button_is_the_stop_command_from_then_on() -> None:
    """Would catch a released button that makes the expert vanish, or one that holds the last command."""
    one = held()
    one.take((1.0,) * 6, buttons(), 0.2)
    reading = one.reading(0.2)
    assert (reading.state, reading.inputs) == (State.STOP, ())
    assert one.dead_man == "released"


def test_a_silent_joystick_says_nothing_and_must_be_pressed_anew() -> None:
    """Would catch a pulled plug that drives on, and one that drives again by itself when it is put back."""
    one = held()
    assert one.reading(0.6).state is State.DRIVE
    assert one.reading(0.6 + 1e-6).state is State.SILENT
    one.take((1.0,) * 6, buttons(4), 5.0)
    assert one.reading(5.0).state is State.SILENT
    assert one.dead_man == "release it first"
    assert not one.dead_man_pressed
    one.take((1.0,) * 6, buttons(), 5.1)
    assert one.reading(5.1).state is State.SILENT, "not even the stop command: nobody has taken hold of it"
    one.take((1.0,) * 6, buttons(4), 5.2)
    assert one.reading(5.2).state is State.DRIVE


def test_a_button_that_is_down_from_the_start_is_no_press() -> None:
    """Would catch a taped-down dead-man button that drives at power-on."""
    one = driver()
    one.take(REST, buttons(4), 0.0)
    assert one.reading(0.0).state is State.SILENT
    one.take(REST, buttons(), 0.1)
    one.take(REST, buttons(4), 0.2)
    assert one.reading(0.2).state is State.DRIVE


def test_without_a_dead_man_button_every_message_drives() -> None:
    """Would catch -1 being taken for the last button."""
    one = driver(dead_man=-1)
    assert one.reading(0.0).state is State.SILENT
    one.take((0.0, 1.0, 0.0, -1.0), [], 0.0)
    assert one.reading(0.0).inputs == (1.0, -1.0)
    assert one.dead_man == "off"
    assert one.reading(0.7).state is State.SILENT


def test_after_a_rest_the_dead_man_button_must_be_pressed_anew() -> None:
    """Would catch a node that is activated with a thumb still on the button, and drives."""
    one = held()
    one.forget()
    one.take(REST, buttons(4), 0.2)
    assert one.reading(0.2).state is State.SILENT


@pytest.mark.parametrize(
    ("axes", "pressed", "words"),
    [
        ((0.0, 0.0, 0.0), buttons(), "too few axes for joy_axes: turn"),
        ((), buttons(), "too few axes for joy_axes: speed"),
        (REST, buttons(count=4), "too few buttons for dead_man_button"),
        ((0.0, math.nan, 0.0, 0.0), buttons(), "axis 1"),
        ((0.0, 0.0, 0.0, math.inf), buttons(), "axis 3"),
    ],
)
def test_a_joystick_that_does_not_fit_is_an_error_that_is_counted(
    axes: Sequence[float], pressed: list[int], words: str
) -> None:
    """Would catch an IndexError in the middle of a drive, or a message that is half used."""
    one = held()
    for number in (1, 2):
        with pytest.raises(CodecError, match=words):
            one.take(axes, pressed, 0.3)
        assert one.refused == number
    assert words in one.problem
    assert one.age_s(0.3) == pytest.approx(0.2), "it does not keep the joystick alive"
    assert one.reading(0.7).state is State.SILENT
    one.take(REST, buttons(), 0.8)
    assert one.problem == ""


@pytest.mark.parametrize("dead_man", [4, -1])
def test_a_message_that_cannot_be_used_is_a_released_button(dead_man: int) -> None:
    """Would catch a robot that drives on at full speed because the message that told of the release had a NaN in it."""
    one = driver(dead_man=dead_man)
    one.take(REST, buttons(), 0.0)
    one.take((1.0,) * 6, buttons(4), 0.1)
    assert one.reading(0.1).state is State.DRIVE
    for axes in ((math.nan,) * 6, ()):
        with pytest.raises(CodecError):
            one.take(axes, buttons(), 0.2)
        assert (one.reading(0.2).state, one.reading(0.2).inputs) == (State.STOP, ())
        assert not one.dead_man_pressed
    one.take((1.0,) * 6, buttons(4), 0.3)
    assert one.reading(0.3).state is State.DRIVE, "it is a pressed button again"
    assert one.dead_man_pressed


def test_an_unusable_message_before_the_first_press_says_nothing() -> None:
    one = driver()
    with pytest.raises(CodecError):
        one.take((), buttons(4), 0.1)
    assert (one.reading(0.1).state, one.dead_man) == (State.SILENT, "unknown")


def test_missing_motion_buttons_are_an_error_and_missing_others_are_named() -> None:
    """Would catch a pad with few buttons that cannot drive because it cannot mark a success."""
    pair = driver(axes=[-1, 3], plus_buttons=[9, -1], minus_buttons=[1, -1])
    with pytest.raises(CodecError, match="joy_plus_buttons: speed"):
        pair.take(REST, buttons(), 0.0)
    one = driver(presses={Press.SUCCESS: 11, Press.DISCARD: 2, Press.RECORD: -1})
    assert one.mapping.missing_presses(buttons()) == [Press.SUCCESS]
    assert one.take(REST, buttons(), 0.0) == []
    assert one.take(REST, buttons(2), 0.1) == [Press.DISCARD]


def test_presses_are_told_once_and_not_of_buttons_that_were_down_already() -> None:
    """Would catch a takeover at power-on, and an episode that starts and stops while a button is held."""
    one = driver(presses={Press.TAKEOVER: 5, Press.RECORD: 0})
    assert one.take(REST, buttons(5), 0.0) == []
    assert one.take(REST, buttons(5, 0), 0.1) == [Press.RECORD]
    assert one.take(REST, buttons(5, 0), 0.2) == []
    assert one.take(REST, buttons(), 0.3) == []
    assert one.take(REST, buttons(0, 5), 0.4) == [Press.TAKEOVER, Press.RECORD]
    one.take(REST, buttons(), 0.5)
    assert one.take(REST, buttons(0), 9.0) == [], "after silence, what is down was not pressed"


def test_a_bouncing_contact_is_one_press() -> None:
    """Would catch one press that toggles recording three times, and a held button that is swallowed."""
    edges = ButtonEdges(0.05)
    told = [edges.update({Press.RECORD: down}, at_s) for at_s, down in ((0.0, False), (0.10, True), (0.11, False))]
    assert told == [[], [Press.RECORD], []]
    assert edges.update({Press.RECORD: True}, 0.12) == []
    assert edges.update({Press.RECORD: True}, 0.20) == []
    assert edges.update({Press.RECORD: False}, 0.30) == []
    assert edges.update({Press.RECORD: True}, 0.31) == [], "within the debounce time of the release"
    assert edges.update({Press.RECORD: True}, 0.36) == [Press.RECORD], "it still stands, so it counts"
    assert ButtonEdges(0.0).update({Press.RECORD: True}, 0.0) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"axes": [1, 2, 3]}, "joy_axes"),
        ({"axes": [-2]}, "joy_axes"),
        ({"axes": [1.5]}, "joy_axes"),
        ({"axes": [True]}, "joy_axes"),
        ({"deadzones": [0.95]}, "joy_deadzones"),
        ({"deadzones": [-0.1]}, "joy_deadzones"),
        ({"expos": [1.1]}, "joy_expos"),
        ({"expos": [0.0, 0.0, 0.0]}, "joy_expos"),
        ({"plus_buttons": [3, -1]}, "speed is moved by an axis and by buttons"),
        ({"presses": {Press.TAKEOVER: 4}}, "button 4 of the joystick has two meanings"),
        ({"presses": {Press.TAKEOVER: 5, Press.DISCARD: 5}}, "button 5"),
        ({"axes": [-1, 3], "plus_buttons": [4, -1]}, "button 4"),
    ],
)
def test_mappings_that_contradict_themselves_are_refused(options: dict[str, Any], words: str) -> None:
    """Would catch one press that takes over and discards an episode at once."""
    with pytest.raises(DeploymentError) as caught:
        joy_mapping(NAMES, **options)
    assert words in str(caught.value)


def test_default_axes_and_dimensions_that_nothing_moves() -> None:
    """Would catch a default that maps the fifth joint to an axis nobody thought of."""
    assert joy_mapping(NAMES).inputs == (JoyAxis(1), JoyAxis(3))
    with pytest.raises(DeploymentError, match="which axis"):
        joy_mapping(tuple("abcde"))
    still = JoyDriver(joy_mapping(NAMES, axes=[1, -1]), 0.5, 0.0)
    still.take(REST, buttons(), 0.0)
    still.take((0.0, 1.0), buttons(4), 0.1)
    assert still.reading(0.1).inputs == (1.0, 0.0)
    assert JoyMapping(NAMES, (None, None), -1, {}).missing_presses([]) == []
