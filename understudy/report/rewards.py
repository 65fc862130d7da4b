"""One HTML page of a learned reward: how good it is, how it looks, how it was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from understudy.report import write_page
from understudy.rewards.learning import FIGURES, Learned

__all__ = ["write_reward_report"]

_LEADS = {
    "maxent": "The reward under which the demonstrations are likeliest, and nothing else is committed to.",
    "max-margin": "A mixture of policies that sees what the expert sees; the reward is the last that told them apart.",
    "projection": "A mixture of policies that sees what the expert sees; the reward is the last that told them apart.",
    "mwal": "A mixture of policies as good as the expert whatever the reward; shown is the mean of those it played.",
}


def write_reward_report(path: Path, learned: Learned, facts: Mapping[str, object], command: str) -> Path:
    """Write the page, replacing one that is there, and return its path.

    Args:
        path: of the page.
        learned: what to show.
        facts: how it was made, by name.
        command: that makes it again.

    Raises:
        UnderstudyError: matplotlib or Pillow is not installed, or the file cannot be written.
    """
    return write_page(path, lambda: _page(learned, facts, command))


def _page(learned: Learned, facts: Mapping[str, object], command: str) -> str:
    from understudy.report.document import html_document
    from understudy.report.markup import run_section, section

    return html_document(
        title=f"{learned.learner} on {learned.task.name}",
        lead=_LEADS[learned.learner],
        links=(("reward", "The reward"), ("learning", "How it was found"), ("making", "How it was made")),
        tiles=_tiles(learned),
        sections=(
            section("reward", "The reward", f'<div class="grid">{_maps(learned)}</div>'),
            section("learning", "How it was found", f'<div class="grid">{_finding(learned)}</div>'),
            run_section(command, facts),
        ),
    )


def _maps(learned: Learned) -> str:
    """Every map of the learned reward, and of the true one where it is known."""
    from understudy.report.markup import figure
    from understudy.report.reward_maps import draw_reward_map

    task = learned.task
    rewards = [("Learned", learned.reward)]
    if task.true_weights is not None:
        rewards.append(("True", task.true_reward))
    return "".join(
        figure(draw_reward_map(f"map-{kind}-{index}", one), f"{kind} reward", f"{one.title}.")
        for kind, reward in rewards
        for index, one in enumerate(task.draw(reward))
    )


def _finding(learned: Learned) -> str:
    """The learner's figure over its rounds, and the weights of the features."""
    from understudy.report.markup import figure
    from understudy.report.reward_maps import draw_rounds, draw_weights

    task = learned.task
    rounds = figure(
        draw_rounds("rounds", FIGURES[learned.learner], learned.rounds),
        "Rounds",
        "It ended because it was done." if learned.converged else "It ended because the rounds were used up.",
    )
    weights = figure(
        draw_weights("weights", task.feature_names, learned.theta, task.true_weights),
        "Weights of the features",
        "Scaled to length 1. Where features add up to a constant, the same amount on all of them changes nothing.",
    )
    return rounds + weights


def _tiles(learned: Learned) -> list[str]:
    from understudy.report.markup import fact_tile, percent

    names = {
        "share": ("value under the true reward", "0% acts at random, 100% is the expert"),
        "soft_share": ("value of the soft policy", "0% acts at random, 100% is the expert"),
        "ratio": ("value over the expert's", "the plain quotient"),
        "shown": ("episodes on the shown paths", "of all that the policies would walk"),
    }
    tiles = [
        fact_tile(label, percent(learned.figures[key]), remark)
        for key, (label, remark) in names.items()
        if key in learned.figures
    ]
    tiles.append(fact_tile("rounds", str(len(learned.rounds)), FIGURES[learned.learner]))
    if learned.mixture is not None:
        tiles.append(fact_tile("policies", str(len(learned.mixture.weights)), "one is drawn an episode"))
    return tiles
