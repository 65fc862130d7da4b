"""``understudy learn bco`` and ``ilpo``: a control task from demonstrations without actions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from understudy.console import Console

__all__ = ["AnyTask", "AnyTaskOption", "DemonstrationsOption", "SeedOption", "Task", "TaskOption", "add_to"]


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
PlaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder for the demonstrations, learning.json, checkpoint and policy.onnx.",
        show_default="runs/LEARNER-TASK",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group ``understudy learn``."""
    app.command("bco", short_help="Watch an expert; infer its actions from what one's own actions do.")(bco)
    app.command("ilpo", short_help="Watch an expert; explain it by latent actions, and find out which those are.")(ilpo)


def bco(
    context: typer.Context,
    task: AnyTaskOption = AnyTask.CARTPOLE,
    demonstrations: DemonstrationsOption = 50,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Steps of the learner after each round, as a share of the expert's.",
            show_default="what suits the task",
        ),
    ] = None,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Of inferring and cloning.", show_default="what suits the task")
    ] = None,
    exploration: Annotated[
        int | None,
        typer.Option(min=10, help="Random steps before the first round.", show_default="what suits the task"),
    ] = None,
    seed: SeedOption = 0,
    workspace: PlaceOption = None,
) -> int:
    """Behavioural cloning from observation, BCO(α) (Torabi, Warnell & Stone 2018).

    The expert's actions are thrown away; the learner finds out what its own do. Ends in policy.onnx, driven here.
    """
    options = {"alpha": alpha, "rounds": rounds, "exploration": exploration}
    return _run(context, "bco", task, demonstrations, seed, workspace, options)


def ilpo(
    context: typer.Context,
    task: TaskOption = Task.CARTPOLE,
    demonstrations: DemonstrationsOption = 50,
    latents: Annotated[
        int | None, typer.Option(min=2, help="Latent actions.", show_default="what suits the task")
    ] = None,
    interactions: Annotated[
        int | None,
        typer.Option(min=10, help="Steps of the learner, in all rounds together.", show_default="what suits the task"),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Share of steps with an action drawn at random; all of the first round's are.",
            show_default="what suits the task",
        ),
    ] = None,
    seed: SeedOption = 0,
    workspace: PlaceOption = None,
) -> int:
    """Imitating latent policies from observation, ILPO (Edwards et al. 2019).

    The expert is explained by latent actions from watching alone; a few steps of one's own then tell which real action
    each of them is. The expert's actions are thrown away. Ends in policy.onnx, driven here.
    """
    options = {"latents": latents, "interactions": interactions, "epsilon": epsilon}
    return _run(context, "ilpo", task, demonstrations, seed, workspace, options)


def _run(
    context: typer.Context,
    learner: str,
    task: Task | AnyTask,
    demonstrations: int,
    seed: int,
    workspace: Path | None,
    options: Mapping[str, float | None],
) -> int:
    from understudy.control.runs import Request, run
    from understudy.workspace import Workspace

    console: Console = context.obj
    given = {name: value for name, value in options.items() if value is not None}
    request = Request(learner, task.value, demonstrations, seed, given)
    path = workspace or Path("runs") / f"{learner}-{task.value}"
    result = run(request, Workspace(path, create=False), console)
    console.result({"ok": True, **result}, _text(result))
    return 0


def _text(result: Mapping[str, object]) -> str:
    """What a person reads."""
    interval = result["interval"]
    assert isinstance(interval, list)
    low, high = interval
    lines = [
        f"expert: {float(str(result['expert_return'])):.1f}, mean return of {result['demonstrations']} episodes",
        f"learned: {float(str(result['return'])):.1f} (95 %: {low:.1f} to {high:.1f}) by policy.onnx in "
        f"{result['episodes']} others, after {result['steps']} own steps",
    ]
    lines += [f"{key}: {result[key]}" for key in ("learning", "bundle")]
    return "\n".join(lines)
