"""``understudy record``: the expert moves the simulated robot, and every episode becomes a bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import RecordingError
from understudy.commands.options import (
    DEFAULT_WORKSPACE,
    ContractOption,
    DeviceOption,
    DomainOption,
    EnableControlOption,
    Expert,
    ExpertOption,
    LabelOption,
    NoiseOption,
    ParamsOption,
    Robot,
    RobotOption,
    SimOption,
    WorkspaceOption,
    refuse_given,
    require_contract_of_robot,
    require_seeds,
    stack_options,
)
from understudy.console import Console, counted
from understudy.environment.domains import require_free_domain

if TYPE_CHECKING:
    from understudy.stacks.drives import DriveSettings
    from understudy.stacks.episode_settings import EpisodeSettings
    from understudy.stacks.grasps import GraspSettings
    from understudy.workspace import Workspace

__all__ = ["add_to"]

# What decides about a simulated drive.
_SIMULATED = ("robot", "tracks", "laps", "max_episode_s", "disturbance_rad", "looks", "seed", "real_time_factor")
# With 0.1 rad the expert still stays on the road of 100 tracks out of 100 (bench/results/sim.json).
_DISTURBANCE_RAD = 0.08
# Options that only a car knows.
_OF_A_CAR = ("laps", "disturbance_rad", "looks")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("record", short_help="Record demonstrations of the expert, one bag an episode.")(record)


def record(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    robot: RobotOption = Robot.DRIVING,
    tracks: Annotated[
        str,
        typer.Option(
            "--tracks",
            "--scenes",
            callback=require_seeds,
            help="Seeds of the tracks, or of the arm's scenes, one episode for each: numbers and ranges.",
        ),
    ] = "1-12",
    laps: Annotated[int, typer.Option(min=0, help="Laps an episode; 0 for no limit.")] = 1,
    max_episode_s: Annotated[
        float, typer.Option("--max-episode-s", min=1, help="Longest episode, simulated seconds.")
    ] = 60.0,
    disturbance_rad: Annotated[
        float | None,
        typer.Option(
            "--disturbance-rad",
            min=0,
            help="Standard deviation of the noise on the executed steering, rad. It leads the car to places beside the "
            "perfect line; what is learned is what the expert intended there (DART).",
            show_default=f"{_DISTURBANCE_RAD}; 0 for a person, and with --noise",
        ),
    ] = None,
    looks: Annotated[
        bool,
        typer.Option(
            "--looks",
            help="Other colours, light, places and lenses of the cameras in each episode, so that a policy learns to "
            "look past them.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of starts and disturbances.")] = 0,
    real_time_factor: Annotated[
        float | None,
        typer.Option(
            "--real-time-factor",
            min=0.1,
            help="Drive in real time (1.0) or a multiple of it. Without it the scripted expert drives in lock-step: as "
            "fast as the machine allows, and the same bags every time.",
            show_default="lock-step; 1.0 for a person",
        ),
    ] = None,
    append: Annotated[bool, typer.Option("--append", help="Add to the recordings that are there.")] = False,
    sim: SimOption = True,
    expert: ExpertOption = Expert.AUTO,
    teleop_device: DeviceOption = None,
    noise: NoiseOption = None,
    label: LabelOption = False,
    enable_control: EnableControlOption = None,
    contract: ContractOption = None,
    params_file: ParamsOption = None,
    domain: DomainOption = None,
) -> int:
    """Record demonstrations over ROS 2, one bag (MCAP) an episode.

    The scripted expert, or a person, moves the simulated robot; twelve drives take about a minute. With --no-sim
    --contract FILE your own robot is recorded, until Ctrl-C. Watch the bags with "understudy episodes list", in
    Foxglove, or "ros2 bag play".
    """
    from understudy.stacks.drives import finished_episodes
    from understudy.stacks.robot_runs import RobotRun
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    options = stack_options(sim, expert, teleop_device, noise=noise, label=label, enable_control=enable_control)
    if sim:
        by_program = expert in (Expert.AUTO, Expert.SCRIPTED)
        if disturbance_rad is None:
            disturbance_rad = _DISTURBANCE_RAD if by_program and noise is None else 0.0
        settings: EpisodeSettings
        if robot is Robot.GRASPING:
            refuse_given(context, _OF_A_CAR, "an arm drives nowhere")
            undisturbed = not by_program or noise is not None
            settings = _grasps(tracks, seed, max_episode_s, real_time_factor, by_program, undisturbed=undisturbed)
        else:
            settings = _settings(
                tracks, seed, laps, max_episode_s, disturbance_rad, real_time_factor, by_program, looks=looks
            )
        stages = Stages(place, console, contract=contract, params_file=params_file, robot=robot.value, domain=domain)
        stages.require_drivable()
        require_free_domain(domain)
        recorded_with = stages.contract_file
        options.nodes("collect", contract=recorded_with)
    else:
        refuse_given(context, _SIMULATED, "a robot is not simulated")
        recorded_with = require_contract_of_robot(context, contract)
        run = RobotRun(place, console, recorded_with, params_file, domain, options)
        run.check()
    with place.locked():
        present = finished_episodes(place.recordings)
        _require_room(place, len(present), append, sim)
        result = stages.record(settings, options) if sim else run.record()
        total = len(finished_episodes(place.recordings))
        place.note("record", {"contract": str(recorded_with), **result})
    made = counted(total - len(present), "episode")
    text = f"{made} added; {total} in {place.recordings}" if present else f"{made} in {place.recordings}"
    console.result({"ok": True, **result}, text)
    if total:
        console.next_step(f"understudy episodes build{place.option()}")
    return 0


def _require_room(place: Workspace, present: int, append: bool, sim: bool) -> None:
    if present and not append:
        add = "--append (and other --tracks)" if sim else "--append"
        raise RecordingError(
            f"{place.recordings} holds {counted(present, 'episode')} already",
            fix=f"give {add} to add to them, or another --workspace to start anew",
        )


def _settings(
    tracks: str,
    seed: int,
    laps: int,
    max_episode_s: float,
    disturbance_rad: float,
    factor: float | None,
    by_program: bool,
    *,
    looks: bool,
) -> DriveSettings:
    from understudy.stacks.drives import DriveSettings, parse_seeds

    return DriveSettings(
        tracks=parse_seeds(tracks),
        prefix=f"demonstration-{seed}",
        seed=seed,
        laps=laps,
        max_episode_s=max_episode_s,
        disturbance_std_rad=disturbance_rad,
        looks=looks,
        lock_step=factor is None and by_program,
        real_time_factor=factor or 1.0,
    )


def _grasps(
    scenes: str, seed: int, max_episode_s: float, factor: float | None, by_program: bool, *, undisturbed: bool
) -> GraspSettings:
    from understudy.stacks.drives import parse_seeds
    from understudy.stacks.grasps import DISTURBANCE_M_S, DISTURBANCE_RAD_S, GraspSettings

    return GraspSettings(
        scenes=parse_seeds(scenes),
        prefix=f"demonstration-{seed}",
        seed=seed,
        max_episode_s=max_episode_s,
        disturbance_std_m_s=0.0 if undisturbed else DISTURBANCE_M_S,
        disturbance_std_rad_s=0.0 if undisturbed else DISTURBANCE_RAD_S,
        lock_step=factor is None and by_program,
        real_time_factor=factor or 1.0,
    )
