"""``understudy learn gail``, ``gail-states``, ``gaifo``, ``imrl`` and ``gcl``: rewards that are networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from understudy.commands.learn_control import AnyTask, AnyTaskOption, DemonstrationsOption, SeedOption
from understudy.console import Console

__all__ = ["AbsorbingOption", "PlaceOption", "StepsOption", "add_to", "in_words"]

StepsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Of the learner in all its worlds together.", show_default="what suits the task"),
]
AbsorbingOption = Annotated[
    bool,
    typer.Option(
        "--absorbing/--no-absorbing",
        help="Compare episodes at a fixed horizon. Without, the sign of the reward favours long or short ones.",
    ),
]
PlaceOption = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder for demonstrations, learning.json, checkpoint, policy.onnx and report.html.",
        show_default="runs/LEARNER-TASK",
    ),
]

_LEARNERS: Mapping[str, tuple[str, str]] = {
    "gail": (
        "Fool a discriminator of state and action.",
        "Generative adversarial imitation learning (Ho & Ermon 2016).\n\n"
        "A discriminator tells the expert's steps from the learner's, and its opinion is the reward. "
        "Ends in policy.onnx, driven here.",
    ),
    "gail-states": (
        "Fool a discriminator of states, for experts with other actions.",
        "GAIL whose discriminator sees states alone, for an expert with another action space.\n\n"
        "The expert's actions are thrown away. Ends in policy.onnx, driven here.",
    ),
    "gaifo": (
        "Fool a discriminator of state and next state.",
        "Generative adversarial imitation from observation (Torabi et al. 2018).\n\n"
        "The expert's actions are thrown away. Ends in policy.onnx, driven here.",
    ),
    "imrl": (
        "Go where a model of the expert would go.",
        "Internal model from observations for reward learning (Kimura et al. 2018).\n\n"
        "A model of the expert's next state is the reward. The expert's actions are thrown away. "
        "Ends in policy.onnx, driven here.",
    ),
    "gcl": (
        "A neural reward under which the demonstrations are likeliest.",
        "Guided cost learning (Finn et al. 2016).\n\n"
        "Maximum entropy with a network as reward; its partition function is estimated from samples. "
        "Ends in policy.onnx, driven here.",
    ),
}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group ``understudy learn``."""
    for learner, (short, words) in _LEARNERS.items():
        app.command(learner, short_help=short, help=words)(_command(learner))


def _command(learner: str) -> Callable[..., int]:
    def command(
        context: typer.Context,
        task: AnyTaskOption = AnyTask.CARTPOLE,
        demonstrations: DemonstrationsOption = 50,
        steps: StepsOption = None,
        absorbing: AbsorbingOption = True,
        seed: SeedOption = 0,
        workspace: PlaceOption = None,
    ) -> int:
        from understudy.control.imitation import Request, run
        from understudy.workspace import Workspace

        console: Console = context.obj
        request = Request(learner, task.value, demonstrations, steps, absorbing, seed)
        result = run(request, Workspace(workspace or Path("runs") / f"{learner}-{task.value}", create=False), console)
        console.result({"ok": True, **result}, in_words(result))
        return 0

    return command


def in_words(result: Mapping[str, object]) -> str:
    """What a person reads of a run."""
    interval = result["interval"]
    assert isinstance(interval, list)
    low, high = interval
    lines = [
        f"expert: {float(str(result['expert_return'])):.1f}, mean return of {result['demonstrations']} episodes",
        f"learned: {float(str(result['return'])):.1f} (95 %: {low:.1f} to {high:.1f}) by policy.onnx in "
        f"{result['episodes']} others, after {result['steps']} own steps in {float(str(result['seconds'])):.0f} s",
    ]
    return "\n".join(lines + [f"{key}: {result[key]}" for key in ("learning", "bundle", "report")])
