"""Driving by keys: bytes of a terminal to keys, and keys that come again and again to deflections. Pure logic.

A terminal tells of presses and of repeats, never of a key let go. So a key counts as held for a while after its last
byte: long enough to bridge the pause before the repeats begin, short once they come. The terminal also repeats only
the newest key, so a dimension whose key was displaced by another dimension's stays as it is until that one ends too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from il_nodes.teleop.buttons import Press
from il_nodes.teleop.shaping import Reading, State

__all__ = ["HELP", "KEY_PRESSES", "KeyDecoder", "KeyDriver", "KeyTiming"]

#: Key → (which of the selected pair's two dimensions, direction). Left is positive, as everywhere in ROS (REP 103).
MOTION_KEYS: Mapping[str, tuple[int, float]] = {
    "w": (0, 1.0),
    "up": (0, 1.0),
    "s": (0, -1.0),
    "down": (0, -1.0),
    "a": (1, 1.0),
    "left": (1, 1.0),
    "d": (1, -1.0),
    "right": (1, -1.0),
}
KEY_PRESSES: Mapping[str, Press] = {
    "t": Press.TAKEOVER,
    "h": Press.HAND_BACK,
    "r": Press.RECORD,
    "x": Press.DISCARD,
    "y": Press.SUCCESS,
    "n": Press.FAILURE,
    "m": Press.SLOW_MOTION,
}
HELP = """\
  w s / up down     first dimension of the pair, up and down      space  stop
  a d / left right  second dimension, left (+) and right (-)      1 2 .. choose the pair of dimensions
  t  take over      h  hand back to the policy                    m      slow motion on, off
  r  record start, stop   x  discard the episode   y  success   n  failure   ?  this help   q  quit"""

_ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}
#: A byte sequence that no terminal sends is given up at this length.
_LONGEST_SEQUENCE = 16


class KeyDecoder:
    """Bytes as a terminal sends them → keys: ``w``, ``up``, `` ``. Sequences may be cut anywhere."""

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, data: bytes) -> list[str]:
        """Keys that are complete now. Letters come in lower case; what is no known key is dropped."""
        keys = []
        for char in data.decode("latin-1"):
            if char == " ":
                # In no key's sequence, so whatever was begun is over: nothing swallows the stop.
                self._pending = ""
                keys.append(char)
            elif char == "\x1b":
                # A lone escape key, or one that begins anew.
                self._pending = char
            elif self._pending:
                key = self._continue(char)
                keys += [key] if key else []
            elif char.isascii() and (char.isalnum() or char == "?"):
                keys.append(char.lower())
        return keys

    def _continue(self, char: str) -> str:
        """One character more of an escape sequence: CSI ``ESC [ … final`` or SS3 ``ESC O final``."""
        self._pending += char
        if len(self._pending) == 2:
            if char not in "[O":
                self._pending = ""
            return ""
        if not "@" <= char <= "~" and len(self._pending) < _LONGEST_SEQUENCE:
            return ""
        sequence, self._pending = self._pending, ""
        return _ARROWS.get(char, "") if len(sequence) == 3 else ""


@dataclass(frozen=True, slots=True)
class KeyTiming:
    """How keys become deflections.

    Attributes:
        first_hold_s: a key counts as held so long after its first byte (terminals begin to repeat after 0.25 to 0.5 s).
        hold_s: and so long after a repeat.
        ramp_s: from rest to a full deflection.
        decay_s: and back.
    """

    first_hold_s: float = 0.4
    hold_s: float = 0.15
    ramp_s: float = 1.0
    decay_s: float = 0.5


class _Axis:
    """One dimension: its deflection, and until when which key of it is held."""

    def __init__(self) -> None:
        self.deflection = 0.0
        self.direction = 0.0
        self.pressed_s = self.until_s = -math.inf
        self.displaced = False

    def is_held(self, now_s: float) -> bool:
        return now_s < self.until_s

    def press(self, direction: float, now_s: float, timing: KeyTiming) -> None:
        repeats = direction == self.direction and self.is_held(now_s)
        self.until_s = now_s + (timing.hold_s if repeats else timing.first_hold_s)
        if repeats:
            # The first hold is long on purpose, and a quick repeat must not cut it short.
            self.until_s = max(self.until_s, self.pressed_s + timing.first_hold_s)
        else:
            self.pressed_s = now_s
        self.direction, self.displaced = direction, False

    def move(self, elapsed_s: float, held: bool, timing: KeyTiming) -> None:
        """Towards the held key's end, past the middle at both speeds; without a key back to rest."""
        x = self.deflection
        if held:
            against = x * self.direction < 0.0
            step = elapsed_s * (1.0 / timing.ramp_s + (1.0 / timing.decay_s if against else 0.0))
            self.deflection = max(-1.0, min(1.0, x + self.direction * step))
        else:
            self.deflection = math.copysign(max(0.0, abs(x) - elapsed_s / timing.decay_s), x)


class KeyDriver:
    """Keys → one deflection a dimension.

    Somebody sits at the keyboard as long as the terminal is open: without a key the deflections are zero, and the
    driver is never silent. The space bar is the stop command until the next key that moves.

    Args:
        count: of action dimensions.
        timing: holds and ramps.
    """

    def __init__(self, count: int, timing: KeyTiming | None = None) -> None:
        self._timing = timing or KeyTiming()
        self._axes = [_Axis() for _ in range(count)]
        self._now_s: float | None = None
        self._stopped = False
        self.pair = 0

    @property
    def pairs(self) -> int:
        """How many pairs of dimensions there are to choose from."""
        return (len(self._axes) + 1) // 2

    def press(self, key: str, now_s: float) -> bool:
        """Take in a key; whether it means something here."""
        if key == " ":
            self.stop()
            return True
        if key.isdigit():
            if not 1 <= int(key) <= self.pairs:
                return False
            self.pair = int(key) - 1
            return True
        if key not in MOTION_KEYS:
            return False
        offset, direction = MOTION_KEYS[key]
        index = 2 * self.pair + offset
        if index >= len(self._axes):
            return False
        for other, axis in enumerate(self._axes):
            if other != index and axis.is_held(now_s):
                axis.displaced, axis.until_s = True, -math.inf
        self._axes[index].press(direction, now_s, self._timing)
        self._stopped = False
        return True

    def stop(self) -> None:
        """Every deflection is gone at once, and the stop command counts until a key moves something."""
        self._axes = [_Axis() for _ in self._axes]
        self._stopped = True

    def reading(self, now_s: float) -> Reading:
        """What to send at ``now_s`` (monotonic); call it once a tick."""
        elapsed_s = 0.0 if self._now_s is None else min(0.5, max(0.0, now_s - self._now_s))
        self._now_s = now_s
        any_held = any(axis.is_held(now_s) for axis in self._axes)
        for axis in self._axes:
            if axis.displaced and any_held:
                continue
            axis.displaced = False
            axis.move(elapsed_s, axis.is_held(now_s), self._timing)
        if self._stopped:
            return Reading(State.STOP)
        return Reading(State.DRIVE, tuple(axis.deflection for axis in self._axes))
