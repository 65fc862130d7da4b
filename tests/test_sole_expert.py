"""Who counts as one expert: by the graph, by the numbers of messages, and by how long somebody has been there."""

from __future__ import annotations

from il_nodes.expert.sole_expert import LINGER_S, NAME_WAIT_S, Sender, SenderWatch

OLD, NEW, OTHER = Sender(b"old", "/teleop"), Sender(b"new", "/teleop"), Sender(b"other", "/expert")


def test_two_names_are_two_experts_until_one_is_left() -> None:
    watch = SenderWatch()
    watch.judge([], 0.0)
    watch.judge([OLD], 1.0)
    assert not watch.crowd
    watch.judge([OLD, OTHER], 2.0)
    assert watch.crowd == ("/expert", "/teleop")
    watch.judge([OTHER], 3.0)
    assert not watch.crowd


def test_a_node_that_was_started_again_is_one_expert() -> None:
    """Would catch a halt of 20 s because the dead process of the same name is still visible."""
    watch = SenderWatch()
    watch.judge([OLD], 0.0)
    assert [watch.surprises(number) for number in (7, 8, 1, 2, 3)] == [False, False, True, False, False]
    for now_s in (0.1, 1.0, LINGER_S):
        watch.judge([OLD, NEW], now_s)
        assert (watch.crowd, watch.unsure) == ((), False), now_s
    watch.judge([NEW], LINGER_S)
    assert not watch.crowd


def test_a_node_that_crashes_again_and_again_is_one_expert() -> None:
    watch = SenderWatch()
    watch.judge([OLD], 0.0)
    senders = [OLD]
    for process in range(5):
        watch.surprises(100)
        assert watch.surprises(1)
        senders.append(Sender(bytes([process]), "/teleop"))
        watch.judge(senders[-3:], float(process))
        assert not watch.crowd, process


def test_two_living_nodes_of_one_name_are_two_experts() -> None:
    """The same launch file started twice: by their numbers at once, and silent or not, by their age."""
    watch = SenderWatch()
    watch.judge([OLD], 0.0)
    for number in (7, 1):
        watch.surprises(number)
    watch.judge([OLD, NEW], 0.1)
    assert not watch.crowd
    assert not watch.surprises(2)
    assert watch.surprises(8), "a gap: somebody else may have come"
    assert watch.surprises(3)
    watch.judge([OLD, NEW], 0.2)
    assert watch.crowd == ("/teleop", "/teleop")
    assert not watch.surprises(9), "known already: no reason to look at each message"
    watch.judge([OLD, NEW], 0.3)
    assert watch.crowd, "it stays so until one is left"
    silent = SenderWatch()
    silent.judge([OLD, NEW], 0.0)
    silent.judge([OLD, NEW], LINGER_S + 0.1)
    assert silent.crowd


def test_nobody_is_believed_while_a_newcomer_has_no_name() -> None:
    watch, nameless = SenderWatch(), Sender(b"new", "")
    watch.judge([OLD], 0.0)
    watch.judge([OLD, nameless], 1.0)
    assert (watch.crowd, watch.unsure) == ((), True)
    watch.judge([OLD, NEW], 1.1)
    assert (watch.crowd, watch.unsure) == ((), False)
    watch.judge([OLD, nameless], 2.0)
    watch.judge([OLD, nameless], 2.0 + NAME_WAIT_S + 0.1)
    assert (watch.crowd, watch.unsure) == (("/teleop", "a node whose name is not known"), False)


def test_one_process_with_two_publishers_is_one_expert() -> None:
    watch = SenderWatch()
    watch.judge([OLD, OLD], 0.0)
    watch.judge([OLD, OLD], LINGER_S + 1.0)
    assert not watch.crowd


def test_middleware_without_numbers() -> None:
    watch = SenderWatch()
    assert [watch.surprises(number) for number in (None, None, 4, None)] == [False] * 4
