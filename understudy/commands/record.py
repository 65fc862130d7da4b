"""``understudy record``: the expert drives the simulated car, and every episode becomes a bag."""

from __future__ import annotations

from typing import Annotated

import typer

from models.errors import RecordingError
from understudy.commands.options import (
    DEFAULT_WORKSPACE,
    ContractOption,
    DomainOption,
    ParamsOption,
    WorkspaceOption,
    require_seeds,
)
from understudy.console import Console, counted

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("record", short_help="Record demonstrations of the expert, one bag an episode.")(record)


def record(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    tracks: Annotated[
        str, typer.Option(callback=require_seeds, help="Track seeds, one episode for each: numbers and ranges.")
    ] = "1-12",
    laps: Annotated[int, typer.Option(min=0, help="Laps an episode; 0 for no limit.")] = 1,
    max_episode_s: Annotated[
        float, typer.Option("--max-episode-s", min=1, help="Longest episode, simulated seconds.")
    ] = 60.0,
    disturbance_rad: Annotated[
        float,
        typer.Option(
            "--disturbance-rad",
            min=0,
            help="Standard deviation of the noise on the executed steering, rad. It leads the car to places beside the "
            "perfect line; what is learned is what the expert intended there (DART). 0 for none.",
        ),
    ] = 0.08,
    seed: Annotated[int, typer.Option(min=0, help="Of starts and disturbances.")] = 0,
    real_time_factor: Annotated[
        float | None,
        typer.Option(
            "--real-time-factor",
            min=0.1,
            help="Drive in real time (1.0) or a multiple of it. Without it the drive is in lock-step: as fast as the "
            "machine allows, and the same bags every time.",
            show_default="lock-step",
        ),
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the recordings that are there.")] = False,
    contract: ContractOption = None,
    params_file: ParamsOption = None,
    domain: DomainOption = None,
) -> int:
    """Record demonstrations: the expert drives the simulated car over ROS 2, one bag (MCAP) an episode.

    Twelve episodes take about a minute. Watch them with "understudy episodes list", in Foxglove, or "ros2 bag play".
    """
    from understudy.drives import DriveSettings, finished_episodes, parse_seeds
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    settings = DriveSettings(
        tracks=parse_seeds(tracks),
        prefix=f"demonstration-{seed}",
        seed=seed,
        laps=laps,
        max_episode_s=max_episode_s,
        disturbance_std_rad=disturbance_rad,
        lock_step=real_time_factor is None,
        real_time_factor=real_time_factor or 1.0,
    )
    place = Workspace(workspace, create=False)
    stages = Stages(place, console, contract=contract, params_file=params_file, domain=domain)
    stages.require_drivable()
    with place.locked():
        present = finished_episodes(place.recordings)
        if present and not append:
            raise RecordingError(
                f"{place.recordings} holds {counted(len(present), 'episode')} already",
                fix="give new --tracks and --append to add to them, or another --workspace to start anew",
            )
        result = stages.record(settings)
        total = len(finished_episodes(place.recordings))
    made = counted(total - len(present), "episode")
    text = f"{made} added; {total} in {place.recordings}" if present else f"{made} in {place.recordings}"
    console.result({"ok": True, **result}, text)
    console.next_step(f"understudy episodes build{place.option()}")
    return 0
