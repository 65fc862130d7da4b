"""Options that several commands share, so that one name means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy.workspace import DEFAULT_WORKSPACE

__all__ = [
    "DEFAULT_WORKSPACE",
    "ContractOption",
    "DomainOption",
    "ParamsOption",
    "WorkspaceOption",
    "require_seeds",
]


def require_seeds(text: str) -> str:
    """Refuse, while the command line is being read, what names no tracks."""
    from models.errors import UnderstudyError
    from understudy.drives import parse_seeds

    try:
        parse_seeds(text)
    except UnderstudyError as error:
        raise typer.BadParameter(f"{error.problem}: {text!r}; expected numbers and ranges, {error.expected}") from None
    return text


WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder of the run: recordings, dataset, checkpoint, policy.onnx, report."),
]
ContractOption = Annotated[
    Path | None,
    typer.Option("--contract", help="Robot contract (YAML); the simulated car's contracts/driving.yaml by default."),
]
DomainOption = Annotated[
    int | None,
    typer.Option(
        "--domain",
        min=0,
        max=101,
        help="ROS domain, 0 to 101. A free one by default, whatever ROS_DOMAIN_ID says, so that a simulated car never "
        "talks to a real one.",
        show_default=False,
    ),
]
ParamsOption = Annotated[
    Path | None,
    typer.Option("--params-file", help="Parameters of the nodes (YAML); launch/params/driving.yaml by default."),
]
