"""What was learned on the lane as a checkpoint, which exports to the same ``policy.onnx`` as every other policy."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import numpy as np

from models.contract import load_contract
from models.policies import Policy
from models.policies.checkpoint import Checkpoint
from models.policies.table import table_policy
from models.rewards.mdp import Floats
from sim.tabular.lane import CELLS, CURVATURES_PER_M, SPEED_M_S
from understudy.environment.ros_environment import shared_folder
from understudy.rewards.learning import Learned, Settings

__all__ = ["ACTIONS", "LANE_CONTRACT", "lane_checkpoint", "lane_policy"]

LANE_CONTRACT = shared_folder() / "contracts" / "driving_lane.yaml"

ACTIONS = np.array([[SPEED_M_S, SPEED_M_S * curvature] for curvature in CURVATURES_PER_M])
"""``(A, 2)``: speed (m/s) and yaw rate (rad/s) of the world's actions."""

# Observations that an export is compared with torch on.
_PROBES = 160
# Nobody has taught a classifier when a table is unsafe.
_NEVER_UNSAFE = 1.0


def lane_policy(learned: Learned) -> Policy:
    """The table of what was learned on the lane.

    MaxEnt's soft policy acts with its likeliest action. A mixture becomes the one policy that visits the same states as
    often, and that one has to be drawn from.
    """
    act = "likeliest" if learned.mixture is None else "sample"
    return table_policy(load_contract(LANE_CONTRACT), CELLS, learned.acting, ACTIONS, act=act)


def lane_checkpoint(learned: Learned, numbers: Floats, settings: Settings) -> Checkpoint:
    """That table with all that an export needs.

    Args:
        learned: on the lane.
        numbers: ``(M, 3)`` states of the demonstrations in SI units.
        settings: of the learner, for the record.
    """
    policy = lane_policy(learned)
    rows = np.asarray(numbers, np.float32)
    return Checkpoint(
        policy=policy,
        contract=load_contract(LANE_CONTRACT),
        learner={"name": learned.learner, "world": learned.task.name, **asdict(settings)},
        dataset_hash=hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest(),
        unsafe_threshold_suggested=_NEVER_UNSAFE,
        probe={policy.specification.streams[0].key: rows[:_PROBES, None]},
    )
