"""DDS security (SROS2): whether the environment asks for it, and whether the installed middleware can give it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.errors import DeploymentError

__all__ = ["is_security_on", "require_usable_security"]

# rcl/security.c compares the value with this very word; anything else means off.
_ON = "true"


def is_security_on(environment: Mapping[str, str]) -> bool:
    """Whether nodes started with these variables try to secure what they say."""
    return environment.get("ROS_SECURITY_ENABLE") == _ON


def _wheels_version() -> str:
    """Version of the middleware that pip installed; empty when it came with ROS itself."""
    try:
        return version("ros-jazzy-rmw-fastrtps-cpp")
    except PackageNotFoundError:
        return ""


def require_usable_security(environment: Mapping[str, str]) -> None:
    """Refuse to start nodes that could only fail, with a message that says why.

    Raises:
        DeploymentError: security is asked for, and the middleware has none, or there is no keystore.
    """
    if not is_security_on(environment):
        return
    wheels = _wheels_version()
    if wheels:
        raise DeploymentError(
            "ROS_SECURITY_ENABLE asks for DDS security, which is not compiled into the ROS packages from pip",
            found=f"ROS_SECURITY_ENABLE={_ON}, ros-jazzy-rmw-fastrtps-cpp {wheels} from pip",
            expected="ROS 2 Jazzy from apt, or the Dockerfile",
            fix="for a run on this machine alone: unset ROS_SECURITY_ENABLE; see docs/security.md",
        )
    keystore = environment.get("ROS_SECURITY_KEYSTORE", "")
    if not keystore or not Path(keystore, "enclaves").is_dir():
        raise DeploymentError(
            "ROS_SECURITY_ENABLE asks for DDS security, and there is no keystore",
            found=f"ROS_SECURITY_KEYSTORE={keystore or '(not set)'}",
            expected=f"a folder made by ros2 security create_keystore, with {os.sep}enclaves in it",
            fix="make one as docs/security.md says",
        )
