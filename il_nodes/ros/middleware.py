"""What the middleware reads from the environment; imports no rclpy, so that a supervisor may use it too.

Two settings decide whether camera images arrive at all (measured with raw 640x480 images): a Fast DDS profile with a
32 MiB shared-memory segment, named in ``FASTRTPS_DEFAULT_PROFILES_FILE`` (the ``FASTDDS_...`` spelling is silently
ignored), and discovery that stays on this machine.

A node that moves no images does without shared memory. Whoever writes through it may stand still for a while
when a process is killed that he wrote to; commands must not wait for the dead
(``docs/decisions/0013-small-messages-go-by-udp.md``).
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PROFILE", "prepare_environment"]

#: Fast DDS profile: shared memory of 32 MiB beside UDPv4.
PROFILE = Path(__file__).parents[1] / "fastdds_shm.xml"
#: UDPv4 alone; and the same on this machine, where ROS 2 itself would add shared memory to whatever a profile says.
_SMALL = PROFILE.with_name("fastdds_small.xml")
_SMALL_LOCALHOST = PROFILE.with_name("fastdds_small_localhost.xml")

_FILE, _RANGE = "FASTRTPS_DEFAULT_PROFILES_FILE", "ROS_AUTOMATIC_DISCOVERY_RANGE"


def prepare_environment(*, images: bool = True) -> None:
    """Set both for this process, unless a person or a supervisor did; must run before ``rclpy.init``.

    Args:
        images: whether it moves any; one that does not uses no shared memory. A profile that is not this project's is
            left alone, and so is a range that is not ``LOCALHOST``.
    """
    os.environ.setdefault(_FILE, str(PROFILE))
    os.environ.setdefault(_RANGE, "LOCALHOST")
    if images or os.environ[_FILE] != str(PROFILE):
        return
    local = os.environ[_RANGE] == "LOCALHOST"
    os.environ[_FILE] = str(_SMALL_LOCALHOST if local else _SMALL)
    if local:  # the profile says it itself
        os.environ[_RANGE] = "SYSTEM_DEFAULT"
