"""``understudy learn maxent``, ``max-margin``, ``projection`` and ``mwal``: rewards of worlds that are tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from understudy.commands.learn_options import learning_place, place_option
from understudy.commands.options import refuse_given
from understudy.console import Console

__all__ = ["add_to"]


class Task(StrEnum):
    """Where a reward is learned."""

    EXERCISE = "exercise"
    GRIDWORLD = "gridworld"
    HIGHWAY = "highway"
    LANE = "lane"


class StyleName(StrEnum):
    """How the highway's expert drives."""

    NICE = "nice"
    NASTY = "nasty"
    RIGHT_LANE_NICE = "right-lane-nice"
    RIGHT_LANE_NASTY = "right-lane-nasty"
    MIDDLE_LANE = "middle-lane"


TaskOption = Annotated[
    Task,
    typer.Option(
        help="The lecture's nine cells and two paths; a grid whose reward is drawn; a highway; or the simulated car's "
        "road, which ends in a policy.onnx."
    ),
]
StyleOption = Annotated[StyleName, typer.Option(help="How the highway's expert drives.")]
DemonstrationsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Trajectories of the expert; on the lane so many on each of six tracks. The exercise has its own two.",
        show_default="2000; lane: 10",
    ),
]
SeedOption = Annotated[int, typer.Option(min=0, help="Draws the gridworld's reward and the demonstrations.")]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="The most rounds; of mwal the very number.")]
EpsilonOption = Annotated[
    float | None,
    typer.Option(
        min=1e-6, help="End this close to the expert's feature expectations.", show_default="0.02; lane: 0.05"
    ),
]
PlaceOption = Annotated[
    Path | None, place_option("reward.json, report.html and, of the lane, checkpoint and policy.onnx")
]


_MATCHERS = {
    "max-margin": (
        "Match the expert's features, by maximum margin.",
        "Apprenticeship learning by maximum margin (Abbeel & Ng 2004): a mixture that sees what the expert sees.",
    ),
    "projection": (
        "Match the expert's features, by projection.",
        "Apprenticeship learning by projection (Abbeel & Ng 2004): the same without a quadratic programme a round.",
    ),
}
_LEAVES = "\n\nWrites the reward as a page of maps; of the lane also policy.onnx, its table of actions."


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group ``understudy learn``."""
    app.command("maxent", short_help="The reward that makes the demonstrations likeliest.")(maxent)
    for learner, (short, words) in _MATCHERS.items():
        app.command(learner, short_help=short, help=words + _LEAVES)(_matcher(learner))
    app.command("mwal", short_help="Be as good as the expert, or better, whatever the reward.")(mwal)


def maxent(
    context: typer.Context,
    task: TaskOption = Task.GRIDWORLD,
    style: StyleOption = StyleName.NICE,
    demonstrations: DemonstrationsOption = None,
    rounds: RoundsOption = 300,
    penalty: Annotated[
        float | None, typer.Option(min=0, help="On large weights of the reward.", show_default="0.001; lane: 1")
    ] = None,
    seed: SeedOption = 0,
    workspace: PlaceOption = None,
) -> int:
    """Learn a reward by maximum entropy (Ziebart et al. 2008), over a finite horizon.

    Writes the reward as a page of maps; of the lane also policy.onnx, its table of actions.
    """
    return _run(context, "maxent", task, style, demonstrations, rounds, seed, workspace, penalty=penalty)


def _matcher(learner: str) -> Callable[..., int]:
    def command(
        context: typer.Context,
        task: TaskOption = Task.GRIDWORLD,
        style: StyleOption = StyleName.NICE,
        demonstrations: DemonstrationsOption = None,
        rounds: RoundsOption = 1000,
        epsilon: EpsilonOption = None,
        seed: SeedOption = 0,
        workspace: PlaceOption = None,
    ) -> int:
        return _run(context, learner, task, style, demonstrations, rounds, seed, workspace, epsilon=epsilon)

    return command


def mwal(
    context: typer.Context,
    task: TaskOption = Task.GRIDWORLD,
    style: StyleOption = StyleName.NICE,
    demonstrations: DemonstrationsOption = None,
    rounds: RoundsOption = 1000,
    seed: SeedOption = 0,
    workspace: PlaceOption = None,
) -> int:
    """Multiplicative weights (Syed & Schapire 2007): a mixture at least as good as the expert, whatever the reward.

    Writes the reward as a page of maps; of the lane also policy.onnx, its table of actions.
    """
    return _run(context, "mwal", task, style, demonstrations, rounds, seed, workspace)


def _run(
    context: typer.Context,
    learner: str,
    task: Task,
    style: StyleName,
    demonstrations: int | None,
    rounds: int,
    seed: int,
    workspace: Path | None,
    *,
    epsilon: float | None = None,
    penalty: float | None = None,
) -> int:
    from understudy.rewards.runs import Request, run

    console: Console = context.obj
    if task is not Task.HIGHWAY:
        refuse_given(context, ["style"], "only the highway has styles of driving")
    if task is Task.EXERCISE:
        refuse_given(context, ["demonstrations"], "the exercise has its own two paths")
    request = Request(learner, task.value, style.value, demonstrations, rounds, epsilon, penalty, seed)
    result = run(request, learning_place(workspace, learner, task.value), console)
    console.result({"ok": True, **result}, _text(result))
    return 0


def _text(result: Mapping[str, object]) -> str:
    """What a person reads."""
    names = {
        "share": "of the expert's value (0 % acts at random)",
        "soft_share": "of it by the soft policy",
        "shown": "of episodes on the shown paths",
    }
    lines = [f"{result['rounds']} rounds, {'done' if result['converged'] else 'not done'}"]
    lines += [f"{100 * float(str(result[key])):.1f} % {words}" for key, words in names.items() if key in result]
    lines += [f"{key}: {result[key]}" for key in ("reward", "bundle", "report") if key in result]
    return "\n".join(lines)
