"""``understudy learn``: learners that work in this process, one command each."""

from __future__ import annotations

import typer

from understudy.commands import learn_control, learn_imitation, learn_interactive, learn_pmi, learn_rewards

__all__ = ["app"]

app = typer.Typer()


@app.callback(short_help="Learn a policy, or a reward, in a simulated world.")
def _group() -> None:
    """Learn a policy, or a reward, in a simulated world, in this process."""


learn_interactive.add_to(app)
learn_rewards.add_to(app)
learn_control.add_to(app)
learn_imitation.add_to(app)
learn_pmi.add_to(app)
