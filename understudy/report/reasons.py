"""The gate's reasons in words for people who have not read its code."""

from __future__ import annotations

__all__ = ["in_words"]

# The codes are the gate's interface (``/gate/decision``); one that is missing here is shown as it is, with spaces.
_WORDS = {
    "policy_trusted": "policy trusted",
    "policy_disabled": "policy not enabled yet",
    "proposal_missing": "no proposal",
    "proposal_stale": "proposal too old",
    "proposal_from_the_future": "proposal from the future",
    "proposal_stamp_backwards": "proposal's time ran backwards",
    "proposal_repeated": "proposal repeated",
    "proposal_names_or_size": "proposal of the wrong shape",
    "proposal_not_finite": "proposal not a number",
    "proposal_unreadable": "proposal unreadable",
    "proposal_abstained": "policy abstained",
    "second_policy": "two policies proposed",
    "chunk_used_up": "proposal used up",
    "unsafe": "felt unsafe",
    "unsafe_probability_invalid": "safety estimate invalid",
    "human_takeover": "a person took over",
    "policy_silent": "policy fell silent",
    "policy_restarted": "policy restarted",
    "limited_repeatedly": "commands limited repeatedly",
    "expert_missing": "no expert",
    "expert_stale": "expert too old",
    "expert_not_finite": "expert's command not a number",
    "expert_size": "expert's command of the wrong shape",
    "second_expert": "two experts commanded",
    "position_unknown": "position unknown",
    "second_publisher_on_command_topic": "somebody else commands the robot",
    "looking_for_other_publishers": "looking for others",
    "deactivated": "deactivated",
    "shutdown": "shut down",
}


def in_words(reason: str) -> str:
    """The reason for people."""
    return _WORDS.get(reason, reason.replace("_", " "))
