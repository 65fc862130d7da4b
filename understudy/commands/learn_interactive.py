"""``understudy learn bc``, ``dagger``, ``smile``, ``searn``, ``safedagger``, ``dart``, ``human-gated``."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from understudy.commands.interactive_options import (
    ALPHA,
    BETA,
    DAGGER,
    DART,
    LIVE,
    PLACE,
    ROUNDS,
    SAFE,
    LiveExpert,
    Options,
)
from understudy.commands.options import Robot, refuse_given
from understudy.console import Console, counted
from understudy.environment.domains import require_free_domain
from understudy.stacks.simulated import robot_option

if TYPE_CHECKING:
    from understudy.learning.live import LiveOptions

__all__ = ["add_to"]

#: Of a round, at least: a fifth of them is held out, and drives of a few seconds each see more of the tracks. A try of
#: the arm takes up to half a minute, and is not to be broken off.
EPISODES = {Robot.DRIVING: 5, Robot.GRASPING: 2}
#: Options that have another name in their rule, or are the learner's and not the rule's.
_RENAMED, _OF_LEARNER = {"time_constant": "time_constant_s"}, {"unsafe_share"}
_GOES_ON = 'Goes on where it was ended when it is given again. Next: "understudy evaluate".'


@dataclass(frozen=True)
class _Command:
    """One algorithm on the command line.

    Attributes:
        short: a line for the list of commands.
        words: its help.
        own: options that the others do not have.
        live: whether it is learned over ROS 2 as well.
    """

    short: str
    words: str
    own: Options = ()
    live: bool = False


_COMMANDS: Mapping[str, _Command] = {
    "bc": _Command(
        "More demonstrations every round; what the others are compared with.",
        "Behavioural cloning: the expert drives every round, and nobody is asked about anything else.\n\n",
        live=True,
    ),
    "dagger": _Command(
        "The learner drives, the expert labels what it got into.",
        "DAgger (Ross, Gordon & Bagnell 2011): the learner drives, the expert labels every state that it gets into.\n\n"
        "Every round trains on all rounds; the policy that drives best alone is the result. ",
        DAGGER,
        live=True,
    ),
    "smile": _Command(
        "A mixture that lets go of the expert little by little.",
        "SMILe (Ross & Bagnell 2010): a mixture of all policies, each trained on one round, that lets go of the "
        "expert.\n\nThe oldest policy weighs most. The bundle holds all of them, and draws one at every tick. ",
        ALPHA,
    ),
    "searn": _Command(
        "A mixture of policies trained on what mistakes cost.",
        "SEARN (Daumé, Langford & Marcu 2009): a mixture of policies, each trained on what mistakes cost in the "
        "end.\n\nThe newest policy weighs most. The bundle holds all of them, and draws one at every tick. ",
        BETA,
    ),
    "safedagger": _Command(
        "The expert is asked only where the policy is unsafe.",
        "SafeDAgger (Zhang & Cho 2017): the policy drives where its classifier says safe, the expert where not.\n\n"
        "Only what was unsafe is labelled and kept. The bundle carries the classifier, which the gate acts on. ",
        SAFE,
        live=True,
    ),
    "dart": _Command(
        "The expert drives, pushed as hard as the learner errs.",
        "DART (Laskey et al. 2017): the expert drives, pushed as hard as the learner errs; what it meant is "
        'recorded.\n\nThe noise is fitted anew after every round; its file is one for "understudy record --noise". ',
        DART,
    ),
    "human-gated": _Command(
        "A person takes over when they see fit; a stand-in does here.",
        "Human-gated DAgger (Kelly et al. 2019): what the person did while in control is learned from.\n\n"
        "A stand-in takes over 0.6 m from the centre line and hands back at 0.15 m; with --live --expert human you "
        "do. ",
        live=True,
    ),
}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group ``understudy learn``."""
    for rule, command in _COMMANDS.items():
        app.command(rule, short_help=command.short, help=command.words + _GOES_ON)(_with_options(rule, command))


def _with_options(rule: str, command: _Command) -> Callable[..., int]:
    """A function whose signature holds the command's options, which is where typer reads them."""

    def run(context: typer.Context, **_: Any) -> int:
        return _run(context, rule, command.own)

    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    options = (*PLACE, *command.own, *ROUNDS, *(LIVE if command.live else ()))
    run.__signature__ = Signature([context, *options], return_annotation=int)  # type: ignore[attr-defined]
    return run


def _run(context: typer.Context, rule: str, own: Options) -> int:
    """Learn as the command line says."""
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
        options=_options_of(rule, given, own),
        robot=given["robot"].value,
        places=tuple(parse_seeds(given["tracks"])),
        plan=Plan(given["rounds"], given["ticks"], given["validation"], given["seed"], EPISODES[given["robot"]]),
        epochs=given["epochs"],
        chunk=given["chunk"] or (4 if is_live else 1),
        unsafe_share=given.get("unsafe_share", LearnSettings.unsafe_share),
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
    console.next_step(f"understudy evaluate{robot_option(given['robot'].value)}{place.option()}")
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


def _options_of(rule: str, given: Mapping[str, Any], own: Options) -> dict[str, object]:
    """A rule's own options, without what was left open; SafeDAgger's threshold is the gate's then: both mean one."""
    names = [option.name for option in own if option.name not in _OF_LEARNER and given[option.name] is not None]
    found = {_RENAMED.get(name, name): given[name] for name in names}
    found = {name: value.value if isinstance(value, StrEnum) else value for name, value in found.items()}
    if rule == "safedagger" and "threshold" not in found:
        from models.contract import load_contract
        from understudy.stages import default_contract

        contract = given["contract"] or default_contract(given["robot"].value)
        found["threshold"] = load_contract(contract).gate.unsafe_threshold
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
