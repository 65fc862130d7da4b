"""Small datasets with a known answer: a bright column says how to steer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from policy_samples import CAMERA, CONTRACT, IMAGE, SMALL, STATE, small_contract

from models.episodes import Episode, EpisodeDataset, open_dataset, write_dataset
from models.learners import BehavioralCloningConfig

PERIOD_NS = 50_000_000
FAST = BehavioralCloningConfig(policy=SMALL, epochs=12, batch_size=32, learning_rate=5e-3, held_out=0.34)
"""A learner for images of 16 x 24 pixels that takes about a second."""

UINT8 = npt.NDArray[np.uint8]


def column_task(ticks: int, random: np.random.Generator) -> tuple[UINT8, npt.NDArray[np.float32]]:
    """Images ``(T, H, W, C)`` with a bright column that wanders, and actions ``(T, 2)`` that steer towards it.

    The column is invisible in the upper rows, which a policy crops. Speed falls as the steering grows, so both
    dimensions must be read off the image.
    """
    height, width, channels = IMAGE
    column = (width - 1) / 2 * (1 + 0.9 * np.sin(np.arange(ticks) / 9 + random.uniform(0, 6.28)))
    images = random.integers(0, 60, (ticks, height, width, channels), dtype=np.uint8)
    bright = np.abs(np.arange(width) - column[:, None]) < 2
    images[:, height // 2 :] = np.where(bright[:, None, :, None], 220, images[:, height // 2 :])
    yaw_rate = -2.0 * (column / ((width - 1) / 2) - 1)
    return images, np.stack([6.0 - np.abs(yaw_rate), yaw_rate], axis=1).astype(np.float32)


def episode(number: int, images: UINT8, actions: npt.NDArray[np.float32], state: npt.NDArray[np.float32]) -> Episode:
    """One episode driven by the expert, at 20 ticks per second."""
    ticks = len(actions)
    starts = np.zeros(ticks, np.bool_)
    starts[0] = True
    return Episode(
        episode_id=f"episode-{number:03d}",
        stamps_ns=np.arange(ticks, dtype=np.int64) * PERIOD_NS + number * 10**12,
        observations={CAMERA: images, STATE: state},
        actions=actions,
        executed=actions,
        driver=np.zeros(ticks, np.uint8),
        starts_memory=starts,
        meta={},
    )


def column_dataset(
    directory: Path, episodes: int = 6, ticks: int = 60, seed: int = 0, shuffle: bool = False, contract: str = CONTRACT
) -> EpisodeDataset:
    """The column task on disk; ``shuffle`` deals every image some other image's action (the negative control)."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(episodes):
        images, actions = column_task(ticks, random)
        state = random.normal(size=(ticks, 2)).astype(np.float32)
        made.append(episode(number, images, random.permutation(actions) if shuffle else actions, state))
    write_dataset(directory, made, small_contract(contract))
    return open_dataset(directory)
