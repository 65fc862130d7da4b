"""Policy heads: an output layer together with its loss and its options, one a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from models.errors import TrainingError
from models.policies.heads.adversarial import AdversarialHead, AdversarialOptions
from models.policies.heads.autoregressive import AutoregressiveHead, AutoregressiveOptions
from models.policies.heads.cvae import CvaeHead, CvaeOptions
from models.policies.heads.flow import FlowHead, FlowOptions
from models.policies.heads.gaussian import GaussianHead, GaussianOptions
from models.policies.heads.head import Head, HeadOptions
from models.policies.heads.independent import IndependentHead, IndependentOptions
from models.policies.heads.joint import JointHead, JointOptions
from models.policies.heads.mixture import MixtureHead, MixtureOptions
from models.policies.heads.n_best import NBestHead, NBestOptions
from models.policies.heads.point import PointHead, PointOptions
from models.policies.heads.trail import TrailHead, TrailOptions
from models.policies.requirements import did_you_mean, require_choice

__all__ = [
    "HEADS",
    "AdversarialHead",
    "AdversarialOptions",
    "AutoregressiveHead",
    "AutoregressiveOptions",
    "CvaeHead",
    "CvaeOptions",
    "FlowHead",
    "FlowOptions",
    "GaussianHead",
    "GaussianOptions",
    "Head",
    "HeadOptions",
    "IndependentHead",
    "IndependentOptions",
    "JointHead",
    "JointOptions",
    "MixtureHead",
    "MixtureOptions",
    "NBestHead",
    "NBestOptions",
    "PointHead",
    "PointOptions",
    "TrailHead",
    "TrailOptions",
    "head_options",
]

HEADS: dict[str, type[HeadOptions]] = {
    options().kind: options
    for options in (
        PointOptions,
        GaussianOptions,
        IndependentOptions,
        JointOptions,
        AutoregressiveOptions,
        MixtureOptions,
        CvaeOptions,
        NBestOptions,
        AdversarialOptions,
        FlowOptions,
        TrailOptions,
    )
}
"""The options of every kind of head, by its name."""


def head_options(kind: str, options: Mapping[str, Any] | None = None) -> HeadOptions:
    """The options of a head by its name; unknown names raise ``TrainingError`` with the nearest one."""
    require_choice("head", kind, HEADS)
    known = [entry.name for entry in dataclasses.fields(HEADS[kind]) if entry.init]
    for name in options or {}:
        if name not in known:
            raise TrainingError(f"the {kind} head has no option {name!r}", fix=did_you_mean(name, known))
    return HEADS[kind](**(options or {}))
