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
#: Older than the range; where it is 1, ROS 2 takes the range for ``LOCALHOST`` whatever it says.
_LOCALHOST_ONLY = "ROS_LOCALHOST_ONLY"
#: The middleware that reads these profiles; without a word it is ROS 2's own choice, Fast DDS.
_FAST_DDS = ("", "rmw_fastrtps_cpp", "rmw_fastrtps_dynamic_cpp")
#: Others to be found beside the range, perhaps on another machine: ROS 2 and Fast DDS themselves see to them.
_OTHERS = ("ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER")


def prepare_environment(*, images: bool = True) -> None:
    """Set both for this process, unless a person or a supervisor did; must run before ``rclpy.init``.

    Args:
        images: whether it moves any; one that does not uses no shared memory. Left alone are a profile that is not this
            project's, other middleware, which reads no profile and takes ``SYSTEM_DEFAULT`` for the whole network, and
            a range of ``LOCALHOST`` with peers beyond it.
    """
    said = os.environ
    said.setdefault(_FILE, str(PROFILE))
    said.setdefault(_RANGE, "LOCALHOST")
    if images or said[_FILE] != str(PROFILE) or said.get("RMW_IMPLEMENTATION", "") not in _FAST_DDS:
        return
    only = said.get(_LOCALHOST_ONLY) == "1"
    if not only and said[_RANGE] != "LOCALHOST":
        said[_FILE] = str(_SMALL)
    elif only or not any(said.get(name) for name in _OTHERS):
        # The profile says itself that discovery stays here.
        said[_FILE], said[_RANGE] = str(_SMALL_LOCALHOST), "SYSTEM_DEFAULT"
        said.pop(_LOCALHOST_ONLY, None)
