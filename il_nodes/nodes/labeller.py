"""The labeller node (DAgger): for every tick, the expert's answer to it on ``/label<expert topic>``, stamped with it.

It hears the trigger stream undecoded, for its stamps, and the expert's commands, whether the gate follows them or not.
The recorder puts the labels beside what was executed, and the dataset builder prefers them.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Header

from il_nodes.codecs import codec_for, header_stamp_ns, import_message_class
from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.expert.labeller import Label, Labeller
from il_nodes.expert.topics import advertise_behind, subscribe_to_expert
from il_nodes.gate.heard_decision import decided_driver
from il_nodes.gate.pacing import Latencies, Rate
from il_nodes.recorder.topics import DECISION_TOPIC, LABEL_PREFIX, behind
from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE, qos_profile
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import stamp_to_ns
from models.contract import load_contract
from models.errors import CodecError, DeploymentError

__all__ = ["LabellerNode", "main"]

#: How often ticks whose expert is silent are looked at; labels themselves leave the moment that they are known.
POLL_S = 0.02


class LabellerNode(UnderstudyNode):
    """Topics around :class:`il_nodes.expert.labeller.Labeller`."""

    def __init__(self) -> None:
        super().__init__("labeller")
        self._declare()

    def _declare(self) -> None:
        self._contract_path = self.parameter("contract", "", "path of the robot contract (YAML)")
        self._lock_step = self.parameter("lock_step", False, "by stamps alone: wait for every answer")
        self._reaction_s = self.parameter(
            "reaction_s",
            0.0,
            "how long the expert takes to react, s: the label of a tick is the command that much later; 0: a program",
            minimum=0.0,
            maximum=2.0,
        )
        self._wait_s = self.parameter(
            "wait_s", 0.15, "how long the answer to a tick is awaited, s, beside the reaction", minimum=0.0, maximum=5.0
        )

    def configure(self) -> None:
        """Read the contract, make the topics."""
        self._declare()
        if not self._contract_path:
            raise DeploymentError("the labeller needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        self._contract = load_contract(self._contract_path)
        if not self._contract.gate.expert_topics:
            raise DeploymentError("this contract has no expert who could label", expected="gate.expert")
        if self._lock_step and self._reaction_s:
            raise DeploymentError(
                "lock-step has no place for a reaction time: the robot's time waits for each answer",
                found=f"reaction_s {self._reaction_s}",
                fix="record in real time (lock_step: false), or set reaction_s to 0",
            )
        self._require_stamped_ticks()
        self._labeller = Labeller(self._contract, self._reaction_s, None if self._lock_step else self._wait_s)
        self._channels = ActionChannels(self._contract)
        self._delays = Latencies()
        self._counts: Counter[str] = Counter()
        self._joined_ns: int | None = None
        self._episode_id = ""
        self._problem = ""
        self._newest_ns: int | None = None
        self._rate = Rate(time.monotonic())
        self._connect()

    def _require_stamped_ticks(self) -> None:
        source = self._contract.observation(self._contract.trigger).sources[0]
        has_header = codec_for(source.channel.type).has_header
        if not has_header or source.align.timeline != "header":
            raise DeploymentError(
                f"the ticks of {source.channel.topic} carry no stamp that a label could have too: they count by when "
                "they are received, which every process does for itself",
                found=f"{source.channel.type}, timeline: {source.align.timeline}"
                + ("" if has_header else ", no header"),
                fix="record without the labeller, and label afterwards with: understudy relabel",
            )

    def _connect(self) -> None:
        contract, reliable = self._contract, self._lock_step
        self._outputs = advertise_behind(LABEL_PREFIX, self, contract, reliable=reliable)
        # In this order: the executor serves what is ready in the order of creation.
        self.subscribe("/episode", Header, self._on_episode, LATCHED)
        self.subscribe(DECISION_TOPIC, DiagnosticArray, self._on_decision, RELIABLE)
        trigger = contract.observation(contract.trigger).sources[0].channel
        self.subscribe(
            trigger.topic,
            import_message_class(trigger.type),
            self._on_trigger,
            qos_profile(trigger.qos, reliable=reliable),
            raw=True,
            on_lost=lambda count: self._counts.update({"lost_ticks": count}),
        )
        subscribe_to_expert(self, contract, self._on_expert, reliable=reliable)
        self.steady_timer(POLL_S, lambda: self._send(self._labeller.poll(time.monotonic())))
        self.diagnostics.add("labels", self._status)

    def activate(self) -> None:
        """Label from now on."""
        self._rate.restart(time.monotonic())

    def introduction(self) -> str:
        """The robot, where labels go, and how late its expert is taken to answer."""
        contract = self._contract
        topics = ", ".join(
            self.resolve_topic_name(behind(LABEL_PREFIX, topic)) for topic in contract.gate.expert_topics
        )
        return f"{contract.robot_type}, {contract.fps:g} Hz, labels on {topics}, reaction {self._reaction_s:g} s"

    def deactivate(self) -> None:
        """What waits gets no label any more."""
        self._labeller.abandon()

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_episode(self, header: Any) -> None:
        # In lock-step this may overtake the ticks before it or not, and both runs must label alike; there every tick
        # has its own answer anyway.
        if self._lock_step:
            return
        stamp_ns = stamp_to_ns(header.stamp)
        goes_on, self._episode_id = header.frame_id == self._episode_id, header.frame_id
        if header.frame_id:
            self._send(self._labeller.start_episode(stamp_ns, time.monotonic(), goes_on=goes_on))
        else:
            self._labeller.end_episode(stamp_ns)

    def _on_decision(self, message: Any) -> None:
        self._labeller.decided(stamp_to_ns(message.header.stamp), decided_driver(message) or "unknown")

    def _on_trigger(self, cdr: bytes) -> None:
        if not self.is_active:
            return
        try:
            stamp_ns = header_stamp_ns(cdr)
        except CodecError as error:
            self._note_unreadable(error)
            return
        self._send(self._labeller.tick(stamp_ns, time.monotonic()))

    def _on_expert(self, index: int, cdr: bytes) -> None:
        try:
            command = self._channels.join(index, cdr, self.clock_ns())
        except CodecError as error:
            self._note_unreadable(error)
            return
        # Of several channels the last one to arrive completes the command.
        if command is None or (len(self._outputs) > 1 and command.stamp_ns == self._joined_ns):
            return
        self._joined_ns = self._newest_ns = command.stamp_ns
        self._counts["commands"] += 1
        # In lock-step only stamps decide; and a simulated clock that has not begun yet says nothing.
        clock_ns = None if self._lock_step else self.clock_ns() or None
        self._send(self._labeller.command(command, time.monotonic(), clock_ns))

    def _note_unreadable(self, error: CodecError) -> None:
        self._counts["unreadable"] += 1
        self._problem = error.problem

    def _send(self, labels: Sequence[Label]) -> None:
        if not self.is_active:
            return
        for label in labels:
            messages = self._channels.messages(label.values, label.stamp_ns)
            for publisher, message in zip(self._outputs, messages, strict=True):
                publisher.publish(message)
            self._rate.add()
            self._delays.add(label.waited_s)

    # -- what it says about itself --------------------------------------------------------------------------------

    def _expert_age_ms(self) -> float:
        return math.nan if self._newest_ns is None else (self.clock_ns() - self._newest_ns) * 1e-6

    def _status(self) -> Status:
        labeller = self._labeller
        names = ("ticks", "labelled", "late_commands", "repeated_commands")
        values: dict[str, object] = {
            "rate_hz": self._rate.report_hz(time.monotonic()),
            "expert_age_ms": self._expert_age_ms(),
            **{name: labeller.counts[name] for name in names},
            "future_commands": labeller.future_commands,
            "unlabelled": sum(labeller.unlabelled.values()),
            **{f"unlabelled {reason}": count for reason, count in sorted(labeller.unlabelled.items())},
            **{f"visited_by {driver}": labeller.visited_by[driver] for driver in ("policy", "expert", "halt")},
            "decimated": labeller.grid.decimated,
            "repeated_ticks": labeller.grid.repeated,
            "before_episode": labeller.grid.before_episode,
            "waiting": labeller.waiting,
            "reaction_s": self._reaction_s,
            "delay_p50_ms": self._delays.percentile_ms(50),
            "delay_p99_ms": self._delays.percentile_ms(99),
            **dict(sorted(self._counts.items())),
        }
        if self._problem:
            values["last_problem"] = self._problem
        if not self.is_active:
            return Status("ok", "inactive", values)
        if not labeller.counts["ticks"]:
            return Status("ok", "no tick yet", values)
        if labeller.counts["refused_commands"]:
            return Status("warn", "commands of the expert are stamped in the future, and refused", values)
        if labeller.unlabelled:
            return Status("warn", "some ticks have no label", values)
        return Status("ok", "labelling", values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(LabellerNode, args, "labeller")


if __name__ == "__main__":
    sys.exit(main())
