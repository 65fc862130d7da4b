"""How strongly DART disturbs the expert: as strongly as the learner errs, in the same directions.

Source: Laskey, Lee, Fox, Dragan, Goldberg, "DART: Noise Injection for Robust Imitation Learning", CoRL 2017
(arXiv:1703.09327), section 4. Each round fits the noise of the next: ``Sigma_1 = 0``, then

    Sigma_hat = 1/T  sum_t (pi_theta(s_t) - a_t) (pi_theta(s_t) - a_t)^T        on held-out states of the expert
    Sigma^alpha = alpha / (T tr(Sigma_hat))  Sigma_hat

where ``alpha`` is the squared error that the final learner is expected to collect in an episode of ``T`` ticks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.contract import Contract
from models.errors import TrainingError
from models.noise_file import NoiseFile, scaled_covariance, write_noise

__all__ = ["fit_covariance", "fit_noise_file"]

Actions = npt.NDArray[np.floating]
Matrix = npt.NDArray[np.float64]


def fit_covariance(expert: Actions, learner: Actions) -> Matrix:
    """``Sigma_hat``: the second moment of the learner's error, not its variance: a constant error is noise too.

    Args:
        expert: ``(T, dims)`` what the expert intended, SI units; ticks of the last few held-out trajectories.
        learner: ``(T, dims)`` what the learner would have done in the same states.

    Returns:
        ``(dims, dims)`` float64, symmetric and positive semi-definite.

    Raises:
        TrainingError: other shapes, no ticks, or numbers that are not finite.
    """
    if expert.ndim != 2 or expert.shape != learner.shape or not len(expert):
        raise TrainingError(
            "the noise cannot be fitted to these actions",
            found=f"expert {expert.shape}, learner {learner.shape}",
            expected="two arrays of one shape (ticks, dimensions), with at least one tick",
        )
    error = learner.astype(np.float64) - expert.astype(np.float64)
    bad = int((~np.isfinite(error)).any(axis=1).sum())
    if bad:
        raise TrainingError(
            "the noise cannot be fitted to actions that are not finite", found=f"{bad} of {len(error)} ticks"
        )
    sigma: Matrix = error.T @ error / len(error)
    return (sigma + sigma.T) / 2


def fit_noise_file(
    path: Path | str,
    contract: Contract,
    expert: Actions,
    learner: Actions,
    *,
    seed: int,
    alpha: float | None = None,
    horizon: int | None = None,
    time_constant_s: float = 0.0,
) -> NoiseFile:
    """Fit the next round's noise and write the file that the noise node reads.

    Args:
        path: of the file.
        contract: of the robot.
        expert: as in :func:`fit_covariance`.
        learner: as in :func:`fit_covariance`.
        seed: of the next round; another one each round, or episodes of one name get the same noise again.
        alpha: the learner's expected squared error in an episode; ``None`` takes ``Sigma_hat`` as it is.
        horizon: ticks of an episode; needed with ``alpha``.
        time_constant_s: how long a disturbance lasts, seconds; 0 for white noise.

    Raises:
        TrainingError: as :func:`fit_covariance`, or ``alpha`` without ``horizon``, or one that is negative.
        NoiseFileError: the file cannot be written, or the dimensions are not the contract's.
    """
    sigma = fit_covariance(expert, learner)
    if (alpha is None) != (horizon is None):
        raise TrainingError("alpha and horizon belong together", found=f"alpha {alpha}, horizon {horizon}")
    if alpha is not None and horizon is not None:
        if alpha < 0 or horizon < 1:
            raise TrainingError("the noise cannot be scaled", found=f"alpha {alpha}, horizon {horizon}")
        sigma = scaled_covariance(sigma, alpha, horizon)
    noise = NoiseFile(contract.action_names, sigma, seed, time_constant_s)
    write_noise(path, noise, contract)
    return noise
