"""A process that proposes: answers every expert command with a proposal of its stamp. To be stopped, killed, restarted.

Run: ``python -m tests.proposer``. It stands where the policy node stands, without a trained policy; what it proposes is
speed 1 m/s and yaw rate 0.5 rad/s, unsafe probability 0.1.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from trajectory_msgs.msg import JointTrajectory

from il_nodes.codecs import encode_proposal
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import RELIABLE
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import stamp_to_ns
from models.data import Proposal

NAMES = ("twist.linear.x", "twist.angular.z")
PROPOSED = (1.0, 0.5)


def proposal_message(stamp_ns: int, rows: tuple[tuple[float, float], ...] = (PROPOSED,), unsafe: float = 0.1) -> bytes:
    """A proposal on the wire."""
    return encode_proposal(Proposal(stamp_ns, np.array(rows, np.float32), unsafe, NAMES), 0.05)


class Proposer(UnderstudyNode):
    """Answers the expert."""

    def __init__(self) -> None:
        super().__init__("policy")
        self._proposals = self.advertise("/policy/proposal", JointTrajectory, RELIABLE)
        self.subscribe("/expert/cmd_vel", TwistStamped, self._answer, RELIABLE)

    def _answer(self, command: Any) -> None:
        self._proposals.publish(proposal_message(stamp_to_ns(command.header.stamp)))


if __name__ == "__main__":
    sys.exit(run_node(Proposer, None, "policy"))
