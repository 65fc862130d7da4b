"""Who waits for the disk hears its word, or that it is slow, or that nobody will tell: each of them once."""

from __future__ import annotations

import pytest
from rclpy.task import Future

from il_nodes.recorder.disk_answers import ANSWER_S, DiskAnswers
from il_nodes.recorder.thread import RecordingEvent

pytestmark = pytest.mark.ros


def test_each_ending_gets_the_word_on_its_own_episode() -> None:
    """Would catch the failure of one episode in the answer about another."""
    answers = DiskAnswers(Future)
    first, second, mark = answers.of_end("a", 0.0), answers.of_end("b", 0.0), answers.of_mark()
    answers.take(RecordingEvent("opened", "a", "recording a"))
    answers.take(RecordingEvent("failed", "z", "of an earlier one"))
    assert not any(answer.done() for answer in (first, second, mark))
    answers.take(RecordingEvent("closed", "a", "recorded a"))
    answers.take(RecordingEvent("marked", "a", "a: success"))
    answers.take(RecordingEvent("failed", "b", "b is lost"))
    answers.take(RecordingEvent("nothing", "b", "nothing left to close of b"))
    assert (first.result(), second.result()) == ((True, "recorded a"), (False, "b is lost"))
    assert mark.result() == (True, "a: success")


def test_a_slow_disk_keeps_nobody_for_long() -> None:
    """Would catch a teleoperator who is told that nobody answers."""
    answers = DiskAnswers(Future)
    slow = answers.of_end("a", 10.0)
    answers.poll(10.0 + ANSWER_S - 0.01)
    assert not slow.done()
    answers.poll(10.0 + ANSWER_S)
    success, words = slow.result()
    assert success
    assert "still busy" in words
    answers.take(RecordingEvent("closed", "a", "recorded a"))
    assert slow.result() == (success, words), "answered twice"


def test_a_clean_up_answers_everybody() -> None:
    answers = DiskAnswers(Future)
    waiting = [answers.of_end("a", 0.0), answers.of_mark()]
    answers.abandon("cleaned up")
    answers.abandon("again")
    assert [answer.result() for answer in waiting] == [(False, "cleaned up")] * 2
