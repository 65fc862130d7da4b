"""Bundles of the small car that a test exports for itself: another rate, other weights, a recurrent state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from policy_samples import CONTRACT, small_checkpoint

from models.bundle import export_bundle
from models.contract import parse_contract


def export_small(path: Path, *, seed: int, fps: int = 50, warm_up_ticks: int | None = None) -> Path:
    """Write a bundle of random weights.

    Args:
        path: of the file.
        seed: of the weights.
        fps: of the robot.
        warm_up_ticks: of a recurrent policy; ``None`` for one whose memory is the stack.
    """
    text = CONTRACT.replace("fps: 20", f"fps: {fps}")
    options: dict[str, Any] = {"chunk": 2}
    if warm_up_ticks is not None:
        text = text.replace("frames: 2", "frames: 2, recurrent: true")
        options |= {"memory": "gru", "memory_features": 8, "memory_warm_up": warm_up_ticks}
    export_bundle(replace(small_checkpoint(seed, **options), contract=parse_contract(text)), path)
    return path
