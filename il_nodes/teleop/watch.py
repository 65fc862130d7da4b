"""What a teleoperator must know of the others: who drives, where the robot is, whether it is being recorded."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from il_nodes.codecs import decode_raw
from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.gate.decision import Driver
from models.contract import Contract, Source
from models.data import FloatArray
from models.errors import CodecError

__all__ = ["ExecutedCommand", "GateWatch", "MeasuredPositions", "RecorderWatch", "status_values"]

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


class MeasuredPositions:
    """Where a robot that holds its position is, before anybody has commanded it: from its own joint states.

    An action dimension is measured by the observation of the same label: ``left.position.elbow``, where a trajectory's
    ``positions`` are a joint state's ``position``. A label that occurs twice measures nothing.

    Attributes:
        sources: what to subscribe to; empty for a robot that has nothing to hold.
    """

    def __init__(self, contract: Contract) -> None:
        names = [_singular(name) for stream in contract.actions for name in stream.names]
        held = {
            name: index for index, name in enumerate(names) if contract.action_held[index] and names.count(name) == 1
        }
        found: list[tuple[Source, list[int | None]]] = []
        for stream in contract.observations:
            labels = iter(stream.names)
            for source in stream.sources if not stream.is_image else ():
                found.append((source, [held.get(next(labels)) for _ in source.names]))
        found = [(source, indices) for source, indices in found if any(index is not None for index in indices)]
        # Operators such as rad2deg belong to what the policy sees; commands are in SI units.
        self.sources = tuple(replace(source, apply=()) for source, _ in found)
        self._indices = [indices for _, indices in found]
        self._values: FloatArray = np.full(len(names), np.nan, np.float32)

    def take(self, index: int, cdr: bytes) -> None:
        """Take in the message of source ``index``; one that cannot be read changes nothing."""
        with suppress(CodecError):
            measured = np.atleast_1d(decode_raw(cdr, self.sources[index]))
            for place, value in zip(self._indices[index], measured.tolist(), strict=True):
                if place is not None:
                    self._values[place] = value

    @property
    def values(self) -> FloatArray:
        """``(dims,)`` SI units; NaN where nothing is measured."""
        return self._values.copy()


def _singular(label: str) -> str:
    return ".".join("position" if part == "positions" else part for part in label.split("."))


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
