"""``understudy watch``: how a running robot is doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from understudy.commands.options import NetworkOption, RobotDomainOption
from understudy.console import Console

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("watch", short_help="Show who drives a running robot, and what it lacks.")(watch)


def watch(
    context: typer.Context,
    contract: Annotated[
        Path | None,
        typer.Option("--contract", help="The robot's contract (YAML): topics that it needs are said to be missing."),
    ] = None,
    domain: RobotDomainOption = None,
    network: NetworkOption = False,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=1.0, help="How long, s.", show_default="until Ctrl-C; 7 with --json"),
    ] = None,
) -> int:
    """Show who drives a running robot and why, what is recorded, and what it needs that nobody publishes.

    Listens beside "understudy record" or "deploy", or nodes that were launched; publishes nothing. A line for every
    change, until Ctrl-C. With --json one object: the robot as it was last seen.
    """
    from il_nodes.survey.sighting import RobotSighting
    from models.contract import load_contract
    from models.errors import DeploymentError
    from understudy.contracts.surveys import shell_domain
    from understudy.contracts.watching import Narrator, RobotWatch, status_line

    console: Console = context.obj
    if contract is not None:
        load_contract(contract)
    where = shell_domain() if domain is None else domain
    # Long enough to tell what is missing.
    limit_s = 7.0 if seconds is None and console.json_mode else seconds
    narrator, last = Narrator(), RobotSighting()
    console.say(f"watching ROS domain {where}; Ctrl-C ends it")
    started_s = time.monotonic()
    try:
        with RobotWatch(where, contract=contract, network=network) as robot, _live(console) as show:
            while limit_s is None or time.monotonic() - started_s < limit_s:
                for last in robot.sightings(wait_s=0.5):
                    for line in narrator.news(last):
                        console.say(line)
                    show(status_line(last))
                if robot.problem:
                    raise DeploymentError(
                        "the robot cannot be watched: the process that listens to ROS 2 ended",
                        found=robot.problem,
                        fix="understudy doctor says whether ROS 2 works on this machine",
                    )
    except KeyboardInterrupt:
        pass
    console.result({"ok": True, "domain": where, **asdict(last)}, status_line(last))
    return 0


@contextmanager
def _live(console: Console) -> Iterator[Callable[[str], None]]:
    """A line that is always the newest, on a terminal; in a pipe only changes are shown."""
    if console.json_mode or not console.is_terminal:
        yield lambda line: None
        return
    from rich.live import Live
    from rich.text import Text

    with Live(Text(""), transient=True, refresh_per_second=4) as live:
        yield lambda line: live.update(Text(line, style="bold"))
