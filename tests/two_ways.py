"""A task with two ways of doing a thing: left and slow, or right and fast; and how a head alone is trained."""

from __future__ import annotations

import torch
from torch import Tensor

from models.policies.heads import Head

# Torch's threads wait for each other whenever something else computes, which in a test run is always.
torch.set_num_threads(1)


def train(head: Head, features: Tensor, actions: Tensor, steps: int, rate: float, batch: int = 256) -> None:
    valid = torch.ones(actions.shape[:2])
    head.fit(actions, valid, seed=0)
    optimiser = torch.optim.Adam(head.parameters(), rate)
    for _ in range(steps):
        rows = torch.randint(len(actions), (batch,))
        optimiser.zero_grad()
        torch.autograd.backward(head.loss(features[rows], actions[rows], valid[rows]).mean())
        optimiser.step()


def left_and_slow_or_right_and_fast(count: int) -> Tensor:
    """``(count, 1, 2)``: near (-1, -1) or near (1, 1), evenly."""
    side = torch.randint(0, 2, (count, 1, 1)).float() * 2.0 - 1.0
    return side * torch.ones(1, 1, 2) + 0.1 * torch.randn(count, 1, 2)
