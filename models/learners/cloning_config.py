"""The options of behavioural cloning."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from models.augment import Augmentation
from models.errors import TrainingError
from models.learners.reproducible import require_seed
from models.learners.safety import SafetyConfig
from models.policies import PolicyConfig

__all__ = ["BehavioralCloningConfig"]

# More than any machine has cores; torch would try to start them.
MOST_THREADS = 1024


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
    # Ticks through which gradients of a recurrent policy reach back; batch_size / sequence stretches are side by side.
    sequence: int = 32
    # Of a policy that sees its previous action: how often it is shown the expert's instead of its own in the last
    # epoch, falling along a line from always in the first (scheduled sampling). The robot never shows it the expert's.
    alpha_last: float = 0.0
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
        for name in ("epochs", "batch_size", "sequence", "evaluate_every", "threads"):
            if getattr(self, name) < 1:
                raise TrainingError(f"training option {name} is too small", found=getattr(self, name), expected=">= 1")
        if self.threads > MOST_THREADS:
            raise TrainingError(
                "training option threads is out of range", found=self.threads, expected=f"1 to {MOST_THREADS}"
            )
        if not self.learning_rate > 0.0 or not math.isfinite(self.learning_rate):
            raise TrainingError(
                "training option learning_rate is out of range", found=self.learning_rate, expected="> 0"
            )
        if not 0.0 < self.held_out < 1.0:
            raise TrainingError("training option held_out is no share", found=self.held_out, expected="in (0, 1)")
        if not 0.0 <= self.alpha_last <= 1.0:
            raise TrainingError("training option alpha_last is no share", found=self.alpha_last, expected="in [0, 1]")
        self._require_effect()
        for name in ("weight_decay", "light", "preload_bytes"):
            if not 0 <= getattr(self, name) < math.inf:
                raise TrainingError(
                    f"training option {name} is out of range", found=getattr(self, name), expected="finite, >= 0"
                )
        require_seed(self.seed)

    def _require_effect(self) -> None:
        for name, idle in (("sequence", not self.policy.is_recurrent), ("alpha_last", not self.policy.previous_action)):
            if idle and getattr(self, name) != getattr(BehavioralCloningConfig, name):
                raise TrainingError(
                    f"training option {name} would have no effect on this policy",
                    found=getattr(self, name),
                    fix=f"leave `{name}` out, or choose a recurrent memory"
                    + (" and previous_action=True" if name == "alpha_last" else ""),
                )
        if self.augmentation is not None and self.policy.is_recurrent:
            raise TrainingError(
                "a recurrent policy cannot learn from augmented examples: each tick would be changed by itself, and a "
                "sequence would jump",
                found=f"augmentation={type(self.augmentation).__name__}, memory={self.policy.memory!r}",
                fix='leave `augmentation` out, or set memory="stack"',
            )

    def alpha(self, epoch: int) -> float:
        """Probability in ``epoch`` (from 1) that the expert's previous action is shown rather than the policy's own."""
        return 1.0 - (1.0 - self.alpha_last) * (epoch - 1) / max(1, self.epochs - 1)
