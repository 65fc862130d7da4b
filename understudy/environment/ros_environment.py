"""What a node's process inherits: the DDS profile, its domain, and libraries of this Python environment only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from il_nodes.ros.middleware import PROFILE

__all__ = [
    "PROFILE_VARIABLE",
    "drop_foreign_ros_libraries",
    "node_environment",
    "repository_root",
    "shared_folder",
]

# Fast DDS 2.14 (Jazzy) reads this name; FASTDDS_DEFAULT_PROFILES_FILE is ignored without a word.
PROFILE_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE"
# Set by the ROS wheels once they have put their libraries on LD_LIBRARY_PATH and re-executed Python.
BOOTSTRAP_VARIABLE = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"


def repository_root() -> Path:
    """The folder that holds the packages, ``launch/`` and ``contracts/``."""
    return Path(__file__).resolve().parents[2]


def shared_folder() -> Path:
    """The folder that holds ``launch/``, ``contracts/`` and ``security/``: a checkout, or what was installed of it."""
    root = repository_root()
    if (root / "launch").is_dir():
        return root
    # <prefix>/lib/pythonX.Y/site-packages: colcon and the Dockerfile install them under the same prefix.
    return root.parents[min(2, len(root.parents) - 1)] / "share" / "il_nodes"


def drop_foreign_ros_libraries(environment: Mapping[str, str], prefix: str = sys.prefix) -> dict[str, str]:
    """A copy of ``environment`` without the library paths of another virtual environment's ROS wheels.

    The wheels mark a process whose ``LD_LIBRARY_PATH`` they have set, and its children skip that step. A child that
    runs another environment's Python would silently load the first one's libraries; so the mark goes, and with it
    the other environment's folders. What else stands in ``LD_LIBRARY_PATH`` (CUDA, for example) stays.

    Args:
        environment: the inherited variables.
        prefix: ``sys.prefix`` of the Python that the child will run.
    """
    cleaned = dict(environment)
    folders = [part for part in cleaned.get("LD_LIBRARY_PATH", "").split(os.pathsep) if part]
    own = str(Path(prefix).resolve())
    foreign_prefixes = {
        root
        for part in folders
        if Path(part).name.startswith("ros_") and part.endswith(".libs")
        for root in [_prefix_of(part)]
        if root != own
    }
    if not foreign_prefixes and (BOOTSTRAP_VARIABLE not in cleaned or str(Path(prefix) / "lib") in folders):
        return cleaned
    kept = [part for part in folders if not any(_inside(part, root) for root in foreign_prefixes)]
    cleaned.pop(BOOTSTRAP_VARIABLE, None)
    cleaned.pop("LD_LIBRARY_PATH", None)
    if kept:
        cleaned["LD_LIBRARY_PATH"] = os.pathsep.join(kept)
    return cleaned


def _prefix_of(wheel_libraries: str) -> str:
    """The environment a ``<prefix>/lib/pythonX.Y/site-packages/ros_*.libs`` folder belongs to."""
    parents = Path(wheel_libraries).resolve().parents
    return str(parents[min(3, len(parents) - 1)])


def _inside(path: str, root: str) -> bool:
    return Path(path).resolve().is_relative_to(root)


def node_environment(
    domain: int, log_directory: Path, base: Mapping[str, str] | None = None, *, on_robot: bool = False
) -> dict[str, str]:
    """The whole environment of a node's process.

    Args:
        domain: its ``ROS_DOMAIN_ID``.
        log_directory: where rcl writes its own logs, instead of the home directory.
        base: what to start from; the variables of this process unless given.
        on_robot: the robot's own nodes must be found: what its owner set for them (middleware, discovery, profile)
            holds, and discovery stays on this machine unless it says otherwise.
    """
    environment = drop_foreign_ros_libraries(os.environ if base is None else base)
    middleware = {
        PROFILE_VARIABLE: str(PROFILE),
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    if on_robot:
        middleware = {name: environment.get(name) or value for name, value in middleware.items()}
    else:
        # Peers of another machine, or a discovery server of the user's robot, have no part in a simulated run.
        for name in ("ROS_DISCOVERY_SERVER", "ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY", "FASTDDS_BUILTIN_TRANSPORTS"):
            environment.pop(name, None)
    environment.update(
        {
            **middleware,
            "ROS_DOMAIN_ID": str(domain),
            "ROS_LOG_DIR": str(log_directory / "ros"),
            "RCUTILS_COLORIZED_OUTPUT": "0",
            # A node that dies must not take its last words with it.
            "PYTHONUNBUFFERED": "1",
            # Paths and logs are UTF-8 in any locale.
            "PYTHONUTF8": "1",
        }
    )
    # Five processes that each start one BLAS thread a core fight for the cores; their matrices are tiny.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment.setdefault(name, "1")
    root = str(repository_root())
    paths = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]
    if root not in paths:
        environment["PYTHONPATH"] = os.pathsep.join([root, *paths])
    return environment
