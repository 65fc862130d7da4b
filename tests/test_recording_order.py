"""The order of a lock-step recording, and gaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from il_nodes.recorder.ordering import LockStepOrder, Stamped, StampGaps

TOPICS = ("/a", "/b", "/c")


@given(st.data())
def test_any_arrival_order_gives_the_same_recording(data: st.DataObject) -> None:
    """Would catch scheduling that leaks in; each topic alone stays in order, as the middleware promises."""
    queues = {topic: [(stamp, topic) for stamp in range(5)] for topic in TOPICS}
    order = LockStepOrder(TOPICS)
    written: list[Stamped] = order.add("/start", -1, b"")
    while any(queues.values()):
        topic = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        stamp, _ = queues[topic].pop(0)
        written += order.add(topic, stamp, f"{topic}{stamp}".encode())
    written += order.flush()
    expected = [(-1, "/start")] + [(stamp, topic) for stamp in range(5) for topic in TOPICS]
    assert [(message.log_time_ns, message.topic) for message in written] == expected
    assert not order.late
    assert not order.repeated


def test_a_tick_is_held_until_it_is_complete() -> None:
    """Would catch an acknowledgement of a tick whose command is still under way."""
    order = LockStepOrder(TOPICS)
    assert order.add("/c", 1, b"") == []
    assert order.add("/a", 1, b"") == []
    assert order.missing() == {1: ["/b"]}
    assert [message.topic for message in order.add("/b", 1, b"")] == ["/a", "/b", "/c"]
    assert order.completed_ns == 1
    assert order.missing() == {}


def test_repeated_and_late_messages_are_counted_not_written() -> None:
    """Would catch a recording that a retransmission changes."""
    order = LockStepOrder(["/a"])
    assert order.add("/x", 1, b"first") == []
    assert order.add("/x", 1, b"second") == []
    assert [message.cdr for message in order.add("/a", 1, b"")] == [b"", b"first"]
    assert order.add("/x", 1, b"third") == []
    assert (order.repeated, order.late) == ({"/x": 1}, {"/x": 1})


def test_gaps_are_counted_by_the_stamps() -> None:
    """Would catch jitter that counts as a loss, a loss that does not, and a restart that counts as one."""
    gaps = StampGaps(20.0)
    for stamp_ms in (0, 50, 120, 150, 300, 290):
        gaps.add(stamp_ms * 1_000_000)
    assert gaps.missing == 2
    gaps.restart()
    gaps.add(10_000_000_000)
    assert gaps.missing == 2


@pytest.mark.parametrize(("periods", "missing"), [(0.0, 0), (0.98, 0), (1.0, 0), (1.4, 0), (1.98, 1), (3.98, 3)])
def test_ticks_before_the_announced_end_are_missed(periods: float, missing: int) -> None:
    """Would catch an episode whose last messages were lost, which no later message shows."""
    gaps = StampGaps(20.0)
    gaps.add(10**9)
    gaps.end(10**9 + round(periods * 50_000_000))
    assert gaps.missing == missing
