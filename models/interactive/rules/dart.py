"""DART: an expert who is pushed as hard as the learner errs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.contract import Contract
from models.errors import TrainingError
from models.interactive.rule import HeldOut, Moment, Rule
from models.noise_file import NoiseFile

__all__ = ["Dart"]


@dataclass(frozen=True)
class Dart(Rule):
    """Disturbances for augmenting robot trajectories (Laskey et al. 2017, algorithm 1).

    ::

        Σ_0 = 0
        for k = 0 .. N-1:
            drive π* with a + ε, ε ~ N(0, Σ_k);   D <- D + {(s, a)}: what was meant, not what was done
            train π on D;   Σ_(k+1) from π's error on held-out states of π*
        return the best π on validation

    The covariance of each round is a file that the noise node reads (``docs/noise.md``). Limits of the robot come
    after the noise.

    Attributes:
        alpha: scales ``Σ`` to an expected squared error of an episode, ``α Σ / (T tr Σ)``; ``None`` takes it as it is.
        horizon: ``T``, ticks of an episode; needed with ``alpha``.
        time_constant_s: how long a disturbance lasts, seconds; 0 for white noise.
    """

    name = "dart"
    source = "Laskey et al. 2017"

    alpha: float | None = None
    horizon: int | None = None
    time_constant_s: float = 0.0

    def __post_init__(self) -> None:
        if (self.alpha is None) != (self.horizon is None):
            found = f"alpha {self.alpha}, horizon {self.horizon}"
            raise TrainingError("alpha and horizon belong together", found=found, expected="both, or neither")

    def expert_acts(self, moment: Moment) -> bool:
        """Always; the noise is added to what it does."""
        return True

    def fit_noise(self, path: Path, contract: Contract, seed: int, held_out: HeldOut) -> NoiseFile | None:
        """As strong as the learner errs, in the same directions."""
        from models.learners.dart_noise import fit_noise_file  # brings torch along, which a robot does not have

        expert, learner = held_out()
        return fit_noise_file(
            path,
            contract,
            expert,
            learner,
            seed=seed,
            alpha=self.alpha,
            horizon=self.horizon,
            time_constant_s=self.time_constant_s,
        )
