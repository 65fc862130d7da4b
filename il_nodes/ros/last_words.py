"""The last words of a node that somebody ended: said by the node, read in its log by whoever ran it.

A node that is told to end does so with exit code 0, as one that has done its work. No rclpy, so that a supervisor may
read them too.
"""

from __future__ import annotations

import re

__all__ = ["told_to_end", "who_told"]

_WORDS = "told to end by "


def told_to_end(signal_name: str) -> str:
    """What the node says, such as ``told to end by SIGTERM``."""
    return _WORDS + signal_name


def who_told(log: str) -> str:
    """The signal that a log says its node was ended by; empty when it ended by itself."""
    found = re.findall(rf"{_WORDS}(SIG[A-Z0-9]+)$", log, re.MULTILINE)
    return found[-1] if found else ""
