"""The gate node: the only publisher of robot commands; proposals and the expert's commands in, one command a tick out.

It answers the message that it waits for at once, and its own timer when that does not come in time. In lock-step it
answers when everybody in ``wait_for`` has answered the same stamp; then its only clock are the stamps, so that two runs
decide alike to the last byte.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from trajectory_msgs.msg import JointTrajectory

from il_nodes.codecs import decode_proposal, header_stamp_ns, import_message_class
from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.expert.sole_expert import SoleExpert
from il_nodes.gate.command_guard import CommandGuard, command_topics
from il_nodes.gate.decision import Decision, Driver, Reason
from il_nodes.gate.gate import Gate
from il_nodes.gate.measured_positions import MeasuredPositions
from il_nodes.gate.pacing import DEADLINE_PERIODS, LockStepBarrier, Pauses, TickGrid
from il_nodes.gate.parameters import GateParameters
from il_nodes.gate.status import GateReport, decision_status
from il_nodes.ros.connections import Connections
from il_nodes.ros.diagnostics import diagnostic_array
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE, qos_profile
from il_nodes.ros.run import SHUTDOWN_TIMEOUT_S, run_node
from il_nodes.ros.stamps import ns_to_stamp, stamp_to_ns
from models.contract import load_contract
from models.data import Action, Proposal
from models.errors import CodecError

__all__ = ["GateNode", "main"]

#: How often the graph is looked at for a second publisher; the middleware itself takes 0.1 s or so to tell of one.
GRAPH_POLL_S = 0.1
#: How long the last stop command may take to be acknowledged before the node ends all the same.
FLUSH_S = 0.2
#: A halt for good is commanded at least so often: at a slow contract's own rate it would not be over in time.
HALT_PERIOD_S = 0.05


class GateNode(UnderstudyNode):
    """Topics, timers and services around :class:`il_nodes.gate.gate.Gate`."""

    def __init__(self) -> None:
        super().__init__("gate")
        self._told = GateParameters.declared(self)
        #: Of the time before a clean-up: whoever held the robot then holds it still.
        self._before: Gate | None = None

    def configure(self) -> None:
        """Read the contract, make the topics; nobody is known, and nobody drives."""
        told = self._told
        self._contract = load_contract(told.contract_path())
        measured = MeasuredPositions(self._contract)
        self._gate = Gate(
            self._contract,
            policy_enabled=told.enable_policy and self._before is None,
            unsafe_threshold=told.threshold(self._contract),
            silence_s=told.policy_silence_s,
            measured=measured.dimensions,
        )
        if self._before is not None and self._before.is_taken_over:
            self._gate.take_over()
        self._channels = ActionChannels(self._contract)
        self._measured = measured
        self._barrier: LockStepBarrier[Action | Proposal | None] = LockStepBarrier(told.answering(self._contract))
        self._pauses = Pauses(self._contract.memory.reset_gap_s)
        self._grid = TickGrid(self._contract.period_s)
        self._report = GateReport(self._gate, dry_run=not told.enable_control)
        self._latched = self._gate.latched
        self._ending = self._commanded = False
        #: Seconds on the wall from one tick to the next.
        self._period_s = self._contract.period_s / told.time_scale
        self._halt_period_s = min(self._period_s, HALT_PERIOD_S)
        self._connect()
        halt_s = self._gate.halt_duration_s / told.time_scale
        if halt_s > SHUTDOWN_TIMEOUT_S:
            self.get_logger().warning(
                f"by its rate limits the robot takes up to {halt_s:.1f} s to halt; told to end, "
                f"this node has {SHUTDOWN_TIMEOUT_S:.0f} s for that, and then the robot's own watchdog must stop it"
            )

    def activate(self) -> None:
        """Look around, then drive."""
        self._guard.begin()
        self._watch_experts()
        self._gate.waiting = None if self._guard.is_clear() else Reason.DISCOVERY
        self._gate.clear_fault()
        self._commanded = False
        self._report.begin()
        self._deadline_s = time.monotonic() + self._period_s
        self._sent_s = -math.inf
        if not self._told.enable_control:
            self.get_logger().warning("dry run: nothing is commanded; enable_control:=true commands the robot")

    def introduction(self) -> str:
        """The robot, whether it is commanded, by whom."""
        contract, resolved = self._contract, self.resolve_topic_name
        commanded = ", ".join(resolved(source.channel.topic) for source in contract.action_sources)
        experts = ", ".join(map(resolved, contract.gate.expert_topics))
        latched = self._gate.latched
        return ", ".join(
            (
                contract.robot_type,
                f"{contract.fps:g} Hz" + (", in lock-step" if self._told.lock_step else ""),
                f"commands on {commanded}" if self._told.enable_control else "dry run (enable_control: false)",
                f"expert on {experts}" if experts else "no expert: whenever the policy does not drive, it halts",
                f"the policy may not drive yet: {latched}" if latched else "the policy may drive",
            )
        )

    def deactivate(self) -> None:
        """Halt first, here and now; a robot that is never told to stop stops by its watchdog only."""
        must_halt = self._must_halt
        self._gate.raise_fault(Reason.DEACTIVATED)
        if must_halt:
            deadline_s = time.monotonic() + SHUTDOWN_TIMEOUT_S
            self._tick(self.clock_ns(), time.monotonic(), None)
            while not self._gate.is_stopped and (left_s := deadline_s - time.monotonic()) > 0.0:
                time.sleep(min(self._halt_period_s, left_s))
                self._tick(self.clock_ns(), time.monotonic(), None)
            self._flush()
        self._report.active = False
        self._gate.rest()
        self._before = self._gate

    def cleanup(self) -> None:
        """Who holds the robot, and what keeps the policy away, stays so: also of a gate that was never active."""
        if self._before is not None or self._gate.latched is not None:
            self._before = self._gate

    # -- wiring ---------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        contract, sources = self._contract, self._contract.action_sources
        commanded: list[str] = []
        if self._told.enable_control:
            heard = (*contract.gate.expert_topics, contract.gate.proposal_topic, *self._measured.channels)
            commanded = command_topics(self, (source.channel.topic for source in sources), heard)
        self._guard = CommandGuard(self, commanded, contract.gate.proposal_topic, self._told.discovery_s)
        self._experts = SoleExpert(self, contract.gate.expert_topics)
        self._outputs = [
            self.advertise(
                source.channel.topic,
                import_message_class(source.channel.type),
                qos_profile(source.channel.qos, reliable=self._told.lock_step),
            )
            for source in (sources if self._told.enable_control else ())
        ]
        self._decisions = self.advertise("~/decision", DiagnosticArray, RELIABLE)
        self.subscribe("/episode", Header, self._on_episode, LATCHED)
        for index, (topic, source) in enumerate(zip(contract.gate.expert_topics, sources, strict=False)):
            self.subscribe(
                topic,
                import_message_class(source.channel.type),
                partial(self._on_expert, index),
                qos_profile(source.channel.qos, reliable=self._told.lock_step),
                raw=True,
            )
        self.subscribe(contract.gate.proposal_topic, JointTrajectory, self._on_proposal, RELIABLE, raw=True)
        for topic, channel in self._measured.channels.items():
            measures = partial(self._on_measurement, topic)
            self.subscribe(topic, import_message_class(channel.type), measures, qos_profile(channel.qos), raw=True)
        self.create_service(SetBool, "~/enable_policy", self._on_enable_policy)
        self.create_service(SetBool, "~/takeover", self._on_takeover)
        self.diagnostics.add("gate", self._report.status)
        self.steady_timer(GRAPH_POLL_S, self._watch_graph)
        self._late = self.create_guard_condition(self._after_deadline)
        if not self._told.lock_step:
            self._timer = self.steady_timer(self._period_s, self._late.trigger)

    @property
    def connections(self) -> Connections:
        """Not ready for a run before it may command the robot."""
        known = super().connections
        return replace(known, active=known.active and self._gate.waiting is None)

    def _watch_graph(self) -> None:
        shared = self._guard.shared_topics(commanding=self._commanded)
        if self._gate.waiting is not None and self._guard.is_clear():
            self._gate.waiting = None
        if shared and self._gate.fault is None:
            self._gate.raise_fault(Reason.SECOND_PUBLISHER)
            self.get_logger().error(f"halting: a second publisher on {', '.join(shared)}")
            self.diagnostics.publish()
        elif not shared and self._gate.fault is Reason.SECOND_PUBLISHER:
            self._gate.clear_fault()
            self.get_logger().warning("the second publisher is gone; the expert may drive, the policy stays away")
        proposers, left = self._guard.proposers()
        if left:
            self._gate.policy_restarted()
        self._gate.note_proposers(proposers)
        before, self._report.proposers = self._report.proposers, proposers
        if proposers > 1 and proposers != before:
            self.get_logger().error(f"{proposers} publishers of proposals; the policy is kept away until one is left")
            self.diagnostics.publish()
        self._watch_experts()

    def _watch_experts(self) -> None:
        if not self._experts.look():
            return
        self._report.experts = problem = self._experts.problem
        self._gate.note_experts(max(self._experts.crowds.values(), default=1))
        self._channels.forget()
        if problem:
            self.get_logger().error(f"{problem}; none of them is executed until one is left: end the others")
        else:
            self.get_logger().warning("one expert is left at most; its commands count again")
        self.diagnostics.publish()

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_episode(self, header: Any) -> None:
        # In lock-step this may overtake the tick before it or not, and both runs must decide alike.
        if self._told.lock_step:
            return
        begin_or_end = self._gate.start_episode if header.frame_id else self._gate.end_episode
        begin_or_end(stamp_to_ns(header.stamp))

    def _on_measurement(self, topic: str, cdr: bytes) -> None:
        try:
            self._gate.place(self._measured.positions(topic, cdr))
        except CodecError as error:
            self._report.unreadable(error)

    def _on_expert(self, index: int, cdr: bytes, info: Mapping[str, Any]) -> None:
        received_s, clock_ns = time.monotonic(), self.clock_ns()
        if self._experts.surprises(index, info["publication_sequence_number"]) and self.is_active:
            self._watch_experts()
        if self._experts.is_unsure and not self._told.lock_step:
            return  # whoever has come says in a moment who it is; in lock-step the robot's time waits for this answer
        try:
            command = self._channels.join(index, cdr, clock_ns)
        except CodecError as error:
            self._report.unreadable(error)
            return
        if command is None or not self.is_active:
            return
        if self._told.lock_step:
            self._answer("expert", command.stamp_ns, command, received_s)
            return
        now_s = received_s * self._told.time_scale
        refused = self._gate.offer_expert(command, clock_ns, now_s) is not None
        if not refused and not self._gate.expects_policy(now_s) and not self._is_backlog(command, clock_ns):
            self._answer_if_due(command.stamp_ns, clock_ns, received_s)

    def _is_backlog(self, command: Action, clock_ns: int) -> bool:
        """Whether it has waited while this node had no CPU: old, and right behind another one's answer.

        A burst of such commands is taken in and answered once, instead of one after the other.
        """
        is_old = clock_ns - command.stamp_ns > self._contract.period_s * 1e9
        return is_old and time.monotonic() - self._sent_s < self._period_s / 2

    def _answer_if_due(self, stamp_ns: int, clock_ns: int, received_s: float) -> None:
        if self._grid.is_due(stamp_ns):
            self._tick(clock_ns, received_s, stamp_ns)

    def _on_proposal(self, cdr: bytes) -> None:
        if not self.is_active:
            return
        received_s, clock_ns = time.monotonic(), self.clock_ns()
        try:
            proposal = decode_proposal(cdr)
        except CodecError as error:
            self._report.unreadable(error)
            proposal = None
        if self._told.lock_step:
            # Without even a stamp it answers no tick; the simulator then says who did not answer.
            with suppress(CodecError):
                self._answer("policy", header_stamp_ns(cdr), proposal, received_s)
            return
        now_s = received_s * self._told.time_scale
        awaited = self._gate.expects_policy(now_s)
        taken = False
        if proposal is None:
            self._gate.refuse_proposal(Reason.PROPOSAL_UNREADABLE)
        else:
            taken = self._gate.offer_proposal(proposal, clock_ns, now_s) is None
        stamp_ns: int | None = None
        if not self._gate.expects_policy(now_s):
            # The expert's command was held back while the gate waited for this proposal; if it is not there yet, it
            # will be answered when it comes.
            stamp_ns = self._gate.expert_stamp_ns if awaited else None
        elif taken and proposal is not None:
            stamp_ns = proposal.stamp_ns
        if stamp_ns is not None:
            self._answer_if_due(stamp_ns, clock_ns, received_s)

    def _answer(self, name: str, stamp_ns: int, message: Action | Proposal | None, received_s: float) -> None:
        """Lock-step: decide once all answers of a stamp are here. The stamp is the only clock."""
        answers = self._barrier.answer(name, stamp_ns, message)
        if answers is None:
            return
        now_s = stamp_ns * 1e-9
        if self._pauses.is_over(stamp_ns):
            self._gate.rest()
        for answer in answers.values():
            if isinstance(answer, Action):
                self._gate.offer_expert(answer, stamp_ns, now_s)
            elif answer is None:
                self._gate.refuse_proposal(Reason.PROPOSAL_UNREADABLE)
            else:
                self._gate.offer_proposal(answer, stamp_ns, now_s)
        self._send(self._gate.decide(stamp_ns, now_s), stamp_ns, received_s)

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
        if self.is_active and now_s >= self._deadline_s - 1e-3:
            self._report.deadlines += 1
            self._tick(self.clock_ns(), now_s, None)

    def _tick(self, clock_ns: int, received_s: float, stamp_ns: int | None) -> None:
        """Decide and send: for the message stamped ``stamp_ns``, or because time is up."""
        self._report.overruns += time.monotonic() > self._deadline_s + self._period_s / 2
        decision = self._gate.decide(clock_ns, received_s * self._told.time_scale)
        self._send(decision, clock_ns, received_s)
        if stamp_ns is not None:
            self._grid.answered(stamp_ns)
        elif decision.source is not Driver.HALT:
            self._grid.answered(decision.stamp_ns)
        period_s, now_s = self._period_s, time.monotonic()
        self._sent_s = now_s
        if self._ending:
            next_s = now_s + self._halt_period_s
        elif stamp_ns is not None:
            next_s = now_s + DEADLINE_PERIODS * period_s
        else:
            # On its own grid while time is up again and again; what was slept through is not caught up on.
            following_s = self._deadline_s + period_s
            next_s = following_s if following_s > now_s else now_s + period_s
        self._deadline_s = next_s
        self._timer.timer_period_ns = max(1, round((next_s - now_s) * 1e9))
        self._timer.reset()

    def _send(self, decision: Decision, clock_ns: int, received_s: float) -> None:
        if self._told.enable_control and decision.sent:
            messages = self._channels.outgoing(decision.command, decision.stamp_ns, clock_ns)
            for publisher, message in zip(self._outputs, messages, strict=True):
                publisher.publish(message)
            self._commanded = True
        elif decision.sent:
            decision = replace(decision, sent=False)  # a dry run decides as if, and says that it was not done
        latency_s = time.monotonic() - received_s
        self._report.sent(decision, latency_s)
        status = decision_status(decision, None if self._told.lock_step else latency_s)
        self._decisions.publish(diagnostic_array(ns_to_stamp(decision.stamp_ns), {"gate": status}))
        if decision.latched is not self._latched:
            self._latched = decision.latched
            self.get_logger().warning(f"policy {'kept away: ' + decision.latched if decision.latched else 'enabled'}")

    # -- the end --------------------------------------------------------------------------------------------------

    @property
    def _must_halt(self) -> bool:
        """Whether the robot obeys this gate; in lock-step the robot's time ends with the gate."""
        return self.is_active and self._commanded and not self._told.lock_step

    def shutdown_gracefully(self) -> None:
        """Ramp down to the stop command before the process ends."""
        self._ending = self._must_halt
        if self._ending:
            self._gate.raise_fault(Reason.SHUTDOWN)
            self._tick(self.clock_ns(), time.monotonic(), None)

    def is_shut_down(self) -> bool:
        """Whether the stop command has been sent and received."""
        if not self._ending:
            return True
        if not self._gate.is_stopped:
            return False
        self._flush()
        return True

    def _flush(self) -> None:
        for publisher in self._outputs:
            publisher.wait_for_all_acked(Duration(seconds=FLUSH_S))


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(GateNode, args, "gate", images=False)


if __name__ == "__main__":
    sys.exit(main())
