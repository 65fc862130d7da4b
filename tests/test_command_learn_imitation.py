"""``understudy learn gail`` and its like: what they leave, what they print, and what a learner may read."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from html_outline import outline

from models.policies.checkpoint import Checkpoint
from models.trajectories import Trajectories
from sim.control import TASKS, returns
from understudy.__main__ import run
from understudy.control.imitation import Request
from understudy.control.runs import bundle_act

STEPS = "4096"


def _learn(learner: str, place: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, object]:
    words = ["learn", learner, "--task", "cartpole", "--demonstrations", "3", "--steps", STEPS, *options]
    assert run([*words, "-w", str(place), "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("learner", ["gail", "gaifo", "pmi"])
def test_a_run_ends_in_a_bundle_and_a_page(learner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a bundle that acts otherwise than the policy that was learned, and a learner that is given actions."""
    place = tmp_path / "run"
    result = _learn(learner, place, capsys)
    assert result["steps"] == int(STEPS)
    shown = Trajectories.load(place / "demonstrations.npz")
    assert (shown.actions is None) == (learner != "gail")
    task = TASKS["cartpole"]
    by_bundle = returns(task, bundle_act(task, place / "policy.onnx"), 5, 0)
    policy = Checkpoint.load(place / "checkpoint").policy
    assert not policy.is_recurrent
    assert by_bundle.min() >= 1.0
    page = (place / "report.html").read_text()
    assert f"understudy learn {learner} --task cartpole --demonstrations 3" in page
    assert page.count("<svg") == 4
    found = outline(page)
    assert not found.problems
    assert len(found.ids) == len(set(found.ids))
    assert json.loads((place / "learning.json").read_text())["return"] == result["return"]


def test_pmi_says_how_well_it_tells_next_states_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches options that are forgotten, and a page whose command would make something else."""
    options = ["--temperature", "0.3", "--negatives", "agent", "--entropy", "0.02"]
    result = _learn("pmi", tmp_path / "run", capsys, *options)
    checks = result["checks"]
    assert isinstance(checks, list)
    assert result["next_state_top_1"] == max(one["top_1"] for one in checks) > 0.5
    learner = Checkpoint.load(tmp_path / "run" / "checkpoint").learner
    assert (learner["temperature"], learner["negatives"], learner["entropy"]) == (0.3, "agent", 0.02)
    assert " ".join(options) in (tmp_path / "run" / "report.html").read_text()
    assert run(["learn", "pmi", "--reward", "cosine", "--temperature", "0.1", "-w", str(tmp_path / "none")]) == 2
    assert "would do nothing" in capsys.readouterr().err


def test_options_of_pmi_reach_reward_and_policy() -> None:
    suited = Request("pmi", "acrobot", 50, None, absorbing=True, seed=0).recipe
    asked = Request("pmi", "acrobot", 50, None, absorbing=False, seed=0, options={"reward": "cosine", "entropy": 0.5})
    assert (suited.pmi.form, suited.plan.absorbing) == ("softmax", True)
    assert (asked.recipe.pmi.form, asked.recipe.plan.absorbing) == ("cosine", False)
    assert asked.recipe.plan.ppo == dataclasses.replace(suited.plan.ppo, entropy_weight=0.5)


def test_a_bundle_is_the_actor() -> None:
    """Catches a layer that is copied to the wrong place, another normalisation, and actions in another order."""
    import torch

    from models.reinforcement.actor import make_actor
    from models.reinforcement.exported import policy_of
    from understudy.control.contract import STREAM, control_contract

    for name in ("cartpole", "acrobot", "mountain-car"):
        task, random = TASKS[name], np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            actor = make_actor(task, 16)
            torch.nn.init.normal_(actor.layers.output.weight)
        rows = random.normal(1.0, 2.0, size=(500, task.observation_size)).astype(np.float32)
        actor.statistics.add(rows)
        policy = policy_of(actor, control_contract(task), task.action_values)
        with torch.inference_mode():
            commands, unsafe = policy({STREAM: torch.from_numpy(rows[:, None])})
        values = np.array(task.action_values)
        np.testing.assert_allclose(commands[:, 0].numpy(), values[actor.act(rows)], atol=1e-5)
        assert len(np.unique(actor.act(rows))) >= 2
        assert float(unsafe.max()) < 0.5


def test_a_bundle_of_commands_is_the_actor() -> None:
    """Catches a range of actions that is mixed up, and a mean that is drawn around; the limits are the task's."""
    import torch

    from models.reinforcement.actor import make_actor
    from models.reinforcement.exported import policy_of
    from understudy.control.contract import STREAM, control_contract
    from understudy.control.tasks import task_named

    for name in ("pendulum", "driving"):
        task, random = task_named(name), np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            actor = make_actor(task, 16)
            torch.nn.init.normal_(actor.layers.output.weight, std=0.1)
        rows = random.normal(1.0, 2.0, size=(500, task.observation_size)).astype(np.float32)
        actor.statistics.add(rows)
        policy = policy_of(actor, control_contract(task), task.action_values)
        with torch.inference_mode():
            commands, unsafe = policy({STREAM: torch.from_numpy(rows[:, None])})
        wanted = actor.act(rows)
        np.testing.assert_allclose(commands[:, 0].numpy(), wanted, atol=1e-4)
        assert (wanted > task.action_low).all(axis=1).any()
        assert (np.ptp(wanted, axis=0) > 0.2 * np.subtract(task.action_high, task.action_low)).all()
        assert float(unsafe.max()) < 0.5


def test_what_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = str(tmp_path / "run")
    assert run(["learn", "gail", "--task", "nowhere", "-w", place]) == 2
    assert run(["learn", "imrl", "--demonstrations", "0", "-w", place]) == 2
    assert run(["learn", "pmi", "--demonstrations", "1", "-w", place]) == 2
    assert not Path(place).exists()
