"""Learners: loops that turn demonstrations into a policy. They import torch; robots never import them."""

from models.learners.behavioral_cloning import (
    BehavioralCloning,
    Evaluate,
    Progress,
)
from models.learners.cloning_config import BehavioralCloningConfig
from models.learners.safety import SafetyConfig, SafetyReport
from models.learners.trained import EpochRecord, TrainedPolicy

__all__ = [
    "BehavioralCloning",
    "BehavioralCloningConfig",
    "EpochRecord",
    "Evaluate",
    "Progress",
    "SafetyConfig",
    "SafetyReport",
    "TrainedPolicy",
]
