"""Faults of the sensors: missing, frozen, not a number, saturated, apart (rows 11 to 14 of the table)."""

from __future__ import annotations

import array
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.faults.rows import EXPERT
from bench.faults.scene import Scene
from bench.faults.tally import Tally
from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns

__all__ = ["SENSOR_FAULTS", "SensorFault"]

Hook = Callable[[Any], Any]
#: Ticks that each fault lasts beyond the one from which on it counts.
LASTS_TICKS = 4


@dataclass(frozen=True)
class SensorFault:
    """What happens to the sensors' messages while it lasts.

    Attributes:
        row: in the table of faults.
        name: for the table.
        words: what the policy node's diagnostics say about it.
        make: gives the hooks of odometry and camera, ``None`` where a sensor is left alone.
        from_tick: the first tick on which the policy must not drive; before it nothing is wrong yet.
    """

    row: int
    name: str
    words: str
    make: Callable[[Scene], tuple[Hook | None, Hook | None]]
    from_tick: int = 0

    @property
    def expected(self) -> str:
        """For the table."""
        return f"E from tick {self.from_tick} on" if self.from_tick else "E"

    def inject(self, rig: Scene, tally: Tally, *, explain: bool) -> None:
        """While it lasts nobody follows the policy."""
        rig.settle(tally.mode)
        begin, first = len(rig.log), len(rig.sent)
        plain = rig.odometry, rig.image
        state, image = self.make(rig)
        try:
            rig.odometry, rig.image = state or plain[0], image or plain[1]
            rig.ticks(self.from_tick + 1 + LASTS_TICKS)
            if explain and self.words:
                rig.tick_until_said("policy: policy", self.words, 5.0)
                tally.seen[f"the policy node says '{self.words}'"] += 1
            log = rig.log[begin:]
        finally:
            rig.odometry, rig.image = plain
        effect = rig.sent[first + self.from_tick]
        if tally.mode == EXPERT:
            effect = rig.sent[first]
        tally.hand_over(log, effect.stamp_ns, effect.at_s)


def _nothing(message: Any) -> Any:
    return None


def _frozen(copy: Callable[[Any, Any], None]) -> Hook:
    kept: list[Any] = []

    def hook(message: Any) -> Any:
        kept.append(message)
        copy(kept[0], message)
        return message

    return hook


def _freeze_image(first: Any, message: Any) -> None:
    message.data = first.data


def _freeze_state(first: Any, message: Any) -> None:
    message.twist.twist = first.twist.twist


def _speed(value: float) -> Hook:
    def hook(message: Any) -> Any:
        message.twist.twist.linear.x = value
        return message

    return hook


def _paint(value: int) -> Hook:
    def hook(message: Any) -> Any:
        message.data = array.array("B", bytes([value]) * len(message.data))
        return message

    return hook


def _behind(ticks: int, rig: Scene) -> Hook:
    def hook(message: Any) -> Any:
        late_ns = stamp_to_ns(message.header.stamp) - round(ticks * rig.period_s * 1e9)
        message.header.stamp = ns_to_stamp(late_ns)
        return message

    return hook


#: A sample that is one tick old may still be used (``sync_tolerance``), so a missing one counts from the second on;
#: K = 10 ticks (``frozen_after``) after the first copy of a message the sensor counts as frozen.
SENSOR_FAULTS = (
    SensorFault(11, "camera stops", "", lambda rig: (None, _nothing)),
    SensorFault(11, "odometry stops", "observation.state", lambda rig: (_nothing, None), 1),
    SensorFault(12, "camera frozen", "frozen: /camera", lambda rig: (None, _frozen(_freeze_image)), 10),
    SensorFault(12, "odometry frozen", "frozen: /odom", lambda rig: (_frozen(_freeze_state), None), 10),
    SensorFault(13, "odometry NaN", "not finite", lambda rig: (_speed(math.nan), None)),
    SensorFault(13, "odometry infinite", "not finite", lambda rig: (_speed(math.inf), None)),
    SensorFault(13, "camera all 0", "saturated: /camera", lambda rig: (None, _paint(0))),
    SensorFault(13, "camera all 255", "saturated: /camera", lambda rig: (None, _paint(255))),
    SensorFault(14, "odometry two ticks behind", "too far apart", lambda rig: (_behind(2, rig), None), 1),
)
