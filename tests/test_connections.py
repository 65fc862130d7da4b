"""Who hears whom."""

from __future__ import annotations

from il_nodes.ros.connections import Connections, missing_connections


def test_a_report_survives_the_wire() -> None:
    """Would catch a report that another node reads differently."""
    report = Connections({"/cmd_vel": 2, "/a b": 0}, frozenset({"/odom", "/episode"}))
    texts = {key: str(value) for key, value in report.values().items()}
    assert Connections.from_values({**texts, "unrelated": "x"}) == report


def test_a_run_starts_only_when_every_listener_is_reached() -> None:
    """Would catch a start that loses its first messages."""
    sim = Connections({"/odom": 1}, frozenset({"/cmd_vel"}))
    expert = Connections({"/expert/cmd_vel": 0}, frozenset({"/odom"}))
    recorder = Connections({}, frozenset({"/odom", "/expert/cmd_vel"}))
    expected = ["sim", "expert", "recorder"]
    assert missing_connections({"sim": sim}, expected) == [
        "expert: has not been heard from",
        "recorder: has not been heard from",
    ]
    reports = {"sim": sim, "expert": expert, "recorder": recorder}
    assert missing_connections(reports, expected) == [
        "sim: /odom reaches 1 of its subscribers expert, recorder",
        "expert: /expert/cmd_vel reaches 0 of its subscribers recorder",
    ]
    reports["sim"] = Connections({"/odom": 2}, frozenset())
    reports["expert"] = Connections({"/expert/cmd_vel": 1}, frozenset())
    assert missing_connections(reports, expected) == []
    assert missing_connections({"sim": sim}, ["sim"]) == [], "nodes that nobody waits for do not count"
