"""``understudy train`` and ``understudy export``: from a dataset to one ``policy.onnx``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from understudy.commands.grouped import GroupedCommand
from understudy.commands.options import DEFAULT_WORKSPACE, WorkspaceOption
from understudy.commands.train_options import (
    ActOption,
    AlphaLastOption,
    AugmentOption,
    BatchSizeOption,
    ChunkOption,
    ConfigOption,
    CropTopOption,
    EncoderOption,
    EpochsOption,
    HeadOption,
    HeadOptionOption,
    HeldOutOption,
    LearningRateOption,
    LightOption,
    MemoryFeaturesOption,
    MemoryFramesOption,
    MemoryOption,
    PoolOption,
    PreviousActionOption,
    RobotContractOption,
    SafetyOption,
    SeedOption,
    SequenceOption,
    ThreadsOption,
    WeightDecayOption,
)
from understudy.console import Console

if TYPE_CHECKING:
    from understudy.training.settings import TrainingSettings
    from understudy.workspace import Workspace

__all__ = ["add_to"]

_POLICY = ("act", "chunk", "crop_top", "pool", "encoder", "memory", "memory_features", "previous_action")
_LEARNING = (
    "epochs",
    "batch_size",
    "learning_rate",
    "weight_decay",
    "sequence",
    "alpha_last",
    "held_out",
    "light",
    "seed",
    "threads",
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    words = "Train a policy and its safety classifier on what was recorded."
    app.command("train", short_help=words, cls=GroupedCommand)(train)
    app.command("export", short_help="Write the trained policy as one file, policy.onnx.")(export)


def train(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    config: ConfigOption = None,
    contract: RobotContractOption = None,
    seed: SeedOption = None,
    threads: ThreadsOption = None,
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Build the dataset anew first, even if the recordings are those it was built of."
        ),
    ] = False,
    head: HeadOption = None,
    head_option: HeadOptionOption = None,
    act: ActOption = None,
    chunk: ChunkOption = None,
    encoder: EncoderOption = None,
    crop_top: CropTopOption = None,
    pool: PoolOption = None,
    memory: MemoryOption = None,
    memory_frames: MemoryFramesOption = None,
    memory_features: MemoryFeaturesOption = None,
    previous_action: PreviousActionOption = None,
    alpha_last: AlphaLastOption = None,
    sequence: SequenceOption = None,
    epochs: EpochsOption = None,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    weight_decay: WeightDecayOption = None,
    held_out: HeldOutOption = None,
    safety: SafetyOption = None,
    augment: AugmentOption = None,
    light: LightOption = None,
) -> int:
    """Train a policy on the recorded demonstrations (behavioural cloning).

    The policy learns to command what the expert intended at each camera image. A second, smaller network learns to
    tell where the policy would differ from the expert: the safety classifier. No GPU is needed; the default takes about
    a minute on two cores. Next: "understudy export", then "understudy evaluate".
    """
    from understudy.stages import Stages
    from understudy.training.config_file import load_settings
    from understudy.training.settings import TrainingSettings
    from understudy.workspace import Workspace

    console: Console = context.obj
    base = TrainingSettings() if config is None else load_settings(config)
    settings = _settings(context, head_option or [], base.policy.get("head", {"kind": "point"})).over(base)
    settings.require_sense()
    place = Workspace(workspace, create=False)
    stages = Stages(place, console)
    if rebuild or not place.dataset.is_dir():
        stages.dataset.require_bags()
    settings.plan(stages.dataset.recorded_contract(anew=rebuild))
    with place.locked():
        if rebuild:
            stages.dataset.build()
        else:
            stages.dataset.refresh()
        plan = settings.plan(stages.dataset.recorded_contract())
        result = stages.train(plan.config, plan.contract)
        place.note("train", {"seed": plan.config.seed, **result})
    text = f"checkpoint in {place.checkpoint}: epoch {result['best_epoch']} of {result['epochs']} was best"
    console.result({"ok": True, "checkpoint": place.checkpoint, **result}, text)
    console.next_step(f"understudy export{place.option()}")
    return 0


def _settings(context: typer.Context, head_options: list[str], head: Mapping[str, Any]) -> TrainingSettings:
    """What the command line says, and nothing that it does not say.

    Args:
        context: of the command.
        head_options: of the head.
        head: the one that they are of, where the command line names none, with its options so far.
    """
    from understudy.training.settings import TrainingSettings

    given = {name: _plain(value) for name, value in context.params.items() if value is not None}
    policy: dict[str, Any] = {name: given[name] for name in _POLICY if name in given}
    if "head" in given or head_options:
        known = {"kind": given["head"]} if "head" in given else head
        policy["head"] = {**known, **_head_options(context, known["kind"], head_options)}
    return TrainingSettings(
        policy=policy,
        learning={name: given[name] for name in _LEARNING if name in given},
        safety={"seed": given["seed"]} if "seed" in given else {},
        has_safety=given.get("safety"),
        augment=tuple(given["augment"].split(",")) if "augment" in given else None,
        memory_frames=given.get("memory_frames"),
        contract=given.get("contract"),
    )


def _plain(value: Any) -> Any:
    return value.value if hasattr(value, "value") else value


def _head_options(context: typer.Context, kind: str, options: list[str]) -> dict[str, Any]:
    """Options of a head, by the types of its fields."""
    import dataclasses
    import typing

    from models.policies.heads import HEADS

    cls = HEADS[kind]
    hints = typing.get_type_hints(cls)
    names = [entry.name for entry in dataclasses.fields(cls) if entry.init]
    found: dict[str, Any] = {}
    for word in options:
        name, equals, text = word.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in names:
            raise typer.BadParameter(f"--head-option {word!r}: {kind} has {', '.join(names) or 'no options'}", context)
        try:
            found[name] = hints[name](text.strip())
        except ValueError:
            kinds = {int: "a whole number", float: "a number"}
            raise typer.BadParameter(f"--head-option {word!r}: expected {kinds[hints[name]]}", context) from None
    return found


def export(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; the workspace's policy.onnx by default.")
    ] = None,
) -> int:
    """Write the trained policy as one file, policy.onnx, that needs no torch to run.

    The file is compared with torch on observations of the dataset, and read back, before it gets its name.
    """
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    stages = Stages(place, console)
    stages.require_checkpoint()
    with place.locked():
        result = stages.export(output)
        place.note("export", result)
    console.result({"ok": True, **result}, f"{result['path']} ({int(str(result['size'])) / 1024:.0f} KiB)")
    console.next_step(_first_drive(place, output))
    return 0


def _first_drive(place: Workspace, output: Path | None) -> str:
    """The command that drives with the new policy: tests in simulation, or on the robot's owner's robot a dry run."""
    from models.bundle import inspect_bundle
    from understudy.commands.deploy import deploy_on_robot
    from understudy.stacks.simulated import is_simulated, robot_option, simulated_robot

    policy = output or place.bundle
    robot = inspect_bundle(policy).contract.robot_type
    if not is_simulated(robot):
        return f"{deploy_on_robot(place, robot, policy)}    # a dry run: nothing is commanded"
    drives = f" --bundle {shlex.quote(str(output))}" if output else ""
    return f"understudy evaluate{robot_option(simulated_robot(robot))}{place.option()}{drives}"
