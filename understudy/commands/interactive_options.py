"""The options of ``understudy learn dagger`` and its like: those that all of them share, and those of one of them.

A set of options is a tuple of parameters, in the order of the help; a command is put together of several sets.
"""

from __future__ import annotations

from enum import StrEnum
from inspect import Parameter
from typing import Annotated, Any

import typer

from understudy.commands.options import (
    DEFAULT_WORKSPACE,
    ContractOption,
    DeviceOption,
    DomainOption,
    Robot,
    RobotOption,
    WorkspaceOption,
    require_seeds,
)

__all__ = ["ALPHA", "BETA", "DAGGER", "DART", "LIVE", "PLACE", "ROUNDS", "SAFE", "LiveExpert", "Options", "Per"]

Options = tuple[Parameter, ...]


class Per(StrEnum):
    """How often DAgger's driver is drawn."""

    STEP = "step"
    EPISODE = "episode"


class LiveExpert(StrEnum):
    """Who a live learning imitates."""

    SCRIPTED = "scripted"
    HUMAN = "human"


def _option(name: str, kind: Any, default: object) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


# -- of all ------------------------------------------------------------------------------------------------------------

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

PLACE: Options = (
    _option("robot", RobotOption, Robot.DRIVING),
    _option("workspace", WorkspaceOption, DEFAULT_WORKSPACE),
)
"""Where, which comes first."""

ROUNDS: Options = (
    _option("rounds", RoundsOption, 6),
    _option("ticks", TicksOption, 1000),
    _option("tracks", TracksOption, "1-12"),
    _option("validation", ValidationOption, 3),
    _option("epochs", EpochsOption, 15),
    _option("chunk", ChunkOption, None),
    _option("seed", SeedOption, 0),
    _option("threads", ThreadsOption, 1),
    _option("contract", ContractOption, None),
    _option("fresh", FreshOption, False),
)
"""How much, and how."""

# -- of those that are learned over ROS 2 as well ----------------------------------------------------------------------

LiveOption = Annotated[
    bool,
    typer.Option(
        "--live", help="Over ROS 2: the robot drives on in real time while policies train, and each is swapped in."
    ),
]
LiveExpertOption = Annotated[
    LiveExpert, typer.Option("--expert", help="With --live, who labels and takes over: a program, or you (human).")
]

LIVE: Options = (
    _option("live", LiveOption, False),
    _option("expert", LiveExpertOption, LiveExpert.SCRIPTED),
    _option("teleop_device", DeviceOption, None),
    _option("domain", DomainOption, None),
)

# -- of one algorithm --------------------------------------------------------------------------------------------------

ShareOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="p of the expert's share p^i of the driving in round i; 0: only in the first round."
    ),
]
PerOption = Annotated[Per, typer.Option(help="Who drives is drawn for each of these.")]
DAGGER: Options = (_option("beta", ShareOption, 0.0), _option("per", PerOption, Per.STEP))

AlphaOption = Annotated[float, typer.Option(min=0, help="Share that each policy takes over from the expert.")]
ALPHA: Options = (_option("alpha", AlphaOption, 0.1),)

BetaOption = Annotated[float, typer.Option(min=0, max=1, help="Weight of the newest policy.")]
BETA: Options = (_option("beta", BetaOption, 0.5),)

UnsafeShareOption = Annotated[
    float, typer.Option(min=0.01, max=0.9, help="Share of unsafe frames in the first round; it sets the limit.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Unsafe probability above which the expert drives.",
        show_default="that of the contract's gate",
    ),
]
SAFE: Options = (_option("unsafe_share", UnsafeShareOption, 0.2), _option("threshold", ThresholdOption, None))

ErrorOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        help="Squared error that is expected of an episode, to which the noise is scaled.",
        show_default="none: the noise is as large as the error",
    ),
]
HorizonOption = Annotated[
    int | None, typer.Option(min=1, help="Ticks of an episode, with --alpha.", show_default="none")
]
TimeConstantOption = Annotated[
    float, typer.Option(min=0, max=60, help="How long a disturbance lasts, s; 0 for white noise.")
]
DART: Options = (
    _option("alpha", ErrorOption, None),
    _option("horizon", HorizonOption, None),
    # White noise at 20 Hz is averaged away by the car before it leads anywhere.
    _option("time_constant", TimeConstantOption, 0.5),
)
