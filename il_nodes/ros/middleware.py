"""What the middleware reads from the environment; imports no rclpy, so that a supervisor may use it too.

Two settings decide whether camera images arrive at all (measured with raw 640x480 images): a Fast DDS profile with a
32 MiB shared-memory segment, named in ``FASTRTPS_DEFAULT_PROFILES_FILE`` (the ``FASTDDS_...`` spelling is silently
ignored), and discovery that stays on this machine.

A node that moves no images does without shared memory. Whoever writes through it stands still for a third of a second
when a process joins after another was killed: the middleware finds the dead one's port, and waits to see whether it is
alive (measured; Fast DDS issue 6535). Commands must not wait for that.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PROFILE", "PROFILE_WITHOUT_SHARED_MEMORY", "prepare_environment"]

#: Fast DDS profile: shared memory of 32 MiB beside UDPv4.
PROFILE = Path(__file__).parents[1] / "fastdds_shm.xml"
#: Fast DDS profile: UDPv4 alone.
PROFILE_WITHOUT_SHARED_MEMORY = PROFILE.with_name("fastdds_udp.xml")

_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def prepare_environment(*, shared_memory: bool = True) -> None:
    """Set both for this process, unless a person did; must run before ``rclpy.init``.

    Args:
        shared_memory: false for a process that moves small messages only, and must not wait for the dead. A profile
            that is not this project's is left alone.
    """
    if os.environ.get(_VARIABLE, str(PROFILE)) == str(PROFILE):
        os.environ[_VARIABLE] = str(PROFILE if shared_memory else PROFILE_WITHOUT_SHARED_MEMORY)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
