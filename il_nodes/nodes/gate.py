"""The gate node: the only publisher of robot commands; proposals and the expert's commands in, one command a tick out.

It answers the message that it waits for at once, and its own timer when that does not come in time. In lock-step it
answers when everybody in ``wait_for`` has answered the same stamp; then its only clock are the stamps, so that two runs
decide alike to the last byte.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from il_nodes.action_channels import ActionChannels
from il_nodes.codecs import decode_proposal, header_stamp_ns, import_message_class
from il_nodes.command_guard import CommandGuard
from il_nodes.decision import Decision, Driver, Reason
from il_nodes.diagnostics import diagnostic_array
from il_nodes.gate import Gate, accepted_threshold
from il_nodes.gate_status import GateReport, decision_status
from il_nodes.pacing import DEADLINE_PERIODS, LockStepBarrier, TickGrid
from il_nodes.qos import LATCHED, RELIABLE
from il_nodes.ros import SHUTDOWN_TIMEOUT_S, UnderstudyNode, ns_to_stamp, qos_profile, run_node, stamp_to_ns
from il_nodes.trust import SILENCE_S
from models.contract import Contract, load_contract
from models.data import Action, Proposal
from models.errors import CodecError, DeploymentError

__all__ = ["GateNode", "main"]

#: How often the graph is looked at for a second publisher; the middleware itself takes 0.1 s or so to tell of one.
GRAPH_POLL_S = 0.1
#: How long the last stop command may take to be acknowledged before the node ends all the same.
FLUSH_S = 0.2


class GateNode(UnderstudyNode):
    """Topics, timers and services around :class:`il_nodes.gate.Gate`."""

    def __init__(self) -> None:
        super().__init__("gate")
        self._contract = load_contract(self._contract_path())
        self._lock_step = self.parameter("lock_step", False, "answer once everybody in wait_for answered a stamp")
        self._control = self.parameter("enable_control", True, "false: decide and report, but command nothing")
        silence_s = self.parameter(
            "policy_silence_s", SILENCE_S, "a policy silent for longer is kept away, s", minimum=0.1, maximum=10.0
        )
        self._gate = Gate(
            self._contract,
            policy_enabled=self.parameter("enable_policy", False, "false: the expert drives (recording)"),
            unsafe_threshold=self._threshold(self._contract),
            silence_s=silence_s,
        )
        self._channels = ActionChannels(self._contract)
        self._barrier: LockStepBarrier[Action | Proposal | None] = LockStepBarrier(self._wait_for())
        self._grid = TickGrid(self._contract.period_s)
        self._report = GateReport(self._gate)
        self._latched = self._gate.latched
        self._ending = False
        self._connect()
        if self._gate.halt_duration_s > SHUTDOWN_TIMEOUT_S:
            self.get_logger().warning(
                f"by its rate limits the robot takes up to {self._gate.halt_duration_s:.1f} s to halt; told to end, "
                f"this node has {SHUTDOWN_TIMEOUT_S:.0f} s for that, and then the robot's own watchdog must stop it"
            )

    # -- parameters -----------------------------------------------------------------------------------------------

    def _contract_path(self) -> str:
        path = self.parameter("contract", "", "path of the robot contract (YAML)")
        if not path:
            raise DeploymentError("the gate needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        return path

    def _threshold(self, contract: Contract) -> float:
        wanted = self.parameter(
            "unsafe_threshold", -1.0, "unsafe_probability above it gives the robot to the expert; -1: the contract's"
        )
        looser = self.parameter("allow_looser_threshold", False, "accept a threshold above the contract's")
        return accepted_threshold(contract, None if wanted == -1.0 else wanted, allow_looser=looser)

    def _wait_for(self) -> list[str]:
        names = self.parameter("wait_for", ["expert"], "who must answer a stamp in lock-step: expert, policy")
        if not names or not set(names) <= {"expert", "policy"}:
            raise DeploymentError("parameter wait_for of the gate", found=names, expected="expert, policy, or both")
        if "expert" in names and not self._contract.gate.expert_topics and self._lock_step:
            raise DeploymentError("the gate is to wait for an expert that the contract does not have", found=names)
        return names

    # -- wiring ---------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        contract, sources = self._contract, self._contract.action_sources
        commanded = [self.resolve_topic_name(source.channel.topic) for source in sources]
        self._guard = CommandGuard(self, commanded if self._control else (), contract.gate.proposal_topic)
        self._outputs = [
            self.advertise(
                source.channel.topic,
                import_message_class(source.channel.type),
                qos_profile(source.channel.qos, reliable=self._lock_step),
            )
            for source in (sources if self._control else ())
        ]
        self._decisions = self.advertise("~/decision", DiagnosticArray, RELIABLE)
        self.subscribe("/episode", Header, self._on_episode, LATCHED)
        for index, (topic, source) in enumerate(zip(contract.gate.expert_topics, sources, strict=False)):
            self.subscribe(
                topic,
                import_message_class(source.channel.type),
                partial(self._on_expert, index),
                qos_profile(source.channel.qos, reliable=self._lock_step),
                raw=True,
            )
        self.subscribe(contract.gate.proposal_topic, JointTrajectory, self._on_proposal, RELIABLE, raw=True)
        self.create_service(SetBool, "~/enable_policy", self._on_enable_policy)
        self.create_service(SetBool, "~/takeover", self._on_takeover)
        self.diagnostics.add("gate", self._report.status)
        self.steady_timer(GRAPH_POLL_S, self._watch_graph)
        self._deadline_s = time.monotonic() + contract.period_s
        self._late = self.create_guard_condition(self._after_deadline)
        if not self._lock_step:
            self._timer = self.steady_timer(contract.period_s, self._late.trigger)

    def _watch_graph(self) -> None:
        shared = self._guard.shared_topics()
        if shared and self._gate.fault is None:
            self._gate.raise_fault(Reason.SECOND_PUBLISHER)
            self.get_logger().error(f"halting: a second publisher on {', '.join(shared)}")
            self.diagnostics.publish()
        elif not shared and self._gate.fault is Reason.SECOND_PUBLISHER:
            self._gate.clear_fault()
            self.get_logger().warning("the second publisher is gone; the expert may drive, the policy stays away")
        if self._guard.proposer_left():
            self._gate.policy_restarted()

    # -- what comes in --------------------------------------------------------------------------------------------

    def _clock_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_episode(self, header: Any) -> None:
        # In lock-step this may overtake the tick before it or not, and both runs must decide alike.
        if not self._lock_step:
            self._gate.start_episode(stamp_to_ns(header.stamp))

    def _on_expert(self, index: int, cdr: bytes) -> None:
        received_s, clock_ns = time.monotonic(), self._clock_ns()
        try:
            command = self._channels.join(index, cdr, clock_ns)
        except CodecError as error:
            self._report.unreadable(error)
            return
        if command is None:
            return
        if self._lock_step:
            self._answer("expert", command.stamp_ns, command, received_s)
            return
        refused = self._gate.offer_expert(command, clock_ns, received_s) is not None
        if not refused and not self._gate.expects_policy(received_s) and self._grid.is_due(command.stamp_ns):
            self._tick(clock_ns, received_s, command.stamp_ns)

    def _on_proposal(self, cdr: bytes) -> None:
        received_s, clock_ns = time.monotonic(), self._clock_ns()
        try:
            proposal = decode_proposal(cdr)
        except CodecError as error:
            self._report.unreadable(error)
            proposal = None
        if self._lock_step:
            # Without even a stamp it answers no tick; the simulator then says who did not answer.
            with suppress(CodecError):
                self._answer("policy", header_stamp_ns(cdr), proposal, received_s)
            return
        awaited = self._gate.expects_policy(received_s)
        if proposal is None:
            self._gate.refuse_proposal(Reason.PROPOSAL_UNREADABLE)
        else:
            self._gate.offer_proposal(proposal, clock_ns, received_s)
        if proposal is not None and self._gate.expects_policy(received_s):
            stamp_ns: int | None = proposal.stamp_ns
        else:
            # The expert's command was held back while the gate waited for this proposal; if it is not there yet, it
            # will be answered when it comes.
            stamp_ns = self._gate.expert_stamp_ns if awaited else None
        if stamp_ns is not None and self._grid.is_due(stamp_ns):
            self._tick(clock_ns, received_s, stamp_ns)

    def _answer(self, name: str, stamp_ns: int, message: Action | Proposal | None, received_s: float) -> None:
        """Lock-step: decide once all answers of a stamp are here. The stamp is the only clock."""
        answers = self._barrier.answer(name, stamp_ns, message)
        if answers is None:
            return
        now_s = stamp_ns * 1e-9
        for answer in answers.values():
            if isinstance(answer, Action):
                self._gate.offer_expert(answer, stamp_ns, now_s)
            elif answer is None:
                self._gate.refuse_proposal(Reason.PROPOSAL_UNREADABLE)
            else:
                self._gate.offer_proposal(answer, stamp_ns, now_s)
        self._send(self._gate.decide(stamp_ns, now_s), received_s)

    def _on_enable_policy(self, request: Any, response: Any) -> Any:
        if request.data:
            refused = self._gate.enable_policy()
            response.success = refused is None
            response.message = f"refused: {refused}" if refused else "the policy may drive"
        else:
            self._gate.disable_policy()
            response.success, response.message = True, "the expert drives"
        return response

    def _on_takeover(self, request: Any, response: Any) -> Any:
        if request.data:
            self._gate.take_over()
            response.message = "the expert drives until the takeover ends and the policy is enabled again"
        else:
            self._gate.release()
            response.message = "released; the expert drives on until the policy is enabled"
        response.success = True
        return response

    # -- what goes out --------------------------------------------------------------------------------------------

    def _after_deadline(self) -> None:
        """The timer ran out, and what had arrived meanwhile has been served: a guard runs after the subscriptions."""
        now_s = time.monotonic()
        # The timer's clock and this one round differently.
        if now_s >= self._deadline_s - 1e-3:
            self._report.deadlines += 1
            self._report.overruns += now_s > self._deadline_s + self._contract.period_s / 2
            self._tick(self._clock_ns(), now_s, None)

    def _tick(self, clock_ns: int, received_s: float, stamp_ns: int | None) -> None:
        """Decide and send: for the message stamped ``stamp_ns``, or because time is up."""
        decision = self._gate.decide(clock_ns, received_s)
        self._send(decision, received_s)
        if stamp_ns is not None:
            self._grid.answered(stamp_ns)
        elif decision.source is not Driver.HALT:
            self._grid.answered(decision.stamp_ns)
        period_s, now_s = self._contract.period_s, time.monotonic()
        next_s = (
            now_s + DEADLINE_PERIODS * period_s if stamp_ns is not None else max(now_s, self._deadline_s + period_s)
        )
        self._deadline_s = next_s
        self._timer.timer_period_ns = max(1, round((next_s - now_s) * 1e9))
        self._timer.reset()

    def _send(self, decision: Decision, received_s: float) -> None:
        messages = self._channels.messages(decision.command, decision.stamp_ns) if self._control else []
        for publisher, message in zip(self._outputs, messages, strict=True):
            publisher.publish(message)
        latency_s = time.monotonic() - received_s
        self._report.sent(decision, latency_s)
        status = decision_status(decision, None if self._lock_step else latency_s)
        self._decisions.publish(diagnostic_array(ns_to_stamp(decision.stamp_ns), {"gate": status}))
        if decision.latched is not self._latched:
            self._latched = decision.latched
            self.get_logger().warning(f"policy {'kept away: ' + decision.latched if decision.latched else 'enabled'}")

    # -- the end --------------------------------------------------------------------------------------------------

    def shutdown_gracefully(self) -> None:
        """Ramp down to the stop command before the process ends; in lock-step the robot's time ends with the gate."""
        self._ending = self._control and not self._lock_step and not self._guard.refused
        if self._ending:
            self._gate.raise_fault(Reason.SHUTDOWN)
            self._tick(self._clock_ns(), time.monotonic(), None)

    def is_shut_down(self) -> bool:
        """Whether the stop command has been sent and received."""
        if not self._ending:
            return True
        if not self._gate.is_stopped:
            return False
        for publisher in self._outputs:
            publisher.wait_for_all_acked(Duration(seconds=FLUSH_S))
        return True


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(GateNode, args, "gate")


if __name__ == "__main__":
    sys.exit(main())
