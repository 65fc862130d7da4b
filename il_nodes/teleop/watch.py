"""What a teleoperator must know of the others: who drives, where the robot is, whether it is being recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.gate.decision import Driver
from il_nodes.gate.measured_positions import MeasuredPositions
from models.contract import Contract
from models.data import FloatArray
from models.errors import CodecError

__all__ = ["ExecutedCommand", "GateWatch", "PositionWatch", "RecorderWatch", "status_values"]

#: The gate decides on every tick; a decision older than that says nothing of now.
DECISION_S = 0.5
#: The recorder reports once a second.
REPORT_S = 3.0


def status_values(status: Any) -> dict[str, str]:
    """Key → value of a ``DiagnosticStatus``."""
    return {pair.key: pair.value for pair in status.values}


class GateWatch:
    """The newest of the gate's decisions."""

    def __init__(self) -> None:
        self._values: Mapping[str, str] = {}
        self._at_s: float | None = None

    def take(self, values: Mapping[str, str], now_s: float) -> None:
        """Take in the values of one ``/gate/decision``."""
        self._values, self._at_s = values, now_s

    def driver(self, now_s: float) -> str:
        """``policy``, ``expert``, ``halt``; empty when nothing is known."""
        fresh = self._at_s is not None and now_s - self._at_s <= DECISION_S
        return self._values.get("source", "") if fresh else ""

    def reason(self, now_s: float) -> str:
        """Why that one; empty when nothing is known."""
        return self._values.get("reason", "") if self.driver(now_s) else ""

    def somebody_else_drives(self, now_s: float) -> bool:
        """Whether the robot does something else than what the expert says."""
        return self.driver(now_s) in (Driver.POLICY, Driver.HALT)


class ExecutedCommand:
    """What the robot was told last, read from its own command topics."""

    def __init__(self, contract: Contract) -> None:
        self._channels = ActionChannels(contract)
        self._values: FloatArray | None = None
        self._at_s = 0.0

    def take(self, index: int, cdr: bytes, now_s: float) -> None:
        """Take in the message of channel ``index``; one that cannot be read changes nothing."""
        try:
            command = self._channels.join(index, cdr, 0)
        except CodecError:
            return
        if command is not None:
            self._values, self._at_s = command.values, now_s

    def values(self, now_s: float) -> FloatArray | None:
        """``(dims,)``; ``None`` when nobody has told the robot anything lately."""
        return self._values if now_s - self._at_s <= DECISION_S else None


class PositionWatch:
    """Where a robot that holds its position is, before anybody has commanded it: from its own joint states.

    Attributes:
        channels: topic to channel of what to subscribe to; empty for a robot that has nothing to hold.
    """

    def __init__(self, contract: Contract) -> None:
        self._measured = MeasuredPositions(contract)
        self.channels = self._measured.channels
        self._values: FloatArray = np.full(len(contract.action_names), np.nan, np.float32)

    def take(self, topic: str, cdr: bytes) -> None:
        """Take in a message of ``topic``; one that cannot be read changes nothing."""
        with suppress(CodecError):
            found = self._measured.positions(topic, cdr)
            self._values = np.where(np.isnan(found), self._values, found)

    @property
    def values(self) -> FloatArray:
        """``(dims,)`` SI units; NaN where nothing is measured."""
        return self._values.copy()


class RecorderWatch:
    """Whether an episode is being recorded, from the recorder's diagnostics."""

    def __init__(self) -> None:
        self._episode = ""
        self._at_s: float | None = None

    def take(self, name: str, values: Mapping[str, str], now_s: float) -> None:
        """Take in one status of ``/diagnostics``; those of others change nothing."""
        if name.startswith("recorder: ") and "episode" in values:
            self._episode, self._at_s = values["episode"], now_s

    def note(self, recording: bool, now_s: float) -> None:
        """The recorder was told to start, or to stop, and did; its next report says which episode."""
        self._episode, self._at_s = "started" if recording else "", now_s

    def episode(self, now_s: float) -> str | None:
        """The episode that is being recorded, empty for none; ``None`` when nothing is known."""
        return self._episode if self._at_s is not None and now_s - self._at_s <= REPORT_S else None

    def is_recording(self, now_s: float) -> bool | None:
        """The same as a yes, a no, or ``None``."""
        episode = self.episode(now_s)
        return None if episode is None else bool(episode)
