"""The labeller's pairing of ticks and answers, without ROS: which command labels which tick, exactly once."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
from gated_robot import CONTRACT, PERIOD_NS

from il_nodes.expert.labeller import Label, Labeller, Unlabelled
from il_nodes.observation.assembler import ObservationAssembler
from il_nodes.observation.trigger_ticks import TriggerTicks
from models.data import Action
from tests.ros_messages import CAMERA, ODOMETRY, image_cdr, make_contract, odometry_cdr

START_NS = 10_000_000_000


def stamp(tick: float) -> int:
    return START_NS + round(tick * PERIOD_NS)


def command(tick: float, value: float | None = None) -> Action:
    return Action(stamp(tick), np.array([tick if value is None else value, 0.5], np.float32))


def shown(labels: Sequence[Label]) -> list[tuple[float, float]]:
    """(tick, first value of its label)."""
    return [((label.stamp_ns - START_NS) / PERIOD_NS, float(label.values[0])) for label in labels]


def test_the_command_with_the_ticks_own_stamp_is_its_label_whichever_comes_first() -> None:
    """Catches labels that are off by a tick, or that wait although the answer is there."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    assert labeller.tick(stamp(0), 0.0) == []
    assert shown(labeller.command(command(0), 0.01)) == [(0, 0)]
    assert labeller.command(command(1), 0.05) == []
    assert shown(labeller.tick(stamp(1), 0.06)) == [(1, 1)]
    assert labeller.poll(100.0) == []
    assert (labeller.counts["ticks"], labeller.counts["labelled"], labeller.waiting) == (2, 2, 0)


def test_between_two_commands_the_earlier_one_counts_and_none_from_the_future() -> None:
    """Catches a label that the expert gave to a later state."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.command(command(0.7), 0.0)
    assert labeller.tick(stamp(1), 0.0) == [], "a command with the tick's own stamp may still come"
    assert shown(labeller.command(command(1.3), 0.01)) == [(1, float(np.float32(0.7)))]


def test_a_silent_expert_gives_a_counted_reason_and_no_label() -> None:
    """Catches a tick that is lost without a word, and one that waits for ever."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.tick(stamp(0), 0.0)
    assert labeller.poll(0.149) == []
    assert labeller.waiting == 1
    assert labeller.poll(0.151) == []
    labeller.command(command(0.5), 0.2)
    labeller.tick(stamp(3), 1.0)
    labeller.tick(stamp(4), 1.05)
    # 125 ms before tick 3, 175 ms before tick 4, and the contract allows 150 ms.
    assert shown(labeller.poll(2.0)) == [(3, 0.5)]
    labeller.command(command(5, float("nan")), 2.0)
    assert labeller.tick(stamp(5), 2.0) == []
    assert labeller.unlabelled == {Unlabelled.NO_COMMAND: 1, Unlabelled.TOO_OLD: 1, Unlabelled.NOT_FINITE: 1}
    assert labeller.counts["ticks"] == labeller.counts["labelled"] + sum(labeller.unlabelled.values()) == 4


def test_a_human_answers_a_reaction_time_later() -> None:
    """Catches the hand's movement for the next bend put on the picture of this one."""
    labeller = Labeller(CONTRACT, reaction_s=0.1, wait_s=0.15)
    found = []
    for tick in range(6):
        now_s = tick * 0.05
        found += [(now_s, *shown([label])[0]) for label in labeller.command(command(tick), now_s)]
        found += [(now_s, *shown([label])[0]) for label in labeller.tick(stamp(tick), now_s)]
    assert found == [(0.1, 0, 2), (0.15000000000000002, 1, 3), (0.2, 2, 4), (0.25, 3, 5)]
    labeller.end_episode(stamp(5.5))
    assert labeller.unlabelled == {Unlabelled.EPISODE_OVER: 2}
    assert labeller.waiting == 0


def test_late_and_repeated_commands_change_no_label_that_is_out() -> None:
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.command(command(0), 0.0)
    labeller.tick(stamp(1), 0.0)
    assert shown(labeller.command(command(2), 0.1)) == [(1, 0)]
    assert labeller.command(command(1), 0.11) == [], "a second label for tick 1"
    assert labeller.command(command(2, 7.0), 0.12) == []
    assert shown(labeller.tick(stamp(2), 0.12)) == [(2, 7.0)], "of two commands with one stamp the later counts"
    assert labeller.tick(stamp(2), 0.13) == []
    assert (labeller.counts["late_commands"], labeller.counts["repeated_commands"]) == (1, 1)
    assert labeller.grid.repeated == 1


def test_no_command_counts_across_the_start_of_an_episode() -> None:
    """Catches the first tick after a recovery labelled with the answer to the crash."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.command(command(0), 0.0)
    labeller.tick(stamp(1), 0.0)
    labeller.tick(stamp(2), 0.05)  # of the new episode, whose word comes later
    assert labeller.start_episode(stamp(1.5), 0.06) == []
    assert shown(labeller.poll(1.0)) == [(1, 0)], "the tick before may still be answered"
    assert labeller.unlabelled == {Unlabelled.NO_COMMAND: 1}
    assert labeller.tick(stamp(0), 1.0) == []
    assert labeller.grid.before_episode == 1


def test_a_tick_on_its_way_when_the_robot_is_put_back_is_labelled() -> None:
    """Catches the last tick before a fall without a label: the word of the recovery was faster than the picture."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.start_episode(stamp(-0.5), 0.0)
    found = labeller.tick(stamp(0), 0.0) + labeller.command(command(0), 0.01)
    found += labeller.command(command(1), 0.05)
    found += labeller.start_episode(stamp(1.5), 0.06, goes_on=True)
    found += labeller.tick(stamp(1), 0.07) + labeller.tick(stamp(2), 0.11) + labeller.command(command(2), 0.12)
    assert shown(found) == [(0, 0), (1, 1), (2, 2)]
    assert labeller.tick(stamp(1.2), 0.13) == [], "out of turn"
    assert labeller.tick(stamp(0), 0.13) == []
    assert (labeller.counts["ticks"], labeller.grid.before_episode, labeller.waiting) == (3, 2, 0)


def test_the_word_of_an_episode_that_is_heard_twice_changes_nothing() -> None:
    """Catches labels for pictures that the dataset leaves out, and none for those that it takes."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.start_episode(stamp(-0.25), 0.0)
    found = labeller.tick(stamp(0), 0.0) + labeller.command(command(0), 0.01)
    found += labeller.start_episode(stamp(-0.25), 0.02, goes_on=True)
    found += labeller.tick(stamp(0.4), 0.02) + labeller.tick(stamp(1), 0.05) + labeller.command(command(1), 0.06)
    assert shown(found) == [(0, 0), (1, 1)]
    assert (labeller.counts["ticks"], labeller.grid.decimated) == (2, 1)


def test_a_late_picture_gets_no_answer_from_behind_a_recovery_or_the_end() -> None:
    """Catches the command that follows where the robot was put, as the label of the picture that led there."""
    labeller = Labeller(CONTRACT, reaction_s=4 * PERIOD_NS * 1e-9, wait_s=0.15)
    found = labeller.start_episode(stamp(-0.5), 0.0) + labeller.tick(stamp(0), 0.0)
    for number in range(6):
        found += labeller.command(command(number), 0.1, stamp(number))
    found += labeller.start_episode(stamp(5.5), 0.2, goes_on=True)
    found += labeller.tick(stamp(5), 0.21) + labeller.tick(stamp(6), 0.22)
    for number in range(6, 13):
        found += labeller.command(command(number), 0.3, stamp(number))
    labeller.end_episode(stamp(12.5))
    found += labeller.tick(stamp(8), 0.31) + labeller.tick(stamp(12), 0.32)
    for number in range(13, 20):
        found += labeller.command(command(number), 0.4, stamp(number))
    assert shown(found) == [(0, 4), (6, 10), (8, 12)]
    assert (labeller.unlabelled[Unlabelled.EPISODE_OVER], labeller.waiting) == (2, 0)


def test_a_tick_of_the_episode_before_is_none_of_the_next() -> None:
    """Catches labels that no recording wants, for what came late of an episode that is over."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.start_episode(stamp(-0.5), 0.0)
    labeller.tick(stamp(0), 0.0)
    labeller.start_episode(stamp(1.5), 0.06)
    assert labeller.tick(stamp(1), 0.07) == []
    assert (labeller.counts["ticks"], labeller.grid.before_episode) == (1, 1)


def test_the_first_command_behind_a_pause_is_none_from_the_future() -> None:
    """Catches the first tick of an episode without a label, where the command was faster than clock and picture."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    found = labeller.tick(stamp(0), 0.0) + labeller.command(command(0), 0.01, stamp(0))
    found += labeller.start_episode(stamp(20.5), 0.2)
    found += labeller.command(command(21), 0.21, stamp(1)) + labeller.tick(stamp(21), 0.22)
    assert shown(found) == [(0, 0), (21, 21)]
    labeller.command(command(72_000), 0.23, stamp(21))
    assert labeller.future_commands == 1


def test_a_clock_that_is_set_back_starts_anew_and_keeps_the_faster_answer() -> None:
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.command(command(1000), 0.0)
    assert shown(labeller.tick(stamp(1000), 0.0)) == [(1000, 1000)]
    labeller.tick(stamp(1001), 0.05)
    labeller.command(command(0), 0.1)
    assert shown(labeller.tick(stamp(0), 0.1)) == [(0, 0)]
    assert labeller.unlabelled == {Unlabelled.EPISODE_OVER: 1}
    labeller.start_episode(stamp(-500), 0.2)
    assert shown(labeller.command(command(-500), 0.2) + labeller.tick(stamp(-500), 0.2)) == [(-500, -500)]


def test_in_lock_step_arrival_order_changes_nothing() -> None:
    """Catches labels that depend on which of two topics was faster: every interleaving gives the same ones."""
    answered = [tick for tick in range(40) if tick not in (5, 17, 18)]
    results = set()
    for seed in range(20):
        rng = random.Random(seed)
        labeller = Labeller(CONTRACT)
        ticks, commands = list(range(40)), list(answered)
        found: list[Label] = []
        while ticks or commands:
            if commands and (not ticks or rng.random() < 0.5):
                found += labeller.command(command(commands.pop(0)), rng.random())
            else:
                found += labeller.tick(stamp(ticks.pop(0)), rng.random())
            found += labeller.poll(1e9)
        results.add(tuple(shown(found)))
    (labels,) = results
    assert [tick for tick, _ in labels] == list(range(40))
    assert [value for _, value in labels] == [tick - (tick in (5, 17)) - 2 * (tick == 18) for tick in range(40)]


@pytest.mark.parametrize("lock_step", [False, True])
@pytest.mark.parametrize("before", [0, 3])
def test_a_command_from_the_future_shifts_no_label(lock_step: bool, before: int) -> None:
    """Catches one wrong stamp behind which every tick gets the command of the tick before, without a word."""
    labeller = Labeller(CONTRACT, wait_s=None if lock_step else 0.15)
    found: list[Label] = []
    for tick in range(8):
        now_s, clock_ns = tick * 0.05, None if lock_step else stamp(tick)
        if tick == before:
            found += labeller.command(command(72_000), now_s, clock_ns)
        found += labeller.tick(stamp(tick), now_s)
        found += labeller.command(command(tick), now_s + 0.004, clock_ns)
    assert shown(found) == [(tick, tick) for tick in range(8)]
    assert labeller.future_commands == 1


def test_a_command_ahead_of_a_slow_camera_is_none_from_the_future() -> None:
    """Catches a teleoperator's commands refused because the picture that they belong to is still on its way."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.tick(stamp(0), 0.0)
    for tick in range(20):
        labeller.command(command(tick), tick * 0.05, stamp(tick))
    assert shown(labeller.tick(stamp(10), 1.0)) == [(10, 10)]
    assert labeller.future_commands == 0


def test_in_lock_step_commands_may_be_far_ahead_of_ticks_that_are_late() -> None:
    """Catches labels that depend on how long a tick was on its way: there only stamps decide."""
    labeller = Labeller(CONTRACT)
    found: list[Label] = []
    for tick in range(40):
        found += labeller.command(command(tick), 0.0)
    for tick in range(40):
        found += labeller.tick(stamp(tick), 1.0)
    assert shown(found) == [(tick, tick) for tick in range(40)]


def test_labelled_ticks_are_counted_by_who_brought_the_robot_there() -> None:
    labeller = Labeller(CONTRACT, wait_s=0.15)
    labeller.decided(stamp(0), "expert")  # before the label
    labeller.command(command(1), 0.0)
    labeller.tick(stamp(0), 0.0)
    labeller.tick(stamp(1), 0.0)
    labeller.decided(stamp(1), "policy")  # behind it
    labeller.decided(stamp(2), "policy")  # of a tick without a label
    assert labeller.visited_by == {"policy": 1}
    assert labeller.unlabelled == {Unlabelled.NO_COMMAND: 1}


def test_memory_stays_bounded() -> None:
    """Catches a history that grows for as long as a robot runs."""
    labeller = Labeller(CONTRACT, wait_s=0.15)
    for tick in range(5000):
        labeller.command(command(tick), tick * 0.05)
        labeller.tick(stamp(tick), tick * 0.05)
    assert labeller.counts["labelled"] == 5000
    assert len(labeller._stamps) < 60
    assert len(labeller._labels_open) <= 256
    lock_step = Labeller(CONTRACT)
    for tick in range(1000):
        lock_step.command(command(72_000 + tick), 0.0)
    assert len(lock_step._ahead) <= 256
    assert lock_step.future_commands == 1000


def test_ticks_are_those_of_the_observation_assembler() -> None:
    """Catches labels for frames that never become observations: 50 Hz of jittering camera at a 20 Hz contract."""
    rng = np.random.default_rng(3)
    contract = make_contract()
    assembler, grid = ObservationAssembler(contract), TriggerTicks(contract.fps)
    observed, ticks = [], []
    now = START_NS
    for _ in range(400):
        now += int(rng.integers(12_000_000, 28_000_000)) + (700_000_000 if rng.random() < 0.01 else 0)
        if rng.random() < 0.01:
            now -= 900_000_000
        if grid.is_tick(now):
            ticks.append(now)
        assembler.add(ODOMETRY, odometry_cdr(now, 1.0, 0.0), now)
        found = assembler.add(CAMERA, image_cdr(now, np.zeros((2, 2, 3), np.uint8)), now)
        while found is not None:
            observed.append(found.stamp_ns)
            found = assembler.poll(now)
    observed += [item.stamp_ns for item in assembler.finish() if not isinstance(item, Exception)]
    assert ticks == observed
    assert grid.decimated == assembler.counts().decimated > 50
