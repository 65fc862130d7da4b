"""The policy node: observation topics in, one answer a tick out. Observation and inference share this one process.

It reacts to the frame, it does not poll. Every frame enters the memory; when several are waiting, only the newest is
answered, because an answer to an older one would be thrown away. What must not reach a policy (NaN, gaps, frozen
sensors, a recurrent state that is not warm) is answered with an abstention, all NaN: the expert drives, and the gate
knows that the policy is alive. Another bundle can be swapped in meanwhile (:mod:`il_nodes.policy.bundle_requests`).
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast, get_args

import numpy as np
from trajectory_msgs.msg import JointTrajectory

from il_nodes.codecs import encode_proposal
from il_nodes.gate.pacing import Latencies, Rate
from il_nodes.observation.intake import ObservationIntake, declare_intake
from il_nodes.observation.observed_tick import ObservedTick
from il_nodes.policy.bundle_loader import BundleLoader
from il_nodes.policy.bundle_requests import BundleRequests
from il_nodes.policy.bundle_swap import BundleSwap
from il_nodes.policy.running_policy import RunningPolicy
from il_nodes.policy.tick_answers import TickAnswers
from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import RELIABLE
from il_nodes.ros.run import run_node
from models.bundle.session import ProviderChoice
from models.chunks import DEFAULT_DECAY, TemporalEnsemble
from models.contract import load_contract
from models.data import Observation, Proposal
from models.errors import DeploymentError, ObservationError
from models.runtime import PolicyRuntime

__all__ = ["PolicyNode", "main"]

CHUNK_MODES = ("receding_horizon", "temporal_ensemble")


class PolicyNode(UnderstudyNode):
    """Topics and timers around the observation intake and the running policy."""

    def __init__(self) -> None:
        super().__init__("policy")
        self._declare()
        self._requests = BundleRequests(self)
        self._digests: IO[str] | None = None

    def _declare(self) -> None:
        say = self.parameter
        self._contract_path = say("contract", "", "path of the robot contract (YAML)")
        self._bundle_path = say("bundle", "", "path of the policy to run; another one is swapped in", read_only=False)
        provider = say("provider", "auto", "what inference runs on", choices=get_args(ProviderChoice))
        self._provider = cast(ProviderChoice, provider)
        self._chunk_mode = say(
            "chunk_mode", "receding_horizon", "pass chunks on, or average those that overlap", choices=CHUNK_MODES
        )
        self._decay = say(
            "ensemble_decay",
            DEFAULT_DECAY,
            "of the weights exp(-m i) of older chunks, ACT's m",
            minimum=0.0,
            maximum=100.0,
        )
        self._settings = declare_intake(self)
        self._digests_path = say("record_digests", "", "file for one JSON line an observation used")

    def set_parameters_atomically(self, parameter_list: list[Any]) -> Any:
        """As rclpy's, whose success has no words; that of ``bundle`` would be taken for more than it is."""
        result = super().set_parameters_atomically(parameter_list)
        if result.successful and any(one.name == "bundle" for one in parameter_list):
            result.reason = self._requests.words()
        return result

    # -- life -----------------------------------------------------------------------------------------------------

    def configure(self) -> None:
        """Load and warm up the bundle, check it against the contract, make the topics."""
        self._declare()
        for name, path in (("contract", self._contract_path), ("bundle", self._bundle_path)):
            if not path:
                meaning = {"contract": "the robot contract (YAML)", "bundle": "the policy to run (policy.onnx)"}[name]
                raise DeploymentError(f"the policy node needs {meaning}", fix=f"-p {name}:=<path>")
        self._contract = load_contract(self._contract_path)
        runtime = PolicyRuntime.load(self._bundle_path, self._contract, self._provider)
        runtime.warm_up()
        self.get_logger().info(runtime.provider_note)
        self._digests = self._open(self._digests_path)
        ensemble = TemporalEnsemble(self._contract.period_s, self._decay)
        self._policy = RunningPolicy(runtime, ensemble if self._chunk_mode == "temporal_ensemble" else None)
        scale = self._settings.time_scale
        self._answers = TickAnswers(self._contract.period_s / scale, self._contract.gate.proposal_max_age_s / scale)
        self._counts: Counter[str] = Counter()
        #: Why the last answer was none; empty behind a proposal, None before the first answer.
        self._unanswered: str | None = None
        self._inference, self._age = Latencies(), Latencies()
        self._rate = Rate(time.monotonic())
        self._proposals = self.advertise(self._contract.gate.proposal_topic, JointTrajectory, RELIABLE)
        self._intake = ObservationIntake(
            self,
            self._contract,
            self._settings,
            on_tick=self._on_tick,
            on_drained=self._on_drained,
            on_restart=self._on_restart,
        )
        self._quiet = self.steady_timer(self._contract.period_s / scale / 2.0, self._on_quiet)
        loader = BundleLoader(self._contract, Path(self._contract_path), self._provider)
        self._swap = BundleSwap(self._policy, loader, self._bundle_path)
        self._requests.serve(self._swap)
        self.diagnostics.add("policy", self._status)
        self.diagnostics.add("bundle", self._bundle_status)

    def activate(self) -> None:
        """Propose from now on. The stack is warm; a recurrent state, which saw nothing, warms up first."""
        self._policy.restart()
        self._rate.restart(time.monotonic())
        self._unanswered = None
        self._on_restart()

    def introduction(self) -> str:
        """The robot, which policy, what it runs on, how often it answers."""
        contract, runtime = self._contract, self._policy.runtime
        name = f"{Path(self._swap.path).name} (SHA-256 {runtime.bundle.sha256[:12]})"
        topic = self.resolve_topic_name(contract.gate.proposal_topic)
        return f"{contract.robot_type}, {name} on {runtime.provider}, {contract.fps:g} Hz, proposes on {topic}"

    def cleanup(self) -> None:
        """Let go of the policy."""
        self._requests.close()
        self._close_digests()

    def shutdown_gracefully(self) -> None:
        """The last digest is on disk before the process ends."""
        self._close_digests()

    def _open(self, path: str) -> IO[str] | None:
        if not path:
            return None
        try:
            return Path(path).open("w", encoding="utf-8")
        except OSError as error:
            raise DeploymentError("record_digests cannot be written", found=str(error)) from error

    def _close_digests(self) -> None:
        digests, self._digests = self._digests, None
        if digests is not None:
            with contextlib.suppress(OSError):  # what could not be written before cannot be written now
                digests.close()

    def _record(self, observation: Observation) -> None:
        """One line about an observation that was answered; a full disk ends the record, and nothing else."""
        if self._digests is None:
            return
        line = {
            "stamp_ns": observation.stamp_ns,
            "digest": observation.digest(),
            "starts_memory": observation.starts_memory,
        }
        try:
            self._digests.write(json.dumps(line) + "\n")
            self._digests.flush()
        except OSError as error:
            self.get_logger().error(f"record_digests ends here: {self._digests_path}: {error.strerror}")
            self._close_digests()

    # -- ticks ----------------------------------------------------------------------------------------------------

    def _on_restart(self) -> None:
        self._answers.restart(time.monotonic())

    def _on_tick(self, tick: ObservedTick) -> None:
        if self.is_active:
            self._answers.offer(tick)

    def _on_drained(self) -> None:
        """No further message is waiting: answer the newest tick, or say that there is none to answer."""
        if not self.is_active:
            return
        ticks = self._answers.take()
        for tick in ticks[:-1]:
            self._overlook(tick)
        if ticks:
            self._answer(ticks[-1])
        elif self._intake.ticks is None and self._answers.is_silent(time.monotonic()):
            self._counts["silences"] += 1
            self._abstain(self._answers.silence_stamp_ns(self.clock_ns()), "no observation comes")

    def _on_quiet(self) -> None:
        """Time may be up; but what has arrived by now is looked at first."""
        if self._answers.is_silent(time.monotonic()):
            self._intake.wait_for_silence()

    def _overlook(self, tick: ObservedTick) -> None:
        if tick.observation is None:
            return
        try:
            self._policy.overlook(tick.observation, fit=not tick.problem)
        except ObservationError as error:
            self._intake.note("observations_refused", error.problem)

    def _answer(self, tick: ObservedTick) -> None:
        if tick.observation is None or tick.problem:
            self._overlook(tick)
            self._abstain(tick.stamp_ns, tick.problem or self._intake.problem or "no observation")
            return
        begun_s = time.monotonic()
        try:
            proposal = self._policy.propose(tick.observation)
        except ObservationError as error:
            self._intake.note("observations_refused", error.problem)
            self._abstain(tick.stamp_ns, error.problem)
            return
        self._inference.add(time.monotonic() - begun_s)
        if proposal is None:
            self._counts["warm_up_ticks"] += 1
            self._abstain(tick.stamp_ns, "the recurrent state warms up")
            return
        self._propose(proposal, tick.observation)

    def _propose(self, proposal: Proposal, observation: Observation) -> None:
        self._send(proposal)
        self._rate.add()
        self._answers.proposed(proposal.stamp_ns, len(proposal.actions), time.monotonic())
        age_s = (self.clock_ns() - proposal.stamp_ns) * 1e-9
        self._age.add(age_s)
        self._counts["proposals"] += 1
        self._counts["proposals_too_old"] += age_s > self._contract.gate.proposal_max_age_s
        self._unanswered = ""
        self._record(observation)

    def _abstain(self, stamp_ns: int, why: str) -> None:
        """All NaN: the gate refuses it, knows that somebody is there, and lets the expert drive."""
        names = self._contract.action_names
        self._send(Proposal(stamp_ns, np.full((1, len(names)), np.nan, np.float32), math.nan, names))
        self._answers.abstained(stamp_ns, time.monotonic())
        self._counts["abstentions"] += 1
        self._unanswered = why

    def _send(self, proposal: Proposal) -> None:
        self._proposals.publish(encode_proposal(proposal, self._contract.period_s))
        if self._intake.ticks is not None:
            self._intake.ticks.answered(proposal.stamp_ns)

    # -- what it says about itself --------------------------------------------------------------------------------

    def _status(self) -> Status:
        runtime = self._policy.runtime
        state = {f"state reset {reason}": count for reason, count in sorted(runtime.resets.items()) if count}
        if runtime.is_recurrent:
            state |= {"dropped_ticks": runtime.dropped_ticks, "is_warm": runtime.is_warm}
        values: dict[str, object] = {
            "provider": runtime.provider,
            "rate_hz": self._rate.report_hz(time.monotonic()),
            "inference_p50_ms": self._inference.percentile_ms(50),
            "inference_p99_ms": self._inference.percentile_ms(99),
            "proposal_age_p50_ms": self._age.percentile_ms(50),
            "proposal_age_p99_ms": self._age.percentile_ms(99),
            "proposal_age_max_ms": self._age.percentile_ms(100),
            "observations_skipped": self._answers.overtaken,
            **dict(sorted(self._counts.items())),
            **state,
            **self._intake.values(self.clock_ns()),
        }
        frozen = self._intake.frozen()
        if frozen:
            return Status("error", f"frozen: {', '.join(frozen)}", values)
        if not self.is_active:
            return Status("ok", "inactive", values)
        if self._unanswered:
            return Status("warn", f"abstaining: {self._unanswered}", values)
        return Status("ok", "no observation yet" if self._unanswered is None else "proposing", values)

    def _bundle_status(self) -> Status:
        swap = self._swap
        if swap.wish:
            return Status("ok", f"{Path(swap.path).name} runs; {swap.phase} {Path(swap.wish).name}", swap.values())
        return Status("warn" if swap.problem else "ok", swap.problem or "runs", swap.values())


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(PolicyNode, args, "policy")


if __name__ == "__main__":
    sys.exit(main())
