"""The observation node: what a policy would see, stacked, on topics of its own.

It is the policy node's first half as a separate process: for tools that show it, and for policies that are not one
``policy.onnx``. The policy node does not need it. It loads neither an inference runtime nor a simulator.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header

from il_nodes.gate.pacing import Rate
from il_nodes.observation.intake import ObservationIntake, declare_intake
from il_nodes.observation.observed_tick import ObservedTick
from il_nodes.observation.stacked_messages import stacked_image, stacked_topics, stacked_vector
from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import RELIABLE
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import ns_to_stamp
from models.contract import load_contract
from models.data import Observation
from models.errors import DeploymentError

__all__ = ["ObservationNode", "main"]


#: A stream of observations that is silent for so long has ended, whatever slower robots and simulators do.
SILENCE_S = 1.0


class ObservationNode(UnderstudyNode):
    """Publishes every observation on ``~/stacked/<stream>`` and every reset of memory on ``~/reset``."""

    def __init__(self) -> None:
        super().__init__("observation")
        self._declare()

    def _declare(self) -> None:
        self._contract_path = self.parameter("contract", "", "path of the robot contract (YAML)")
        self._settings = declare_intake(self)

    def configure(self) -> None:
        """Read the contract and make the topics."""
        self._declare()
        if not self._contract_path:
            raise DeploymentError("the observation node needs the robot contract (YAML)", fix="-p contract:=<path>")
        self._contract = load_contract(self._contract_path)
        topics = stacked_topics(self._contract)
        self._counts: Counter[str] = Counter()
        #: Why the last tick was not published; None before the first.
        self._unpublished: str | None = None
        self._ticked_s = time.monotonic()
        self._rate = Rate(self._ticked_s)
        self._resets = self.advertise("~/reset", Header, RELIABLE)
        self._stacked = {
            stream.key: self.advertise(topics[stream.key], Image if stream.is_image else JointState, RELIABLE)
            for stream in self._contract.observations
        }
        self._intake = ObservationIntake(self, self._contract, self._settings, on_tick=self._on_tick)
        self.diagnostics.add("observation", self._status)

    def activate(self) -> None:
        """Publish from now on; memory is warm."""
        self._rate.restart(time.monotonic())

    def introduction(self) -> str:
        """The robot, and what is stacked how often."""
        contract = self._contract
        keys = ", ".join(stream.key for stream in contract.observations)
        return f"{contract.robot_type}, {contract.fps:g} Hz, {contract.memory.frames} stacked of each: {keys}"

    def _on_tick(self, tick: ObservedTick) -> None:
        if self._intake.ticks is not None:
            self._intake.ticks.answered(tick.stamp_ns)
        self._ticked_s = time.monotonic()
        self._unpublished = tick.problem if tick.observation is not None else tick.problem or "no observation"
        if tick.observation is None:
            return
        if tick.observation.starts_memory:
            self._counts["resets"] += 1
            self._resets.publish(Header(stamp=ns_to_stamp(tick.stamp_ns), frame_id=tick.observation.episode_id))
        if not tick.problem and self.is_active:
            self._publish(tick.observation)

    def _publish(self, observation: Observation) -> None:
        self._counts["published"] += 1
        self._rate.add()
        for stream in self._contract.observations:
            publisher = self._stacked[stream.key]
            if not publisher.get_subscription_count():
                continue  # a stack of large images takes milliseconds to put together
            publisher.publish(self._message(stream.key, observation))

    def _message(self, key: str, observation: Observation) -> Any:
        stream, stack = self._contract.observation(key), observation.arrays[key]
        if stream.is_image:
            return stacked_image(stack, observation.stamp_ns, self._intake.assembler.frame_id(key), Image)
        return stacked_vector(stack, stream.names, observation.stamp_ns, JointState)

    def _status(self) -> Status:
        rate_hz = self._rate.report_hz(time.monotonic())
        values = {"rate_hz": rate_hz, **self._counts, **self._intake.values(self.clock_ns())}
        frozen = self._intake.frozen()
        if frozen:
            return Status("error", f"frozen: {', '.join(frozen)}", values)
        if not self.is_active:
            return Status("ok", "inactive", values)
        if self._unpublished is None:
            return Status("ok", "no observation yet", values)
        silent_s = time.monotonic() - self._ticked_s
        # In lock-step a simulator may take its time.
        if self._intake.ticks is None and silent_s > max(
            SILENCE_S, 2.0 * self._contract.period_s / self._settings.time_scale
        ):
            return Status("warn", f"no observation for {silent_s:.1f} s", values)
        if self._unpublished:
            return Status("warn", f"not publishing: {self._unpublished}", values)
        return Status("ok", "publishing", values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(ObservationNode, args, "observation")


if __name__ == "__main__":
    sys.exit(main())
