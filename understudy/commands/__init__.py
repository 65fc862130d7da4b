"""The commands, one group a file; each is thin and leaves the work to the modules above this package.

Nothing here may import torch, rclpy, or anything else that is slow to load, before the command that needs it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from understudy.console import Console

__all__ = ["build_app"]

_HELP = """From teleoperated demonstrations to a policy that drives a ROS 2 robot, and hands it back when it is unsure.

Start with "understudy doctor", then "understudy demo".
"""


def build_app(console: Console) -> Callable[..., Any]:
    """The application; commands reach ``console`` through their context."""
    from understudy.commands import (
        contract,
        demo,
        deploy,
        doctor,
        episodes,
        learn_group,
        record,
        relabel,
        report,
        security,
        train,
        watch,
    )

    app = typer.Typer(
        help=_HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"obj": console, "help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    demo.add_to(app)
    record.add_to(app)
    app.add_typer(episodes.app, name="episodes")
    relabel.add_to(app)
    train.add_to(app)
    app.add_typer(learn_group.app, name="learn")
    deploy.add_to(app)
    report.add_to(app)
    watch.add_to(app)
    app.add_typer(contract.app, name="contract")
    app.add_typer(security.app, name="security")
    doctor.add_to(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"understudy {version('understudy')}")
        raise typer.Exit


def _global_options(
    context: typer.Context,
    json: Annotated[
        bool, typer.Option("--json", help="Print exactly one JSON object on stdout, everything else on stderr.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Hold the options that every command knows."""
    # ``--json`` is taken out of the command line before it is parsed (it may stand anywhere); here it has its help.
    context.obj.json_mode = context.obj.json_mode or json
