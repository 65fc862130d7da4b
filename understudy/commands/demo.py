"""``understudy demo``: the main job from end to end on a simulated robot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy.commands.options import DomainOption, Robot, RobotOption
from understudy.console import Console

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", short_help="The whole job on a simulated robot, from recording to report.")(demo)


def demo(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", "-w", help="Folder of the run.", show_default="runs/demo; runs/demo-grasping for the arm"
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of reusing what is up to date.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer tracks and epochs, lower goals: a test that everything works.")
    ] = False,
    domain: DomainOption = None,
) -> int:
    """Do the whole job on a simulated robot: record, train, export, deploy behind the safety gate, score, report.

    Takes three to six minutes on two cores without a GPU. A second run reuses what is up to date. The last line on
    stdout is one JSON object. Exits with 0 when every goal is met, with 1 otherwise; the report is written either way.
    """
    from understudy.demo import DemoSettings, GraspDemoSettings, run_demo
    from understudy.workspace import Workspace

    console: Console = context.obj
    kind = GraspDemoSettings if robot is Robot.GRASPING else DemoSettings
    named = "" if robot is Robot.DRIVING else f"--robot {robot.value}"
    workspace = workspace or Path("runs/demo" + (f"-{robot.value}" if named else ""))
    place = Workspace(workspace)
    settings = kind.quick() if quick else kind()
    words = ["understudy demo", named, "--quick" if quick else "", f"--workspace {workspace}"]
    with place.locked():
        if fresh:
            place.start_over()
        command = " ".join(word for word in words if word)
        result = run_demo(place, console, settings, domain=domain, command=command)
    text = f"{result.verdict.as_text()}\nreport: {result.report.resolve()}"
    console.result(result.as_json(), text, always_json=True)
    return 0 if result.verdict.all_met else 1
