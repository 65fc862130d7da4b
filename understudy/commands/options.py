"""Options that several commands share, so that one name means one thing everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from understudy.workspace import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from understudy.stacks.options import StackOptions

__all__ = [
    "DEFAULT_WORKSPACE",
    "ContractOption",
    "Device",
    "DeviceOption",
    "DomainOption",
    "EnableControlOption",
    "EnablePolicyOption",
    "Expert",
    "ExpertOption",
    "LabelOption",
    "NetworkOption",
    "NoiseOption",
    "ParamsOption",
    "RecordedContractOption",
    "Robot",
    "RobotDomainOption",
    "RobotOption",
    "SecondsOption",
    "SimOption",
    "WorkspaceOption",
    "refuse_given",
    "require_contract_of_robot",
    "require_seeds",
    "stack_options",
]


class Expert(StrEnum):
    """Who demonstrates, and stands by."""

    AUTO = "auto"
    SCRIPTED = "scripted"
    TELEOP = "teleop"
    EXTERNAL = "external"


class Robot(StrEnum):
    """Which robot is simulated."""

    DRIVING = "driving"
    GRASPING = "grasping"


class Device(StrEnum):
    """What a teleoperator holds in hand."""

    JOY = "joy"
    KEYBOARD = "keyboard"
    LEADER = "leader"


def stack_options(
    sim: bool,
    expert: Expert,
    device: Device | None,
    *,
    label: bool,
    enable_control: bool | None,
    noise: Path | None = None,
    enable_policy: bool | None = None,
) -> StackOptions:
    """The choices of a command line."""
    from understudy.stacks.options import StackOptions

    return StackOptions(
        sim=sim,
        expert=expert.value,
        noise=noise,
        labeller=label,
        teleop_device=None if device is None else device.value,
        enable_control=enable_control,
        enable_policy=enable_policy,
    )


def refuse_given(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Refuse options that somebody took the trouble to give, and that would do nothing.

    Args:
        context: of the command.
        names: parameters of the command's function.
        why: the first half of the message.
    """
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name in names and getattr(context.get_parameter_source(option.name), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise typer.BadParameter(f"{why}, so {', '.join(given)} would do nothing", context)


def require_contract_of_robot(context: typer.Context, contract: Path | None) -> Path:
    """The contract; refused when a robot of one's own comes without one."""
    if contract is None:
        raise typer.BadParameter("--no-sim needs the robot's own --contract", context)
    return contract


def require_seeds(text: str) -> str:
    """Refuse, while the command line is being read, what names no tracks."""
    from models.errors import UnderstudyError
    from understudy.stacks.drives import parse_seeds

    try:
        parse_seeds(text)
    except UnderstudyError as error:
        raise typer.BadParameter(f"{error.problem}: {text!r}; expected numbers and ranges, {error.expected}") from None
    return text


WorkspaceOption = Annotated[
    Path,
    typer.Option("--workspace", "-w", help="Folder of the run: recordings, dataset, checkpoint, policy.onnx, report."),
]
RobotOption = Annotated[
    Robot, typer.Option(help="The simulated robot: the car on a track, or the arm over a cluttered table.")
]
ContractOption = Annotated[
    Path | None,
    typer.Option(
        "--contract", help="Robot contract (YAML); the simulated robot's, such as contracts/driving.yaml, by default."
    ),
]
RecordedContractOption = Annotated[
    Path | None,
    typer.Option(
        "--contract",
        help="Robot contract (YAML) instead of the one in the recordings.",
        show_default="that of the recordings",
    ),
]
DomainOption = Annotated[
    int | None,
    typer.Option(
        "--domain",
        min=0,
        max=101,
        help="ROS domain, 0 to 101. A free one by default, whatever ROS_DOMAIN_ID says, so that a simulated car never "
        "talks to a real one; with --no-sim the one that ROS_DOMAIN_ID names, 0 otherwise.",
        show_default=False,
    ),
]
SecondsOption = Annotated[
    float, typer.Option("--seconds", min=1.0, max=300.0, help="How long to listen to the robot, s.")
]
RobotDomainOption = Annotated[
    int | None,
    typer.Option(
        "--domain",
        min=0,
        max=232,
        help="ROS domain of the robot; ROS_DOMAIN_ID of this shell, or 0, by default.",
        show_default=False,
    ),
]
NetworkOption = Annotated[
    bool, typer.Option("--network", help="Look for the robot's nodes on other machines too, not on this one only.")
]
ParamsOption = Annotated[
    Path | None,
    typer.Option(
        "--params-file",
        help="Parameters of the nodes (YAML); the simulated robot's, such as launch/params/driving.yaml, by default, "
        "robot.yaml with --no-sim.",
    ),
]
SimOption = Annotated[
    bool,
    typer.Option(
        "--sim/--no-sim",
        help="Move the simulated robot; or a robot that brings its own topics, described by --contract, until Ctrl-C.",
    ),
]
ExpertOption = Annotated[
    Expert,
    typer.Option(
        help="The expert: scripted (simulated robots only), teleop (a person), external (somebody else publishes the "
        "contract's gate.expert topics), auto (scripted with --sim, teleop without)."
    ),
]
DeviceOption = Annotated[
    Device | None,
    typer.Option(help="What a teleoperator holds in hand.", show_default="as the parameter file says: a joystick"),
]
NoiseOption = Annotated[
    Path | None,
    typer.Option("--noise", help="Noise file (YAML): disturb what the expert commands, record what was meant (DART)."),
]
LabelOption = Annotated[bool, typer.Option("--label", help="Record the expert's answer to every tick, too.")]
EnableControlOption = Annotated[
    bool | None,
    typer.Option(
        "--enable-control/--no-enable-control",
        help="Whether the gate commands the robot, or only decides and reports.",
        show_default="as the parameter file says: a simulated robot yes, your own no (dry run)",
    ),
]
EnablePolicyOption = Annotated[
    bool | None,
    typer.Option(
        "--enable-policy/--no-enable-policy",
        help="Whether the policy may drive from the start, or the expert drives until it is let in: by hand-back, or "
        "/gate/enable_policy.",
        show_default="a simulated robot yes, your own as the parameter file says",
    ),
]
