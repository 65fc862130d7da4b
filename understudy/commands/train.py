"""``understudy train`` and ``understudy export``: from a dataset to one ``policy.onnx``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from understudy.commands.options import DEFAULT_WORKSPACE, WorkspaceOption
from understudy.console import Console

if TYPE_CHECKING:
    from understudy.workspace import Workspace

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train", short_help="Train a policy and its safety classifier on what was recorded.")(train)
    app.command("export", short_help="Write the trained policy as one file, policy.onnx.")(export)


def train(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    epochs: Annotated[
        int,
        typer.Option(min=1, help="How often training goes through all frames. More takes longer; the best is kept."),
    ] = 25,
    batch_size: Annotated[int, typer.Option(min=1, help="Frames that one step of learning looks at.")] = 128,
    learning_rate: Annotated[
        float, typer.Option(min=0, help="Size of the first steps; it falls to zero. Lower it if training diverges.")
    ] = 2e-3,
    held_out: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=0.9,
            help="Share of the episodes that the policy never trains on. They show how well it does on roads that it "
            "has not seen, and teach the safety classifier where it errs.",
        ),
    ] = 0.2,
    chunk: Annotated[
        int,
        typer.Option(
            min=1, help="Actions proposed at once: this tick's and the following ones', for when an answer comes late."
        ),
    ] = 4,
    light: Annotated[
        float, typer.Option(min=0, help="How strongly brightness and contrast are varied; 0 leaves images as they are.")
    ] = 0.1,
    safety: Annotated[
        bool,
        typer.Option(
            "--safety/--no-safety",
            help="Train the safety classifier, by which the gate hands over to the expert before the policy errs.",
        ),
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, data, machine and threads: same policy.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="Processor cores to use.")] = 2,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build the dataset anew first, even if the recordings are those it was built of."
        ),
    ] = False,
) -> int:
    """Train a policy on the recorded demonstrations (behavioural cloning).

    The policy learns to command what the expert intended at each camera image. A second, smaller network learns to
    tell where the policy would differ from the expert: the safety classifier. No GPU is needed; the default takes about
    a minute on two cores. Next: "understudy export", then "understudy evaluate".
    """
    from models.learners import BehavioralCloningConfig, SafetyConfig
    from models.policies import PolicyConfig
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    config = BehavioralCloningConfig(
        policy=PolicyConfig(chunk=chunk),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        held_out=held_out,
        light=light,
        safety=SafetyConfig(seed=seed) if safety else None,
        seed=seed,
        threads=threads,
    )
    place = Workspace(workspace, create=False)
    stages = Stages(place, console)
    if rebuild or not place.dataset.is_dir():
        stages.require_bags()
    with place.locked():
        if rebuild:
            stages.build()
        else:
            stages.refresh_dataset()
        result = stages.train(config)
        place.note("train", {"seed": seed, **result})
    text = f"checkpoint in {place.checkpoint}: epoch {result['best_epoch']} of {result['epochs']} was best"
    console.result({"ok": True, "checkpoint": place.checkpoint, **result}, text)
    console.next_step(f"understudy export{place.option()}")
    return 0


def export(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; the workspace's policy.onnx by default.")
    ] = None,
) -> int:
    """Write the trained policy as one file, policy.onnx, that needs no torch to run.

    The file is compared with torch on observations of the dataset, and read back, before it gets its name.
    """
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    stages = Stages(place, console)
    stages.require_checkpoint()
    with place.locked():
        result = stages.export(output)
        place.note("export", result)
    console.result({"ok": True, **result}, f"{result['path']} ({int(str(result['size'])) / 1024:.0f} KiB)")
    console.next_step(_first_drive(place, output))
    return 0


def _first_drive(place: Workspace, output: Path | None) -> str:
    """The command that drives with the new policy: tests in simulation, or on the robot's owner's robot a dry run."""
    from models.bundle import inspect_bundle
    from understudy.commands.deploy import deploy_on_robot
    from understudy.stacks.simulated import is_simulated

    policy = output or place.bundle
    robot = inspect_bundle(policy).contract.robot_type
    if not is_simulated(robot):
        return f"{deploy_on_robot(place, robot, policy)}    # a dry run: nothing is commanded"
    drives = f" --bundle {shlex.quote(str(output))}" if output else ""
    return f"understudy evaluate{place.option()}{drives}"
