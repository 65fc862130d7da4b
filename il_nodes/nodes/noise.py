"""The noise node (DART): between expert and gate while recording, it executes the expert's command plus noise.

It hears the expert's topics and speaks on the same names behind ``/noise``; the gate listens there (``-r
/expert/cmd_vel:=/noise/expert/cmd_vel``), and the recorder goes on recording the expert's own topic: the label. Beside
a policy it refuses to start, and it stops disturbing the moment that one turns up.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Header

from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.expert.noise import NoiseInjector
from il_nodes.expert.sole_expert import SoleExpert
from il_nodes.expert.topics import advertise_behind, subscribe_to_expert
from il_nodes.gate.heard_decision import decided_driver
from il_nodes.gate.pacing import Latencies, Rate
from il_nodes.recorder.topics import DECISION_TOPIC, NOISE_PREFIX, behind
from il_nodes.ros.connections import full_name
from il_nodes.ros.diagnostics import Status, diagnostic_array
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, RELIABLE
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import stamp_to_ns
from models.contract import load_contract
from models.data import Action
from models.errors import CodecError, DeploymentError
from models.noise_file import load_noise

__all__ = ["NoiseNode", "main"]

#: How often the graph is looked at for a policy.
GRAPH_POLL_S = 0.1
#: On a busy machine discovery takes up to 2.5 s. A policy found within this time was there first, and this node ends;
#: one that comes later finds it passing the expert's commands on.
REFUSE_S = 3.0


class NoiseNode(UnderstudyNode):
    """Topics and the look-out for policies around :class:`il_nodes.expert.noise.NoiseInjector`."""

    def __init__(self) -> None:
        super().__init__("noise")
        self._declare()

    def _declare(self) -> None:
        self._contract_path = self.parameter("contract", "", "path of the robot contract (YAML)")
        self._file = self.parameter("file", "", "path of the noise file (YAML): covariance, seed, time constant")
        self._lock_step = self.parameter(
            "lock_step", False, "by stamps alone: no command overtakes its episode's start"
        )

    def configure(self) -> None:
        """Read contract and noise file, make the topics; refuse beside a policy."""
        self._declare()
        if not self._contract_path:
            raise DeploymentError("the noise node needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        if not self._file:
            raise DeploymentError("the noise node needs a noise file", fix="-p file:=noise.yaml; see docs/noise.md")
        self._contract = load_contract(self._contract_path)
        self._contract.require_limits()
        if not self._contract.gate.expert_topics:
            raise DeploymentError(
                "this contract has no expert whose commands could be disturbed", expected="gate.expert"
            )
        self._noise = load_noise(self._file, self._contract)
        self._injector = NoiseInjector(self._contract, self._noise)
        self._channels = ActionChannels(self._contract)
        self._held: list[tuple[int, bytes]] = []
        self._sent_ns: int | None = None
        self._episode_stamp = Header().stamp
        self._counts: Counter[str] = Counter()
        self._problem = ""
        self._newest_ns: int | None = None
        self._rate = Rate(time.monotonic())
        self._latency = Latencies()
        self._policy_drove = False
        self._refuse_until_s = time.monotonic() + REFUSE_S
        self._require_no_policy()
        self._experts = SoleExpert(self, self._contract.gate.expert_topics)
        self._connect()

    def _connect(self) -> None:
        contract, reliable = self._contract, self._lock_step
        self._outputs = advertise_behind(NOISE_PREFIX, self, contract, reliable=reliable)
        self._injected = self.advertise("~/injected", DiagnosticArray, LATCHED)
        # In this order: the executor serves what is ready in the order of creation.
        self.subscribe(DECISION_TOPIC, DiagnosticArray, self._on_decision, RELIABLE)
        self.subscribe("/episode", Header, self._on_episode, LATCHED)
        subscribe_to_expert(self, contract, self._on_message, reliable=reliable)
        self.steady_timer(GRAPH_POLL_S, self._watch_graph, while_inactive=True)
        self.diagnostics.add("noise", self._status)

    def activate(self) -> None:
        """Look anew whether a policy is there; what forbade the noise before is forgotten."""
        self._policy_drove = False
        self._require_no_policy()
        self._rate.restart(time.monotonic())
        self._injector.permit()
        if self._injector.episode_id:
            self._announce()

    def introduction(self) -> str:
        """The robot, how much noise, between which topics."""
        noise, topics = self._noise, self._contract.gate.expert_topics
        spread = ", ".join(
            f"{name} {math.sqrt(variance):.3g}"
            for name, variance in zip(noise.names, noise.covariance.diagonal().tolist(), strict=True)
        )
        heard = ", ".join(map(self.resolve_topic_name, topics))
        said = ", ".join(self.resolve_topic_name(behind(NOISE_PREFIX, topic)) for topic in topics)
        kind = f"time constant {noise.time_constant_s:g} s" if noise.time_constant_s else "white"
        return f"{self._contract.robot_type}, from {heard} to {said}, standard deviations {spread}, {kind}"

    # -- never beside a policy ------------------------------------------------------------------------------------

    def _policy_sign(self) -> str:
        """What shows that a policy is deployed; empty when nothing does."""
        topic = self.resolve_topic_name(self._contract.gate.proposal_topic)
        publishers = self.get_publishers_info_by_topic(topic)
        if publishers:
            names = sorted({full_name(info) for info in publishers} - {""})
            return f"{', '.join(names) or 'a node whose name is not known yet'} publishes on {topic}"
        return f"{DECISION_TOPIC} said that a policy drives" if self._policy_drove else ""

    def _require_no_policy(self) -> None:
        sign = self._policy_sign()
        if sign:
            raise DeploymentError(
                "the noise node disturbs demonstrations and never runs beside a policy",
                found=sign,
                expected="a recording of the expert, without a policy",
                fix="stop the policy, or leave the noise node out of this run",
            )

    def _watch_experts(self) -> None:
        if not self._experts.look():
            return
        self._channels.forget()
        problem = self._experts.problem
        if problem:
            self.get_logger().error(f"{problem}; none of them is passed on until one is left: end the others")
        else:
            self.get_logger().warning("one expert is left at most; its commands are passed on again")
        self.diagnostics.publish()

    def _watch_graph(self) -> None:
        self._watch_experts()
        sign = self._policy_sign()
        if not sign:
            return
        if time.monotonic() < self._refuse_until_s:
            self._require_no_policy()
        if self._injector.forbid(sign):
            self.get_logger().error(f"no more noise: {sign}; the expert's commands pass unchanged until a restart")
            self._release_held()
            self.diagnostics.publish()

    def _on_decision(self, message: Any) -> None:
        if decided_driver(message) == "policy":
            self._policy_drove = True
            self._watch_graph()

    # -- commands -------------------------------------------------------------------------------------------------

    def _on_episode(self, header: Any) -> None:
        if self._injector.start_episode(header.frame_id, stamp_to_ns(header.stamp)):
            self._episode_stamp = header.stamp
            self._announce()
        self._release_held()

    def _release_held(self) -> None:
        held, self._held = self._held, []
        for index, cdr in held:
            self._on_expert(index, cdr)

    def _announce(self) -> None:
        """Which noise this episode gets: whoever reads the recording can draw it again."""
        noise = self._noise
        values: dict[str, object] = {
            "episode": self._injector.episode_id,
            "seed": noise.seed,
            "names": ",".join(noise.names),
            "covariance": ";".join(",".join(repr(float(value)) for value in row) for row in noise.covariance),
            "time_constant_s": repr(noise.time_constant_s),
            "alpha": "" if noise.alpha is None else repr(noise.alpha),
            "horizon": "" if noise.horizon is None else noise.horizon,
            "file": Path(self._file).name,
            "file_sha256": noise.sha256,
            "forbidden": self._injector.forbidden,
        }
        status = Status("ok", "no noise" if noise.is_zero else "gaussian noise", values)
        self._injected.publish(diagnostic_array(self._episode_stamp, {"noise": status}))

    def _on_message(self, index: int, cdr: bytes, info: Mapping[str, Any]) -> None:
        """The expert's message, if it is one expert's: what this node does not pass on, the gate never sees."""
        if self._experts.surprises(index, info["publication_sequence_number"]):
            self._watch_experts()
        if self._experts.problem or (self._experts.is_unsure and not self._lock_step):
            self._counts["of_several_experts"] += 1
            return
        self._on_expert(index, cdr)

    def _on_expert(self, index: int, cdr: bytes) -> None:
        received_s = time.monotonic()
        try:
            command = self._channels.join(index, cdr, self.clock_ns())
        except CodecError as error:
            self._counts["unreadable"] += 1
            self._problem = error.problem
            return
        if command is None:
            return
        self._newest_ns = command.stamp_ns
        if self._lock_step and self._injector.awaits_episode(command.stamp_ns):
            self._counts["held"] += 1
            self._held.append((index, cdr))
            return
        reason = self._injector.passing(command.stamp_ns)
        if not reason and command.stamp_ns == self._sent_ns and len(self._outputs) > 1:
            return  # a further channel of a command whose oldest part has not changed
        disturbed = self._injector.disturb(command)
        if disturbed is None:
            return
        if reason:
            self._outputs[index].publish(cdr)
        else:
            self._send(Action(command.stamp_ns, disturbed.values))
        self._rate.add()
        self._latency.add(time.monotonic() - received_s)

    def _send(self, command: Action) -> None:
        self._sent_ns = command.stamp_ns
        messages = self._channels.outgoing(command.values, command.stamp_ns)
        for publisher, message in zip(self._outputs, messages, strict=True):
            publisher.publish(message)

    # -- what it says about itself --------------------------------------------------------------------------------

    def _expert_age_ms(self) -> float:
        return math.nan if self._newest_ns is None else (self.clock_ns() - self._newest_ns) * 1e-6

    def _status(self) -> Status:
        injector, noise = self._injector, self._noise
        values: dict[str, object] = {
            "rate_hz": self._rate.report_hz(time.monotonic()),
            "expert_age_ms": self._expert_age_ms(),
            "episode": injector.episode_id,
            "file_sha256": noise.sha256,
            "seed": noise.seed,
            "time_constant_s": noise.time_constant_s,
            **{
                name: injector.counts[name]
                for name in ("disturbed", "passed", "clamped", "rate_limited", "not_finite", "restarts")
            },
            **dict(sorted(self._counts.items())),
            "waiting": len(self._held),
            **{
                f"executed_rms {name}": float(rms) for name, rms in zip(noise.names, injector.executed_rms, strict=True)
            },
            "latency_p50_ms": self._latency.percentile_ms(50),
            "latency_p99_ms": self._latency.percentile_ms(99),
            "guard": "refusing" if time.monotonic() < self._refuse_until_s else "watching",
        }
        if self._problem:
            values["last_problem"] = self._problem
        if injector.forbidden:
            return Status("error", f"no noise beside a policy: {injector.forbidden}", values)
        if self._experts.problem:
            return Status("error", f"{self._experts.problem}; none of them is passed on: end all but one", values)
        if not self.is_active:
            return Status("ok", "inactive", values)
        if self._held:
            return Status("warn", "a command waits for the start of its episode", values)
        if noise.is_zero:
            return Status("ok", "the covariance is zero: commands pass unchanged", values)
        if not injector.episode_id:
            return Status("ok", "no episode: commands pass unchanged", values)
        return Status("ok", "disturbing", values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(NoiseNode, args, "noise", images=False)


if __name__ == "__main__":
    sys.exit(main())
