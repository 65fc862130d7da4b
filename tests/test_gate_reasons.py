"""The words that other programs read: reports, plots, dashboards and recordings depend on every letter."""

from __future__ import annotations

from pathlib import Path

from il_nodes.gate.decision import Driver, Reason

PAGE = Path(__file__).parents[1] / "docs" / "gate.md"

REASONS = [
    "policy_trusted",
    "policy_disabled",
    "proposal_missing",
    "proposal_stale",
    "proposal_from_the_future",
    "proposal_stamp_backwards",
    "proposal_repeated",
    "proposal_names_or_size",
    "proposal_not_finite",
    "proposal_unreadable",
    "proposal_abstained",
    "second_policy",
    "chunk_used_up",
    "unsafe",
    "unsafe_probability_invalid",
    "human_takeover",
    "policy_silent",
    "policy_restarted",
    "limited_repeatedly",
    "expert_missing",
    "expert_stale",
    "expert_not_finite",
    "expert_size",
    "second_expert",
    "position_unknown",
    "second_publisher_on_command_topic",
    "looking_for_other_publishers",
    "deactivated",
    "shutdown",
]


def test_the_words_of_reasons_and_drivers_are_an_interface() -> None:
    """A word that changes makes old recordings unreadable; a new one has to be added here and in docs/gate.md."""
    assert [reason.value for reason in Reason] == REASONS
    assert [driver.value for driver in Driver] == ["policy", "expert", "halt"]


def test_every_reason_is_explained() -> None:
    """A person who reads one on a screen looks it up on the page, and finds what to do."""
    table = PAGE.read_text().split("## Reasons")[1]
    assert [reason for reason in REASONS if f"`{reason}`" not in table] == []
