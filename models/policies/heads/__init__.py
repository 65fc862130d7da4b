"""Policy heads: an output layer together with its loss, one a file."""

from models.policies.heads.gaussian import GaussianHead
from models.policies.heads.head import Head
from models.policies.heads.point import PointHead
from models.policies.heads.trail import TrailHead

__all__ = ["GaussianHead", "Head", "PointHead", "TrailHead"]
