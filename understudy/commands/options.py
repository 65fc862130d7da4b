"""Options that several commands share, so that one name means one thing everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DEFAULT_WORKSPACE", "ContractOption", "DomainOption", "ParamsOption", "WorkspaceOption"]

DEFAULT_WORKSPACE = Path("runs/default")

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
        help="ROS domain, 0 to 101. A free one by default, whatever ROS_DOMAIN_ID says, so that a simulated car never "
        "talks to a real one.",
        show_default=False,
    ),
]
ParamsOption = Annotated[
    Path | None,
    typer.Option("--params-file", help="Parameters of the nodes (YAML); launch/params/driving.yaml by default."),
]
