"""One run of ``understudy learn`` in a control task: demonstrate, throw the actions away, learn, export, drive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.data import FloatArray, Observation
from models.policies import Policy
from models.policies.checkpoint import Checkpoint
from models.policies.choices import choice_policy
from models.policies.commands import command_policy
from models.runtime import PolicyRuntime
from models.trajectories import Trajectories
from sim.control import Act, ControlBatch, ControlTask, returns
from sim.control.experts import demonstrate
from understudy.console import Console, jsonable
from understudy.control.contract import STREAM, control_contract
from understudy.control.recipes import bco_settings, ilpo_settings
from understudy.control.tasks import task_named
from understudy.workspace import Workspace

__all__ = [
    "Request",
    "bundle_act",
    "control_checkpoint",
    "export_and_drive",
    "new_policy",
    "of_driven",
    "of_shown",
    "run",
]

# Worlds that the learner steps at a time.
WORLDS = 20
# Episodes that a policy is judged by, from starts that nobody demonstrated.
EPISODES, JUDGED_FROM = 50, 1_000_000
# Observations that an export is compared with torch on.
_PROBES = 160
_RESAMPLES = 2000


@dataclass(frozen=True)
class Request:
    """What is to be learned.

    Attributes:
        learner: ``bco`` or ``ilpo``.
        task: of ``task_named``.
        demonstrations: episodes.
        seed: of everything.
        options: of the learner, where they are not those that suit the task.
    """

    learner: str
    task: str
    demonstrations: int
    seed: int
    options: Mapping[str, float | int | str]


def run(request: Request, place: Workspace, console: Console) -> dict[str, object]:
    """Learn, and leave demonstrations, ``learning.json``, a checkpoint and ``policy.onnx``.

    Args:
        request: what to learn.
        place: where to.
        console: told about progress.

    Returns:
        What was found, and where it lies.
    """
    task = task_named(request.task)
    full, watched = place.path / "demonstrations.npz", place.path / "observations.npz"
    learning = place.path / "learning.json"
    outputs = [full, watched, learning, place.checkpoint, place.bundle]
    with place.locked():
        place.claim("learn", outputs)
        with console.progress(f"demonstrating ({task.name})"):
            shown = demonstrate(task, request.demonstrations, request.seed)
        shown.save(full)
        shown.without_actions().save(watched)
        # The learner reads the file without actions, so that it cannot have seen any.
        policy, found = _LEARNERS[request.learner](request, task, Trajectories.load(watched), console)
        bundle, driven = export_and_drive(task, policy, shown, request, place, console)
        result = {**of_shown(request, task, shown), **found, "bundle": bundle, **of_driven(driven)}
        learning.write_text(json.dumps(jsonable(result), indent=1) + "\n", encoding="utf-8")
        result["learning"] = learning.resolve()
        place.finish("learn", "", outputs, result)
    return result


def of_shown(request: Request, task: ControlTask, shown: Trajectories) -> dict[str, object]:
    """What a result says first: what was asked for, and what the expert earned."""
    return {
        "learner": request.learner,
        "task": task.name,
        "seed": request.seed,
        "demonstrations": shown.count,
        "expert_return": float(shown.returns.mean()),
    }


def of_driven(driven: npt.NDArray[np.float64]) -> dict[str, object]:
    """What a result says of the exported policy: its mean return with 95 %, by bootstrap over episodes."""
    draws = np.random.default_rng(0).integers(0, len(driven), size=(_RESAMPLES, len(driven)))
    interval = [float(bound) for bound in np.percentile(driven[draws].mean(axis=1), [2.5, 97.5])]
    return {"return": float(driven.mean()), "interval": interval, "episodes": len(driven)}


def export_and_drive(
    task: ControlTask, policy: Policy, shown: Trajectories, request: Request, place: Workspace, console: Console
) -> tuple[Path, npt.NDArray[np.float64]]:
    """Make a checkpoint and ``policy.onnx`` of a learned policy, and drive that very file.

    Args:
        task: what is driven.
        policy: what was learned.
        shown: the demonstrations.
        request: what was asked for.
        place: where both go.
        console: told about progress.

    Returns:
        The bundle, and the return of each episode, from starts that nobody demonstrated.
    """
    from models.bundle import export_bundle

    with console.progress("exporting"):
        control_checkpoint(task, policy, shown, request).save(place.checkpoint)
        bundle = export_bundle(place.checkpoint, place.bundle).path.resolve()
    with console.progress(f"driving policy.onnx for {EPISODES} episodes"):
        return bundle, returns(task, bundle_act(task, bundle), EPISODES, JUDGED_FROM + request.seed)


def new_policy(task: ControlTask, shown: Trajectories) -> Policy:
    """A policy with fresh weights, scaled to what was shown."""
    contract, rows = control_contract(task), shown.observations
    seen = rows.mean(axis=0), rows.std(axis=0)
    if task.action_count:
        return choice_policy(contract, np.array(task.action_values), *seen)
    return command_policy(contract, np.array(task.action_low), np.array(task.action_high), *seen)


def control_checkpoint(task: ControlTask, policy: Policy, shown: Trajectories, request: Request) -> Checkpoint:
    """A learned policy with all that an export needs."""
    rows = np.ascontiguousarray(shown.observations)
    chosen = np.unique(np.linspace(0, len(rows) - 1, _PROBES).astype(np.int64))
    return Checkpoint(
        policy=policy.eval(),
        contract=control_contract(task),
        learner={"name": request.learner, "task": task.name, "seed": request.seed, **request.options},
        dataset_hash=hashlib.sha256(rows.tobytes()).hexdigest(),
        unsafe_threshold_suggested=1.0,
        probe={STREAM: rows[chosen, None]},
    )


def bundle_act(task: ControlTask, path: Path) -> Act:
    """What a policy node does: the bundle's own runtime, one observation a tick, commands in SI units."""
    runtime = PolicyRuntime.load(path, provider="cpu")
    values = np.array(task.action_values)
    stamp_ns = 0

    def act(observations: FloatArray) -> npt.NDArray[Any]:
        nonlocal stamp_ns
        commands = []
        for row in observations:
            stamp_ns += 1_000_000
            commands.append(runtime.predict(Observation(stamp_ns, {STREAM: row[None]}, {STREAM: stamp_ns})).actions[0])
        if not task.action_count:
            return np.array(commands)
        chosen: npt.NDArray[np.int64] = np.abs(np.array(commands)[:, None] - values).sum(axis=2).argmin(axis=1)
        return chosen

    return act


def _learn_bco(
    request: Request, task: ControlTask, watched: Trajectories, console: Console
) -> tuple[Policy, dict[str, object]]:
    from models.learners.reproducible import reproducible
    from models.observation_only.bco import BcoRound, bco

    settings = bco_settings(task.name, request.options)
    with reproducible(request.seed):
        policy = new_policy(task, watched)
    worlds = ControlBatch(task, WORLDS, request.seed)
    with console.progress("learning (bco)", settings.rounds) as progress:

        def tell(one: BcoRound) -> None:
            progress.update(one.number, settings.rounds, f"round {one.number}: return {one.score:.1f}")

        rounds = bco(
            worlds,
            watched,
            policy,
            settings,
            request.seed,
            lambda act: float(returns(task, act, EPISODES, request.seed).mean()),
            tell,
        )
    return policy, {"steps": rounds[-1].steps, "rounds": [asdict(one) for one in rounds]}


def _learn_ilpo(
    request: Request, task: ControlTask, watched: Trajectories, console: Console
) -> tuple[Policy, dict[str, object]]:
    from models.observation_only.exported import policy_of
    from models.observation_only.ilpo import IlpoRound, ilpo

    settings = ilpo_settings(task.name, request.options)
    with console.progress("learning (ilpo)", settings.rounds) as progress:

        def tell(one: IlpoRound) -> None:
            progress.update(one.number, settings.rounds, f"round {one.number}: return {one.score:.1f}")

        learned, rounds = ilpo(
            ControlBatch(task, WORLDS, request.seed),
            watched,
            task.action_count,
            settings,
            request.seed,
            lambda act: float(returns(task, act, EPISODES, request.seed).mean()),
            tell,
        )
    policy = policy_of(learned, control_contract(task), task.action_values)
    return policy, {"steps": rounds[-1].steps, "rounds": [asdict(one) for one in rounds]}


_LEARNERS = {"bco": _learn_bco, "ilpo": _learn_ilpo}
