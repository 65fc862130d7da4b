"""One HTML page of a reward that was learned beside its policy: how good, how soon, and what the reward did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.learned_rewards import Pmi
from understudy.report import write_page

if TYPE_CHECKING:
    from understudy.control.imitation import Learned

__all__ = ["write_imitation_report"]

_SIZE_PX = (450, 290)
_LEADS = {
    "gail": "A discriminator of state and action told expert and learner apart; fooling it was the reward.",
    "gail-states": "A discriminator of states told expert and learner apart; fooling it was the reward.",
    "gaifo": "A discriminator of state and next state told expert and learner apart; no action was seen.",
    "imrl": "A model of where the expert goes next was the reward: the closer to its prediction, the better.",
    "pmi": "A model that tells the expert's next state from others was the reward; no action was seen.",
    "gcl": "A network was fitted as the reward under which the demonstrations are likeliest.",
}
_FIGURES = {
    "pmi": "next-state top-1",
    "imrl": "error of the model on the expert",
    "gcl": "effective sample size (share)",
}


def write_imitation_report(path: Path, learned: Learned, command: str) -> Path:
    """Write the page, replacing one that is there, and return its path.

    Args:
        path: of the page.
        learned: what to show.
        command: that makes it again.

    Raises:
        UnderstudyError: matplotlib or Pillow is not installed, or the file cannot be written.
    """
    return write_page(path, lambda: _page(learned, command))


def _page(learned: Learned, command: str) -> str:
    from understudy.report.document import html_document
    from understudy.report.markup import figure, run_section, section

    request, last = learned.request, learned.imitator.rounds[-1]
    judged, rounds = learned.judged, learned.imitator.rounds
    scores = [one.score for one in judged]
    by_steps = _draw("steps", "steps of the learner", [one.steps for one in judged], scores, learned.expert_return)
    by_time = _draw("time", "seconds of learning", [one.seconds for one in judged], scores, learned.expert_return)
    figure_name = _FIGURES.get(request.learner, "loss of the discriminator")
    of_reward = _draw("figure", *_of_reward(learned))
    entropy = _draw("entropy", "steps of the learner", [one.steps for one in rounds], [one.entropy for one in rounds])
    told = "Mean true return of the likeliest actions, which nothing learned from."
    curves = figure(by_steps, "Return against steps", told) + figure(by_time, "Return against time", told)
    when = "At every examination; the best model was kept." if request.learner == "pmi" else "After every round."
    inner = figure(of_reward, figure_name.capitalize(), when)
    inner += figure(entropy, "Entropy of the policy", "In nats; 0 is a policy that never wavers.")
    facts = {
        "task": request.task,
        "demonstrations": request.demonstrations,
        "absorbing states": request.absorbing,
        "environments": request.recipe.environments,
        "rounds": last.iteration,
        "seed": request.seed,
        **asdict(request.recipe.plan.ppo),
    }
    return html_document(
        title=f"{request.learner} on {request.task}",
        lead=_LEADS[request.learner],
        links=(("return", "The return"), ("learning", "How it learned"), ("making", "How it was made")),
        tiles=_tiles(learned),
        sections=(
            section("return", "The return", f'<div class="grid">{curves}</div>'),
            section("learning", "How it learned", f'<div class="grid">{inner}</div>'),
            run_section(command, facts),
        ),
    )


def _of_reward(learned: Learned) -> tuple[str, list[int], list[float]]:
    """What the reward's figure is drawn against, and both; a model that was fitted beforehand has steps of its own."""
    reward, rounds = learned.imitator.reward, learned.imitator.rounds
    if isinstance(reward, Pmi):
        checks = reward.checks
        return "steps of the model's fit", [one.steps for one in checks], [one.top_1 for one in checks]
    return "steps of the learner", [one.steps for one in rounds], [one.figure for one in rounds]


def _tiles(learned: Learned) -> list[str]:
    from understudy.report.markup import fact_tile

    last = learned.imitator.rounds[-1]
    return [
        fact_tile("return", f"{np.mean(learned.returns):.1f}", f"of policy.onnx, {len(learned.returns)} episodes"),
        fact_tile("expert", f"{learned.expert_return:.1f}", "mean of the demonstrations"),
        fact_tile("steps", f"{last.steps:,}", "of all environments together"),
        fact_tile("time", f"{last.seconds:.0f} s", "of acting and learning, one thread"),
    ]


def _draw(name: str, label: str, places: Sequence[float], values: Sequence[float], expert: float | None = None) -> str:
    """SVG of one curve, with the expert's level where there is one."""
    from understudy.report.style import new_figure, quiet_axes, role, styled, to_svg

    with styled():
        figure = new_figure(*_SIZE_PX)
        axes = figure.subplots()
        axes.plot(places, values, color=role("policy"), marker="o" if len(values) < 30 else "", markersize=4)
        if expert is not None:
            axes.axhline(expert, color=role("expert"), linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                "expert",
                (0.01, expert),
                xycoords=("axes fraction", "data"),
                xytext=(0, -4),
                textcoords="offset points",
                va="top",
                color=role("expert"),
            )
        axes.set_xlabel(label)
        axes.set_xlim(left=0.0)
        quiet_axes(axes)
        return to_svg(figure, name, f"{name} over {label}")
