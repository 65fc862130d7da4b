"""Behavioural cloning: maximise the likelihood of the expert's actions, ``min_θ E[-log π_θ(a | o)]``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import torch

from models.contract import Contract
from models.episodes import EpisodeDataset
from models.errors import TrainingError
from models.learners.cloning_config import BehavioralCloningConfig
from models.learners.descent import Descent, EagerDescent
from models.learners.lessons import Lessons
from models.learners.recorded_descent import RecordedDescent
from models.learners.reproducible import reproducible
from models.learners.safety import SafetyReport, fit_safety_classifier
from models.learners.samples import TrainingSamples
from models.learners.trained import EpochRecord, TrainedPolicy
from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape
from models.policies.checkpoint import Checkpoint

__all__ = ["BehavioralCloning", "BehavioralCloningConfig", "Evaluate", "Progress"]

VALIDATION_BATCH = 1024
# Observations from the dataset that travel in the checkpoint, for the export to be compared on.
PROBES = 160


Progress = Callable[[EpochRecord, int], None]
"""Called after every epoch with its record and the number of epochs in all."""

Evaluate = Callable[[Policy], float]
"""Drives a policy and says how well it did; higher is better."""


class BehavioralCloning:
    """Supervised learning of the expert's actions; the epoch that did best on held-out episodes is kept.

    A policy with a stack learns from frames in any order, a recurrent one from sequences: see :class:`Lessons`.

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
            TrainingError: a policy that remembers otherwise than its contract says, a chunk longer than any recording,
                or a loss that is not finite.
            ContractError: the dataset's contract has no limits.
        """
        config, contract = self.config, dataset.contract
        contract.require_limits()
        _require_same_memory(contract, config.policy)
        _require_long_enough(dataset, config.policy.chunk)
        training, held_out = (
            np.unique(dataset.episode_index[ticks]).tolist() for ticks in dataset.split(config.held_out, config.seed)
        )
        with reproducible(config.seed, config.threads):
            policy = _new_policy(dataset, contract, config.policy)
            samples = TrainingSamples(dataset, policy, contract.memory, config.preload_bytes, config.augmentation)
            curve = self._train(policy, samples, held_out, progress, evaluate)
            safety = self._fit_safety(policy, samples, held_out, contract.gate.unsafe_threshold)
            exam = self._lessons(policy, samples, np.isin(samples.episodes, held_out), VALIDATION_BATCH)
            error, constant_error, diagnosis = _examine(exam)
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
            head=diagnosis,
        )

    def _lessons(self, policy: Policy, samples: TrainingSamples, chosen: npt.NDArray[np.bool_], size: int) -> Lessons:
        # A recurrent policy sees unlabelled ticks, too: its memory needs whole stretches. It is not taught there.
        chosen = chosen if policy.is_recurrent else chosen & samples.labelled
        return Lessons(policy, samples, torch.from_numpy(np.flatnonzero(chosen)), size, self.config.sequence)

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
        lessons = self._lessons(policy, samples, ~is_held_out, config.batch_size)
        exam = self._lessons(policy, samples, is_held_out, VALIDATION_BATCH)
        policy.head.fit(samples.drawn_targets(lessons.ticks, config.seed), samples.valid[lessons.ticks], config.seed)
        policy.train()
        descent = _descent(lessons, config)
        curve: list[EpochRecord] = []
        best_value, best_weights = math.inf, policy.state_dict()
        for epoch in range(1, config.epochs + 1):
            policy.train()
            training_loss = descent.epoch(config.alpha(epoch))
            validation_loss = _validation_loss(exam, config.seed)
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
        descent.close()
        policy.load_state_dict(best_weights)
        return tuple(curve)


def _descent(lessons: Lessons, config: BehavioralCloningConfig) -> Descent:
    """The fastest that can be had."""
    if RecordedDescent.pays(lessons, config):
        with suppress(Exception):  # of a head that cannot be recorded; it learns as well, only slower
            return RecordedDescent(lessons, config)
    return EagerDescent(lessons, config)


def _validation_loss(exam: Lessons, seed: int) -> float:
    """The head's score of held-out frames, by the same draws in every epoch, so that epochs can be compared."""
    policy, samples = exam.policy, exam.samples
    policy.eval()
    total, count = 0.0, 0.0
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        for lesson in exam.augmented():
            valid, weights = samples.valid[lesson.ticks], samples.weights[lesson.ticks]
            total += float((weights * policy.head.score(lesson.features, lesson.targets, valid)).sum())
            count += float((weights[:, None] * valid).sum()) * samples.targets.shape[2]
    return total / count


def _require_finite(epoch: int, training_loss: float, validation_loss: float) -> None:
    if not (math.isfinite(training_loss) and math.isfinite(validation_loss)):
        raise TrainingError(
            f"training diverged in epoch {epoch}",
            found=f"training loss {training_loss}, validation loss {validation_loss}",
            fix="lower the learning rate; if that does not help, look for values that are not finite in the dataset",
        )


def _examine(exam: Lessons) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """On held-out frames: the policy's error, that of the mean action, and what the head says about itself.

    Errors are mean absolute ones of the next action per dimension, in SI units.
    """
    policy, samples = exam.policy, exam.samples
    policy.eval()
    # A recurrent policy is shown ticks without a label, too: what stands there in a label's place is what was executed.
    labelled = torch.from_numpy(samples.labelled[exam.ticks.numpy()])
    features, ticks = exam.features()[labelled], exam.ticks[labelled]
    with torch.inference_mode():
        proposed = policy.limit(policy.choose(features))
        expert = policy.action_normalizer.inverse(samples.targets[ticks])
        own = (proposed - expert)[:, 0].abs().mean(dim=0).tolist()
        constant = (policy.action_normalizer.mean - expert)[:, 0].abs().mean(dim=0).tolist()
        diagnosis = policy.head.diagnose(features, samples.targets[ticks], samples.valid[ticks])
    names = policy.specification.action_names
    return dict(zip(names, own, strict=True)), dict(zip(names, constant, strict=True)), diagnosis


def _require_same_memory(contract: Contract, config: PolicyConfig) -> None:
    if contract.memory.recurrent != config.is_recurrent:
        raise TrainingError(
            "the policy and its contract disagree about memory",
            found=f"memory={config.memory!r} under a contract with recurrent: {str(contract.memory.recurrent).lower()}",
            expected="a recurrent memory if, and only if, the contract says memory: {recurrent: true}",
            fix='choose memory="gru", or set memory.recurrent to false in the contract',
        )


def _require_long_enough(dataset: EpisodeDataset, chunk: int) -> None:
    """A step that no recording reaches would be commanded as it was drawn before training."""
    starts = np.append(np.flatnonzero(dataset.begins_stretch), len(dataset))
    longest = int(np.diff(starts).max())
    if chunk > longest:
        raise TrainingError(
            "no recording is as long as a chunk of actions",
            found=f"chunk={chunk}; the longest stretch without a gap has {longest} ticks",
            expected=f"chunk at most {longest}",
            fix="choose a shorter chunk, or record longer episodes",
        )


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
