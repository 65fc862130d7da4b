"""What is missing from an episode, by sequence numbers, by the middleware's word, and by the stamps."""

from __future__ import annotations

import pytest

from il_nodes.recorder.message_accounts import MessageAccounts, SequenceGaps, reasons

CAMERA, STATE = "/camera", "/odom"


@pytest.mark.parametrize(
    ("numbers", "lost"),
    [
        ([1, 2, 3], 0),
        ([1, 2, 5, 6], 2),
        ([40, 41, 43], 1),  # joined late: what was before nobody lost
        ([7, 8, 1, 2, 4], 1),  # the publisher was started anew
        ([3, 3, 4], 0),
    ],
)
def test_gaps_between_the_numbers_of_one_publisher(numbers: list[int], lost: int) -> None:
    """Would catch a late joiner or a new publisher that counts as a loss, and a loss that does not."""
    gaps = SequenceGaps(lambda: 1)
    assert sum(gaps.add(number) for number in numbers) == lost


def test_numbers_of_several_publishers_mean_nothing() -> None:
    """Would catch two publishers of one topic, whose numbers alternate, that cost every episode."""
    gaps = SequenceGaps(lambda: 2)
    assert sum(gaps.add(number) for number in (1, 100, 2, 101, 3)) == 0


def accounts() -> MessageAccounts:
    return MessageAccounts(CAMERA, 20.0, lambda _: 1, ["/track"], [CAMERA, STATE])


def test_one_loss_is_counted_once() -> None:
    """Would catch the same loss counted twice, by its number and by the middleware, or counted by neither."""
    books = accounts()
    for number in (1, 2, 5):
        books.number(CAMERA, number)
    books.report_lost(CAMERA, 2)
    books.report_lost(STATE, 4)
    books.number(STATE, None)
    assert books.lost == {CAMERA: 2, STATE: 4}


def test_an_episode_starts_with_empty_books_and_known_numbers() -> None:
    """Would catch losses of one episode that spoil the next, and a loss between them that nobody notices."""
    books = accounts()
    books.number(CAMERA, 1)
    books.number(CAMERA, 4)
    books.take(CAMERA, 10**9)
    assert (books.lost, books.received) == ({CAMERA: 2}, {CAMERA: 1})
    books.begin()
    assert (books.lost, books.received) == ({}, {})
    books.number(CAMERA, 6)
    assert books.lost == {CAMERA: 1}


def test_reasons_name_every_loss_that_matters() -> None:
    """Would catch an episode that is not whole and goes into training."""
    books = accounts()
    for stamp_ms in (0, 50, 200):
        books.take(CAMERA, stamp_ms * 1_000_000)
    books.take(STATE, 0)
    books.end(298_000_000)
    books.report_lost("/track", 2)
    losses = books.losses({STATE: 2, "/track": 1}, {STATE: 3})
    assert losses == {
        "missing": {CAMERA: 3},
        "late": {STATE: 2},
        "repeated": {STATE: 3},
        "superseded": {"/track": 3},
    }
    assert reasons(losses) == "3 ticks missing on /camera; 2 messages on /odom came after the tick was written"
    assert reasons({"dropped": {CAMERA: 7}, "lost": {STATE: 1}}) == (
        "1 message lost on /odom; 7 messages on /camera dropped, the disk is too slow"
    )
    assert reasons({"repeated": {STATE: 3}}) == ""


def test_bytes_that_cannot_be_read_spoil_their_episode() -> None:
    """Would catch a message that was left out of the bag without a word."""
    books = accounts()
    books.take(CAMERA, 10**9)
    books.note_unreadable(STATE)
    assert reasons(books.losses({}, {})) == f"1 message on {STATE} could not be read"
    books.begin()
    assert "unreadable" not in books.losses({}, {})


def test_a_trigger_that_was_silent_when_a_person_stopped() -> None:
    """Would catch a dead camera that passes for a whole episode, and every episode of a slow hand quarantined."""
    books = accounts()
    books.take(CAMERA, 10**9, 7 * 10**9)
    books.stop(7 * 10**9 + 400_000_000)
    assert books.missing == 0
    books.stop(17 * 10**9)
    assert books.missing == 199
    books.begin()
    books.stop(99 * 10**9)
    assert books.missing == 0


def test_stamps_that_the_contract_does_not_go_by_show_no_gap() -> None:
    """Would catch a robot without usable stamps, all of whose episodes are quarantined."""
    books = accounts()
    for received_s in (1, 2):
        books.take(CAMERA, None, received_s * 10**9)
    books.end(5 * 10**9)
    assert (books.missing, books.received[CAMERA]) == (0, 2)


def test_an_observation_that_is_stamped_outside_spoils_the_episode() -> None:
    """Would catch a camera with a clock of its own, or none, that passes for an episode in which all is well."""
    books = accounts()
    books.take(CAMERA, 10**9)
    for _ in range(3):
        books.refuse(STATE, 3600 * 10**9)
        books.refuse("/decision", 3600 * 10**9)
        books.refuse("/track", 3600 * 10**9)
    losses = books.losses({}, {})
    assert losses == {"outside": {STATE: 3}, "stray": {"/decision": 3}}
    assert reasons(losses) == f"3 messages on {STATE} stamped outside the episode, and none inside"
    books.begin()
    assert books.losses({}, {}).keys() == {"absent"}


def test_an_observation_that_is_stamped_ahead_of_the_end_spoils_the_episode() -> None:
    """Would catch a clock that runs an hour ahead: its messages are taken until the end is known."""
    books = accounts()
    books.take(CAMERA, 10**9)
    for _ in range(2):
        books.take(STATE, 3600 * 10**9)
    assert books.losses({}, {}) == {}
    books.end(10**9)
    assert books.losses({}, {}) == {"outside": {STATE: 2}}


def test_what_was_on_its_way_and_what_comes_afterwards_costs_nothing() -> None:
    """Would catch every episode quarantined for the message before its first, or the ones behind its end."""
    books = accounts()
    for topic in (CAMERA, STATE):
        books.refuse(topic, 20_000_000)
        books.take(topic, 10**9)
        books.refuse(topic, -50_000_000)
    books.end(10**9)
    assert books.losses({}, {}) == {}
    books.refuse(STATE, 3600 * 10**9)
    assert books.losses({}, {}) == {"stray": {STATE: 1}}
    assert reasons(books.losses({}, {})) == ""


def test_a_stream_that_never_spoke_is_no_whole_episode() -> None:
    """Would catch an episode of a camera alone that counts as complete, and of which no dataset can be built."""
    books = accounts()
    books.take(CAMERA, 10**9)
    assert books.losses({}, {}) == {"absent": {STATE: 0}}
    assert reasons(books.losses({}, {})) == f"0 messages on {STATE} in the whole episode"
    books.refuse(STATE, 5 * 10**9)
    assert set(books.losses({}, {})) == {"outside"}, "said once"
    books.begin()
    assert books.absent == {CAMERA: 0, STATE: 0}
    for topic in (CAMERA, STATE):
        books.take(topic, None)
    assert books.losses({}, {}) == {}
