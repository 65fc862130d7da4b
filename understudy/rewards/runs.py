"""One run of ``understudy learn`` in a tabular world: demonstrate, learn, write down, export."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from models.rewards.apprenticeship import Round
from models.rewards.mdp import Floats
from sim.tabular.task import TabularTask
from understudy.console import Console, jsonable
from understudy.report.rewards import write_reward_report
from understudy.rewards.learning import FIGURES, Learned, Settings, learn
from understudy.rewards.tasks import LANE_PENALTY, lane_lesson, make_task
from understudy.workspace import Workspace

__all__ = ["Request", "run"]

# Tracks that the lane's expert demonstrates on.
_LANE_TRACKS = 6
_LANE = "lane"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be learned; ``None`` takes what suits the world.

    Attributes:
        learner: one of ``LEARNERS``.
        task: one of ``TASKS``.
        style: of driving, on the highway.
        demonstrations: trajectories, on the lane of each track.
        rounds: the most of them; of MWAL the very number.
        epsilon: max-margin and projection end this close to the expert.
        penalty: of MaxEnt, on large weights.
        seed: of the gridworld's reward and of the demonstrations.
    """

    learner: str
    task: str
    style: str
    demonstrations: int | None
    rounds: int
    epsilon: float | None
    penalty: float | None
    seed: int

    @property
    def count(self) -> int:
        """Demonstrations, where nothing else was said: as many as recover 99 % of the expert's value."""
        return self.demonstrations or (10 if self.task == _LANE else 2000)

    def command(self, place: Workspace) -> str:
        """What a person types to have it again."""
        words = ["understudy", "learn", self.learner, "--task", self.task, "--rounds", str(self.rounds)]
        if self.task == "highway":
            words += ["--style", self.style]
        for name in ("demonstrations", "epsilon", "penalty"):
            if getattr(self, name) is not None:
                words += [f"--{name}", f"{getattr(self, name):g}"]
        return shlex.join([*words, "--seed", str(self.seed), "--workspace", str(place.path)])

    @property
    def settings(self) -> Settings:
        """Of the learner."""
        epsilon = self.epsilon or (0.05 if self.task == _LANE else 0.02)
        usual = LANE_PENALTY if self.task == _LANE else Settings().penalty
        return Settings(epsilon, self.rounds, usual if self.penalty is None else self.penalty)


def run(request: Request, place: Workspace, console: Console) -> dict[str, object]:
    """Learn, and leave ``reward.json``, ``report.html`` and, of the lane, a checkpoint and ``policy.onnx``.

    Args:
        request: what to learn.
        place: where to.
        console: told about progress.

    Returns:
        What was found, and where it lies.
    """
    reward = place.path / "reward.json"
    outputs = [reward, place.report]
    outputs += [place.checkpoint, place.bundle] if request.task == _LANE else []
    with place.locked():
        place.claim("learn", outputs)
        task, numbers = _world(request, console)
        learned = _learn(request, task, console)
        found = _found(request, learned)
        reward.write_text(json.dumps(jsonable(found), indent=1) + "\n", encoding="utf-8")
        result: dict[str, object] = {**found, "reward": reward.resolve()}
        if numbers is not None:
            result["bundle"] = _export(request, place, learned, numbers, console)
        with console.progress("writing the report"):
            result["report"] = _report(request, place, learned).resolve()
        place.finish("learn", "", outputs, result)
    return result


def _world(request: Request, console: Console) -> tuple[TabularTask, Floats | None]:
    """The world with its demonstrations; of the lane also their states in SI units."""
    finite = request.learner == "maxent"
    if request.task != _LANE:
        return make_task(request.task, request.seed, request.style, finite=finite), None
    with console.progress("demonstrating", _LANE_TRACKS) as progress:
        lesson = lane_lesson(
            _LANE_TRACKS,
            request.count,
            request.seed,
            finite=finite,
            progress=lambda done, total: progress.update(done, total, f"track {done} of {total}"),
        )
    return lesson.task, lesson.numbers


def _learn(request: Request, task: TabularTask, console: Console) -> Learned:
    shown = task.demonstrate(request.count, np.random.default_rng(request.seed))
    with console.progress(f"learning ({request.learner})", request.rounds) as progress:
        return learn(task, request.learner, shown, request.settings, _teller(progress.update))


def _teller(update: Callable[[float, float, str], None]) -> Callable[[Round, int], None]:
    def tell(one: Round, most: int) -> None:
        update(one.iteration, most, f"round {one.iteration}: {one.figure:.4g}")

    return tell


def _found(request: Request, learned: Learned) -> dict[str, object]:
    return {
        "learner": learned.learner,
        "task": learned.task.name,
        "seed": request.seed,
        "converged": learned.converged,
        "rounds": len(learned.rounds),
        "figure": FIGURES[learned.learner],
        "last_figure": learned.rounds[-1].figure,
        "policies": 1 if learned.mixture is None else len(learned.mixture.weights),
        "theta": dict(zip(learned.task.feature_names, learned.theta.tolist(), strict=True)),
        **learned.figures,
    }


def _report(request: Request, place: Workspace, learned: Learned) -> Path:
    return write_reward_report(place.report, learned, _facts(request, learned), request.command(place))


def _facts(request: Request, learned: Learned) -> dict[str, object]:
    shown = learned.task.shown
    mdp = learned.task.mdp
    return {
        "world": learned.task.name,
        "states": mdp.state_count,
        "actions": mdp.action_count,
        "features": len(learned.theta),
        "demonstrations": request.count if shown is None else len(shown.states),
        "states of each": mdp.horizon,
        "what counts": "the sum over them" if learned.task.finite else f"the sum discounted by {mdp.discount:g}",
        "seed": request.seed,
        **asdict(request.settings),
    }


def _export(request: Request, place: Workspace, learned: Learned, numbers: Floats, console: Console) -> str:
    from models.bundle import export_bundle
    from understudy.rewards.lane_policy import lane_checkpoint

    with console.progress("exporting"):
        lane_checkpoint(learned, numbers, request.settings).save(place.checkpoint)
        return str(export_bundle(place.checkpoint, place.bundle).path.resolve())
