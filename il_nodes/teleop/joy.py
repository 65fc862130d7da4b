"""A joystick as a driver: which axis or pair of buttons moves what, the dead-man button, and when it counts as silent.

Pure logic. ``now_s`` is a monotonic clock: a robot clock that pauses must not keep a joystick alive that was unplugged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from il_nodes.teleop.buttons import ButtonEdges, Press
from il_nodes.teleop.shaping import Reading, State, numbers_per_dimension, per_dimension
from models.errors import CodecError, DeploymentError

__all__ = ["NOT_MAPPED", "JoyAxis", "JoyDriver", "JoyMapping", "JoyPair", "joy_mapping"]

#: An index that means: no such axis, no such button.
NOT_MAPPED = -1
#: Without a mapping, up to four dimensions: left stick up and down, right stick left and right, then the other ways of
#: both. The numbers are those of ROS 2's ``joy_node`` and an Xbox pad.
DEFAULT_AXES = (1, 3, 0, 4)


@dataclass(frozen=True, slots=True)
class JoyAxis:
    """One axis: up and left are positive, as ``joy_node`` reports them.

    Attributes:
        index: into ``Joy.axes``.
        deadzone: deflections up to it count as none; what is left is stretched, so that nothing jumps at its edge.
        expo: 0 is linear, 1 is cubic: finer around the middle, the same at the ends.
    """

    index: int
    deadzone: float = 0.05
    expo: float = 0.0

    def read(self, axes: Sequence[float], _buttons: Sequence[int]) -> float:
        """Deflection in -1 .. 1."""
        raw = max(-1.0, min(1.0, axes[self.index]))
        beyond = max(0.0, abs(raw) - self.deadzone) / (1.0 - self.deadzone)
        return math.copysign((1.0 - self.expo) * beyond + self.expo * beyond**3, raw)


@dataclass(frozen=True, slots=True)
class JoyPair:
    """Two buttons: one for a full deflection to each side; both at once cancel each other."""

    plus: int
    minus: int

    def read(self, _axes: Sequence[float], buttons: Sequence[int]) -> float:
        """Deflection: -1, 0 or 1."""
        down = [index != NOT_MAPPED and bool(buttons[index]) for index in (self.plus, self.minus)]
        return float(down[0]) - float(down[1])


@dataclass(frozen=True)
class JoyMapping:
    """What each part of a joystick does.

    Attributes:
        names: the action dimensions.
        inputs: what moves each of them; ``None`` leaves it at rest.
        dead_man: index of the button that must be held to drive, or ``NOT_MAPPED``.
        presses: other buttons, by what they ask for.
    """

    names: tuple[str, ...]
    inputs: tuple[JoyAxis | JoyPair | None, ...]
    dead_man: int
    presses: Mapping[Press, int]

    def check(self, axes: Sequence[float], buttons: Sequence[int]) -> None:
        """Raise CodecError unless the message has everything that driving needs, in finite numbers."""
        for name, source in zip(self.names, self.inputs, strict=True):
            if isinstance(source, JoyAxis):
                _require("axes", source.index, axes, f"joy_axes: {name}")
                if not math.isfinite(axes[source.index]):
                    raise CodecError(f"axis {source.index} of the joystick ({name})", found=axes[source.index])
            elif isinstance(source, JoyPair):
                _require("buttons", source.plus, buttons, f"joy_plus_buttons: {name}")
                _require("buttons", source.minus, buttons, f"joy_minus_buttons: {name}")
        _require("buttons", self.dead_man, buttons, "dead_man_button")

    def missing_presses(self, buttons: Sequence[int]) -> list[Press]:
        """What cannot be asked for, because the joystick has too few buttons."""
        return [press for press, index in self.presses.items() if index >= len(buttons)]


def _require(field: str, index: int, values: Sequence[object], user: str) -> None:
    if index >= len(values):
        raise CodecError(
            f"the joystick has too few {field} for {user}",
            found=f"{len(values)} {field}",
            expected=f"number {index} among them (they count from 0)",
            fix="look at `ros2 topic echo /joy` while moving it, and set the parameters of the teleop node",
        )


def joy_mapping(
    names: Sequence[str],
    *,
    axes: Sequence[int] = (),
    plus_buttons: Sequence[int] = (),
    minus_buttons: Sequence[int] = (),
    deadzones: Sequence[float] = (),
    expos: Sequence[float] = (),
    dead_man: int = 4,
    presses: Mapping[Press, int] | None = None,
) -> JoyMapping:
    """The mapping that parameters describe; every list has nothing, one item for all dimensions, or one for each.

    Args:
        names: the action dimensions.
        axes: index of each dimension's axis; -1: moved by its pair of buttons, or not at all.
        plus_buttons: index of the button that moves a dimension up; -1: none.
        minus_buttons: and down.
        deadzones: 0 .. 0.9.
        expos: 0 .. 1.
        dead_man: -1: none.
        presses: other buttons; -1: none.

    Raises:
        DeploymentError: lists that do not fit, numbers out of range, or one button for two things.
    """
    if not axes and len(names) > len(DEFAULT_AXES):
        raise DeploymentError(
            f"nothing says which axis of the joystick moves which of the {len(names)} action dimensions",
            found="joy_axes: []",
            expected=f"one axis, or -1, for each of {', '.join(names)}",
        )
    axis = _indices("joy_axes", axes or DEFAULT_AXES[: len(names)], names)
    plus = _indices("joy_plus_buttons", plus_buttons, names)
    minus = _indices("joy_minus_buttons", minus_buttons, names)
    deadzone = _shares("joy_deadzones", deadzones, names, 0.05, 0.9)
    expo = _shares("joy_expos", expos, names, 0.0, 1.0)
    inputs: list[JoyAxis | JoyPair | None] = []
    for number, name in enumerate(names):
        paired = max(plus[number], minus[number]) != NOT_MAPPED
        if paired and axis[number] != NOT_MAPPED:
            raise DeploymentError(
                f"{name} is moved by an axis and by buttons",
                found=f"joy_axes {axis[number]}, joy_plus_buttons {plus[number]}, joy_minus_buttons {minus[number]}",
                expected="one of the two, and -1 for the other",
            )
        moved = JoyAxis(axis[number], deadzone[number], expo[number]) if axis[number] != NOT_MAPPED else None
        inputs.append(JoyPair(plus[number], minus[number]) if paired else moved)
    wanted = {press: index for press, index in (presses or {}).items() if index != NOT_MAPPED}
    mapping = JoyMapping(tuple(names), tuple(inputs), dead_man, wanted)
    _require_distinct(mapping)
    return mapping


def _indices(name: str, given: Sequence[int], names: Sequence[str]) -> list[int]:
    values = per_dimension(name, given, names, NOT_MAPPED)
    indices = [value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= -1]
    if len(indices) < len(values):
        raise DeploymentError(
            f"parameter {name} of the teleop node", found=values, expected="whole numbers from 0 on, or -1 for none"
        )
    return indices


def _shares(name: str, given: Sequence[float], names: Sequence[str], default: float, maximum: float) -> list[float]:
    values = numbers_per_dimension(name, given, names, default)
    if not all(0.0 <= value <= maximum for value in values):
        raise DeploymentError(f"parameter {name} of the teleop node", found=values, expected=f"0 to {maximum}")
    return values


def _require_distinct(mapping: JoyMapping) -> None:
    """One press must not take over and discard an episode at once."""
    users: dict[int, list[str]] = {}
    if mapping.dead_man != NOT_MAPPED:
        users[mapping.dead_man] = ["dead_man_button"]
    for press, index in mapping.presses.items():
        users.setdefault(index, []).append(f"{press}_button")
    for name, source in zip(mapping.names, mapping.inputs, strict=True):
        for index in {source.plus, source.minus} - {NOT_MAPPED} if isinstance(source, JoyPair) else ():
            users.setdefault(index, []).append(f"the buttons of {name}")
    for index, who in users.items():
        if len(who) > 1:
            raise DeploymentError(
                f"button {index} of the joystick has two meanings", found=", ".join(who), fix="set one of them to -1"
            )


class JoyDriver:
    """What the newest Joy messages mean.

    Until the dead-man button was pressed once there is nothing to publish. From then on (*armed*) a released button is
    the stop command, and a silent joystick is nothing at all; after silence it must be pressed anew. A button that is
    down in the first message counts only after it was released: it may be taped down, or lie under something. A message
    that cannot be used, with a NaN or without an axis, does not say that the button is held: it counts as released.

    Args:
        mapping: which part does what.
        timeout_s: silence after which the joystick counts as gone.
        debounce_s: of the other buttons.

    Attributes:
        armed: whether the dead-man button was pressed since the joystick came.
        dead_man_pressed: whether the newest message was the one in which that button went down.
        refused: messages that could not be used.
        problem: why the newest one could not; empty if it could.
    """

    def __init__(self, mapping: JoyMapping, timeout_s: float, debounce_s: float) -> None:
        self.mapping = mapping
        self.timeout_s = timeout_s
        self._edges = ButtonEdges(debounce_s)
        self._inputs: tuple[float, ...] = ()
        self._received_s: float | None = None
        self._down = False
        self._seen_released = False
        self.armed = self.dead_man_pressed = False
        self.refused = 0
        self.problem = ""

    def take(self, axes: Sequence[float], buttons: Sequence[int], now_s: float) -> list[Press]:
        """Take in one message; what was pressed with it. The dead-man button has :attr:`dead_man_pressed` instead.

        Raises:
            CodecError: the message cannot be used. It is counted, and the dead-man button counts as released; for the
                rest it is as if the message had not come.
        """
        try:
            self.mapping.check(axes, buttons)
        except CodecError as error:
            self.refused += 1
            self.problem = error.problem
            self._down = self.dead_man_pressed = False
            raise
        self.problem = ""
        self._forget_after_silence(now_s)
        self._received_s = now_s
        self._inputs = tuple(0.0 if i is None else i.read(axes, buttons) for i in self.mapping.inputs)
        self._take_dead_man(buttons)
        known = {p: bool(buttons[i]) for p, i in self.mapping.presses.items() if i < len(buttons)}
        return self._edges.update(known, now_s)

    def _take_dead_man(self, buttons: Sequence[int]) -> None:
        before = self._down
        if self.mapping.dead_man == NOT_MAPPED:
            self._down = True
        else:
            pressed = bool(buttons[self.mapping.dead_man])
            self._seen_released = self._seen_released or not pressed
            self._down = pressed and self._seen_released
        self.dead_man_pressed = self._down and not before
        self.armed = self.armed or self._down

    def _forget_after_silence(self, now_s: float) -> None:
        if self._received_s is None or now_s - self._received_s <= self.timeout_s:
            return
        self.forget()

    def forget(self) -> None:
        """The joystick, or whoever held it, was away: everything must be pressed anew."""
        self._edges.forget()
        self._received_s = None
        self._down = self._seen_released = self.armed = self.dead_man_pressed = False

    def age_s(self, now_s: float) -> float:
        """Seconds since the newest usable message; infinite before the first."""
        return math.inf if self._received_s is None else now_s - self._received_s

    @property
    def dead_man(self) -> str:
        """``pressed``, ``released``, ``off`` (there is none), ``release it first``, or ``unknown`` before a message."""
        if self.mapping.dead_man == NOT_MAPPED:
            return "off"
        if self._received_s is None:
            return "unknown"
        if not self._seen_released:
            return "release it first"
        return "pressed" if self._down else "released"

    def reading(self, now_s: float) -> Reading:
        """What to send at ``now_s``."""
        if self.age_s(now_s) > self.timeout_s or not self.armed:
            return Reading(State.SILENT)
        return Reading(State.DRIVE, self._inputs) if self._down else Reading(State.STOP)
