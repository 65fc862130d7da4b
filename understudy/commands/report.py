"""``understudy report``: one HTML page of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from understudy.commands.options import DEFAULT_WORKSPACE, RecordedContractOption, WorkspaceOption
from understudy.console import Console

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", short_help="Write one HTML page of a run.")(report)


def report(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    title: Annotated[str, typer.Option(help="Heading of the page.", show_default="the workspace's name")] = "",
    contract: RecordedContractOption = None,
) -> int:
    """Score the recorded deployment and write report.html: one file, to open in any browser, online or not.

    The goals are those of the last evaluation.
    """
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    stages = Stages(place, console, contract=contract)
    stages.require_deployment()
    with place.locked():
        other = stages.other_driver()
        if other:
            console.warn(f'{other}; run "understudy evaluate{place.option()}" to see how that one drives')
        verdict = stages.evaluate()
        path = stages.report(verdict, title or place.path.resolve().name, f"understudy report{place.option()}")
    data = {**verdict.as_json(), "ok": True, "report": path.resolve(), "warnings": [other] if other else []}
    console.result(data, f"{verdict.as_text()}\nreport: {path.resolve()}")
    return 0
