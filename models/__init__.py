"""Contract, episodes, policies, learners, bundle and runtime.

Imports neither rclpy nor pybullet; ``models.runtime`` and ``models.contract`` never load torch.
"""
