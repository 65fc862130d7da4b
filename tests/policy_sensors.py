"""A policy node as a process with a real bundle, the sensors that it listens to, and what it says."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from ros_processes import NodeProcess, RosEnvironment
from wired_sensors import WiredSensors

from il_nodes.codecs import decode_proposal
from models.bundle.reading import inspect_bundle
from models.data import Proposal
from models.runtime import PolicyRuntime

BUNDLE = Path(__file__).parent / "data" / "bundles" / "small_car.onnx"
CONTRACT = inspect_bundle(BUNDLE).contract
#: Stamps of ticks lie before it, the system's clock behind it.
TIME_OF_DAY_NS = 10**18


class PolicySensors(WiredSensors):
    """A camera and an odometry, a policy node, and the same policy offline."""

    def __init__(self, ros: RosEnvironment, bundle: Path = BUNDLE, **params: object) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        from trajectory_msgs.msg import JointTrajectory

        self.bundle, self.contract = bundle, inspect_bundle(bundle).contract
        super().__init__(ros, self.contract)
        self.digests = ros.directory / "digests.jsonl"
        given = {"contract": str(self.contract_path), "bundle": str(bundle), "record_digests": str(self.digests)}
        self.node: NodeProcess = ros.spawn_node("policy", {**given, **params})
        self.received: list[bytes] = ros.collect(self.contract.gate.proposal_topic, JointTrajectory, raw=True)
        self.diagnostics: list[Any] = ros.collect("/diagnostics", DiagnosticArray)
        self.runtime = PolicyRuntime.load(bundle, self.contract, provider="cpu")
        if params.get("autostart", True):
            self.connect()
            self.until_ready()

    def until_ready(self) -> None:
        """Wait until the node is active and its proposals arrive here."""
        reaches = f"reaches {self.contract.gate.proposal_topic}"

        def ready() -> bool:
            said = self.status("connections")
            return said.get("active") == "true" and int(said.get(reaches, 0)) > 0

        self.ros.wait_until(ready, 15.0, "an active node whose proposals arrive here")

    def answers(self) -> list[Proposal]:
        """What was said about ticks; what was said in their silence carries the time of day."""
        proposals = [decode_proposal(cdr) for cdr in self.received]
        return [proposal for proposal in proposals if proposal.stamp_ns < TIME_OF_DAY_NS]

    def silences(self) -> list[Proposal]:
        """What was said without a tick."""
        proposals = [decode_proposal(cdr) for cdr in self.received]
        return [proposal for proposal in proposals if proposal.stamp_ns >= TIME_OF_DAY_NS]

    def answer(self) -> Proposal:
        """The answer to the newest tick."""
        return self.answer_to(self.stamp_ns)

    def answer_to(self, stamp_ns: int) -> Proposal:
        """The newest thing said under that stamp."""

        def found() -> list[Proposal]:
            # Late on a busy machine, the node may have said before and after the answer that it was silent.
            newest = [decode_proposal(cdr) for cdr in self.received[-10:]]
            return [proposal for proposal in newest if proposal.stamp_ns == stamp_ns]

        self.ros.wait_until(
            found,
            5.0,
            f"the answer to tick {self.tick}; it said {len(self.received)} things and {self.status()}",
        )
        return found()[-1]

    def recorded(self) -> list[dict[str, Any]]:
        # A line that is being written has no end yet.
        return [json.loads(line) for line in self.digests.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def last_digest(self) -> str:
        """Digest of the observation that the newest tick was answered from; written right behind the answer."""
        self.ros.wait_until(lambda: self.recorded()[-1:] and self.recorded()[-1]["stamp_ns"] == self.stamp_ns)
        return str(self.recorded()[-1]["digest"])

    def status(self, name: str = "policy") -> dict[str, str]:
        """Values of its newest diagnostics."""
        found = [s for array in self.diagnostics for s in array.status if s.name == f"policy: {name}"]
        return {pair.key: pair.value for pair in found[-1].values} if found else {}

    def said(self, name: str = "policy") -> tuple[int, str]:
        """Level and message of its newest diagnostics: 0 for OK, 1 for WARN, 2 for ERROR."""
        found = [s for array in self.diagnostics for s in array.status if s.name == f"policy: {name}"]
        return (found[-1].level[0], found[-1].message) if found else (-1, "")


def assert_abstention(proposal: Proposal) -> None:
    """All NaN, in the names of the robot: what the gate takes for alive but unfit."""
    assert proposal.actions.shape == (1, 2)
    assert np.isnan(proposal.actions).all()
    assert math.isnan(proposal.unsafe_probability)
    assert proposal.names == CONTRACT.action_names
