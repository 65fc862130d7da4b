"""What the simulator node asks of a robot: a world to step, and its topics. The node itself knows of no robot.

A robot of another kind is one more class here, one line in ``robots.py``, a contract and a parameter file.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode

__all__ = ["CommandChannel", "JoinedCommands", "ScriptedExpert", "SimulatedRobot"]


@dataclass(frozen=True)
class CommandChannel:
    """One topic of the robot's command.

    Attributes:
        topic: its name.
        message_class: with a ``header``, whose stamp is that of the observation it answers.
        read: the message's part of the command, SI units; NaN where it has none.
    """

    topic: str
    message_class: type
    read: Callable[[Any], tuple[float, ...]]


class JoinedCommands:
    """Whole commands from the parts that come on several topics: those parts that answer one observation.

    A part whose others never come moves nothing: half a command is none, and the watchdog sees to the rest.
    """

    def __init__(self, channels: int) -> None:
        self._parts: list[tuple[int, tuple[float, ...]] | None] = [None] * channels

    def take(self, channel: int, stamp_ns: int, part: tuple[float, ...]) -> tuple[float, ...] | None:
        """The whole command once all of its parts with this stamp are here; else ``None``."""
        self._parts[channel] = (stamp_ns, part)
        found = [known[1] for known in self._parts if known is not None and known[0] == stamp_ns]
        if len(found) < len(self._parts):
            return None
        self.reset()
        return tuple(value for values in found for value in values)

    def reset(self) -> None:
        """Forget the parts of an earlier episode."""
        self._parts = [None] * len(self._parts)


class SimulatedRobot(abc.ABC):
    """One robot's world, its command, and what it publishes.

    Made with the node, it declares its own parameters and refuses wrong ones; :meth:`open` then makes world and topics.
    """

    #: What the simulator's reports are called, and the hardware that they are about.
    name: ClassVar[str]
    hardware: ClassVar[str]
    #: How the names of its episodes start.
    prefix: ClassVar[str]
    #: What a seed of the plan draws, which is how the parameter (``track_seeds``) and the recordings are named.
    noun: ClassVar[str]
    #: Control steps a second of simulated time.
    control_hz: ClassVar[float]
    #: The command that is always safe, SI units, in the order of the channels.
    stop: ClassVar[tuple[float, ...]]
    #: Where commands come from.
    channels: ClassVar[tuple[CommandChannel, ...]]
    #: Whether episodes end without a limit of time.
    ends_by_itself: bool = True

    @abc.abstractmethod
    def open(self, node: UnderstudyNode) -> None:
        """Make the world and the publishers."""

    @abc.abstractmethod
    def start(self, drawn_seed: int, world_seed: int) -> None:
        """Put everything where an episode starts.

        Args:
            drawn_seed: of what the plan draws: the track, or the scene.
            world_seed: of everything else that is random.
        """

    @abc.abstractmethod
    def step(self, command: tuple[float, ...]) -> None:
        """Carry out a command (finite, SI units, in the order of the channels) for one control step."""

    @property
    @abc.abstractmethod
    def elapsed_s(self) -> float:
        """Simulated time since the start."""

    @property
    @abc.abstractmethod
    def is_done(self) -> bool:
        """Whether the task is over, whatever time is left."""

    def recover(self) -> bool:
        """Put the robot back where it got stuck, as a person would; whether it was. Asked once a tick."""
        return False

    @abc.abstractmethod
    def publish_scene(self, stamp_ns: int) -> Sequence[Any]:
        """Publish what listeners must know before the first tick; the latched publishers it went out on."""

    @abc.abstractmethod
    def publish_sensors(self, stamp_ns: int) -> None:
        """Publish the tick, the stream that starts a tick for everybody else last."""

    def publish_rest(self, stamp_ns: int) -> None:
        """What nobody waits for."""
        return

    @abc.abstractmethod
    def status(self) -> Status:
        """The world's own score so far."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the world. Closing twice is fine."""


class ScriptedExpert(abc.ABC):
    """The program that knows how: hears the episode's start and the exact state, answers every tick of a running one.

    Made with the node, it declares its own parameters; :meth:`open` then makes the topics.
    """

    @abc.abstractmethod
    def open(self, node: UnderstudyNode) -> None:
        """Make the topics; nothing is known of any episode yet."""

    @abc.abstractmethod
    def status(self) -> Status:
        """How it is doing."""
