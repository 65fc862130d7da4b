"""A ROS parameter file, read for what this side has to know of it; nodes read it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from models.errors import DeploymentError

__all__ = ["ParamsFile"]

# A parameter file is a page of text; one of megabytes is something else.
_LARGEST = 1_000_000


class ParamsFile:
    """The values in a parameter file.

    Args:
        path: the file.

    Raises:
        DeploymentError: it cannot be read, or is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            if path.stat().st_size > _LARGEST:
                raise DeploymentError(
                    f"{path} is too large for a parameter file", found=f"{path.stat().st_size} bytes", expected="1 MB"
                )
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            raise DeploymentError(f"the parameter file {path} cannot be read", found=error) from error
        if not isinstance(content, Mapping):
            raise DeploymentError(
                f"{path} is no parameter file", expected="<node>: {ros__parameters: {<name>: <value>}}"
            )
        self._content = content

    def value(self, node: str, name: str) -> object:
        """What it says of a node's parameter; ``None`` when nothing. A node's own section goes before ``/**``."""
        for key in (node, f"/{node}", "/**"):
            section = self._content.get(key)
            parameters = section.get("ros__parameters") if isinstance(section, Mapping) else None
            if isinstance(parameters, Mapping) and name in parameters:
                return parameters[name]
        return None

    def texts(self, node: str, name: str) -> list[str]:
        """A parameter that is a list of texts; ROS writes an empty one as ``['']``."""
        value = self.value(node, name)
        return [str(item) for item in value if item] if isinstance(value, list) else []
