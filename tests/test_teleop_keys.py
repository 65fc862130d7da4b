"""Keys: from bytes to keys, and from keys that repeat to deflections."""

from __future__ import annotations

import pytest

from il_nodes.teleop.keys import HELP, KEY_PRESSES, KeyDecoder, KeyDriver, KeyTiming
from il_nodes.teleop.shaping import State

TIMING = KeyTiming(first_hold_s=0.4, hold_s=0.15, ramp_s=1.0, decay_s=0.5)
TICK_S = 0.05


class Typist:
    """A driver on a clock of its own, with a keyboard that repeats the newest key like a terminal does."""

    def __init__(self, count: int = 2) -> None:
        self.driver = KeyDriver(count, TIMING)
        self.now_s = 10.0
        self._held = ""
        self.driver.reading(self.now_s)

    def run(self, duration_s: float, held: str = "") -> tuple[float, ...]:
        """Deflections after ``duration_s``; ``held`` repeats after 0.3 s at 20 Hz, across calls."""
        end_s = self.now_s + duration_s
        if held != self._held:
            self._held, self._begun_s = held, self.now_s
            assert not held or self.driver.press(held, self.now_s)
        while self.now_s < end_s - 1e-9:
            self.now_s += TICK_S
            if held and self.now_s - self._begun_s > 0.3:
                self.driver.press(held, self.now_s)
            reading = self.driver.reading(self.now_s)
        assert reading.state is State.DRIVE or not reading.inputs
        return reading.inputs


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"wasd", ["w", "a", "s", "d"]),
        (b"W A", ["w", " ", "a"]),
        (b"\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        (b"\x1bOA", ["up"]),
        (b"?q1", ["?", "q", "1"]),
        (b"\x1b[3~w", ["w"]),  # delete
        (b"\x1b[1;5Aw", ["w"]),  # control and an arrow is no arrow
        (b"\x1bxw", ["w"]),  # alt and x does not discard an episode
        (b"\x1b\x1b[A", ["up"]),
        (b"\x1b w", [" ", "w"]),  # the stop of somebody in a hurry
        (b"\x1bO \x1b[1 ", [" ", " "]),
        (b"\x1b[" + b"1" * 40 + b"w", ["1"] * 26 + ["w"]),
        ("ä€".encode(), []),
        (b"\r\n\t\x00\x7f", []),
    ],
)
def test_bytes_become_keys(data: bytes, keys: list[str]) -> None:
    """Would catch a function key whose last letter drives the robot, and a paste that hangs the decoder."""
    decoder = KeyDecoder()
    assert decoder.feed(data) == keys


def test_a_sequence_may_be_cut_anywhere() -> None:
    """Would catch an arrow that becomes an A (left turn) because the read ended in its middle."""
    decoder = KeyDecoder()
    assert [decoder.feed(bytes([byte])) for byte in b"\x1b[Aa"] == [[], [], ["up"], ["a"]]


def test_a_held_key_ramps_and_a_released_one_decays() -> None:
    """Would catch a jump to full speed, a pause before the repeats that lets the speed sink, or a key that sticks."""
    typist = Typist()
    assert typist.run(0.3, "w")[0] == pytest.approx(0.3)
    assert typist.run(0.5, "w") == pytest.approx((0.8, 0.0)), "no dent while the repeats had not begun"
    assert typist.run(0.5, "w")[0] == 1.0
    after = typist.run(0.25)
    assert 0.5 < after[0] < 1.0
    assert typist.run(0.7) == (0.0, 0.0)


def test_a_tap_is_short() -> None:
    """Would catch a key that counts as held for ever when it never repeats."""
    typist = Typist()
    typist.driver.press("a", typist.now_s)
    assert typist.run(0.35)[1] == pytest.approx(0.35)
    assert typist.run(0.35)[1] < 0.1


def test_the_other_direction_brakes_first_and_faster() -> None:
    """Would catch a car that decays as slowly with the brake as without."""
    typist = Typist()
    typist.run(1.2, "up")
    assert typist.run(0.2, "down")[0] == pytest.approx(1.0 - 0.2 * (1.0 + 2.0))
    assert typist.run(2.0, "down")[0] == -1.0


def test_steering_does_not_lose_the_speed() -> None:
    """Would catch the terminal's habit to repeat only the newest key: gas, then steer, and the gas would be gone."""
    typist = Typist()
    typist.run(0.8, "w")
    speed, turn = typist.run(0.6, "a")
    assert speed == pytest.approx(0.8)
    assert turn == pytest.approx(0.6)
    assert typist.run(0.3, "w")[0] == pytest.approx(1.0), "and the gas key works on"
    typist.run(0.8, "d")
    assert typist.run(1.5) == (0.0, 0.0), "and both sink when nothing is held"


def test_a_key_that_had_ended_already_is_not_held_by_another() -> None:
    """Would catch speed that comes back to life because somebody steers."""
    typist = Typist()
    typist.run(0.5, "w")
    low = typist.run(0.3)[0]
    assert typist.run(0.2, "a")[0] < low


def test_space_stops_at_once_until_a_key_moves() -> None:
    """Would catch a stop that only lets the deflections decay."""
    typist = Typist()
    typist.run(1.0, "w")
    assert typist.driver.press(" ", typist.now_s)
    assert typist.driver.reading(typist.now_s + TICK_S).state is State.STOP
    assert typist.driver.press("t", typist.now_s) is False
    assert typist.driver.reading(typist.now_s + 5.0).state is State.STOP
    typist.now_s += 5.0
    assert typist.run(0.1, "w")[0] == pytest.approx(0.1)


def test_digits_choose_the_pair() -> None:
    """Would catch a seventh joint that cannot be reached, or a digit that selects nothing and moves the first."""
    typist = Typist(5)
    assert typist.driver.pairs == 3
    assert not typist.driver.press("4", 0.0)
    assert not typist.driver.press("0", 0.0)
    typist.driver.press("2", typist.now_s)
    assert typist.run(0.2, "d") == pytest.approx((0.0, 0.0, 0.0, -0.2, 0.0))
    typist.driver.press("3", typist.now_s)
    assert not typist.driver.press("a", typist.now_s), "there is no sixth dimension"
    assert typist.run(0.2, "s")[4] == pytest.approx(-0.2)


def test_a_pause_of_the_process_does_not_jump() -> None:
    """Would catch a suspended process (Ctrl-Z) that makes up for lost time."""
    driver = KeyDriver(1, KeyTiming(first_hold_s=100.0))
    driver.reading(0.0)
    driver.press("w", 0.0)
    assert driver.reading(60.0).inputs == (0.5,)
    assert driver.reading(30.0).inputs == (0.5,), "nor does a clock that goes backwards"


def test_the_help_names_every_key() -> None:
    """Would catch a key that nobody is told of."""
    words = HELP.replace("/", " ").split()
    assert set(KEY_PRESSES) | {"w", "a", "s", "d", "space", "?", "q", "1"} <= set(words)
