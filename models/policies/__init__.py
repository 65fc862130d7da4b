"""Policies as torch modules: encoders, memories, heads and the network joining them. Never on a robot."""

from models.policies.policy import Policy, Scaling
from models.policies.specification import PolicyConfig, PolicySpecification, StreamShape

__all__ = ["Policy", "PolicyConfig", "PolicySpecification", "Scaling", "StreamShape"]
