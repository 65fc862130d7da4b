"""The policy node: observation topics in, one proposal a tick out. Observation and inference share this one process.

It reacts to the frame, it does not poll. Every frame enters the memory; when several are waiting, only the newest is
answered, because an answer to an older one would be thrown away. What must not reach a policy (NaN, gaps, frozen
sensors) gets no answer, and the gate then lets the expert drive.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory

from il_nodes.codecs import encode_proposal, import_message_class
from il_nodes.diagnostics import Status
from il_nodes.lock_step_ticks import LockStepTicks
from il_nodes.observation import ObservationAssembler
from il_nodes.pacing import Latencies
from il_nodes.qos import LATCHED, RELIABLE
from il_nodes.ros import UnderstudyNode, qos_profile, run_node, stamp_to_ns
from il_nodes.sensor_checks import SensorChecks
from models.contract import load_contract
from models.data import Observation, Proposal
from models.errors import CodecError, DeploymentError, ObservationError
from models.runtime import PolicyRuntime

__all__ = ["PolicyNode", "main"]

#: In lock-step nothing but stamps may decide when an observation is complete: a settle time that never runs out.
NEVER_S = 1e6
#: Rounds of the executor that inference waits for a queue to run empty; more would starve it under a flood.
DRAIN_ROUNDS = 20


class PolicyNode(UnderstudyNode):
    """Topics and timers around the observation assembler and the policy's runtime."""

    def __init__(self) -> None:
        super().__init__("policy")
        self._contract = load_contract(self._path("contract", "the robot contract (YAML)"))
        bundle = self._path("bundle", "the policy to run (policy.onnx)")
        provider = self.parameter("provider", "auto", "what inference runs on", choices=("auto", "cpu", "cuda"))
        lock_step = self.parameter("lock_step", False, "answer every tick, and by stamps alone")
        settle_s = self.parameter(
            "settle_s", 0.005, "how long a tick waits for samples that may belong to it, s", minimum=0.0, maximum=1.0
        )
        self._digests = self._open(self.parameter("record_digests", "", "file for one JSON line an observation used"))
        self._ticks = LockStepTicks(self._contract) if lock_step else None
        self._runtime = PolicyRuntime.load(bundle, self._contract, provider)  # type: ignore[arg-type]
        self._runtime.warm_up()
        self._runtime.reset()
        self.get_logger().info(self._runtime.provider_note)
        self._assembler = ObservationAssembler(self._contract, NEVER_S if lock_step else settle_s)
        self._checks = SensorChecks(self._contract)
        self._pending: Observation | None = None
        self._memory_starts = False
        self._messages = self._messages_at_trigger = self._rounds = 0
        self._counts: Counter[str] = Counter()
        self._problem = ""
        self._inference, self._age = Latencies(), Latencies()
        self._connect(settle_s, reliable=lock_step)

    def _path(self, name: str, meaning: str) -> str:
        path = self.parameter(name, "", f"path of {meaning}")
        if not path:
            raise DeploymentError(f"the policy node needs {meaning}", fix=f"-p {name}:=<path>")
        return path

    def _open(self, path: str) -> IO[str] | None:
        if not path:
            return None
        try:
            return Path(path).open("w", encoding="utf-8")
        except OSError as error:
            raise DeploymentError("record_digests cannot be written", found=str(error)) from error

    def _connect(self, settle_s: float, *, reliable: bool) -> None:
        contract = self._contract
        self._proposals = self.advertise(contract.gate.proposal_topic, JointTrajectory, RELIABLE)
        self.subscribe("/episode", Header, self._on_episode, LATCHED)
        # The executor serves what is ready in the order of creation: with the trigger last, a tick whose messages are
        # all here is complete at once.
        trigger = contract.observation(contract.trigger).sources[0].channel.topic
        for topic in sorted(self._assembler.topics, key=lambda topic: topic == trigger):
            channel = contract.topics()[topic]
            self.subscribe(
                topic,
                import_message_class(channel.type),
                partial(self._on_message, topic),
                qos_profile(channel.qos, reliable=reliable),
                raw=True,
                on_lost=partial(self._on_lost, topic),
            )
        self._drained = self.create_guard_condition(self._on_drained)
        self._settled = self.steady_timer(max(settle_s, 1e-3), self._on_settled)
        self._settled.cancel()
        self.diagnostics.add("policy", self._status)

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_episode(self, header: Any) -> None:
        self._assembler.start_episode(header.frame_id, stamp_to_ns(header.stamp))
        self._checks.restart()
        self._pending = None

    def _on_lost(self, topic: str, count: int) -> None:
        self._counts[f"lost {topic}"] += count

    def _on_message(self, topic: str, cdr: bytes) -> None:
        self._messages += 1
        receive_ns = time.monotonic_ns() if self._ticks is None else self._ticks.received(topic, cdr)
        self._checks.note(topic, cdr, receive_ns)
        self._collect(lambda: self._assembler.add(topic, cdr, receive_ns), receive_ns)
        if self._ticks is None:
            self._settled.reset()
        elif self._pending is None:
            self._abstain(self._ticks.unanswerable())

    def _on_settled(self) -> None:
        """Nothing has come for as long as a tick waits: complete it with what is there."""
        self._settled.cancel()
        receive_ns = time.monotonic_ns()
        self._collect(lambda: self._assembler.poll(receive_ns), receive_ns)

    def _collect(self, take: Callable[[], Observation | None], receive_ns: int) -> None:
        """Take observations until none is left; the newest waits for its inference."""
        while True:
            try:
                observation = take()
            except (CodecError, ObservationError) as error:
                self._refuse("observations_refused", error.problem)
            else:
                if observation is None:
                    return
                self._counts["observations_skipped"] += self._pending is not None
                self._memory_starts |= observation.starts_memory
                self._pending = observation
                self._wait_for_silence()
            take = partial(self._assembler.poll, receive_ns)

    # -- inference ------------------------------------------------------------------------------------------------

    def _wait_for_silence(self) -> None:
        self._messages_at_trigger = self._messages
        self._drained.trigger()

    def _on_drained(self) -> None:
        """Runs behind the subscriptions of its round; infers once a whole round brought no further message."""
        if self._pending is None:
            return
        self._rounds += 1
        if self._messages != self._messages_at_trigger and self._rounds < DRAIN_ROUNDS:
            self._wait_for_silence()
            return
        observation, self._pending, self._rounds = self._pending, None, 0
        self._propose(observation)

    def _propose(self, observation: Observation) -> None:
        problem = self._checks.problem(observation)
        if problem:
            self._refuse("observations_unfit", problem)
            self._abstain(observation.stamp_ns)
            return
        if self._memory_starts:
            self._runtime.reset()
            self._memory_starts = False
        begun_s = time.monotonic()
        try:
            proposal = self._runtime.predict(observation)
        except ObservationError as error:
            self._refuse("observations_refused", error.problem)
            self._abstain(observation.stamp_ns)
            return
        self._inference.add(time.monotonic() - begun_s)
        self._send(proposal)
        self._age.add((self._clock_ns() - observation.stamp_ns) * 1e-9)
        self._counts["proposals"] += 1
        self._record(observation)

    def _abstain(self, stamp_ns: int | None) -> None:
        """In lock-step every tick wants an answer; one of NaN is refused by the gate, as silence would be."""
        if self._ticks is None or stamp_ns is None:
            return
        names = self._contract.action_names
        self._counts["abstentions"] += 1
        self._send(Proposal(stamp_ns, np.full((1, len(names)), np.nan, np.float32), math.nan, names))

    def _send(self, proposal: Proposal) -> None:
        self._proposals.publish(encode_proposal(proposal, self._contract.period_s, JointTrajectory))
        if self._ticks is not None:
            self._ticks.answered(proposal.stamp_ns)

    def _record(self, observation: Observation) -> None:
        if self._digests is None:
            return
        line = {
            "stamp_ns": observation.stamp_ns,
            "digest": observation.digest(),
            "starts_memory": observation.starts_memory,
        }
        self._digests.write(json.dumps(line) + "\n")
        self._digests.flush()

    # -- what it says about itself --------------------------------------------------------------------------------

    def _refuse(self, kind: str, problem: str) -> None:
        self._counts[kind] += 1
        if problem != self._problem:
            self.get_logger().warning(problem, throttle_duration_sec=1.0)
        self._problem = problem

    def _clock_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _status(self) -> Status:
        counts = self._assembler.counts()
        now_ns = self._clock_ns()
        values: dict[str, object] = {
            "provider": self._runtime.provider,
            "inference_p50_ms": self._inference.percentile_ms(50),
            "inference_p99_ms": self._inference.percentile_ms(99),
            "proposal_age_p50_ms": self._age.percentile_ms(50),
            "proposal_age_p99_ms": self._age.percentile_ms(99),
            **{f"age {stream.key} ms": self._age_ms(stream.key, now_ns) for stream in self._contract.observations},
            **dict(sorted(self._counts.items())),
            **{name: getattr(counts, name) for name in ("emitted", "decimated", "warming_up", "refused")},
        }
        for name in ("gaps", "late", "out_of_order", "repeated", "before_episode"):
            values |= {f"{name} {where}": count for where, count in getattr(counts, name).items()}
        if self._problem:
            values["last_problem"] = self._problem
        frozen = self._checks.frozen()
        if frozen:
            return Status("error", f"frozen: {', '.join(frozen)}", values)
        return Status("ok", "proposing" if self._counts["proposals"] else "no observation yet", values)

    def _age_ms(self, key: str, now_ns: int) -> float:
        by_receipt = any(source.align.timeline == "receive" for source in self._contract.observation(key).sources)
        return self._assembler.age_s(key, time.monotonic_ns() if by_receipt else now_ns) * 1e3

    def shutdown_gracefully(self) -> None:
        """The last digest is on disk before the process ends."""
        if self._digests is not None:
            self._digests.close()
            self._digests = None


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(PolicyNode, args, "policy")


if __name__ == "__main__":
    sys.exit(main())
