"""What the gate says about itself: levels and words on ``/gate/decision`` and ``/diagnostics``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from gated_robot import Robot, driven_by_policy

from il_nodes.gate.decision import Driver, Reason
from il_nodes.gate.status import GateReport, decision_status
from models.errors import CodecError


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def level(robot: Robot) -> str:
    return decision_status(robot.decide(), None).level


def test_levels_of_a_decision() -> None:
    """OK for whoever is meant to drive, WARN on a fall-back, ERROR on a halt."""
    robot = driven_by_policy()
    assert level(robot) == "ok"
    robot.step(unsafe=0.9)
    assert level(robot) == "warn"
    robot.gate.rest()
    robot.gate.take_over()
    robot.step()
    assert decision_status(robot.decide(), None).values["withheld"] is Reason.TAKEOVER
    assert level(robot) == "ok"
    robot.gate.disable_policy()
    assert level(robot) == "ok"
    robot.tick += 5
    assert level(robot) == "error"
    robot.gate.waiting = Reason.DISCOVERY
    assert level(robot) == "warn"


def test_a_human_who_drives_is_no_fall_back_whatever_the_policy_says() -> None:
    """Would catch a recording full of warnings because the camera was covered while somebody drove."""
    robot = driven_by_policy()
    robot.gate.take_over()
    robot.step()
    robot.tick += 1
    robot.expert()
    robot.abstain()
    decision = robot.decide()
    assert (decision.withheld, decision.latched) == (Reason.PROPOSAL_ABSTAINED, Reason.TAKEOVER)
    assert decision_status(decision, None).level == "ok"
    robot.gate.release()
    robot.gate.enable_policy()
    robot.step(unsafe=None)
    assert level(robot) == "warn"
    for _ in range(40):
        robot.step(unsafe=None)
    assert robot.decide().latched is Reason.POLICY_SILENT
    assert level(robot) == "warn", "silence is no wish of a human"


def test_values_of_a_decision() -> None:
    """Their names and units are the interface of reports and plots."""
    robot = driven_by_policy()
    robot.tick += 1
    robot.expert((0.4, 0.1), stamp_ns=robot.clock_ns - 50_000_000)
    robot.propose((9.0, 0.1), (9.0, 0.1), unsafe=0.25, stamp_ns=robot.clock_ns - 25_000_000)
    status = decision_status(robot.decide(), 0.0125)
    assert status.message == "policy_trusted"
    ages = {name: status.values[name] for name in ("expert_age_ms", "proposal_age_ms", "latency_ms")}
    assert ages == pytest.approx({"expert_age_ms": 50.0, "proposal_age_ms": 25.0, "latency_ms": 12.5})
    assert {name: value for name, value in status.values.items() if name not in ages} == {
        "source": "policy",
        "reason": "policy_trusted",
        "withheld": "",
        "latched": "",
        "unsafe_probability": 0.25,
        "chunk_row": 0,
        "clamped": True,
        "rate_limited": True,
        "handover": False,
        "sent": True,
    }
    robot.gate.take_over()
    decision = robot.decide()
    values = decision_status(decision, None).values
    assert (values["latched"], values["source"], values["chunk_row"]) == ("human_takeover", "expert", -1)
    assert "latency_ms" not in values, "a wall clock in a lock-step recording"


def report(robot: Robot, clock: Clock, **options: bool) -> GateReport:
    made = GateReport(robot.gate, clock=clock, **options)
    clock.now_s += 60.0  # it was configured a minute ago, and becomes active now
    made.begin()
    return made


def test_the_last_second_in_figures() -> None:
    """Rates are of the last second, counters since the start, latencies in milliseconds."""
    robot, clock = driven_by_policy(), Clock()
    sums = report(robot, clock)
    values: Mapping[str, object] = sums.status().values
    assert math.isnan(float(str(values["rate_hz"]))), "no window is over: a gate that has just begun does not stall"
    assert (values["deadline_misses"], values["overruns"], values["proposers"]) == (0, 0, 0)
    assert "source" not in values
    for tick in range(20):
        robot.step(unsafe=0.1)
        sums.sent(robot.decide(), 0.001 * (tick + 1))
    sums.deadlines, sums.overruns, sums.proposers = 3, 2, 1
    clock.now_s += 2.0
    values = sums.status().values
    assert values["rate_hz"] == pytest.approx(10.0)
    assert values["decision_p50_ms"] == pytest.approx(10.5)
    assert values["decision_p99_ms"] == pytest.approx(19.81)
    assert (values["deadline_misses"], values["overruns"], values["proposers"]) == (3, 2, 1)
    assert values["ticks.policy"] == 41
    assert (values["source"], values["reason"]) == ("policy", "policy_trusted")
    assert (values["expert_age_ms"], values["proposal_age_ms"]) == (0.0, 0.0)
    for _ in range(3):
        sums.sent(robot.decide(), 0.001)
    clock.now_s += 0.5
    assert sums.status().values["rate_hz"] == pytest.approx(6.0)
    sums.sent(robot.decide(), 0.001)
    assert sums.status().values["rate_hz"] == pytest.approx(8.0), "two reports in one instant"
    assert sums.status().values["rate_hz"] == pytest.approx(8.0)


def test_a_report_that_is_published_early_does_not_change_the_rate() -> None:
    """Every new connection and every fault publishes one at once, right behind another."""
    robot, clock = driven_by_policy(), Clock()
    sums = report(robot, clock)
    rates = []
    for tick in range(1, 81):
        clock.now_s += 0.05
        sums.sent(robot.step(), 0.001)
        if tick % 20 in (0, 7, 8):
            rates.append(sums.status().values["rate_hz"])
            clock.now_s += 0.002
            rates.append(sums.status().values["rate_hz"])
    assert rates[4:] == pytest.approx([20.0] * 20, abs=1.0)


def test_ages_of_the_last_decision_are_in_milliseconds() -> None:
    robot, clock = driven_by_policy(), Clock()
    sums = report(robot, clock)
    robot.tick += 1
    sums.sent(robot.decide(), 0.0)
    values = sums.status().values
    assert values["expert_age_ms"] == pytest.approx(50.0)
    assert values["proposal_age_ms"] == pytest.approx(50.0)


def test_ages_of_commands_count_from_what_they_answer_until_they_left() -> None:
    """Catches the age of somebody else's message, and halts, which answer nothing, among commands that do."""
    robot = driven_by_policy()
    sums = report(robot, Clock())
    assert math.isnan(float(str(sums.status().values["command_age_p50_ms"])))
    decided = replace(robot.decide(), proposal_age_s=0.04, expert_age_s=0.02)
    for driver in (Driver.POLICY, Driver.EXPERT, Driver.HALT):
        sums.sent(replace(decided, source=driver), 0.001)
    values = sums.status().values
    assert values["command_age_p50_ms"] == pytest.approx(31.0)
    assert values["command_age_p99_ms"] == pytest.approx(40.8)


def test_what_could_not_be_read_is_counted_and_named() -> None:
    robot = driven_by_policy()
    sums = report(robot, Clock())
    assert "last_problem" not in sums.status().values
    sums.unreadable(CodecError("half a message"))
    sums.unreadable(CodecError("no message at all"))
    values = sums.status().values
    assert (values["unreadable"], values["last_problem"]) == (2, "no message at all")


def test_words_and_levels_of_the_summary() -> None:
    """In this order: inactive, halted by a fault, two policies, no command yet, and what the last decision was."""
    robot = driven_by_policy()
    sums = GateReport(robot.gate, clock=Clock())
    robot.gate.raise_fault(Reason.SECOND_PUBLISHER)
    sums.proposers = 2
    assert (sums.status().level, sums.status().message) == ("ok", "inactive: nothing is commanded")
    sums.active = True
    assert (sums.status().level, sums.status().message) == ("error", "halted: second_publisher_on_command_topic")
    robot.gate.clear_fault()
    two = sums.status()
    assert (two.level, two.message) == ("error", "2 policies propose, and none of them may drive")
    sums.proposers = 1
    assert (sums.status().level, sums.status().message) == ("ok", "no command yet")
    sums.sent(robot.step(), 0.001)
    assert (sums.status().level, sums.status().message) == ("ok", "expert: policy_disabled")
    robot.gate.enable_policy()
    sums.sent(robot.step(unsafe=0.9), 0.001)
    assert (sums.status().level, sums.status().message) == ("warn", "expert: unsafe")


def test_a_dry_run_says_so_whatever_else_there_is_to_say() -> None:
    """Somebody waits for a robot to move, and looks at /diagnostics."""
    robot = driven_by_policy()
    sums = report(robot, Clock(), dry_run=True)
    assert sums.status().message == "dry run: nothing is commanded (no command yet)"
    robot.gate.raise_fault(Reason.SECOND_PUBLISHER)
    status = sums.status()
    assert status.level == "error"
    assert status.message == "dry run: nothing is commanded (halted: second_publisher_on_command_topic)"


def test_the_report_says_who_they_are() -> None:
    robot = driven_by_policy()
    report = GateReport(robot.gate)
    report.active, report.experts = True, "2 experts on /expert/cmd_vel: /a, /b"
    report.sent(robot.step(), 0.001)
    status = report.status()
    assert status.level == "error", "although the policy drives: it has nobody to hand the robot to"
    assert status.message == "2 experts on /expert/cmd_vel: /a, /b; none of them is executed: end all but one"
