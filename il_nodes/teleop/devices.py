"""The three things that a teleoperator may hold, as the teleop node uses them: messages and bytes to plain logic."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from rclpy.qos import QoSProfile
from sensor_msgs.msg import Joy

from il_nodes.codecs import import_message_class
from il_nodes.gate.pacing import Rate
from il_nodes.ros.diagnostics import Level
from il_nodes.ros.qos import qos_profile
from il_nodes.teleop.buttons import ButtonEdges, Press
from il_nodes.teleop.joy import NOT_MAPPED, JoyDriver
from il_nodes.teleop.keyboard import Terminal
from il_nodes.teleop.keys import HELP, KEY_PRESSES, KeyDecoder, KeyDriver
from il_nodes.teleop.leader import Leader
from il_nodes.teleop.shaping import Reading, State, Wish
from models.contract import Source
from models.errors import CodecError

__all__ = ["Device", "Host", "JoyDevice", "KeyboardDevice", "LeaderDevice"]

#: How often the terminal is read: a person does not feel 20 ms.
READ_S = 0.02
#: A leader that has not completed a tick for so long is gone.
LEADER_SILENT_S = 0.5


class Host(Protocol):
    """What a device needs of the node."""

    is_active: bool

    def subscribe(self, topic: str, message_class: type, callback: Any, qos: Any, *, raw: bool = False) -> Any:
        """See :class:`il_nodes.ros.node.UnderstudyNode`."""

    def steady_timer(self, period_s: float, callback: Any, *, while_inactive: bool = False) -> Any:
        """See :class:`il_nodes.ros.node.UnderstudyNode`."""

    def request_exit(self, exit_code: int = 0) -> None:
        """See :class:`il_nodes.ros.node.UnderstudyNode`."""

    def clock_ns(self) -> int:
        """Now, on the robot's clock."""

    def say(self, level: Level, text: str) -> None:
        """To the log, and to the person."""

    def press(self, press: Press, now_s: float) -> None:
        """The human asked for something."""

    def grab(self, now_s: float) -> None:
        """The human pressed the dead-man button."""

    def note_key(self, name: str) -> None:
        """What was pressed last, where it is no ``Press``."""

    def follow_leader(self, wanted: Wish, stamp_ns: int, now_s: float) -> None:
        """A leader's tick is complete."""


class Device(ABC):
    """One source of wishes.

    Attributes:
        rate: of what comes in: messages or keys.
    """

    def __init__(self) -> None:
        self.rate = Rate(time.monotonic())

    @abstractmethod
    def reading(self, now_s: float) -> Reading:
        """What it has to say at ``now_s`` (monotonic); called once a tick."""

    @abstractmethod
    def age_s(self, now_s: float) -> float:
        """Seconds since the newest usable input; infinite before the first."""

    @property
    def problem(self) -> str:
        """Why the newest input could not be used; empty if it could."""
        return ""

    def waiting(self, now_s: float) -> str:
        """What is missing while there is nothing to say; empty if nothing is."""
        return ""

    def values(self) -> dict[str, object]:
        """What is particular to it, for /diagnostics."""
        return {}

    @abstractmethod
    def rest(self) -> None:
        """The node begins or ends its work: whatever was held must be pressed anew."""


class JoyDevice(Device):
    """A joystick on ``/joy``, as ROS 2's ``joy_node`` publishes it."""

    def __init__(self, host: Host, driver: JoyDriver) -> None:
        super().__init__()
        self._host = host
        self._driver = driver
        self._told_of_missing = False
        host.subscribe("/joy", Joy, self._on_joy, QoSProfile(depth=10))
        if driver.mapping.dead_man == NOT_MAPPED:
            host.say("warn", "NO DEAD-MAN BUTTON: the robot follows the stick whether anybody holds it or not")

    def _on_joy(self, message: Any) -> None:
        self.rate.add()
        driver, now_s = self._driver, time.monotonic()
        known = driver.problem
        try:
            presses = driver.take(message.axes, message.buttons, now_s)
        except CodecError as error:
            if error.problem != known:
                self._host.say("error", str(error))
            return
        self._tell_of_missing(message.buttons)
        if driver.dead_man_pressed and driver.mapping.dead_man != NOT_MAPPED:
            self._host.grab(now_s)
        for press in presses:
            self._host.press(press, now_s)

    def _tell_of_missing(self, buttons: Sequence[int]) -> None:
        missing = [] if self._told_of_missing else self._driver.mapping.missing_presses(buttons)
        self._told_of_missing = True
        for press in missing:
            self._host.say("warn", f"{press}_button is not on this joystick, which has {len(buttons)} buttons")

    def reading(self, now_s: float) -> Reading:
        """See :class:`JoyDriver`."""
        return self._driver.reading(now_s)

    def age_s(self, now_s: float) -> float:
        """Since the newest usable message."""
        return self._driver.age_s(now_s)

    @property
    def problem(self) -> str:
        """For instance an axis that this joystick does not have."""
        return self._driver.problem

    def waiting(self, now_s: float) -> str:
        """A joystick, or a thumb."""
        age_s = self.age_s(now_s)
        if age_s > self._driver.timeout_s:
            return "no joystick" if math.isinf(age_s) else "the joystick is silent"
        if self._driver.armed:
            return ""
        pressed = "release the dead-man button, then press it"
        return "press the dead-man button" if self._driver.dead_man == "released" else pressed

    def values(self) -> dict[str, object]:
        """Dead-man button and what could not be used."""
        driver = self._driver
        return {"dead_man": driver.dead_man, "armed": driver.armed, "unusable": driver.refused}

    def rest(self) -> None:
        """The dead-man button must be pressed anew."""
        self._driver.forget()


class KeyboardDevice(Device):
    """Keys of the terminal that the node was started in.

    Args:
        host: the node.
        driver: the keys' logic.
        terminal: open; whoever made it closes it.
    """

    def __init__(self, host: Host, driver: KeyDriver, terminal: Terminal) -> None:
        super().__init__()
        self._host = host
        self.driver = driver
        self._terminal = terminal
        self._decoder = KeyDecoder()
        self._received_s = -math.inf
        terminal.note(HELP)
        host.steady_timer(READ_S, self._read, while_inactive=True)

    def _read(self) -> None:
        now_s = time.monotonic()
        for key in self._decoder.feed(self._terminal.read()):
            self.rate.add()
            self._received_s = now_s
            self._take(key, now_s)
        if self._terminal.hung_up:
            self._host.request_exit(0)

    def _take(self, key: str, now_s: float) -> None:
        if key == "q":
            self._host.request_exit(0)
        elif key == "?":
            self._terminal.note(HELP)
        elif key in KEY_PRESSES:
            self._host.press(KEY_PRESSES[key], now_s)
        elif self._host.is_active and self.driver.press(key, now_s):
            self._host.note_key("space" if key == " " else key)

    def reading(self, now_s: float) -> Reading:
        """See :class:`KeyDriver`."""
        return self.driver.reading(now_s)

    def age_s(self, now_s: float) -> float:
        """Since the newest key."""
        return now_s - self._received_s

    def rest(self) -> None:
        """The stop command until a key moves something."""
        self.driver.stop()


class LeaderDevice(Device):
    """A leader's own topics; with it, the buttons of a joystick or a pedal on ``/joy``, if there is one.

    Args:
        host: the node.
        leader: decodes and joins the messages.
        sources: what to subscribe to, one a command channel.
        buttons: index of each button on ``/joy``; it need not exist.
        debounce_s: of these.
    """

    def __init__(
        self, host: Host, leader: Leader, sources: Sequence[Source], buttons: Mapping[Press, int], debounce_s: float
    ) -> None:
        super().__init__()
        self._host = host
        self._leader = leader
        self._edges, self._buttons = ButtonEdges(debounce_s), buttons
        for index, source in enumerate(sources):
            message_class, qos = import_message_class(source.channel.type), qos_profile(source.channel.qos)
            host.subscribe(source.channel.topic, message_class, partial(self._on_message, index), qos, raw=True)
        host.subscribe("/joy", Joy, self._on_joy, QoSProfile(depth=10))

    def _on_message(self, index: int, cdr: bytes) -> None:
        self.rate.add()
        now_s, known = time.monotonic(), self._leader.problem
        taken = self._leader.take(index, cdr, self._host.clock_ns(), now_s)
        if self._leader.problem not in ("", known):
            self._host.say("error", self._leader.problem)
        if taken is not None:
            stamp_ns, wanted = taken
            self._host.follow_leader(wanted, stamp_ns, now_s)

    def _on_joy(self, message: Any) -> None:
        now_s = time.monotonic()
        down = {p: bool(message.buttons[i]) for p, i in self._buttons.items() if 0 <= i < len(message.buttons)}
        for press in self._edges.update(down, now_s):
            self._host.press(press, now_s)

    def reading(self, now_s: float) -> Reading:
        """Only whether it is there: what it says is passed on when it comes."""
        return Reading(State.SILENT if self.waiting(now_s) else State.DRIVE)

    def age_s(self, now_s: float) -> float:
        """Since the newest complete tick."""
        return self._leader.age_s(now_s)

    @property
    def problem(self) -> str:
        """For instance a joint that is not in its messages."""
        return self._leader.problem

    def waiting(self, now_s: float) -> str:
        """The leader itself."""
        return "the leader is silent" if self.age_s(now_s) > LEADER_SILENT_S else ""

    def values(self) -> dict[str, object]:
        """What could not be used."""
        return {"unusable": self._leader.refused}

    def rest(self) -> None:
        """What was sent so far is no command of what follows."""
        self._edges.forget()
