"""Observations do not depend on the order in which topics deliver, as long as each delivers within the settle time."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given, settings
from ros_messages import CAMERA, ODOMETRY, image_cdr, make_contract, odometry_cdr, state_source

from il_nodes.observation.assembler import ObservationAssembler
from models.data import Observation

MS = 1_000_000
SETTLE_MS = 20
CONTRACT = make_contract(
    frames=3, stride=2, state=f"[{state_source('twist.twist.linear.x')}, {state_source(topic='/wheels')}]"
)

Event = tuple[int, str, int, bytes]  # time of arrival, topic, stamp, message; times in milliseconds


def message(topic: str, stamp_ms: int) -> bytes:
    if topic == CAMERA:
        return image_cdr(stamp_ms * MS, np.full((2, 2, 3), stamp_ms // 10 % 256, np.uint8))
    return odometry_cdr(stamp_ms * MS, float(stamp_ms), -float(stamp_ms))


def run(events: list[Event], polls_ms: list[int]) -> tuple[list[str], dict[str, int]]:
    """Digests of all observations, and late samples, for events in order of arrival with polls in between."""
    assembler = ObservationAssembler(CONTRACT, SETTLE_MS / 1000)
    found: list[Observation | None] = []
    timeline = [(time, 1, event) for event in events for time in [event[0]]] + [(time, 0, None) for time in polls_ms]
    for time_ms, _, event in sorted(timeline, key=lambda entry: entry[:2]):
        if event is not None:
            found.append(assembler.add(event[1], event[3], time_ms * MS))
        while (more := assembler.poll(time_ms * MS)) is not None:
            found.append(more)
    found += [item for item in assembler.finish() if isinstance(item, Observation)]
    return [observation.digest() for observation in found if observation is not None], assembler.late


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[tuple[str, int]], list[Event], list[Event], list[int], list[int]]:
    """Samples of three topics, and two ways of delivering them: each topic in order, each within the settle time."""
    samples: list[tuple[str, int]] = []
    for topic, period in ((CAMERA, 50), (ODOMETRY, draw(st.integers(7, 90))), ("/wheels", draw(st.integers(7, 90)))):
        offset = draw(st.integers(0, 60))
        for index in range(600 // period):
            samples.append((topic, 1000 + offset + index * period + draw(st.integers(0, 6))))

    def deliver() -> list[Event]:
        events, last = [], dict.fromkeys((CAMERA, ODOMETRY, "/wheels"), 0)
        for topic, stamp_ms in samples:
            # A sample within the settle time of every tick it may belong to: delays spread by less than that.
            last[topic] = max(last[topic], stamp_ms + draw(st.integers(0, SETTLE_MS - 1)))
            events.append((last[topic], topic, stamp_ms, message(topic, stamp_ms)))
        events = draw(st.permutations(events))
        order = {topic: [e for e in events if e[1] == topic] for topic in last}
        ranks = {id(e): rank for es in order.values() for rank, e in enumerate(sorted(es, key=lambda e: e[2]))}
        return sorted(events, key=lambda e: (e[0], ranks[id(e)]))

    polls = st.lists(st.integers(1000, 1800), max_size=20)
    return samples, deliver(), deliver(), draw(polls), draw(polls)


@settings(max_examples=60, deadline=None)
@given(deliveries())
def test_order_of_delivery_and_polling_do_not_matter(
    case: tuple[list[tuple[str, int]], list[Event], list[Event], list[int], list[int]],
) -> None:
    """Catches any content that depends on scheduling: live and offline would train and drive on different data."""
    samples, first, second, polls_a, polls_b = case
    digests, late = run(first, polls_a)
    assert late == {}
    assert run(second, polls_b) == (digests, {})
    ideal = [(stamp, topic, stamp, message(topic, stamp)) for topic, stamp in sorted(samples, key=lambda s: s[1])]
    # With no delay at all, messages of one millisecond still come in some order: camera last, then camera first.
    for camera_rank in (0, 1):
        ordered = sorted(ideal, key=lambda e: (e[0], camera_rank if e[1] == CAMERA else 1 - camera_rank))
        assert run(ordered, []) == (digests, {})
