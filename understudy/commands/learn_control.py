"""``understudy learn bco`` and ``ilpo``: a control task from demonstrations without actions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from understudy.commands.learn_options import (
    SUITED,
    AnyTask,
    AnyTaskOption,
    DemonstrationsOption,
    SeedOption,
    Task,
    TaskOption,
    in_words,
    learning_place,
    place_option,
)
from understudy.console import Console

__all__ = ["add_to"]

PlaceOption = Annotated[Path | None, place_option("the demonstrations, learning.json, checkpoint and policy.onnx")]


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
            show_default=SUITED,
        ),
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Of inferring and cloning.", show_default=SUITED)] = None,
    exploration: Annotated[
        int | None,
        typer.Option(min=10, help="Random steps before the first round.", show_default=SUITED),
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
    latents: Annotated[int | None, typer.Option(min=2, help="Latent actions.", show_default=SUITED)] = None,
    interactions: Annotated[
        int | None,
        typer.Option(min=10, help="Steps of the learner, in all rounds together.", show_default=SUITED),
    ] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1,
            help="Share of steps with an action drawn at random; all of the first round's are.",
            show_default=SUITED,
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

    console: Console = context.obj
    given = {name: value for name, value in options.items() if value is not None}
    request = Request(learner, task.value, demonstrations, seed, given)
    result = run(request, learning_place(workspace, learner, task.value), console)
    console.result({"ok": True, **result}, in_words(result))
    return 0
