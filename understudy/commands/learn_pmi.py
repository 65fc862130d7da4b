"""``understudy learn pmi``: a model that tells the expert's next state from others, as a reward."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from understudy.commands.learn_options import (
    SUITED,
    AbsorbingOption,
    PlaceOption,
    SeedOption,
    StepsOption,
    Task,
    TaskOption,
    in_words,
    learning_place,
)
from understudy.commands.options import refuse_given
from understudy.console import Console

__all__ = ["add_to"]

# Of no episode nobody learns a model, of one nobody can examine it.
DemonstrationsOption = Annotated[
    int, typer.Option(min=2, help="Episodes of the expert that are watched; a tenth is kept to examine the model.")
]


class Form(StrEnum):
    """How the model becomes a reward."""

    SOFTMAX = "softmax"
    COSINE = "cosine"


class Negatives(StrEnum):
    """Whose next states the true one is held against."""

    EXPERT = "expert"
    AGENT = "agent"


def add_to(app: typer.Typer) -> None:
    """Add the command to the group ``understudy learn``."""
    app.command("pmi", short_help="Go where the expert would go, as a model that tells next states apart says.")(pmi)


def pmi(
    context: typer.Context,
    task: TaskOption = Task.CARTPOLE,
    demonstrations: DemonstrationsOption = 50,
    steps: StepsOption = None,
    reward: Annotated[
        Form | None,
        typer.Option(help="Log-softmax of the true next state, or its cosine alone.", show_default=SUITED),
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=1e-3, help="Of the softmax.", show_default=SUITED)] = None,
    negatives: Annotated[
        Negatives | None,
        typer.Option(help="Of the softmax: next states of the expert, or of the agent.", show_default=SUITED),
    ] = None,
    entropy: Annotated[
        float | None, typer.Option(min=0, help="Weight of the policy's entropy, λ.", show_default=SUITED)
    ] = None,
    absorbing: AbsorbingOption = True,
    seed: SeedOption = 0,
    workspace: PlaceOption = None,
) -> int:
    """PMI-IL (the lecture's third deck): how likely the expert would have gone there, as a reward.

    A model learns to tell the expert's next state from others. The expert's actions are thrown away. Ends in
    policy.onnx, driven here.
    """
    from understudy.control.imitation import Request, run

    console: Console = context.obj
    if reward is Form.COSINE:
        refuse_given(context, ["temperature", "negatives"], "the cosine holds the next state against no others")
    options: dict[str, str | float] = {}
    if reward is not None:
        options["reward"] = reward.value
    if temperature is not None:
        options["temperature"] = temperature
    if negatives is not None:
        options["negatives"] = negatives.value
    if entropy is not None:
        options["entropy"] = entropy
    request = Request("pmi", task.value, demonstrations, steps, absorbing, seed, options)
    result = run(request, learning_place(workspace, "pmi", task.value), console)
    told = f"next-state top-1: {100 * float(str(result['next_state_top_1'])):.1f} % on held-out demonstrations"
    console.result({"ok": True, **result}, f"{told}\n{in_words(result)}")
    return 0
