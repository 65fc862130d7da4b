"""Episodes in memory and on disk: what learners read. Neither rclpy, pybullet nor torch.

An episode is made from a recording (``il_nodes.dataset.builder``) or by a simulated world; a dataset is a folder of
memory-mapped arrays. Stacks of past frames are not stored but gathered, exactly as the live assembler makes them.
"""

from models.episodes.dataset import Batch, EpisodeDataset
from models.episodes.episode import DRIVERS, EXPERT, HALT, POLICY, Episode
from models.episodes.joined import join_datasets
from models.episodes.statistics import Statistics
from models.episodes.storage import open_dataset, write_dataset

__all__ = [
    "DRIVERS",
    "EXPERT",
    "HALT",
    "POLICY",
    "Batch",
    "Episode",
    "EpisodeDataset",
    "Statistics",
    "join_datasets",
    "open_dataset",
    "write_dataset",
]
