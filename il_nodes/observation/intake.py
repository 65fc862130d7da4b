"""A node's ears: the contract's observation topics, and the assembler and the sensor checks that listen to them.

The policy node and the observation node both hold one, so that they see the same ticks. What arrives is taken in
whatever the node's state, so that memory is warm when the node becomes active.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from std_msgs.msg import Header

from il_nodes.codecs import import_message_class
from il_nodes.observation.assembler import ObservationAssembler
from il_nodes.observation.lock_step_ticks import LockStepTicks
from il_nodes.observation.observed_tick import ObservedTick
from il_nodes.observation.sensor_checks import SensorChecks
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import LATCHED, qos_profile
from il_nodes.ros.stamps import stamp_to_ns
from models.contract import Contract
from models.data import Observation
from models.errors import CodecError, ObservationError

__all__ = ["IntakeSettings", "ObservationIntake", "declare_intake"]

#: In lock-step nothing but stamps may decide when an observation is complete: a settle time that never runs out.
NEVER_S = 1e6
#: Rounds of the executor that are waited for a queue to run empty; more would starve inference under a flood.
DRAIN_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """Parameters of every node with an intake.

    Attributes:
        lock_step: complete observations by stamps alone.
        settle_s: how long a tick waits for samples that may belong to it, in wall seconds.
        time_scale: robot seconds a wall second.
    """

    lock_step: bool
    settle_s: float
    time_scale: float


def declare_intake(node: UnderstudyNode) -> IntakeSettings:
    """Declare these parameters and return their values."""
    say = node.parameter
    return IntakeSettings(
        lock_step=say("lock_step", False, "complete observations by stamps alone, and answer every tick"),
        settle_s=say(
            "settle_s", 0.005, "how long a tick waits for samples that may belong to it, s", minimum=0.0, maximum=1.0
        ),
        time_scale=say("time_scale", 1.0, "robot seconds a wall second (slow simulators)", minimum=0.01, maximum=100.0),
    )


class ObservationIntake:
    """Makes the subscriptions and drives the assembler; part of a node's ``configure``.

    Args:
        node: whose topics these are; its clean-up destroys them.
        contract: of the robot.
        settings: as returned by :func:`declare_intake`.
        on_tick: called with every tick in order, and never twice with one.
        on_drained: called after ticks, once a whole round of the executor has brought no further message.
        on_restart: called when an episode begins.

    Attributes:
        assembler: what makes the observations.
        ticks: in lock-step, who is told of answers; ``None`` otherwise.
        counts: what was refused, unfit or lost.
        problem: the newest problem; empty before the first.
    """

    def __init__(
        self,
        node: UnderstudyNode,
        contract: Contract,
        settings: IntakeSettings,
        *,
        on_tick: Callable[[ObservedTick], None],
        on_drained: Callable[[], None] | None = None,
        on_restart: Callable[[], None] = lambda: None,
    ) -> None:
        self._node, self._contract = node, contract
        self.ticks = LockStepTicks(contract) if settings.lock_step else None
        self.assembler = ObservationAssembler(contract, NEVER_S if settings.lock_step else settings.settle_s)
        # Sensors that stand still are counted in ticks, which pass on the robot's time.
        self._time_scale = 1.0 if settings.lock_step else settings.time_scale
        self._checks = SensorChecks(contract)
        self.counts: Counter[str] = Counter()
        self.problem = ""
        self._on_tick, self._when_drained, self._on_restart = on_tick, on_drained, on_restart
        self._messages = self._messages_at_trigger = self._rounds = 0
        self._awaits_silence = False
        self._told_ns: int | None = None
        self._subscribe(settings.lock_step)
        self._drained = None if on_drained is None else node.create_guard_condition(self._on_drained)
        self._settled = node.steady_timer(max(settings.settle_s, 1e-3), self._on_settled, while_inactive=True)
        self._settled.cancel()

    def _subscribe(self, lock_step: bool) -> None:
        contract, node = self._contract, self._node
        node.subscribe("/episode", Header, self._on_episode, LATCHED)
        # The executor serves what is ready in the order of creation: with the trigger last, a tick whose messages are
        # all here is complete at once.
        trigger = contract.observation(contract.trigger).sources[0].channel.topic
        for topic in sorted(self.assembler.topics, key=lambda topic: topic == trigger):
            channel = contract.topics()[topic]
            node.subscribe(
                topic,
                import_message_class(channel.type),
                partial(self._on_message, topic),
                qos_profile(channel.qos, reliable=lock_step),
                raw=True,
                on_lost=partial(self._on_lost, topic),
            )

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_episode(self, header: Any) -> None:
        self.assembler.start_episode(header.frame_id, stamp_to_ns(header.stamp))
        self._checks.restart()
        self._on_restart()

    def _on_lost(self, topic: str, count: int) -> None:
        self.counts[f"lost {topic}"] += count

    def _on_message(self, topic: str, cdr: bytes) -> None:
        self._messages += 1
        try:
            receive_ns = time.monotonic_ns() if self.ticks is None else self.ticks.received(topic, cdr)
        except CodecError as error:  # without a stamp it belongs to no tick
            self.note("observations_refused", error.problem)
            return
        self._checks.note(topic, cdr, round(receive_ns * self._time_scale))
        self._collect(lambda: self.assembler.add(topic, cdr, receive_ns), receive_ns)
        if self.ticks is None:
            self._settled.reset()
        else:
            self._tell_unanswerable()

    def _on_settled(self) -> None:
        """Nothing has come for as long as a tick waits: complete it with what is there."""
        self._settled.cancel()
        receive_ns = time.monotonic_ns()
        self._collect(lambda: self.assembler.poll(receive_ns), receive_ns)

    def _collect(self, take: Callable[[], Observation | None], receive_ns: int) -> None:
        """Take until nothing is left, and tell of every tick in order."""
        observation: Observation | None
        while True:
            try:
                observation = take()
                finished = observation is None
            except (CodecError, ObservationError) as error:
                observation, finished = None, False
                self.note("observations_refused", error.problem)
            without = self.assembler.take_unanswerable()
            if self.ticks is None:
                for tick in without:
                    self._tell(ObservedTick(tick.stamp_ns, None, tick.problem))
            if observation is not None:
                problem = self._checks.problem(observation)
                if problem:
                    self.note("observations_unfit", problem)
                self._tell(ObservedTick(observation.stamp_ns, observation, problem))
            if finished:
                return
            take = partial(self.assembler.poll, receive_ns)

    def _tell_unanswerable(self) -> None:
        """In lock-step a tick is over only when all have sent, and samples that the grid left out are ticks too."""
        assert self.ticks is not None
        open_ns = self.ticks.unanswerable()
        if open_ns is not None and open_ns != self._told_ns:
            self._tell(ObservedTick(open_ns, None, self.problem or "no observation"))

    def _tell(self, tick: ObservedTick) -> None:
        self._told_ns = tick.stamp_ns
        self.problem = tick.problem or self.problem
        self._on_tick(tick)
        self.wait_for_silence()

    def note(self, kind: str, problem: str) -> None:
        """Count an observation that nobody may act on, and log why."""
        self.counts[kind] += 1
        if problem != self.problem:
            self._node.get_logger().warning(problem, throttle_duration_sec=1.0)
        self.problem = problem

    # -- silence --------------------------------------------------------------------------------------------------

    def wait_for_silence(self) -> None:
        """Call ``on_drained`` once a whole round of the executor has brought no further message."""
        if self._drained is None:
            return
        self._awaits_silence = True
        self._messages_at_trigger = self._messages
        self._drained.trigger()

    def _on_drained(self) -> None:
        """Runs behind the subscriptions of its round."""
        if not self._awaits_silence or self._when_drained is None:
            return
        self._rounds += 1
        if self._messages != self._messages_at_trigger and self._rounds < DRAIN_ROUNDS:
            self.wait_for_silence()
            return
        self._awaits_silence, self._rounds = False, 0
        self._when_drained()

    # -- what it says about itself --------------------------------------------------------------------------------

    def frozen(self) -> list[str]:
        """Topics whose content has stood still for too long."""
        return self._checks.frozen()

    def values(self, clock_ns: int) -> dict[str, object]:
        """For diagnostics: the age of every stream, and all counts; ``clock_ns`` on the robot's clock."""
        counts = self.assembler.counts()
        values: dict[str, object] = {
            **{f"age {stream.key} ms": self._age_ms(stream.key, clock_ns) for stream in self._contract.observations},
            **dict(sorted(self.counts.items())),
            **{name: getattr(counts, name) for name in ("emitted", "decimated", "warming_up", "refused")},
        }
        for name in ("gaps", "late", "out_of_order", "repeated", "before_episode"):
            values |= {f"{name} {where}": count for where, count in getattr(counts, name).items()}
        if self.problem:
            values["last_problem"] = self.problem
        return values

    def _age_ms(self, key: str, clock_ns: int) -> float:
        by_receipt = any(source.align.timeline == "receive" for source in self._contract.observation(key).sources)
        return self.assembler.age_s(key, time.monotonic_ns() if by_receipt else clock_ns) * 1e3
