"""``understudy learn bc``, ``dagger``, ``smile``, ``searn``, ``safedagger``, ``dart``, ``human-gated``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.commands.options import (
    DEFAULT_WORKSPACE,
    ContractOption,
    DeviceOption,
    DomainOption,
    Robot,
    RobotOption,
    WorkspaceOption,
    refuse_given,
    require_seeds,
)
from understudy.console import Console, counted
from understudy.environment.domains import require_free_domain

if TYPE_CHECKING:
    from understudy.learning.live import LiveOptions

__all__ = ["add_to"]


class Per(StrEnum):
    """How often DAgger's driver is drawn."""

    STEP = "step"
    EPISODE = "episode"


class LiveExpert(StrEnum):
    """Who a live learning imitates."""

    SCRIPTED = "scripted"
    HUMAN = "human"


#: Of a round, at least: a fifth of them is held out, and drives of a few seconds each see more of the tracks. A try of
#: the arm takes up to half a minute, and is not to be broken off.
EPISODES = {Robot.DRIVING: 5, Robot.GRASPING: 2}

RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="How often is driven and trained.")]
TicksOption = Annotated[int, typer.Option("--ticks", min=1, help="Ticks of a round; both robots have 20 a second.")]
TracksOption = Annotated[
    str,
    typer.Option(
        "--tracks", "--scenes", callback=require_seeds, help="Tracks, or scenes of the arm: numbers and ranges."
    ),
]
ValidationOption = Annotated[
    int,
    typer.Option(
        "--validation",
        min=0,
        help="Laps, or tries, of every new policy alone; the best one is the result. 0: the last.",
    ),
]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="How often each training goes through all frames.")]
ChunkOption = Annotated[
    int | None,
    typer.Option(
        "--chunk", min=1, help="Actions proposed at once.", show_default="1; with --live 4, which bridge late answers"
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Same seed, machine and threads: same policy.")]
ThreadsOption = Annotated[int, typer.Option("--threads", min=1, help="Processor cores to use.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Begin anew instead of going on with what is there.")]
LiveOption = Annotated[
    bool,
    typer.Option(
        "--live", help="Over ROS 2: the robot drives on in real time while policies train, and each is swapped in."
    ),
]
LiveExpertOption = Annotated[
    LiveExpert, typer.Option("--expert", help="With --live, who labels and takes over: a program, or you (human).")
]

TRACKS = "1-12"


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group ``understudy learn``."""
    app.command("bc", short_help="More demonstrations every round; what the others are compared with.")(bc)
    app.command("dagger", short_help="The learner drives, the expert labels what it got into.")(dagger)
    app.command("smile", short_help="A mixture that lets go of the expert little by little.")(smile)
    app.command("searn", short_help="A mixture of policies trained on what mistakes cost.")(searn)
    app.command("safedagger", short_help="The expert is asked only where the policy is unsafe.")(safedagger)
    app.command("dart", short_help="The expert drives, pushed as hard as the learner errs.")(dart)
    app.command("human-gated", short_help="A person takes over when they see fit; a stand-in does here.")(human_gated)


def bc(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
    live: LiveOption = False,
    expert: LiveExpertOption = LiveExpert.SCRIPTED,
    teleop_device: DeviceOption = None,
    domain: DomainOption = None,
) -> int:
    """Behavioural cloning: the expert drives every round, and nobody is asked about anything else.

    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "bc", {})


def dagger(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    beta: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="p of the expert's share p^i of the driving in round i; 0: only in the first round."
        ),
    ] = 0.0,
    per: Annotated[Per, typer.Option(help="Who drives is drawn for each of these.")] = Per.STEP,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
    live: LiveOption = False,
    expert: LiveExpertOption = LiveExpert.SCRIPTED,
    teleop_device: DeviceOption = None,
    domain: DomainOption = None,
) -> int:
    """DAgger (Ross, Gordon & Bagnell 2011): the learner drives, the expert labels every state that it gets into.

    Every round trains on all rounds; the policy that drives best alone is the result.
    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "dagger", {"beta": beta, "per": per.value})


def smile(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    alpha: Annotated[float, typer.Option(min=0, help="Share that each policy takes over from the expert.")] = 0.1,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
) -> int:
    """SMILe (Ross & Bagnell 2010): a mixture of all policies, each trained on one round, that lets go of the expert.

    The oldest policy weighs most. The bundle holds all of them, and draws one at every tick.
    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "smile", {"alpha": alpha})


def searn(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    beta: Annotated[float, typer.Option(min=0, max=1, help="Weight of the newest policy.")] = 0.5,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
) -> int:
    """SEARN (Daumé, Langford & Marcu 2009): a mixture of policies, each trained on what mistakes cost in the end.

    The newest policy weighs most. The bundle holds all of them, and draws one at every tick.
    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "searn", {"beta": beta})


def safedagger(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    unsafe_share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of unsafe frames in the first round; it sets the limit.")
    ] = 0.2,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Unsafe probability above which the expert drives.",
            show_default="that of the contract's gate",
        ),
    ] = None,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
    live: LiveOption = False,
    expert: LiveExpertOption = LiveExpert.SCRIPTED,
    teleop_device: DeviceOption = None,
    domain: DomainOption = None,
) -> int:
    """SafeDAgger (Zhang & Cho 2017): the policy drives where its classifier says safe, the expert where not.

    Only what was unsafe is labelled and kept. The bundle carries the classifier, which the gate acts on.
    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "safedagger", {"threshold": threshold}, unsafe_share)


def dart(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Squared error that is expected of an episode, to which the noise is scaled.",
            show_default="none: the noise is as large as the error",
        ),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Ticks of an episode, with --alpha.", show_default="none")
    ] = None,
    time_constant: Annotated[
        # White noise at 20 Hz is averaged away by the car before it leads anywhere.
        float,
        typer.Option(min=0, max=60, help="How long a disturbance lasts, s; 0 for white noise."),
    ] = 0.5,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
) -> int:
    """DART (Laskey et al. 2017): the expert drives, pushed as hard as the learner errs; what it meant is recorded.

    The noise is fitted anew after every round; its file is one for "understudy record --noise".
    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "dart", {"alpha": alpha, "horizon": horizon, "time_constant_s": time_constant})


def human_gated(
    context: typer.Context,
    robot: RobotOption = Robot.DRIVING,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    rounds: RoundsOption = 6,
    ticks: TicksOption = 1000,
    tracks: TracksOption = TRACKS,
    validation: ValidationOption = 3,
    epochs: EpochsOption = 15,
    chunk: ChunkOption = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = 1,
    contract: ContractOption = None,
    fresh: FreshOption = False,
    live: LiveOption = False,
    expert: LiveExpertOption = LiveExpert.SCRIPTED,
    teleop_device: DeviceOption = None,
    domain: DomainOption = None,
) -> int:
    """Human-gated DAgger (Kelly et al. 2019): what the person did while in control is learned from.

    A stand-in takes over 0.6 m from the centre line and hands back at 0.15 m; with --live --expert human you do.
    Goes on where it was ended when it is given again. Next: "understudy evaluate".
    """
    return _run(context, "human-gated", {})


def _run(context: typer.Context, rule: str, options: Mapping[str, object], unsafe_share: float = 0.2) -> int:
    """Learn with the options that all commands share."""
    from models.interactive import Plan
    from understudy.learning.session import LearnSession
    from understudy.learning.settings import LearnSettings
    from understudy.stacks.drives import parse_seeds
    from understudy.workspace import Workspace

    console: Console = context.obj
    given = context.params
    contract: Path | None = given["contract"]
    is_live = bool(given.get("live"))
    if not is_live:
        refuse_given(context, ("expert", "teleop_device", "domain"), "in process there are no nodes")
    elif given["expert"] is LiveExpert.SCRIPTED:
        refuse_given(context, ("teleop_device",), "the expert is a program")
    settings = LearnSettings(
        rule=rule,
        options=_whole(rule, options, contract, given["robot"].value),
        robot=given["robot"].value,
        places=tuple(parse_seeds(given["tracks"])),
        plan=Plan(given["rounds"], given["ticks"], given["validation"], given["seed"], EPISODES[given["robot"]]),
        epochs=given["epochs"],
        chunk=given["chunk"] or (4 if is_live else 1),
        unsafe_share=unsafe_share,
        threads=given["threads"],
        live=given["expert"].value if is_live else "",
    )
    live = _live_options(given, console) if is_live else None
    place = Workspace(given["workspace"], create=False)
    session = LearnSession(place, console, settings, contract, live)
    session.check()
    with place.locked():
        result = session.run(_again(context), fresh=given["fresh"])
    console.result({"ok": True, **result}, _in_words(result))
    robot = "" if given["robot"] is Robot.DRIVING else f" --robot {given['robot'].value}"
    console.next_step(f"understudy evaluate{robot}{place.option()}")
    return 0


def _live_options(given: Mapping[str, Any], console: Console) -> LiveOptions:
    from understudy.learning.live import LiveOptions

    require_free_domain(given["domain"])
    device = given["teleop_device"]
    return LiveOptions(
        device=None if device is None else device.value,
        domain=given["domain"],
        terminal_output=console.terminal_output,
    )


def _whole(rule: str, options: Mapping[str, object], contract: Path | None, robot: str) -> dict[str, object]:
    """Without what was left open; SafeDAgger's threshold is the gate's then, so that both mean the same."""
    found = {name: value for name, value in options.items() if value is not None}
    if rule == "safedagger" and "threshold" not in found:
        from models.contract import load_contract
        from understudy.stages import default_contract

        found["threshold"] = load_contract(contract or default_contract(robot)).gate.unsafe_threshold
    return found


def _again(context: typer.Context) -> str:
    """The command with every option that was given, except that it does not begin anew."""
    words = ["understudy", "learn", str(context.command.name)]
    for option in context.command.params:
        name = option.name or ""
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE" and name != "fresh":
            value = context.params[name]
            words += [option.opts[0]] if value is True else [option.opts[0], str(value)]
    return shlex.join(words)


def _in_words(result: Mapping[str, object]) -> str:
    members = result["members"]
    assert isinstance(members, dict)
    one = f"that of round {int(next(iter(members))) + 1}"
    which = one if len(members) == 1 else f"a mixture of those of {counted(len(members), 'round')}"
    asked = f"the expert was asked about {result['queries']} of {result['ticks']} ticks"
    return f"{result['bundle']}: the policy is {which}; {asked}\nreport: {result['report']}"
