"""``diagnostic_msgs`` in short: a status as a value, an array as a message, and a publisher once a second."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile

__all__ = ["DiagnosticsPublisher", "Level", "Status", "diagnostic_array"]

Level = Literal["ok", "warn", "error", "stale"]
_LEVELS: dict[str, bytes] = {
    "ok": DiagnosticStatus.OK,
    "warn": DiagnosticStatus.WARN,
    "error": DiagnosticStatus.ERROR,
    "stale": DiagnosticStatus.STALE,
}
#: The convention of REP 107: diagnostics once a second.
PERIOD_S = 1.0


@dataclass(frozen=True)
class Status:
    """One ``DiagnosticStatus``. Floats are written with six significant digits, booleans as ``true`` and ``false``."""

    level: Level
    message: str
    values: Mapping[str, object] = field(default_factory=dict)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def diagnostic_array(stamp: Any, statuses: Mapping[str, Status], hardware_id: str = "") -> Any:
    """A ``DiagnosticArray`` message with one status a name, in the order given."""
    message = DiagnosticArray()
    message.header.stamp = stamp
    message.status = [
        DiagnosticStatus(
            level=_LEVELS[status.level],
            name=name,
            message=status.message,
            hardware_id=hardware_id,
            values=[KeyValue(key=key, value=_text(value)) for key, value in status.values.items()],
        )
        for name, status in statuses.items()
    ]
    return message


class DiagnosticsPublisher:
    """Asks every source for its status once a second, on the monotonic clock, and publishes ``/diagnostics``."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self._sources: dict[str, Callable[[], Status]] = {}
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))
        self._timer = node.create_timer(PERIOD_S, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def add(self, name: str, source: Callable[[], Status]) -> None:
        """Report ``source()`` under ``<node>: <name>``; a second source of one name replaces the first."""
        self._sources[f"{self._node.get_name()}: {name}"] = source

    def keep(self, *names: str) -> None:
        """Forget every source but these."""
        kept = {f"{self._node.get_name()}: {name}" for name in names}
        self._sources = {name: source for name, source in self._sources.items() if name in kept}

    def publish(self) -> None:
        """Publish now, for instance right before the node ends."""
        statuses = {name: source() for name, source in self._sources.items()}
        stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(diagnostic_array(stamp, statuses, hardware_id=self._node.get_name()))
