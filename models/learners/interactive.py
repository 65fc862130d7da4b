"""Behavioural cloning as the learner of interactive learning, and its policies as actors and members of a mixture."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.contract import Contract
from models.data import FloatArray, Observation
from models.episodes import EpisodeDataset
from models.errors import TrainingError
from models.interactive import Actor, Answer, Mixture, Rule
from models.interactive.ports import Notice, Tolerance
from models.learners.behavioral_cloning import BehavioralCloning
from models.learners.cloning_config import BehavioralCloningConfig
from models.learners.trained import EpochRecord, TrainedPolicy
from models.policies import Policy
from models.policies.checkpoint import Checkpoint
from models.policies.mixture import MixturePolicy
from models.torch_runtime import TorchRuntime

__all__ = ["CloningLearner", "TorchActor", "checkpoint_of", "require_fit"]


class TorchActor:
    """A trained policy that is asked tick by tick. One robot at a time, for it remembers where its memory is a state.

    Args:
        checkpoint: the policy, and what an export needs beside it.

    Attributes:
        checkpoint: as given.
        noise_width: standard normal numbers that one answer takes.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        self.noise_width = checkpoint.policy.noise_width
        self._runtime = TorchRuntime(checkpoint.policy)

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        """The first action of the chunk that it proposes."""
        proposal = self._runtime.answer(observation, noise if self.noise_width else None)
        return Answer(proposal.actions[0], proposal.unsafe_probability)


@dataclass(frozen=True)
class LearnedByCloning:
    """See :class:`models.interactive.ports.Learned`."""

    trained: TrainedPolicy
    actor: TorchActor

    @property
    def held_out(self) -> tuple[str, ...]:
        """Episodes that the policy was not trained on."""
        return self.trained.held_out_episodes

    @property
    def report(self) -> Mapping[str, object]:
        """The loss, the errors, and how good the safety classifier is."""
        best = next(record for record in reversed(self.trained.curve) if record.is_best)
        safety = self.trained.safety
        return {
            "epochs": len(self.trained.curve),
            "best_epoch": best.epoch,
            "validation_loss": best.validation_loss,
            "error": self.trained.error,
            "constant_error": self.trained.constant_error,
            "tau": None if safety is None else safety.tau,
            "units": None if safety is None else list(safety.units),
            "safety": None if safety is None else dataclasses.asdict(safety),
        }

    def save(self, folder: Path) -> None:
        """Write the checkpoint, the learning curve and the report."""
        self.trained.save(folder)


@dataclass(frozen=True)
class CloningLearner:
    """Trains a network anew on every dataset.

    Attributes:
        config: of behavioural cloning.
    """

    config: BehavioralCloningConfig

    def fit(
        self, dataset: EpisodeDataset, tolerance: Tolerance | None = None, notice: Notice | None = None
    ) -> LearnedByCloning:
        """See :class:`models.interactive.ports.Learner`; raises as :class:`BehavioralCloning` does."""
        config = self.config
        if tolerance is not None and config.safety is not None:
            safety = replace(config.safety, tau=tolerance.tau, units=tolerance.units)
            config = replace(config, safety=safety)

        def tell(record: EpochRecord, epochs: int) -> None:
            if notice is not None:
                notice(record.epoch, epochs)

        trained = BehavioralCloning(config).fit(dataset, tell)
        return LearnedByCloning(trained, TorchActor(trained.checkpoint))

    def load(self, folder: Path) -> TorchActor:
        """What a round left; raises ``TrainingError`` when it is damaged."""
        return TorchActor(Checkpoint.load(folder))


def require_fit(rule: Rule, config: BehavioralCloningConfig, contract: Contract) -> None:
    """Refuse, before anything is driven, a rule and a learner that do not go together.

    Raises:
        TrainingError: a rule that needs a safety classifier, and none is trained; a mixture of policies with a state.
    """
    if rule.needs_safety and config.safety is None:
        raise TrainingError(
            f"{rule.name} drives by a safety classifier", found="safety=None", fix="leave it switched on"
        )
    if rule.is_mixture and (config.policy.is_recurrent or contract.memory.recurrent):
        raise TrainingError(
            f"{rule.name} makes a mixture, whose members cannot remember: those that do not act would have to, too",
            found=f"memory={config.policy.memory!r}",
            expected="memory='stack', and a contract with memory: {recurrent: false}",
        )


def checkpoint_of(actor: Actor, learner: Mapping[str, Any]) -> Checkpoint:
    """What an export needs of an actor that this learner made, or of a mixture of such.

    Args:
        actor: the result of a learning.
        learner: name and options of what learned, JSON-able: they stand in the bundle.
    """
    if isinstance(actor, TorchActor):
        return replace(actor.checkpoint, learner=dict(learner))
    if not isinstance(actor, Mixture):
        raise TrainingError("only networks can be exported", found=type(actor).__name__)
    members = [member.checkpoint for member in actor.members if isinstance(member, TorchActor)]
    policies = _networks(members)
    if len(policies) != len(actor.members):
        raise TrainingError("only networks can be exported", found="a mixture of something else")
    newest = members[-1]
    hashes = "".join(member.dataset_hash for member in members)
    return Checkpoint(
        policy=MixturePolicy(policies, actor.weights),
        contract=newest.contract,
        learner=dict(learner),
        dataset_hash=hashlib.sha256(hashes.encode()).hexdigest(),
        unsafe_threshold_suggested=min(member.unsafe_threshold_suggested for member in members),
        probe=newest.probe,
    )


def _networks(checkpoints: Sequence[Checkpoint]) -> list[Policy]:
    return [one.policy for one in checkpoints if isinstance(one.policy, Policy)]
