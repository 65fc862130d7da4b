"""One run of ``understudy learn gail`` and its like: demonstrate, learn reward and policy, export, drive, report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from models.learned_rewards import Imitator, LearnedReward, Pmi, Round, imitate
from models.reinforcement import Actor
from models.reinforcement.exported import policy_of
from models.trajectories import Trajectories
from sim.control import ControlBatch, ControlTask, returns
from sim.control.experts import demonstrate
from understudy.console import Console, jsonable
from understudy.control.contract import control_contract
from understudy.control.reward_recipes import WATCHERS, Recipe, make_reward, recipe, with_pmi
from understudy.control.runs import JUDGED_FROM, export_and_drive, of_driven, of_shown
from understudy.control.runs import Request as ControlRequest
from understudy.control.tasks import task_named
from understudy.workspace import Workspace

__all__ = ["Judged", "Learned", "Request", "run"]

# Policies that are judged on the way, for the report, and episodes of each.
_JUDGED, _JUDGED_EPISODES = 20, 20
# Options whose fields have another name.
_FIELDS = {"reward": "form"}


@dataclass(frozen=True)
class Request:
    """What is to be learned.

    Attributes:
        learner: of ``LEARNERS``.
        task: of ``task_named``.
        demonstrations: episodes.
        steps: of the learner in its worlds; None for what suits the task.
        absorbing: whether episodes are compared at a fixed horizon.
        seed: of everything.
        options: of PMI alone, as the command line names them, where they are not those that suit the task.
    """

    learner: str
    task: str
    demonstrations: int
    steps: int | None
    absorbing: bool
    seed: int
    options: Mapping[str, str | float] = field(default_factory=dict)

    @property
    def recipe(self) -> Recipe:
        """What suits the task, but for what was asked for."""
        suited = recipe(self.learner, self.task, steps=self.steps)
        suited = replace(suited, plan=replace(suited.plan, absorbing=self.absorbing))
        return with_pmi(suited, {_FIELDS.get(name, name): value for name, value in self.options.items()})

    def command(self, place: Workspace) -> str:
        """What a person types to have it again."""
        words = ["understudy", "learn", self.learner, "--task", self.task]
        words += ["--demonstrations", str(self.demonstrations), "--seed", str(self.seed)]
        words += [] if self.steps is None else ["--steps", str(self.steps)]
        words += [] if self.absorbing else ["--no-absorbing"]
        for name, value in self.options.items():
            words += [f"--{name}", str(value)]
        return shlex.join([*words, "--workspace", str(place.path)])


@dataclass(frozen=True)
class Judged:
    """A policy on the way.

    Attributes:
        steps: of all environments together, so far.
        seconds: of acting and learning, so far.
        score: mean true return of its likeliest actions.
    """

    steps: int
    seconds: float
    score: float


@dataclass(frozen=True, eq=False)
class Learned:
    """What a run made, for its report.

    Attributes:
        request: what was asked for.
        imitator: policy, reward and rounds.
        judged: policies on the way.
        expert_return: mean of the demonstrations.
        returns: of the exported policy, one an episode.
    """

    request: Request
    imitator: Imitator
    judged: tuple[Judged, ...]
    expert_return: float
    returns: tuple[float, ...]


def run(request: Request, place: Workspace, console: Console) -> dict[str, object]:
    """Learn, and leave demonstrations, ``learning.json``, a checkpoint, ``policy.onnx`` and ``report.html``.

    Args:
        request: what to learn.
        place: where to.
        console: told about progress.

    Returns:
        What was found, and where it lies.
    """
    from understudy.report.imitation import write_imitation_report

    task = task_named(request.task)
    full, learning = place.path / "demonstrations.npz", place.path / "learning.json"
    outputs = [full, learning, place.checkpoint, place.bundle, place.report]
    with place.locked():
        place.claim("learn", outputs)
        with console.progress(f"demonstrating ({task.name})"):
            shown = demonstrate(task, request.demonstrations, request.seed)
        # What a learner must not see is not in the file that it reads.
        shown = shown.without_actions() if request.learner in WATCHERS else shown
        shown.save(full)
        imitator, judged = _learn(request, task, Trajectories.load(full), console)
        policy = policy_of(imitator.actor, control_contract(task), task.action_values)
        options = {"steps": request.recipe.plan.steps, "absorbing": int(request.absorbing), **request.options}
        made_by = ControlRequest(request.learner, task.name, shown.count, request.seed, options)
        bundle, driven = export_and_drive(task, policy, shown, made_by, place, console)
        last = imitator.rounds[-1]
        result: dict[str, object] = {
            **of_shown(made_by, task, shown),
            **of_driven(driven),
            "steps": last.steps,
            "seconds": last.seconds,
            "rounds": [asdict(one) for one in imitator.rounds],
            "judged": [asdict(one) for one in judged],
            **_of_reward(imitator.reward),
        }
        learning.write_text(json.dumps(jsonable(result), indent=1) + "\n", encoding="utf-8")
        learned = Learned(request, imitator, judged, float(shown.returns.mean()), tuple(driven.tolist()))
        with console.progress("writing the report"):
            report = write_imitation_report(place.report, learned, request.command(place))
        result |= {"learning": learning.resolve(), "bundle": bundle, "report": report.resolve()}
        place.finish("learn", "", outputs, result)
    return result


def _of_reward(reward: LearnedReward) -> dict[str, object]:
    """What is said of a reward beside its figure."""
    return reward.summary() if isinstance(reward, Pmi) else {}


def _learn(
    request: Request, task: ControlTask, shown: Trajectories, console: Console
) -> tuple[Imitator, tuple[Judged, ...]]:
    from models.learners.reproducible import reproducible

    suited, judged = request.recipe, list[Judged]()
    with console.progress(f"learning ({request.learner})", 1.0) as progress:
        watch = _watching(task, request.seed, judged, progress.update)
        with reproducible(request.seed, 1):
            reward = make_reward(request.learner, task, shown, suited, request.seed)
            worlds = ControlBatch(task, suited.environments, request.seed)
            imitator = imitate(worlds, task, reward, suited.plan, request.seed, watch)
    return imitator, tuple(judged)


def _watching(
    task: ControlTask, seed: int, judged: list[Judged], update: Callable[[float, float, str], None]
) -> Callable[[Round, int, Actor], bool]:
    """Judge now and then, and say so; nothing of it reaches the learner."""

    def watch(one: Round, count: int, actor: Actor) -> bool:
        if one.iteration * _JUDGED // count > (one.iteration - 1) * _JUDGED // count:
            score = float(np.mean(returns(task, actor.act, _JUDGED_EPISODES, JUDGED_FROM // 2 + seed)))
            judged.append(Judged(one.steps, one.seconds, score))
        reached = f", return {judged[-1].score:.1f}" if judged else ""
        update(one.iteration, count, f"{one.steps} steps{reached}")
        return False

    return watch
