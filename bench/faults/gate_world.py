"""The faults of the gate that are more than a message: an expert who falls silent, others in the ROS graph, signals,
parameters, and simulated time.
"""

from __future__ import annotations

import math
import signal
import time
from dataclasses import replace

import numpy as np
from geometry_msgs.msg import TwistStamped
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from trajectory_msgs.msg import JointTrajectory

from bench.faults.gate_faults import Answers, Falsify, GateFault, Injected, abstains, inject_messages, nothing
from bench.faults.gate_rig import GateRig
from bench.faults.rig import Proposal, trajectory
from bench.faults.rows import EXPERT, RECORDING
from il_nodes.bags import find_bags

__all__ = ["CLOCK_FAULTS", "WORLD_FAULTS", "recorder_terminated"]

#: A gate that finds a second commander in its first three seconds ends instead: that one was there before.
SETTLED_S = 3.3
#: Ticks for which the stop command is watched.
HELD_TICKS = 12
#: What somebody might try to lift a limit with; each is refused.
LOOSER: tuple[tuple[str, object], ...] = (
    ("unsafe_threshold", 1.0),
    ("allow_looser_threshold", True),
    ("contract", "/tmp/looser.yaml"),
    ("policy_silence_s", 10.0),
    ("time_scale", 100.0),
    ("lock_step", True),
    ("enable_control", False),
    ("enable_policy", False),
    ("discovery_s", 0.0),
    ("wait_for", "policy"),
    ("rate_limit", 1e9),
)


def halt_ticks(rig: GateRig) -> int:
    """How many ticks a halt from the newest command may take, and two more for a deadline that is met half way."""
    way = np.abs(np.array(rig.published[-1].values)) / rig.contract.action_rate
    return math.ceil(max(rig.contract.gate.halt_ramp_s, float(way.max())) / rig.period_s) + 3


def check_halt(rig: GateRig, first: int, command: int, allowed: int) -> list[str]:
    """What is wrong with a halt that lasts until now: a bounded ramp, then the stop command on every tick.

    Args:
        rig: with its log.
        first: number of the first decision to look at; who drove before the halt may be among them.
        command: number of the first command.
        allowed: ticks that the ramp may take.
    """
    problems = []
    decisions = rig.log[first:]
    begin = next((index for index, decided in enumerate(decisions) if decided.source == "halt"), None)
    if begin is None:
        return ["no halt"]
    if any(decided.source != "halt" for decided in decisions[begin:]):
        problems.append("somebody drove during the halt")
    # Decision and command come on two topics, one of them before the other: the first command is not looked at.
    halting = rig.published[command + begin + 1 :]
    values = np.abs([sent.values for sent in halting])
    until_ns = rig.published[command + begin].published_ns + round(allowed * rig.period_s * 1e9)
    if (np.diff(values, axis=0) > 1e-6).any():
        problems.append("away from the stop command during the halt")
    if any(any(sent.values) for sent in halting if sent.published_ns > until_ns):
        problems.append(f"not stopped after {allowed} ticks")
    held = [sent.published_ns for sent in halting if sent.published_ns > until_ns]
    if len(held) < HELD_TICKS // 3 or any(values[-1]):
        problems.append("the stop command was not held")
    return problems


def marks(rig: GateRig) -> tuple[int, int]:
    """Numbers of the next decision and of the next command."""
    return len(rig.log), len(rig.published)


# -- expert, graph, CPU, parameters -----------------------------------------------------------------------------------


def falls_silent(rig: GateRig, falsify: Falsify, random: np.random.Generator) -> Injected:
    """Nothing from the expert for long enough to halt and to hold the halt."""
    first, command = marks(rig)
    allowed = halt_ticks(rig)
    ticks = math.ceil(rig.contract.gate.expert_max_age_s / rig.period_s) + allowed + HELD_TICKS
    rig.expert = lambda _: None
    try:
        injected = inject_messages(rig, falsify, random, ticks=ticks)
    finally:
        rig.expert = lambda command: command
    injected.problems += check_halt(rig, first, command, allowed)
    return injected


def expert_lost(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """The expert falls silent while he is in control: in the policy's modes since the policy abstains."""
    return falls_silent(rig, abstains, random)


def second_commander(rig: GateRig, _mode: str, _random: np.random.Generator) -> Injected:
    """Somebody else publishes the robot's commands."""
    rig.tick_until(lambda: time.monotonic() > rig.gate_since_s + SETTLED_S, 10.0, "a gate that is not new")
    first, command = marks(rig)
    injected = Injected(begun_s=time.monotonic())
    rival = rig.node.create_publisher(TwistStamped, "/cmd_vel", 10)
    try:
        rig.tick_until(lambda: rig.log[-1].source == "halt", 10.0, "a halt")
        # What the policy was asked until the graph knew of the other one is no delay of the gate's.
        before = next(index for index, decided in enumerate(rig.log[first:]) if decided.source == "halt")
        injected.notes["ms until the graph knew"] = (rig.log[first + before].at_s - injected.begun_s) * 1e3
        first, command = first + before, command + before
        allowed = halt_ticks(rig)
        for _ in range(allowed + HELD_TICKS):
            rig.tick()
        injected.problems += check_halt(rig, first, command, allowed)
        level, words, _ = rig.diagnostics.get("gate: gate", (0, "", {}))
        if level != 2 or "second_publisher_on_command_topic" not in words:
            injected.problems.append(f"/diagnostics says {level} {words}")
    finally:
        rig.node.destroy_publisher(rival)
    injected.after = first
    return injected


def second_policy(rig: GateRig, mode: str, _random: np.random.Generator) -> Injected:
    """Another process proposes, for the same frames: the gate knows by the first repeated stamp, or by the graph."""
    rival = rig.node.create_publisher(JointTrajectory, "/policy/proposal", 10)
    injected, first = Injected(begun_s=time.monotonic()), len(rig.log)

    def twice(plain: Proposal) -> Answers:
        rival.publish(trajectory(replace(plain, values=(4.0, 1.0))))
        return (plain,)

    rig.answers = twice
    try:
        if mode != EXPERT:
            rig.tick_until(lambda: any(d.source != "policy" for d in rig.log[first:]), 5.0, "the expert")
            first += next(index for index, decided in enumerate(rig.log[first:]) if decided.source != "policy")
            injected.notes["ms until the gate knew"] = (rig.log[first].at_s - injected.begun_s) * 1e3
        for _ in range(math.ceil(0.5 / rig.period_s)):
            rig.tick()
    finally:
        rig.answers = None
        rig.node.destroy_publisher(rival)
    injected.after = first
    later = rig.log[first:]
    if mode != EXPERT and any(decided.source == "policy" for decided in later):
        injected.problems.append("a policy drove while two proposed")
    if mode != EXPERT and not any(decided.withheld == "second_policy" for decided in later):
        injected.problems.append("not said that there are two policies")
    return injected


def starved(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """The gate gets no CPU for 50 to 300 ms (at least four ticks) while everybody else goes on."""
    duration_s = float(random.uniform(max(0.05, 4 * rig.period_s), 0.3))
    injected = Injected(begun_s=time.monotonic(), stalls=True)
    rig.group.signal("gate", signal.SIGSTOP)
    try:
        for _ in range(math.ceil(duration_s / rig.period_s)):
            rig.tick()
    finally:
        rig.group.signal("gate", signal.SIGCONT)
        resumed_ns = time.time_ns()
    injected.after, command = marks(rig)
    for _ in range(6):
        rig.tick()
    rig.stalls += 1
    window_ns = round(0.9 * rig.period_s * 1e9)
    burst = sum(resumed_ns <= sent.published_ns < resumed_ns + window_ns for sent in rig.published[command:])
    injected.notes["commands in the period after"] = burst
    if burst > 4:  # the deadline, the newest message, and one to either side of the stop
        injected.problems.append("a burst of commands after the gate came back")
    return injected


def looser_parameter(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """Somebody sets a parameter of the running gate."""
    name, value = LOOSER[random.integers(len(LOOSER))]
    injected = Injected(begun_s=time.monotonic())
    request = SetParameters.Request(parameters=[Parameter(name=name, value=_parameter_value(value))])
    answer = rig.call(SetParameters, "/gate/set_parameters", request)
    if answer.results[0].successful:
        injected.problems.append(f"{name} was set to {value}")
    return injected


def other_clock(rig: GateRig, _mode: str, _random: np.random.Generator) -> Injected:
    """Somebody tells the running gate to follow another clock, by which no command would ever be old."""
    simulated = rig.sim_ns is not None
    injected = Injected(begun_s=time.monotonic())

    def tell(value: bool) -> bool:
        request = SetParameters.Request(parameters=[Parameter(name="use_sim_time", value=_parameter_value(value))])
        return bool(rig.call(SetParameters, "/gate/set_parameters", request).results[0].successful)

    if tell(not simulated):
        injected.problems.append("use_sim_time was set at run time")
        tell(simulated)
    return injected


def _parameter_value(value: object) -> ParameterValue:
    if isinstance(value, bool):
        return ParameterValue(type=ParameterType.PARAMETER_BOOL, bool_value=value)
    if isinstance(value, float):
        return ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(value))


def terminated(rig: GateRig, _mode: str, _random: np.random.Generator) -> Injected:
    """SIGTERM in mid-drive."""
    first, command = marks(rig)
    allowed = halt_ticks(rig)
    gate = rig.group.running["gate"]
    injected = Injected(begun_s=time.monotonic())
    rig.group.signal("gate", signal.SIGTERM)
    while gate.poll() is None and time.monotonic() < injected.begun_s + 5.0:
        rig.tick()
    injected.notes["ms until it ended"] = (time.monotonic() - injected.begun_s) * 1e3
    rig.spin(2 * rig.period_s)
    decisions = rig.log[first:]
    begin = next((index for index, decided in enumerate(decisions) if decided.source == "halt"), len(decisions))
    ramp = np.abs([sent.values for sent in rig.published[command + begin :]])
    if gate.returncode != 0:
        injected.problems.append(f"the gate ended with {gate.returncode}")
    if time.monotonic() - injected.begun_s > 2.5:
        injected.problems.append("the gate took more than 2 s to end")
    if not len(ramp) or ramp[-1].any():
        injected.problems.append("the last command was not the stop command")
    elif len(ramp) > allowed + 2 or (np.diff(ramp, axis=0) > 1e-6).any():
        injected.problems.append("no bounded ramp to the stop command")
    return injected


def recorder_terminated(rig: GateRig, mode: str, _random: np.random.Generator) -> Injected:
    """SIGTERM to the recorder in mid-episode: whoever drives does not notice, and the file is closed; then another."""
    recorder, recordings = rig.group.running["recorder"], rig.folder / "recordings"
    injected = Injected(begun_s=time.monotonic())
    before = len(find_bags(recordings))
    rig.group.signal("recorder", signal.SIGTERM)
    rig.tick_until(lambda: recorder.poll() is not None, 10.0, "the recorder to end")
    injected.notes["ms until it ended"] = (time.monotonic() - injected.begun_s) * 1e3
    bags = find_bags(recordings)
    if recorder.returncode != 0 or injected.notes["ms until it ended"] > 2000.0:
        injected.problems.append(f"the recorder ended with {recorder.returncode} or took more than 2 s")
    if len(bags) != before + 1 or len(bags) != len(list(recordings.iterdir())):
        injected.problems.append("the episode was not closed")
    injected.until = len(rig.log)
    rig.record(**({} if rig.sim_ns is None else {"use_sim_time": True}))
    rig.settle(mode)
    return injected


# -- simulated time ---------------------------------------------------------------------------------------------------


def leaps(rig: GateRig, seconds: float) -> Injected:
    """Simulated time is another from one tick to the next."""
    injected = Injected(begun_s=time.monotonic(), after=len(rig.log))
    assert rig.sim_ns is not None
    earlier = {sent.stamp_ns for sent in rig.sent[-200:]}
    # A time that begins anew must not repeat the stamps of the one before to the last nanosecond.
    rig.sim_ns = max(10**9 + 1000 * len(rig.sent), rig.sim_ns + round(seconds * 1e9))
    if rig.senses and seconds < 0:  # a recorder listens, and a simulator that began anew says so
        rig.start_episode(f"faults-{len(rig.sent)}")
    for _ in range(6):
        rig.tick()
    injected.forbidden = earlier - {sent.stamp_ns for sent in rig.sent[-6:]}
    return injected


def leaps_ahead(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """Forward, by 0.1 s to an hour."""
    return leaps(rig, float(10 ** random.uniform(-1, 3.5)))


def leaps_back(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """Backward, by 0.1 s to an hour."""
    return leaps(rig, -float(10 ** random.uniform(-1, 3.5)))


def resets(rig: GateRig, _mode: str, _random: np.random.Generator) -> Injected:
    """The simulator begins anew, at its first second."""
    return leaps(rig, -math.inf if rig.sim_ns is None else -rig.sim_ns * 1e-9)


def pauses(rig: GateRig, _mode: str, random: np.random.Generator) -> Injected:
    """The simulator stands still and sends nothing: the halt has to go on all the same, and to its end."""
    rig.paused = True
    try:
        return falls_silent(rig, nothing, random)
    finally:
        rig.paused = False


_LOST = ("expert_stale", "expert_missing")

WORLD_FAULTS: tuple[GateFault, ...] = (
    GateFault(16, "the expert falls silent while in control", "H", _LOST, expert_lost, share=0.1),
    GateFault(
        17,
        "a second publisher on the command topic",
        "H",
        ("second_publisher_on_command_topic",),
        second_commander,
        share=0.1,
    ),
    GateFault(17, "a second policy proposes", "E", ("second_policy", "proposal_repeated"), second_policy, share=0.1),
    GateFault(19, "the gate gets no CPU for 50 to 300 ms", "recovers", (), starved, share=0.1),
    GateFault(30, "a parameter that would lift a limit", "R", (), looser_parameter, share=0.1),
    GateFault(30, "use_sim_time at run time", "R", (), other_clock, share=0.01),
    GateFault(29, "SIGTERM to the recorder", "harmless", (), recorder_terminated, share=0.1, modes=(RECORDING,)),
    GateFault(29, "SIGTERM in mid-drive", "H", ("shutdown",), terminated, share=0.1, ends=True),
)

CLOCK_FAULTS: tuple[GateFault, ...] = (
    GateFault(28, "simulated time leaps ahead", "recovers", (), leaps_ahead, share=0.1),
    GateFault(28, "simulated time leaps back", "recovers", (), leaps_back, share=0.1),
    GateFault(28, "simulated time begins anew", "recovers", (), resets, share=0.1),
    GateFault(28, "simulated time pauses", "H", _LOST, pauses, share=0.1),
)
