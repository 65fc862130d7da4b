"""The same descent for small networks on vectors, where what takes time is Python and not arithmetic.

A step of a network of two times 32 units takes torch's engine and optimiser half a millisecond, of which the arithmetic
is a twentieth: see :mod:`models.recorded_steps`, which compiles nothing, for a compiler takes longer than such a
training does.
"""

from __future__ import annotations

from torch import Tensor

from models.learners.cloning_config import BehavioralCloningConfig
from models.learners.descent import Descent, mean_loss
from models.learners.lessons import Lessons
from models.recorded_steps import RecordedSteps

__all__ = ["RecordedDescent"]

# A recording takes as long as some 50 steps take without it.
FEWEST_STEPS = 100
# Lessons whose frames are gathered at once: bounds the memory for them.
STRETCH = 512


class RecordedDescent(Descent):
    """One recorded step, repeated; the operations and their order are those of ``EagerDescent``, and so are the draws.

    The policy's parameters are views of one vector until :meth:`close`. The policy must be in training mode.

    Raises:
        RuntimeError: a loss that cannot be recorded, since what is computed depends on numbers that it computes.
    """

    @staticmethod
    def pays(lessons: Lessons, config: BehavioralCloningConfig) -> bool:
        """Whether there are many equal and cheap steps: of vectors alone, in memory, as they were recorded."""
        policy, samples = lessons.policy, lessons.samples
        if policy.is_recurrent or samples.is_augmented or samples.is_weighted or not samples.preloaded:
            return False
        if any(stream.is_image for stream in policy.specification.streams):
            return False
        return config.epochs * (len(lessons.ticks) // lessons.size) >= FEWEST_STEPS

    def __init__(self, lessons: Lessons, config: BehavioralCloningConfig) -> None:
        super().__init__(lessons, config)
        self._keys = [stream.key for stream in lessons.policy.specification.streams]
        example = self._gather(lessons.ticks[: lessons.size])
        weights = list(lessons.policy.parameters())
        self._recorded = RecordedSteps(weights, self._loss, example, decay=config.weight_decay)

    def epoch(self, alpha: float) -> float:
        """Stretches of whole lessons by the recording, and the smaller last lesson by torch's engine."""
        size = self._lessons.size
        order = self._lessons.shuffled_ticks()
        whole = len(order) - len(order) % size
        total = 0.0
        for start in range(0, whole, STRETCH * size):
            ticks = order[start : min(start + STRETCH * size, whole)]
            rates = [self._rate(self._steps + step) for step in range(len(ticks) // size)]
            total += size * self._recorded.run(self._gather(ticks), rates)
            self._steps += len(rates)
        if whole < len(order):
            rest = order[whole:]
            total += len(rest) * self._recorded.step(self._gather(rest), self._rate(self._steps))
            self._steps += 1
        return total / len(order)

    def close(self) -> None:
        """Give the policy's parameters memory of their own again."""
        self._recorded.close()

    def _gather(self, ticks: Tensor) -> list[Tensor]:
        """Targets, which of them count, and the frames of each stream in the order of the streams."""
        samples = self._lessons.samples
        inputs = samples.inputs(ticks)
        return [samples.targets[ticks], samples.valid[ticks], *(inputs[key] for key in self._keys)]

    def _loss(self, rows: list[Tensor]) -> Tensor:
        policy = self._lessons.policy
        targets, valid, *inputs = rows
        return mean_loss(policy, policy.features(dict(zip(self._keys, inputs, strict=True))), targets, valid)
