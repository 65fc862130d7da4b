"""Choosing one of several alternatives, so that the choice exports to ONNX and never hides a number that is none."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["draw", "likeliest", "where_known"]


def likeliest(logits: Tensor) -> Tensor:
    """Index of the largest logit over the last axis, ``(..., K)`` to ``(...)`` int64; the first of equal ones."""
    return logits.argmax(dim=-1)


def draw(logits: Tensor, noise: Tensor) -> Tensor:
    """An index drawn with the probabilities ``softmax(logits)``, by inverting their cumulative distribution.

    One normal number makes one draw: ``u = Φ(noise)`` is uniform, and the index is how many cumulative probabilities
    lie at or below it. (The other way, normal numbers from uniform ones, needs an operator that ONNX does not have.)

    Args:
        logits: ``(..., K)``.
        noise: ``(...)`` standard normal.

    Returns:
        ``(...)`` int64 in [0, K).
    """
    uniform = 0.5 * (1.0 + torch.erf(noise / math.sqrt(2.0)))
    cumulative = torch.softmax(logits, dim=-1).cumsum(dim=-1)
    index = (cumulative <= uniform.unsqueeze(-1)).to(torch.int64).sum(dim=-1)
    # The probabilities may add up to a little less than 1, and Φ of a large number is 1.
    return index.clamp(max=logits.shape[-1] - 1)


def where_known(logits: Tensor, chosen: Tensor) -> Tensor:
    """``chosen (N, ...)``, or NaN in the rows whose ``logits (N, ..., K)`` are not all numbers.

    The largest of numbers that are none is some index all the same: without this a broken network would command a
    perfectly valid action, and the gate, which refuses NaN, would let it pass.
    """
    broken = torch.isnan(torch.log_softmax(logits, dim=-1).flatten(1).sum(dim=1))
    mask = broken.reshape(-1, *[1] * (chosen.dim() - 1))
    return torch.where(mask, torch.full_like(chosen, math.nan), chosen)
