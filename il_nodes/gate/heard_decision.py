"""What other nodes take from the gate's decisions."""

from __future__ import annotations

from typing import Any

__all__ = ["decided_driver"]


def decided_driver(message: Any) -> str:
    """Who drives by a ``diagnostic_msgs/DiagnosticArray`` of the gate: expert, policy or halt; empty if unsaid."""
    pairs = (pair for status in message.status for pair in status.values)
    return next((str(pair.value) for pair in pairs if pair.key == "source"), "")
