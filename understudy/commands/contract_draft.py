"""``understudy contract draft``: a contract of the robot that is running."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from understudy.commands.options import NetworkOption, RobotDomainOption, SecondsOption
from understudy.console import Console, counted

__all__ = ["draft"]


def draft(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where the contract goes (YAML).")] = Path("robot.yaml"),
    seconds: SecondsOption = 5.0,
    domain: RobotDomainOption = None,
    network: NetworkOption = False,
    fps: Annotated[
        float | None,
        typer.Option(
            "--fps",
            min=0.01,
            max=1000.0,
            help="Ticks per second, Hz; by default what the slowest sensible stream can feed.",
            show_default=False,
        ),
    ] = None,
    robot_type: Annotated[str, typer.Option("--robot-type", help="The robot's name.")] = "my_robot",
    actions: Annotated[
        list[str] | None,
        typer.Option(
            "--actions",
            help="Take exactly this topic as command; repeat it for several. By default the likeliest one.",
            show_default=False,
        ),
    ] = None,
    observe: Annotated[
        list[str] | None,
        typer.Option(
            "--observe",
            help="Take exactly this topic as a stream; repeat it for several. By default all that look like sensors.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
) -> int:
    """Listen to a running robot, and write a commented contract of what was measured.

    Nothing is published and nothing on the robot is changed. What cannot be measured (limits) is a small placeholder
    that is marked CHANGE ME; "understudy contract check" names those that are left.
    """
    from models.contract import parse_contract
    from understudy.contracts.draft import draft_contract
    from understudy.contracts.surveys import shell_domain, survey_robot

    console: Console = context.obj
    if out.exists() and not force:
        raise typer.BadParameter(
            f"{out} is there already: name another file, or replace this one with --force", param_hint="--out"
        )
    if not robot_type.strip():
        raise typer.BadParameter("the robot needs a name", param_hint="--robot-type")
    with console.progress("listening", seconds) as progress:
        report = survey_robot(shell_domain() if domain is None else domain, seconds, network=network, progress=progress)
    drafted = draft_contract(
        report, robot_type=robot_type.strip(), fps=fps, observe=observe or (), actions=actions or ()
    )
    contract = parse_contract(drafted.text, str(out))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(drafted.text, encoding="utf-8")
    streams = [stream.key for stream in contract.observations]
    for topic, why in drafted.unused:
        console.say(f"  not used: {topic}: {why}")
    console.result(
        {
            "ok": True,
            "file": out,
            "fps": contract.fps,
            "observations": streams,
            "actions": list(contract.action_names),
            "placeholders": drafted.placeholders,
            "unused": [{"topic": topic, "why": why} for topic, why in drafted.unused],
        },
        f"{out}: {', '.join(streams)}; {', '.join(contract.action_names)}; {contract.fps:g} Hz\n"
        f"{counted(drafted.placeholders, 'value')} marked CHANGE ME: only you can know them",
    )
    console.next_step(f"understudy contract check {out}")
    return 0
