"""``understudy learn gail``, ``gail-states``, ``gaifo``, ``imrl`` and ``gcl``: rewards that are networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from understudy.commands.learn_options import (
    AbsorbingOption,
    AnyTask,
    AnyTaskOption,
    DemonstrationsOption,
    PlaceOption,
    SeedOption,
    StepsOption,
    in_words,
    learning_place,
)
from understudy.console import Console

__all__ = ["add_to"]

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

        console: Console = context.obj
        request = Request(learner, task.value, demonstrations, steps, absorbing, seed)
        result = run(request, learning_place(workspace, learner, task.value), console)
        console.result({"ok": True, **result}, in_words(result))
        return 0

    return command
