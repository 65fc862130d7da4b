"""A ROS domain of one's own, so that two runs on one machine never hear each other.

A run holds an advisory lock (``flock``) on a file of its domain in the temporary folder: the kernel gives it back when
the run ends, however it ends. A domain whose DDS ports are open belongs to somebody who does not know of these locks.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import DeploymentError

__all__ = [
    "FIRST_PORT",
    "LAST_DOMAIN",
    "PORTS_PER_DOMAIN",
    "domain_ports_in_use",
    "require_free_domain",
    "reserve_domain",
]

# On Linux, domains above 101 reach into the ephemeral ports (docs.ros.org, "The ROS_DOMAIN_ID").
LAST_DOMAIN = 101
# DDSI-RTPS 9.6.2.3: a participant's port is 7400 + 250 * domain + an offset below 250.
FIRST_PORT = 7400
PORTS_PER_DOMAIN = 250


def domain_ports_in_use(domain: int, tables: tuple[str, ...] = ("/proc/net/udp", "/proc/net/udp6")) -> int:
    """How many UDP ports of a domain are bound on this machine; more than none means that somebody uses it."""
    first = FIRST_PORT + PORTS_PER_DOMAIN * domain
    ports = set()
    for table in tables:
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        ports |= {int(row.split()[1].rpartition(":")[2], 16) for row in rows}
    return sum(first <= port < first + PORTS_PER_DOMAIN for port in ports)


def _lock_path(domain: int) -> Path:
    return Path(tempfile.gettempdir()) / f"understudy-domain-{domain}.lock"


def _try_lock(domain: int) -> int | None:
    """An open descriptor that holds the domain's lock, or None when another run holds it."""
    # Everybody may write into the temporary folder: a link there must not choose the file that is emptied below.
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    is_ours = True
    try:
        descriptor = os.open(_lock_path(domain), flags | os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user has left it there: a lock needs no right to write
        is_ours = False
        try:
            descriptor = os.open(_lock_path(domain), flags | os.O_RDONLY)
        except OSError:
            return None
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    if is_ours:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


@contextmanager
def reserve_domain(wanted: int | None = None, *, on_robot: bool = False) -> Iterator[int]:
    """Hold a ROS domain for the length of the block.

    Args:
        wanted: 0 to 101; None picks a free one. Domain 0 is never picked: robots live there by default.
        on_robot: the domain is where a robot lives, so that no other would do.

    Raises:
        DeploymentError: the wanted domain is out of range or belongs to another run, or none is free.
    """
    if wanted is not None and not 0 <= wanted <= LAST_DOMAIN:
        raise DeploymentError(
            "this ROS domain does not exist",
            found=wanted,
            expected=f"0 to {LAST_DOMAIN}",
            fix="name the robot's" if on_robot else "leave --domain out to get a free one",
        )
    # Runs that start together begin their search at different places, which spares them most collisions.
    start = os.getpid() % LAST_DOMAIN
    candidates = [wanted] if wanted is not None else [1 + (start + i) % LAST_DOMAIN for i in range(LAST_DOMAIN)]
    for domain in candidates:
        if wanted is None and domain_ports_in_use(domain):
            continue
        descriptor = _try_lock(domain)
        if descriptor is None:
            continue
        try:
            yield domain
        finally:
            os.close(descriptor)
        return
    if wanted is None:
        raise DeploymentError(
            f"no ROS domain from 1 to {LAST_DOMAIN} is free", fix="end other ROS 2 processes, or give --domain"
        )
    raise DeploymentError(
        f"ROS domain {wanted} is held by another understudy run",
        found=f"process {_holder(wanted)}",
        fix="end the other run: one at a time works with a robot"
        if on_robot
        else "leave --domain out to get a free one, or end the other run",
    )


def require_free_domain(wanted: int | None, *, on_robot: bool = False) -> None:
    """Refuse, before anything is made, a domain that :func:`reserve_domain` would refuse now."""
    if wanted is not None:
        with reserve_domain(wanted, on_robot=on_robot):
            pass


def _holder(domain: int) -> str:
    try:
        return _lock_path(domain).read_text().strip() or "unknown"
    except OSError:
        return "unknown"
