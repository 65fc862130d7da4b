"""The partition function of trajectories from samples of them, in log space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Importance", "importance", "log_partition"]

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Importance:
    """What sampled trajectories say about the partition function.

    Attributes:
        log_partition: ``log Ẑ``.
        weights: ``(M,)``, 1 in all.
        effective_share: effective sample size ``(Σw)² / Σw²`` as a share of the samples (Kong 1992): 1 where all weigh
            the same, nearly 0 where one of them has all the weight.
    """

    log_partition: float
    weights: npt.NDArray[np.float64]
    effective_share: float


def log_partition(rewards: Tensor, log_densities: Tensor, counts: Tensor) -> Tensor:
    """``log Ẑ = log (Σ_j m_j exp(r_j) / q_j / Σ_j m_j)``, in log space.

    Its gradient by the rewards are the normalised weights ``w_j``, so that of the log-likelihood ``E_demo[r] - log Ẑ``
    is ``E_demo[∇r] - Σ_j w_j ∇r_j``: the second term is subtracted. (A slide of the ICML deck adds it; the likelihood
    would then grow by rewarding everything.)

    Args:
        rewards: ``(M,)`` of whole trajectories, r(τ).
        log_densities: ``(M,)``, ``log q(τ)``.
        counts: ``(M,)``, how many samples each stands for, 0 or more.
    """
    return torch.logsumexp(rewards - log_densities + counts.log(), 0) - counts.sum().log()


def importance(rewards: Floats, log_densities: Floats, counts: Floats) -> Importance:
    """The same of arrays, with the weights and how many draws from ``exp(r) / Z`` itself would say as much.

    Args:
        rewards: ``(M,)``.
        log_densities: ``(M,)``.
        counts: ``(M,)``, 0 or more; not necessarily whole.
    """
    logs = np.asarray(rewards, np.float64) - log_densities
    largest = float(logs[counts > 0.0].max())
    each = np.where(counts > 0.0, np.exp(np.minimum(logs - largest, 0.0)), 0.0)
    total = float(counts @ each)
    effective = total**2 / float(counts @ each**2)
    partition = largest + np.log(total / counts.sum())
    weights = np.asarray(counts * each / total, np.float64)
    return Importance(float(partition), weights, effective / float(counts.sum()))
