"""What the commands of ``understudy learn`` that end in one run share: options, the folder, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.workspace import Workspace

__all__ = [
    "SUITED",
    "AbsorbingOption",
    "AnyTask",
    "AnyTaskOption",
    "DemonstrationsOption",
    "PlaceOption",
    "SeedOption",
    "StepsOption",
    "Task",
    "TaskOption",
    "in_words",
    "learning_place",
    "place_option",
]

#: What the help says of an option that need not be given.
SUITED = "what suits the task"


class Task(StrEnum):
    """What is to be done."""

    CARTPOLE = "cartpole"
    ACROBOT = "acrobot"
    MOUNTAIN_CAR = "mountain-car"


class AnyTask(StrEnum):
    """The same, and one whose actions are vectors."""

    CARTPOLE = "cartpole"
    ACROBOT = "acrobot"
    MOUNTAIN_CAR = "mountain-car"
    DRIVING = "driving"


def place_option(contents: str) -> Any:
    """``--workspace`` of a command that leaves ``contents`` there."""
    return typer.Option("--workspace", "-w", help=f"Folder for {contents}.", show_default="runs/LEARNER-TASK")


TaskOption = Annotated[Task, typer.Option(help="One of Gymnasium's classic control tasks, with an expert made here.")]
AnyTaskOption = Annotated[
    AnyTask,
    typer.Option(
        help="One of Gymnasium's classic control tasks, with an expert made here; or the simulated car by its state, "
        "with its own."
    ),
]
DemonstrationsOption = Annotated[int, typer.Option(min=1, help="Episodes of the expert that are watched.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of demonstrations, exploration and weights.")]
StepsOption = Annotated[
    int | None, typer.Option(min=1, help="Of the learner in all its worlds together.", show_default=SUITED)
]
AbsorbingOption = Annotated[
    bool,
    typer.Option(
        "--absorbing/--no-absorbing",
        help="Compare episodes at a fixed horizon. Without, the sign of the reward favours long or short ones.",
    ),
]
PlaceOption = Annotated[
    Path | None, place_option("demonstrations, learning.json, checkpoint, policy.onnx and report.html")
]


def learning_place(workspace: Path | None, learner: str, task: str) -> Workspace:
    """The folder that was named, or else one of the learner's and the task's own; nothing is made there yet."""
    from understudy.workspace import Workspace

    return Workspace(workspace or Path("runs") / f"{learner}-{task}", create=False)


def in_words(result: Mapping[str, object]) -> str:
    """What a person reads of a run that ended in a bundle which was driven."""
    interval = result["interval"]
    assert isinstance(interval, list)
    low, high = interval
    time = f" in {float(str(result['seconds'])):.0f} s" if "seconds" in result else ""
    lines = [
        f"expert: {float(str(result['expert_return'])):.1f}, mean return of {result['demonstrations']} episodes",
        f"learned: {float(str(result['return'])):.1f} (95 %: {low:.1f} to {high:.1f}) by policy.onnx in "
        f"{result['episodes']} others, after {result['steps']} own steps{time}",
    ]
    return "\n".join(lines + [f"{key}: {result[key]}" for key in ("learning", "bundle", "report") if key in result])
