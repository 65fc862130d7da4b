"""The options of ``understudy train``, one group a heading; each is the name of a field with dashes.

Nothing given is ``None``: what a file says then counts, or what is usual for the robot. The names and defaults that
stand here, so that help loads neither torch nor YAML, are held to those of the classes by a test.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "ActOption",
    "AlphaLastOption",
    "AugmentOption",
    "BatchSizeOption",
    "ChunkOption",
    "ConfigOption",
    "CropTopOption",
    "EncoderOption",
    "EpochsOption",
    "HeadOption",
    "HeadOptionOption",
    "HeldOutOption",
    "LearningRateOption",
    "LightOption",
    "MemoryFeaturesOption",
    "MemoryFramesOption",
    "MemoryOption",
    "PoolOption",
    "PreviousActionOption",
    "RobotContractOption",
    "SafetyOption",
    "SeedOption",
    "SequenceOption",
    "ThreadsOption",
    "WeightDecayOption",
    "parse_recipes",
]

_POLICY, _MEMORY = "The policy (docs/policies.md)", "Its memory"
_LEARNING, _DATA = "Learning", "Augmentation (docs/augmentation.md)"


class HeadName(StrEnum):
    """What a policy says about the right action."""

    POINT = "point"
    GAUSSIAN = "gaussian"
    INDEPENDENT = "independent"
    JOINT = "joint"
    AUTOREGRESSIVE = "autoregressive"
    MIXTURE = "mixture"
    CVAE = "cvae"
    N_BEST = "n_best"
    ADVERSARIAL = "adversarial"
    FLOW = "flow"
    TRAIL = "trail"


class Act(StrEnum):
    """What drives."""

    LIKELIEST = "likeliest"
    SAMPLE = "sample"


class Encoder(StrEnum):
    """Of pictures."""

    SMALL = "small"
    KEYPOINTS = "keypoints"
    RESNET = "resnet"


class MemoryName(StrEnum):
    """What carries the past."""

    STACK = "stack"
    RNN = "rnn"
    GRU = "gru"
    LSTM = "lstm"


class Augment(StrEnum):
    """Changes of examples that can be asked for by name."""

    ALVINN = "alvinn"
    SIDE_CAMERAS = "side_cameras"
    BETWEEN_CAMERAS = "between_cameras"
    TRAIL = "trail"
    PHOTOMETRIC = "photometric"


def parse_recipes(text: str | None) -> str | None:
    """Refuse, while the command line is being read, what is no list of augmentations."""
    names = [name.strip().replace("-", "_") for name in (text or "").split(",")] if text else []
    for name in names:
        if name not in list(Augment):
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(Augment)}")
    return ",".join(names) or None


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="File (YAML) with all of the following; options given beside it count more. Each training writes one next "
        "to its checkpoint, checkpoint/training.yaml, which repeats it.",
    ),
]
RobotContractOption = Annotated[
    Path | None,
    typer.Option(
        "--contract",
        help="Contract (YAML) of the robot that the policy is for, where that sees less than was recorded, such as no "
        "side cameras.",
        show_default="that of the recordings",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Same seed, data, machine and threads: same policy.", show_default="0"),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Processor cores to use. More than one is often slower.", show_default="1"),
]

HeadOption = Annotated[
    HeadName | None,
    typer.Option(
        "--head",
        metavar="NAME",
        help="What the policy says about the right action: point (one), or a distribution over several ways of doing "
        "the same: gaussian, independent, joint, autoregressive, mixture, cvae, n_best, adversarial, flow; or trail.",
        show_default="point",
        rich_help_panel=_POLICY,
    ),
]
HeadOptionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--head-option",
        metavar="NAME=VALUE",
        help="An option of the head, such as modes=3 of the mixture; may stand more than once.",
        rich_help_panel=_POLICY,
    ),
]
ActOption = Annotated[
    Act | None,
    typer.Option(
        help="What drives: the head's likeliest action, or one drawn from its distribution.",
        show_default="likeliest",
        rich_help_panel=_POLICY,
    ),
]
ChunkOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Actions proposed at once: this tick's and the following ones', for when an answer comes late.",
        show_default="4",
        rich_help_panel=_POLICY,
    ),
]
EncoderOption = Annotated[
    Encoder | None,
    typer.Option(
        help="Network that looks at pictures: small; keypoints, which says where things are, for hands that reach for "
        "them; resnet, that of ResNet-18, which wants a GPU.",
        show_default="small; the simulated arm keypoints",
        rich_help_panel=_POLICY,
    ),
]
CropTopOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=0.99,
        metavar="SHARE",
        help="Share of every picture cut off at its top, where the robot sees nothing that matters.",
        show_default="0; the simulated car 0.35, its sky",
        rich_help_panel=_POLICY,
    ),
]
PoolOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Side of the squares of pixels that become one; 1 keeps all of them.",
        show_default="2",
        rich_help_panel=_POLICY,
    ),
]

MemoryOption = Annotated[
    MemoryName | None,
    typer.Option(
        help="What carries the past: the contract's stack of frames, or that and a state that goes on from tick to "
        "tick.",
        show_default="stack; gru under a contract with memory: {recurrent: true}",
        rich_help_panel=_MEMORY,
    ),
]
MemoryFramesOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        metavar="N",
        help="Frames in the stack.",
        show_default="as the contract says",
        rich_help_panel=_MEMORY,
    ),
]
MemoryFeaturesOption = Annotated[
    int | None,
    typer.Option(
        "--memory-features",
        "--hidden-size",
        min=1,
        metavar="N",
        help="Width of the state that the head reads.",
        show_default="64",
        rich_help_panel=_MEMORY,
    ),
]
PreviousActionOption = Annotated[
    bool | None,
    typer.Option(
        "--previous-action/--no-previous-action",
        help="Whether a memory with a state also sees what the policy did one tick ago.",
        show_default="no",
        rich_help_panel=_MEMORY,
    ),
]
AlphaLastOption = Annotated[
    float | None,
    typer.Option(
        "--alpha-last",
        "--scheduled-sampling",
        min=0,
        max=1,
        metavar="SHARE",
        help="With --previous-action: how often the expert's action is shown there instead of the policy's own in the "
        "last epoch, falling from always in the first (scheduled sampling).",
        show_default="0",
        rich_help_panel=_MEMORY,
    ),
]
SequenceOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Ticks that gradients reach back through a state.",
        show_default="32",
        rich_help_panel=_MEMORY,
    ),
]

EpochsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="How often training goes through all frames. More takes longer; the best is kept.",
        show_default="25; the simulated arm 20",
        rich_help_panel=_LEARNING,
    ),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Frames that one step of learning looks at.",
        show_default="128; the simulated arm 64",
        rich_help_panel=_LEARNING,
    ),
]
LearningRateOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="RATE",
        help="Size of the first steps; it falls to zero. Lower it if training diverges.",
        show_default="0.002",
        rich_help_panel=_LEARNING,
    ),
]
WeightDecayOption = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="WEIGHT", help="Penalty on large weights.", show_default="0", rich_help_panel=_LEARNING
    ),
]
HeldOutOption = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=0.9,
        metavar="SHARE",
        help="Share of the episodes that the policy never trains on. They show how well it does on roads that it has "
        "not seen, and teach the safety classifier where it errs.",
        show_default="0.2",
        rich_help_panel=_LEARNING,
    ),
]
SafetyOption = Annotated[
    bool | None,
    typer.Option(
        "--safety/--no-safety",
        help="Train the safety classifier, by which the gate hands over to the expert before the policy errs.",
        show_default="yes",
        rich_help_panel=_LEARNING,
    ),
]

AugmentOption = Annotated[
    str | None,
    typer.Option(
        "--augment",
        metavar="NAME[,NAME]",
        callback=parse_recipes,
        help="Examples that nobody recorded. alvinn: the car shifted and turned, and how it comes back; side_cameras: "
        "the same from cameras beside the front one; between_cameras: and from the places between; trail: which camera "
        "sees it says where to steer, with --head trail; photometric: light, colour, noise, blur, shadows.",
        show_default="none",
        rich_help_panel=_DATA,
    ),
]
LightOption = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="STD",
        help="How strongly brightness and contrast are varied; 0 leaves pictures as they are.",
        show_default="0.1",
        rich_help_panel=_DATA,
    ),
]
