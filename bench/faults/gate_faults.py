"""The faults that reach the gate in a message, or by a message that does not come.

Each is a few ticks of proposals that differ from the plain ones, and the words that the gate should give for it; what
follows is judged by the order of the gate's decisions, so a machine that is busy changes no verdict. Faults that need
more than a message (processes, the graph, the clock) are in ``bench.faults.gate_world``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from rclpy.serialization import serialize_message

from bench.faults.gate_rig import GateRig
from bench.faults.rig import Command, Proposal, trajectory
from bench.faults.rows import EXPERT, MODES, RECORDING

__all__ = ["MESSAGE_FAULTS", "Answers", "Falsify", "GateFault", "Injected", "abstains", "inject_messages", "nothing"]

Answers: TypeAlias = Sequence[Proposal | bytes]
#: What the policy sends on tick ``index`` of a fault instead of the plain proposal.
Falsify: TypeAlias = Callable[[int, Proposal, GateRig, np.random.Generator], Answers]


@dataclass
class Injected:
    """What an injection did, as far as the judgement needs it.

    Attributes:
        begun_s: when the fault took effect, monotonic.
        forbidden: stamps that no decision in the policy's favour may carry.
        problems: what the injection itself saw go wrong.
        notes: what it counted.
        stalls: whether the gate itself was stopped meanwhile.
        after: number of the first decision that counts; what came before was decided before anybody could know.
        until: number of the first decision that does not count any more.
    """

    begun_s: float = 0.0
    forbidden: set[int] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)
    notes: dict[str, float] = field(default_factory=dict)
    stalls: bool = False
    after: int | None = None
    until: int | None = None


@dataclass(frozen=True)
class GateFault:
    """One kind of fault.

    Attributes:
        row: in the table of faults.
        name: in words.
        expected: ``E`` (the expert drives at the next tick), ``H`` (halt), ``R`` (refused, nothing changes),
            ``clamped`` (the policy drives on, within the limits), ``harmless`` (it drives on, and nothing happens),
            ``recovers`` (nothing old is followed, and all is as before in the end).
        reasons: the words that the gate may give for it; one of them.
        inject: does it; the policy (or the expert) drives and nothing is under way when it is called.
        tolerated: decisions in the policy's favour before the fault is one (a limit broken *repeatedly*).
        share: of the number of injections asked for; what is slow is done less often.
        modes: where it can be injected.
        ends: whether the gate ends by it.
    """

    row: int
    name: str
    expected: str
    reasons: tuple[str, ...]
    inject: Callable[[GateRig, str, np.random.Generator], Injected]
    tolerated: int = 0
    share: float = 1.0
    modes: tuple[str, ...] = MODES
    ends: bool = False


def inject_messages(
    rig: GateRig,
    falsify: Falsify,
    random: np.random.Generator,
    *,
    ticks: int = 1,
    effect: int = 0,
    allowed: Callable[[Proposal], bool] = lambda _: False,
) -> Injected:
    """So many ticks of falsified proposals.

    Args:
        rig: whose policy sends them.
        falsify: makes them.
        random: chooses variants.
        ticks: how many.
        effect: number of the tick with which they become a fault.
        allowed: whether the policy may drive by one of them.
    """
    injected = Injected()
    index = 0

    def send(plain: Proposal) -> Answers:
        answers = falsify(index, plain, rig, random)
        if index == effect:
            injected.begun_s = rig.sent[-1].at_s
        proposals = [answer for answer in answers if isinstance(answer, Proposal)]
        injected.forbidden |= {proposal.stamp_ns for proposal in proposals if not allowed(proposal)}
        return answers

    rig.answers = send
    try:
        for index in range(ticks):  # noqa: B007  # send reads it
            rig.tick()
    finally:
        rig.answers = None
    return injected


def message_fault(
    row: int,
    name: str,
    reasons: tuple[str, ...],
    falsify: Falsify,
    *,
    expected: str = "E",
    ticks: int = 1,
    effect: int = 0,
    share: float = 1.0,
) -> GateFault:
    """A fault that consists of proposals."""
    may_drive = expected != "E" or effect > 0

    def inject(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
        return inject_messages(rig, falsify, random, ticks=ticks, effect=effect, allowed=lambda _: may_drive)

    return GateFault(row, name, expected, reasons, inject, tolerated=effect, share=share)


# -- what is falsified ------------------------------------------------------------------------------------------------


def nothing(_index: int, _plain: Proposal, _rig: GateRig, _random: np.random.Generator) -> Answers:
    """The proposal does not come."""
    return ()


def two_periods_late(index: int, plain: Proposal, rig: GateRig, _random: np.random.Generator) -> Answers:
    """The proposal of the first tick comes with the third, and nothing meanwhile: one inference took too long."""
    return (replace(plain, stamp_ns=rig.sent[-3].stamp_ns),) if index == 2 else ()


def not_finite(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """One number that is none, or too large for the float32 of a command."""
    values = list(plain.values)
    values[random.integers(len(values))] = random.choice([math.nan, math.inf, -math.inf, 1e300, -1e300])
    return (replace(plain, values=tuple(values)),)


def out_of_range(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """Far beyond what the contract allows."""
    return (replace(plain, values=(float(random.uniform(9.0, 1e6)), float(random.uniform(-1e6, -3.0)))),)


def to_and_fro(index: int, plain: Proposal, _rig: GateRig, _random: np.random.Generator) -> Answers:
    """In range, but ten times as far from one tick to the next as the rate allows."""
    return (replace(plain, values=(6.0 if index % 2 == 0 else 2.0, plain.values[1])),)


def wrong_size(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """A number too many or too few, with or without its name, or none at all."""
    x, z, unsafe = plain.names
    return (
        (
            replace(plain, values=(1.0,)),
            replace(plain, values=(1.0, 2.0, 3.0)),
            replace(plain, values=(1.0,), names=(x, unsafe)),
            replace(plain, values=(1.0, 2.0, 3.0), names=(x, z, "twist.linear.y", unsafe)),
            replace(plain, values=(), names=()),
        )[random.integers(5)],
    )


def wrong_names(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """Another order, or another robot's."""
    x, z, unsafe = plain.names
    orders = ((z, x, unsafe), (unsafe, x, z), (x, "position.elbow", unsafe), (x, x, unsafe))
    return (replace(plain, names=orders[random.integers(4)]),)


def unreadable(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """Bytes that are no whole message: cut off, or with lengths that nothing could hold."""
    content = bytearray(serialize_message(trajectory(plain)))
    kind = random.integers(3)
    if kind == 0:  # twelve bytes at the end are padding
        return (bytes(content[: random.integers(5, len(content) - 16)]),)
    if kind == 1:
        content[20:24] = b"\xff\xff\xff\x7f"  # how many names follow
        return (bytes(content),)
    return (b"\x00\x01\x00\x00" + random.bytes(int(random.integers(4, 200))),)


def stale(_index: int, plain: Proposal, rig: GateRig, random: np.random.Generator) -> Answers:
    """Of a frame some ticks ago."""
    return (replace(plain, stamp_ns=plain.stamp_ns - int(random.uniform(3.0, 5.0) * rig.period_s * 1e9)),)


def repeated(_index: int, plain: Proposal, rig: GateRig, _random: np.random.Generator) -> Answers:
    """Of the frame before, once more."""
    return (replace(plain, stamp_ns=rig.sent[-2].stamp_ns),)


def backwards(_index: int, plain: Proposal, rig: GateRig, _random: np.random.Generator) -> Answers:
    """A little older than the one before."""
    return (replace(plain, stamp_ns=rig.sent[-2].stamp_ns - 1_000_000),)


def future(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """Of a frame that is yet to come."""
    return (replace(plain, stamp_ns=plain.stamp_ns + int(random.integers(30_000_000, 10**13))),)


def no_probability(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """The safety classifier says something that is no probability."""
    return (replace(plain, unsafe=float(random.choice([math.nan, -0.1, -math.inf, 1.1, 1e300, math.inf]))),)


def no_classifier(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """The safety classifier's channel is missing, or is called something else."""
    content = trajectory(plain)
    content.joint_names = list(plain.names[:2]) if random.integers(2) else [*plain.names[:2], "confidence"]
    content.points[0].positions = content.points[0].positions[: len(content.joint_names)]
    return (serialize_message(content),)


def abstains(_index: int, plain: Proposal, _rig: GateRig, _random: np.random.Generator) -> Answers:
    """The policy says that it cannot answer."""
    return (replace(plain, values=(math.nan, math.nan), unsafe=math.nan),)


def another_valid_one(_index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
    """Nothing is wrong with it."""
    speed, turn = plain.values
    values = (speed + float(random.uniform(-0.1, 0.1)), turn + float(random.uniform(-0.1, 0.1)))
    return (replace(plain, values=values, unsafe=float(random.uniform(0.0, 0.49))),)


# -- more than one kind of message ------------------------------------------------------------------------------------


def chatter(rig: GateRig, mode: str, random: np.random.Generator) -> Injected:
    """The classifier jumps about its threshold, wide or narrow, tick by tick for a while."""
    low, threshold = float(random.choice([0.05, 0.45])), rig.contract.gate.unsafe_threshold

    def answer(index: int, plain: Proposal, _rig: GateRig, random: np.random.Generator) -> Answers:
        return (replace(plain, unsafe=0.95 if index == 0 or random.integers(2) else low),)

    first = len(rig.log)
    injected = inject_messages(rig, answer, random, ticks=24, allowed=lambda proposal: proposal.unsafe <= threshold)
    sources = ["policy", *(decided.source for decided in rig.log[first:])]
    away = sum(before == "policy" != after for before, after in pairwise(sources))
    allowed = 1 + 24 * rig.period_s / rig.contract.gate.dwell_s
    if mode != EXPERT:
        injected.notes["hand-overs in 24 ticks"] = away
        if away > allowed:
            injected.problems.append(f"{away} hand-overs in 24 ticks, at most {allowed:g} by the dwell")
    return injected


def earlier_episode(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """Beside the good ones, proposals from long before the episode began: each tick still has one command."""

    def answer(_index: int, plain: Proposal, _rig: GateRig, _random: np.random.Generator) -> Answers:
        return (plain, *(replace(plain, stamp_ns=plain.stamp_ns - (600 + 60 * n) * 10**9) for n in range(3)))

    first = len(rig.published)
    injected = inject_messages(rig, answer, random, ticks=3, allowed=lambda _: True)
    stamps = Counter(command.stamp_ns for command in rig.published[first:])
    if max(stamps.values(), default=0) > 1:
        injected.problems.append(f"{max(stamps.values())} commands for one tick")
    return injected


def large_difference(rig: GateRig, mode: str, random: np.random.Generator) -> Injected:
    """At the hand-over the expert wants something else altogether."""
    far = (7.5, float(random.choice([-2.4, 2.4])))
    rig.expert = lambda command: Command(command.stamp_ns, far)
    try:
        rig.settle(mode)
        first = len(rig.log)
        injected = inject_messages(rig, not_finite, random)
        injected.after = first
        rig.tick()
    finally:
        rig.expert = lambda command: command
    handed = [decided for decided in rig.log[first:] if decided.source == "expert"]
    if mode != EXPERT and handed and handed[0].values["rate_limited"].lower() != "true":
        injected.problems.append("the first command of the expert was not rate-limited")
    return injected


MESSAGE_FAULTS: tuple[GateFault, ...] = (
    message_fault(0, "none: another valid proposal", (), another_valid_one, expected="harmless"),
    message_fault(3, "the proposal does not come", ("proposal_stale", "chunk_used_up"), nothing, ticks=2),
    message_fault(
        3, "the proposal comes two periods late", ("proposal_stale", "chunk_used_up"), two_periods_late, ticks=3
    ),
    message_fault(4, "NaN, an infinity or 1e300 in an action", ("proposal_not_finite",), not_finite),
    message_fault(5, "out of range, once", ("clamped",), out_of_range, expected="clamped", share=0.1),
    message_fault(5, "out of range, repeatedly", ("limited_repeatedly",), out_of_range, ticks=5, effect=2),
    message_fault(5, "changing too fast, repeatedly", ("limited_repeatedly",), to_and_fro, ticks=5, effect=2),
    message_fault(6, "wrong size", ("proposal_names_or_size", "proposal_unreadable"), wrong_size),
    message_fault(6, "wrong names or order", ("proposal_names_or_size", "proposal_unreadable"), wrong_names),
    message_fault(6, "bytes that are no proposal", ("proposal_unreadable",), unreadable),
    message_fault(7, "a stale stamp", ("proposal_stale",), stale),
    message_fault(7, "a repeated stamp", ("proposal_repeated", "proposal_stale"), repeated),
    message_fault(7, "a stamp that goes backwards", ("proposal_stamp_backwards", "proposal_stale"), backwards),
    GateFault(7, "stamps of an earlier episode", "recovers", (), earlier_episode, share=0.1, modes=(RECORDING,)),
    message_fault(8, "a stamp in the future", ("proposal_from_the_future",), future),
    message_fault(9, "classifier NaN, below 0 or above 1", ("unsafe_probability_invalid",), no_probability),
    message_fault(9, "classifier's channel missing", ("proposal_unreadable", "proposal_names_or_size"), no_classifier),
    GateFault(10, "classifier chatters around the threshold", "E", ("unsafe",), chatter, share=0.1),
    message_fault(11, "the policy abstains", ("proposal_abstained",), abstains),
    GateFault(20, "hand-over with a large difference", "E", ("proposal_not_finite",), large_difference),
)
