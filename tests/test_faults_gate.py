"""The faults that reach the gate, each injected into a running gate in each mode, and the checks that judge them.

One gate a mode, on simulated time, so that a busy machine makes nothing stale; what is judged is the order of its
decisions. ``python -m bench.faults`` injects the same faults a thousand times each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from bench.faults.__main__ import BEGIN, END, write_table
from bench.faults.gate_faults import MESSAGE_FAULTS, GateFault, Injected
from bench.faults.gate_modes import bag_problems, finish_recording, read_counters, running_gate
from bench.faults.gate_rig import GateRig, Published, check_commands
from bench.faults.gate_run import Tally, judge, run_plan
from bench.faults.gate_world import CLOCK_FAULTS, WORLD_FAULTS
from bench.faults.rig import Decided, rig_contract
from bench.faults.rows import EXPERT, MODES, POLICY, RECORDING, Row, markdown

CONTRACT = rig_contract(50.0)
BY_NAME = {fault.name: fault for fault in (*MESSAGE_FAULTS, *WORLD_FAULTS, *CLOCK_FAULTS)}
#: The graph's faults come late: a gate that is younger than three seconds would end instead.
LASTING = sorted((f for f in (*MESSAGE_FAULTS, *WORLD_FAULTS) if not f.ends), key=lambda fault: fault.row == 17)
ENDING = [fault for fault in WORLD_FAULTS if fault.ends]


@dataclass
class Running:
    """A gate in one mode, and what was injected into it."""

    rig: GateRig
    mode: str
    tallies: dict[GateFault, Tally] = field(default_factory=dict)

    def inject(self, fault: GateFault) -> Row:
        self.tallies |= run_plan(self.rig, [fault], self.mode, np.random.default_rng(fault.row))
        return self.tallies[fault].row()


@pytest.fixture(scope="module", params=MODES)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """At 25 Hz, so that a message has 20 ms to arrive late and in time."""
    folder = tmp_path_factory.mktemp(request.param)
    with running_gate(folder, request.param, 25.0, simulated_time=True) as rig:
        yield Running(rig, request.param)


@pytest.mark.ros
@pytest.mark.parametrize("fault", LASTING, ids=lambda fault: fault.name)
def test_a_fault_ends_as_the_table_says(running: Running, fault: GateFault) -> None:
    """Would catch a policy that drives on, a halt where the expert could drive, and a gate that does not come back."""
    if running.mode not in fault.modes:
        return
    row = running.inject(fault)
    assert row.passed, f"{row.problems}\n{running.rig.dump()}"
    if fault.expected == "E" and running.mode != EXPERT:
        assert max(row.handover_ticks) <= 1


@pytest.mark.ros
def test_overruns_are_counted(running: Running) -> None:
    """Would catch a gate that was stopped for many ticks and reports nothing of it."""
    before, stalls = int(read_counters(running.rig)["overruns"]), running.rig.stalls
    running.inject(BY_NAME["the gate gets no CPU for 50 to 300 ms"])
    counted = int(read_counters(running.rig)["overruns"]) - before
    assert counted >= running.rig.stalls - stalls > 0


@pytest.mark.ros
def test_every_command_was_good_and_every_fault_is_on_record(running: Running) -> None:
    """Would catch one command out of limits in the whole run, and a fault that the recording does not show."""
    assert running.rig.published
    assert check_commands(running.rig.published, running.rig.contract).bad == 0
    if running.mode == RECORDING:
        finish_recording(running.rig)
        problems = bag_problems(running.rig, running.tallies)
        assert {fault.name: problem for fault, problem in problems.items() if problem} == {}


@pytest.mark.ros
@pytest.mark.parametrize("fault", CLOCK_FAULTS, ids=lambda fault: fault.name)
def test_simulated_time_may_do_what_it_likes(running: Running, fault: GateFault) -> None:
    """Would catch a halt that waits for a clock that stands still, and a proposal of another time that is followed."""
    row = running.inject(fault)
    assert row.passed, f"{row.problems}\n{running.rig.dump()}"


@pytest.mark.ros
@pytest.mark.parametrize("fault", ENDING, ids=lambda fault: fault.name)
def test_a_gate_that_ends_halts_first(running: Running, fault: GateFault) -> None:
    """Would catch a robot left moving by a gate that was told to end."""
    row = running.inject(fault)
    assert row.passed, f"{row.problems}\n{running.rig.dump()}"


# -- the checks themselves --------------------------------------------------------------------------------------------


def published(*speeds: float, period_ns: int = 20_000_000, gate: int = 1) -> list[Published]:
    return [Published(n * period_ns, n * period_ns, (speed, 0.0), gate, n + 1) for n, speed in enumerate(speeds)]


def test_the_command_check_finds_each_kind_of_bad_command() -> None:
    """Would catch a bench that reports 0 bad commands because it looks for none."""
    assert check_commands(published(1.0, 1.5, 2.0), CONTRACT).bad == 0
    assert check_commands(published(1.0, float("nan"), 2.0), CONTRACT).not_finite == 1
    assert check_commands(published(8.0, 8.2), CONTRACT).out_of_limits == 1
    assert check_commands(published(1.0, 4.0), CONTRACT).too_fast == 1  # 3 m/s at once; two periods allow 1.6
    burst = published(*np.arange(0.0, 8.0, 0.4), period_ns=1_000_000)  # each step allowed, but 20 of them in 20 ms
    assert check_commands(burst, CONTRACT).too_fast > 0


def test_only_steps_between_commands_that_were_heard_are_judged() -> None:
    """Would catch a bench that blames a new gate for what it said before the rig heard it, or that forgives a step."""
    old, new = published(0.4, 0.0), published(0.4, 0.8, 1.2, 1.6, 2.0, 2.4, gate=2)
    later = [replace(command, published_ns=command.published_ns + 10**9) for command in new]
    whole = check_commands([*old, *later], CONTRACT)
    assert (whole.too_fast, whole.unheard) == (0, 0)
    cut = check_commands([*old, *later[4:]], CONTRACT)
    assert (cut.too_fast, cut.unheard) == (0, 4)
    lost = check_commands([*new[:2], new[5]], CONTRACT)
    assert (lost.too_fast, lost.unheard) == (0, 3)
    leap = check_commands([*old, *(replace(command, values=(6.0, 0.0)) for command in later)], CONTRACT)
    assert (leap.too_fast, leap.unheard) == (1, 0)


def decided(source: str, stamp_ns: int = 0, word: str = "", age_ms: float = 1.0) -> Decided:
    ages = {"expert_age_ms": f"{age_ms}", "proposal_age_ms": f"{age_ms}"}
    values = {"source": source, "reason": word, "withheld": word, "latched": "", "clamped": "False", **ages}
    return Decided(0.01, stamp_ns, values)


NAN = BY_NAME["NaN, an infinity or 1e300 in an action"]
BAD = Injected(forbidden={7})


@pytest.mark.parametrize(
    ("mode", "decisions", "problem"),
    [
        (POLICY, [decided("policy", 7), decided("expert", 8, "proposal_not_finite")], "falsified"),
        (
            POLICY,
            [decided("policy", n) for n in (8, 9)] + [decided("expert", 10, "proposal_not_finite")],
            "2 decisions",
        ),
        (POLICY, [decided("policy", 8)], "no hand-over"),
        (POLICY, [decided("expert", 7, "unsafe")], "first reason"),
        (POLICY, [decided("halt", 7, "expert_stale")], "a halt"),
        (POLICY, [decided("expert", 7, "proposal_not_finite", age_ms=900.0)], "age limit"),
        (EXPERT, [decided("policy", 8)], "disabled"),
        (EXPERT, [decided("halt", 8, "expert_stale")], "a halt"),
    ],
)
def test_a_miss_is_told_as_one(mode: str, decisions: list[Decided], problem: str) -> None:
    """Would catch a judge that passes whatever the gate does."""
    seen = judge(NAN, mode, BAD, decisions, CONTRACT, disturbed=False)
    assert problem in " ".join([*seen.problems, *seen.doubtful])


def test_a_hand_over_is_counted_and_a_harmless_proposal_is_none() -> None:
    """Would catch a count that is always zero, and a control that finds hand-overs everywhere."""
    late = [decided("policy", 8), decided("expert", 9, "proposal_not_finite")]
    assert judge(NAN, POLICY, BAD, late, CONTRACT, disturbed=False).handover_ticks == 1
    plain = judge(MESSAGE_FAULTS[0], POLICY, Injected(), [decided("policy", 8)], CONTRACT, disturbed=False)
    assert plain.handover_ticks is None
    assert not plain.problems + plain.doubtful


def test_an_injection_that_the_machine_upset_is_repeated_but_not_forgiven_everything() -> None:
    """Would catch a busy machine that fails the table, and a busy machine that hides a real fault."""
    tally = Tally(NAN, POLICY)
    halted = judge(NAN, POLICY, BAD, [decided("halt", 7, "expert_stale")], CONTRACT, disturbed=True)
    assert not tally.add(halted, last=False)
    assert not tally.row().problems
    followed = judge(NAN, POLICY, BAD, [decided("policy", 7), decided("halt", 8, "")], CONTRACT, disturbed=True)
    tally.add(followed, last=False)
    assert "falsified" in tally.row().problems[0]


def test_the_table_goes_between_the_marks_of_its_page(tmp_path: Path) -> None:
    """Would catch a table that eats the page around it."""
    row = Row(4, "NaN", POLICY, 1000, "E", "expert", ("proposal_not_finite",), True, (0, 1), (0.8, 1.2))
    page = tmp_path / "faults.md"
    page.write_text(f"# Faults\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    write_table(page, [row.summary()])
    text = page.read_text()
    assert text.startswith("# Faults\n")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "old" not in text
    assert "| 4 | NaN | policy | 1,000 | E | expert: `proposal_not_finite` | 1 | 1.00 / 1.20 | passed |" in text
    assert markdown([row.summary()]) in text
