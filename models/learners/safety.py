"""SafeDAgger's safety classifier (Zhang & Cho 2017, "Query-Efficient Imitation Learning for End-to-End Driving").

A frame is *safe*, ``c*(π, o) = 1``, iff ``‖π(o) - π*(o)‖² ≤ τ`` with actions in normalised units. The policy trains on
one part of the episodes and the classifier on all of them, so that it also sees errors on episodes which the policy
has not: on its own training data a policy looks safer than it is.

Class weights inflate the probabilities, so the classifier is calibrated afterwards: its log-odds are shifted by a
constant until the robot's own threshold (``gate.threshold`` of the contract) flags the wanted share of held-out frames.
Every bundle of a robot then means the same by that threshold, and the gate needs to know nothing about the bundle.

Only episodes that were labelled throughout say which share that is, and where τ is: they are the paper's ``D_safe``.
What an earlier classifier picked because it looked unsafe, all that SafeDAgger keeps from its second round on, trains
the classifier and no more: a threshold that flags half of such frames flags next to nothing on the road.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from models.errors import TrainingError
from models.learners.lessons import Lessons
from models.learners.reproducible import require_seed
from models.learners.samples import TrainingSamples, in_batches
from models.policies import Policy

__all__ = ["SafetyConfig", "SafetyReport", "fit_safety_classifier"]

BoolArray = npt.NDArray[np.bool_]

# The rare class weighs at most this much more than the common one: one stray frame must not decide everything.
MAX_CLASS_WEIGHT = 50.0
BATCH = 512
# Ticks of a recurrent policy that are looked at together; only their memory depends on it.
SEQUENCE = 32
LEARNING_RATE = 3e-3
# Where the classifier holds both classes for equally likely; their weights in training make them equally frequent.
OWN_DECISION = 0.5


@dataclass(frozen=True)
class SafetyConfig:
    """How the classifier is trained and where its threshold is put; shares out of (0, 1) raise ``TrainingError``."""

    # Share of held-out frames that count as unsafe: it sets τ. About 20 % is the paper's choice for its first round.
    unsafe_share: float = 0.2
    # Share of held-out frames that the contract's threshold flags after calibration. Far below unsafe_share: the
    # classifier must learn from many examples of relative weakness, but a good policy should not hand over every fifth
    # frame. None leaves it to the classifier, to which both classes weigh the same: the worse it can tell them apart,
    # the more it flags. So, as in the paper, it is decided who drives while SafeDAgger collects.
    deployed_share: float | None = 0.02
    # τ itself, such as that of SafeDAgger's first round: then fewer frames are unsafe the better a policy is, instead
    # of always the same share. None puts it where `unsafe_share` says.
    tau: float | None = None
    # ``(A,)`` what an error of 1 is, in SI units: the spread of the actions that `tau` was set on. None takes that of
    # this dataset, which grows with the corrections in it; a τ alone would grow along.
    units: tuple[float, ...] | None = None
    # Passes over all frames' features; the network is tiny and they are computed once.
    epochs: int = 30
    # Of the initial weights and the order of frames.
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("unsafe_share", "deployed_share"):
            share = getattr(self, name)
            if share is not None and not 0.0 < share < 1.0:
                raise TrainingError(f"{name} is no share", found=share, expected="between 0 and 1")
        if self.epochs < 1:
            raise TrainingError(
                "the safety classifier needs a pass over its frames", found=self.epochs, expected=">= 1"
            )
        require_seed(self.seed)
        if self.tau is not None and not self.tau > 0.0:
            raise TrainingError("tau is no squared error", found=self.tau, expected="> 0")
        if self.units is not None and (self.tau is None or not all(unit > 0.0 for unit in self.units)):
            raise TrainingError(
                "units of an error belong to a tau, and are lengths",
                found=f"tau={self.tau}, units={self.units}",
                expected="a tau, and one number above 0 for each action dimension",
            )
        if self.deployed_share is not None and self.tau is None and self.deployed_share > self.unsafe_share:
            raise TrainingError(
                "more frames would be flagged in deployment than count as unsafe",
                found=f"deployed_share={self.deployed_share}, unsafe_share={self.unsafe_share}",
                expected="deployed_share <= unsafe_share",
            )


@dataclass(frozen=True)
class SafetyReport:
    """How good the classifier is on calibration frames: held-out ones that neither network was trained on.

    Attributes:
        tau: τ, the largest squared error that counts as safe.
        units: ``(A,)`` SI units, in which that error is measured.
        unsafe_share: of calibration frames that are unsafe; the precision of flagging at random.
        calibration_frames: how many there were.
        threshold: of the robot's gate, to which the classifier was calibrated: a probability above it is flagged.
        flagged_share: of calibration frames above it.
        precision: of the flagged frames, the share that is unsafe; ``None`` when none is flagged.
        recall: of the unsafe frames, the share that is flagged; ``None`` when none is unsafe.
        precision_at_half: the same before calibration with the threshold at 0.5, where the classes weigh the same.
        recall_at_half: the same.
    """

    tau: float
    units: tuple[float, ...]
    unsafe_share: float
    calibration_frames: int
    threshold: float
    flagged_share: float
    precision: float | None
    recall: float | None
    precision_at_half: float | None
    recall_at_half: float | None


def fit_safety_classifier(
    policy: Policy, samples: TrainingSamples, held_out: Sequence[int], config: SafetyConfig, threshold: float
) -> SafetyReport:
    """Train and calibrate ``policy.safety`` in place; nothing else of the policy changes.

    Args:
        policy: already trained, on none of the held-out episodes.
        samples: every frame, of training and held-out episodes; those without a label are left out.
        held_out: numbers of the episodes on which the policy was *not* trained.
        config: see ``SafetyConfig``.
        threshold: of the robot's gate, in [0, 1].
    """
    units = policy.action_normalizer.scale if config.units is None else _as_units(policy, config.units)
    features, errors = _features_and_errors(policy, samples, units)
    unpicked = _labelled_throughout(samples, held_out)
    fitted, calibration = (
        part & samples.labelled for part in _split_held_out(samples.episodes, unpicked, samples.reach)
    )
    known = errors[np.isin(samples.episodes, unpicked) & samples.labelled & np.isfinite(errors)]
    if not len(known) or not calibration.any():
        raise TrainingError("the policy gives no finite action on held-out episodes", fix="train it again")
    tau = config.tau or float(np.quantile(known, 1.0 - config.unsafe_share, method="higher"))
    # Not "errors > tau": an error that is not a number must count as unsafe.
    unsafe = ~(errors <= tau)
    _train(policy, features[fitted], torch.from_numpy(unsafe[fitted]), config)
    with torch.inference_mode():
        weighted = policy.safety(features[calibration]).numpy()
    if config.deployed_share is not None:
        flagging = float(np.quantile(weighted, 1.0 - config.deployed_share, method="higher"))
    else:  # of a class that it has never seen it knows nothing
        flagging = OWN_DECISION if unsafe[fitted].any() else 1.0
    policy.safety.shift(_log_odds(threshold) - _log_odds(flagging))
    with torch.inference_mode():
        flagged = policy.safety(features[calibration]).numpy() > threshold
    return _report(weighted, flagged, unsafe[calibration], tau, tuple(units.tolist()), threshold)


def _log_odds(probability: float) -> float:
    """Of a probability, kept away from 0 and 1 by what float32 can still tell apart from them."""
    kept = min(max(probability, 1e-6), 1.0 - 1e-6)
    return math.log(kept / (1.0 - kept))


def _as_units(policy: Policy, units: tuple[float, ...]) -> Tensor:
    wanted = policy.action_normalizer.scale
    if len(units) != len(wanted):
        raise TrainingError("units of another robot's errors", found=len(units), expected=f"{len(wanted)} of them")
    return torch.tensor(units, dtype=wanted.dtype)


def _features_and_errors(
    policy: Policy, samples: TrainingSamples, units: Tensor
) -> tuple[Tensor, npt.NDArray[np.float64]]:
    """Features ``(T, width)`` and squared errors ``(T,)`` of the next action, in ``units (A,)``."""
    policy.eval()
    everything = torch.arange(len(samples))
    features = Lessons(policy, samples, everything, BATCH, SEQUENCE).features()
    errors, ratio = [], policy.action_normalizer.scale / units
    with torch.inference_mode():
        for indices in in_batches(everything, BATCH):
            proposed = policy.action_normalizer(policy.limit(policy.choose(features[indices])))
            errors.append((ratio * (proposed - samples.targets[indices])[:, 0]).square().sum(dim=1))
    return features, torch.cat(errors).to(torch.float64).numpy()


def _labelled_throughout(samples: TrainingSamples, held_out: Sequence[int]) -> list[int]:
    """Those of the held-out episodes, in order; all of them where somebody picked what is labelled in each."""
    whole = set(samples.episodes[samples.throughout].tolist())
    return [number for number in sorted(held_out) if number in whole] or sorted(held_out)


def _split_held_out(
    episodes: npt.NDArray[np.int64], held_out: Sequence[int], reach: int
) -> tuple[BoolArray, BoolArray]:
    """Masks ``(T,)`` of the frames that train the classifier, and of those that calibrate it.

    Every second held-out episode calibrates; a single one is cut in two, with a gap so that no stack spans both parts.
    """
    order = sorted(held_out)
    if not order:
        raise TrainingError("a safety classifier needs held-out episodes", fix="record at least two episodes")
    if len(order) > 1:
        calibration = np.isin(episodes, order[1::2])
        return ~calibration, calibration
    members = np.flatnonzero(episodes == order[0])
    middle = len(members) // 2
    calibration = np.zeros(len(episodes), np.bool_)
    calibration[members[middle:]] = True
    fitted = ~calibration
    fitted[members[max(0, middle - reach) : middle]] = False
    return fitted, calibration


def _train(policy: Policy, features: Tensor, unsafe: Tensor, config: SafetyConfig) -> None:
    """Weighted cross-entropy on fixed features."""
    labels = unsafe.to(torch.float32)
    count = float(labels.sum())
    weight = min(max((len(labels) - count) / max(count, 1.0), 1.0), MAX_CLASS_WEIGHT)
    generator = torch.Generator().manual_seed(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        for layer in policy.safety.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()
    optimiser = torch.optim.Adam(policy.safety.parameters(), LEARNING_RATE)
    for _ in range(config.epochs):
        for batch in in_batches(torch.randperm(len(labels), generator=generator), BATCH):
            loss = functional.binary_cross_entropy_with_logits(
                policy.safety.logit(features[batch]), labels[batch], pos_weight=torch.tensor(weight)
            )
            if not torch.isfinite(loss):
                raise TrainingError("the safety classifier diverged", found=float(loss))
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()


def _report(
    weighted: npt.NDArray[np.float32],
    flagged: BoolArray,
    unsafe: BoolArray,
    tau: float,
    units: tuple[float, ...],
    threshold: float,
) -> SafetyReport:
    precision, recall = _precision_recall(flagged, unsafe)
    precision_at_half, recall_at_half = _precision_recall(weighted > OWN_DECISION, unsafe)
    return SafetyReport(
        tau=tau,
        units=units,
        unsafe_share=float(unsafe.mean()),
        calibration_frames=len(unsafe),
        threshold=threshold,
        flagged_share=float(flagged.mean()),
        precision=precision,
        recall=recall,
        precision_at_half=precision_at_half,
        recall_at_half=recall_at_half,
    )


def _precision_recall(flagged: BoolArray, unsafe: BoolArray) -> tuple[float | None, float | None]:
    hits = int((flagged & unsafe).sum())
    precision = hits / int(flagged.sum()) if flagged.any() else None
    recall = hits / int(unsafe.sum()) if unsafe.any() else None
    return precision, recall
