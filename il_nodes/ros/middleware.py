"""What the middleware reads from the environment; imports no rclpy, so that a supervisor may use it too.

Two settings decide whether camera images arrive at all (measured with raw 640x480 images): a Fast DDS profile with a
32 MiB shared-memory segment, named in ``FASTRTPS_DEFAULT_PROFILES_FILE`` (the ``FASTDDS_...`` spelling is silently
ignored), and discovery that stays on this machine.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PROFILE", "prepare_environment"]

#: Fast DDS profile: shared memory of 32 MiB beside UDPv4.
PROFILE = Path(__file__).parents[1] / "fastdds_shm.xml"


def prepare_environment() -> None:
    """Set both for this process, unless a person or a supervisor did; must run before ``rclpy.init``."""
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", str(PROFILE))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
