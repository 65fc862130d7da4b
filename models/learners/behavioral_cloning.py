"""Behavioural cloning: maximise the likelihood of the expert's actions, ``min_θ E[-log π_θ(a | o)]``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.augment import Augmentation, vary_light
from models.contract import Contract
from models.episodes import EpisodeDataset
from models.errors import TrainingError
from models.learners.safety import SafetyConfig, SafetyReport, fit_safety_classifier
from models.learners.samples import TrainingSamples, in_batches
from models.learners.trained import EpochRecord, TrainedPolicy
from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape
from models.policies.checkpoint import Checkpoint

__all__ = ["BehavioralCloning", "BehavioralCloningConfig", "Evaluate", "Progress"]

VALIDATION_BATCH = 1024
# Observations from the dataset that travel in the checkpoint, for the export to be compared on.
PROBES = 160


@dataclass(frozen=True)
class BehavioralCloningConfig:
    """Options of the learner; those that contradict each other raise ``TrainingError``."""

    # The network.
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    # Passes over the training frames.
    epochs: int = 20
    # Frames per step of the optimiser.
    batch_size: int = 128
    # Of Adam at the start; it falls to zero along half a cosine.
    learning_rate: float = 2e-3
    # Penalty on large weights, off by default.
    weight_decay: float = 0.0
    # Share of the episodes (at least one) that the policy never trains on: they choose the checkpoint, and the safety
    # classifier learns from them how wrong the policy is where it has not been.
    held_out: float = 0.2
    # Strength of the change of brightness and contrast, in standard deviations; 0 turns it off.
    light: float = 0.1
    # What examples are changed by, observation and action together; see `models.augment`. None for nothing. Held-out
    # examples are changed too (in the same way every epoch), or the choice of the checkpoint would ignore recovery.
    augmentation: Augmentation | None = None
    # Every so many epochs the `evaluate` callback of `fit` drives the policy, where one is given.
    evaluate_every: int = 5
    # SafeDAgger's classifier; None leaves it out: nothing is ever unsafe.
    safety: SafetyConfig | None = field(default_factory=SafetyConfig)
    # Of the initial weights, the order of frames, the split and the augmentation.
    seed: int = 0
    # Threads for torch. On two cores of which something else used one, these small convolutions trained at 4,400
    # samples/s with one thread and 835 with two: torch's threads wait for each other at every operation.
    threads: int = 1
    # Prepared frames stay in memory up to this size; a larger dataset is read from disk batch by batch.
    preload_bytes: int = 4 * 1024**3

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluate_every", "threads"):
            if getattr(self, name) < 1:
                raise TrainingError(f"training option {name} is too small", found=getattr(self, name), expected=">= 1")
        if not self.learning_rate > 0.0 or not math.isfinite(self.learning_rate):
            raise TrainingError(
                "training option learning_rate is out of range", found=self.learning_rate, expected="> 0"
            )
        if not 0.0 < self.held_out < 1.0:
            raise TrainingError("training option held_out is no share", found=self.held_out, expected="in (0, 1)")
        for name in ("weight_decay", "light", "preload_bytes"):
            if getattr(self, name) < 0:
                raise TrainingError(f"training option {name} is negative", found=getattr(self, name), expected=">= 0")


Progress = Callable[[EpochRecord, int], None]
"""Called after every epoch with its record and the number of epochs in all."""

Evaluate = Callable[[Policy], float]
"""Drives a policy and says how well it did; higher is better."""


class BehavioralCloning:
    """Supervised learning of the expert's actions; the epoch that did best on held-out episodes is kept.

    Equal seeds, datasets, machines and thread counts give equal weights.
    """

    def __init__(self, config: BehavioralCloningConfig | None = None) -> None:
        self.config = config or BehavioralCloningConfig()

    def fit(
        self, dataset: EpisodeDataset, progress: Progress | None = None, evaluate: Evaluate | None = None
    ) -> TrainedPolicy:
        """Train a policy, then its safety classifier.

        Args:
            dataset: at least two episodes.
            progress: told after every epoch.
            evaluate: drives the policy every ``evaluate_every`` epochs and after the last; when given, it alone decides
                which epoch is kept, for the lowest loss is often not the best driver.

        Raises:
            DatasetError: fewer than two episodes.
            TrainingError: a memory this learner cannot train, or a loss that is not finite.
            ContractError: the dataset's contract has no limits.
        """
        config, contract = self.config, dataset.contract
        contract.require_limits()
        if contract.memory.recurrent:
            raise TrainingError(
                "behavioural cloning trains policies whose memory is a stack of frames",
                found="memory.recurrent: true",
                fix="set memory.recurrent to false in the contract",
            )
        training, held_out = (
            np.unique(dataset.episode_index[ticks]).tolist() for ticks in dataset.split(config.held_out, config.seed)
        )
        with _reproducible(config.seed, config.threads):
            policy = _new_policy(dataset, contract, config.policy)
            samples = TrainingSamples(dataset, policy, contract.memory, config.preload_bytes, config.augmentation)
            curve = self._train(policy, samples, held_out, progress, evaluate)
            safety = self._fit_safety(policy, samples, held_out, contract.gate.unsafe_threshold)
            error, constant_error = _errors(policy, samples, held_out)
        policy.eval()
        checkpoint = Checkpoint(
            policy=policy,
            contract=contract,
            learner={"name": "behavioral_cloning", "options": dataclasses.asdict(config)},
            dataset_hash=dataset.hash,
            unsafe_threshold_suggested=safety.threshold if safety else 1.0,
            probe=_probe(dataset, contract),
        )
        ids = dataset.episode_ids
        return TrainedPolicy(
            checkpoint=checkpoint,
            curve=curve,
            training_episodes=tuple(ids[index] for index in training),
            held_out_episodes=tuple(ids[index] for index in held_out),
            error=error,
            constant_error=constant_error,
            safety=safety,
        )

    def _fit_safety(
        self, policy: Policy, samples: TrainingSamples, held_out: Sequence[int], threshold: float
    ) -> SafetyReport | None:
        if self.config.safety is None:
            policy.safety.mute()
            return None
        return fit_safety_classifier(policy, samples, held_out, self.config.safety, threshold)

    def _train(
        self,
        policy: Policy,
        samples: TrainingSamples,
        held_out: Sequence[int],
        progress: Progress | None,
        evaluate: Evaluate | None,
    ) -> tuple[EpochRecord, ...]:
        """The loop; leaves the best epoch's weights in the policy."""
        config = self.config
        is_held_out = np.isin(samples.episodes, held_out)
        frames, validation = (torch.from_numpy(np.flatnonzero(mask)) for mask in (~is_held_out, is_held_out))
        optimiser = torch.optim.Adam(
            policy.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        steps = config.epochs * math.ceil(len(frames) / config.batch_size)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        curve: list[EpochRecord] = []
        best_value, best_weights = math.inf, policy.state_dict()
        for epoch in range(1, config.epochs + 1):
            policy.train()
            total = 0.0
            for batch in in_batches(frames[torch.randperm(len(frames))], config.batch_size):
                loss = _loss(policy, samples, batch, config.light)
                optimiser.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()
                total += float(loss.detach()) * len(batch)
            training_loss, validation_loss = total / len(frames), _validation_loss(policy, samples, validation)
            _require_finite(epoch, training_loss, validation_loss)
            score = None
            if evaluate and (epoch % config.evaluate_every == 0 or epoch == config.epochs):
                score = evaluate(policy)
            value = validation_loss if not evaluate else (math.inf if score is None else -score)
            is_best = value < best_value
            if is_best:
                best_value = value
                best_weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
            curve.append(EpochRecord(epoch, training_loss, validation_loss, score, is_best))
            if progress:
                progress(curve[-1], config.epochs)
        if not any(record.is_best for record in curve):
            raise TrainingError("no rollout gave a score that can be compared", found=[r.score for r in curve])
        policy.load_state_dict(best_weights)
        return tuple(curve)


def _loss(policy: Policy, samples: TrainingSamples, batch: Tensor, light: float) -> Tensor:
    """Mean loss of a batch of frames, over the chunk steps that lie inside their episode."""
    inputs, targets = samples.draw(batch, policy.training)
    if policy.training:
        images = {stream.key for stream in policy.specification.streams if stream.is_image}
        inputs = {key: vary_light(rows, light) if key in images else rows for key, rows in inputs.items()}
    valid = samples.valid[batch]
    loss = policy.head.loss(policy.features(inputs), targets) * valid
    return loss.sum() / (valid.sum() * loss.shape[2])


def _validation_loss(policy: Policy, samples: TrainingSamples, frames: Tensor) -> float:
    policy.eval()
    with torch.inference_mode():
        losses = [
            (float(_loss(policy, samples, part, 0.0)), len(part)) for part in in_batches(frames, VALIDATION_BATCH)
        ]
    return sum(loss * count for loss, count in losses) / len(frames)


def _require_finite(epoch: int, training_loss: float, validation_loss: float) -> None:
    if not (math.isfinite(training_loss) and math.isfinite(validation_loss)):
        raise TrainingError(
            f"training diverged in epoch {epoch}",
            found=f"training loss {training_loss}, validation loss {validation_loss}",
            fix="lower the learning rate; if that does not help, look for values that are not finite in the dataset",
        )


def _errors(
    policy: Policy, samples: TrainingSamples, held_out: Sequence[int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean absolute error of the next action per dimension in SI units: the policy's, and that of the mean action."""
    frames = torch.from_numpy(np.flatnonzero(np.isin(samples.episodes, held_out)))
    policy.eval()
    with torch.inference_mode():
        parts = in_batches(frames, VALIDATION_BATCH)
        proposed = torch.cat([policy.limit(policy.head(policy.features(samples.inputs(part)))) for part in parts])
        expert = policy.action_normalizer.inverse(samples.targets[frames])
        own = (proposed - expert)[:, 0].abs().mean(dim=0).tolist()
        constant = (policy.action_normalizer.mean - expert)[:, 0].abs().mean(dim=0).tolist()
    names = policy.specification.action_names
    return dict(zip(names, own, strict=True)), dict(zip(names, constant, strict=True))


def _new_policy(dataset: EpisodeDataset, contract: Contract, config: PolicyConfig) -> Policy:
    streams = tuple(
        StreamShape(stream.key, tuple(dataset.observations[stream.key].shape[1:])) for stream in contract.observations
    )
    specification = PolicySpecification(streams, contract.memory.frames, contract.action_names, config)
    keys = [stream.key for stream in streams] + ["action"]
    scaling = Scaling(
        mean={key: dataset.statistics[key].mean for key in keys},
        deviation={key: dataset.statistics[key].std for key in keys},
        minimum=contract.action_minimum,
        maximum=contract.action_maximum,
    )
    policy = Policy(specification, scaling)
    # Convolutions of few channels run twice as fast on a CPU when channels lie next to each other.
    policy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs forgot the keyword
    return policy


def _probe(dataset: EpisodeDataset, contract: Contract) -> dict[str, npt.NDArray[np.generic]]:
    count = len(dataset)
    indices = np.unique(np.linspace(0, count - 1, min(PROBES, count)).astype(np.int64))
    return {key: np.ascontiguousarray(rows) for key, rows in dataset.stack(indices, contract.memory).items()}


@contextmanager
def _reproducible(seed: int, threads: int) -> Iterator[None]:
    """Seed torch and fix its thread count (sums depend on it), and give both back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
