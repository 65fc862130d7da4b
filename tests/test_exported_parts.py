"""Every head, memory and way of acting, out of torch and onto a robot: parity, replay, draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from distributions import distance_in_distribution
from exported_parts import CASES, DRAWN, ExportedParts
from part_samples import HEADS, MEMORIES, SAMPLING, states, tensors

from models.bundle import inspect_bundle
from models.bundle.noise import draw_noise
from models.data import FloatArray, Observation
from models.policies import Policy
from models.policies.checkpoint import Checkpoint
from models.runtime import PolicyRuntime

PERIOD_NS = 50_000_000
DRAWS = 2000


def _ask_torch(policy: Policy, count: int, noise: torch.Tensor | None) -> FloatArray:
    """Actions ``(count, chunk, A)`` to one observation, asked again and again without a past."""
    rows = {key: values.expand(count, *values.shape[1:]) for key, values in tensors(states(1)).items()}
    with torch.inference_mode():
        if policy.is_recurrent:
            action = policy.step(rows, policy.initial_state(count), noise)[0][0]
        else:
            action = policy(rows, noise)[0]
    return action.numpy()


def _ask_runtime(runtime: PolicyRuntime, count: int) -> FloatArray:
    arrays = {key: values[0] for key, values in states(1).items()}
    answers = [runtime.predict(Observation(i, arrays, {}, starts_memory=True)).actions for i in range(count)]
    return np.stack(answers)


def test_every_part_is_exported() -> None:
    """Catches a head or a memory that nobody ever took out of torch."""
    assert {options["head"].kind for options in CASES.values() if "act" not in options} == set(HEADS)
    assert {CASES[name]["head"].kind for name in DRAWN} == set(SAMPLING)
    assert {options.get("memory", "stack") for options in CASES.values()} == set(MEMORIES)


@pytest.mark.parametrize("name", CASES)
def test_the_graph_computes_what_torch_computes(exported_parts: ExportedParts, name: str) -> None:
    """Catches an operator, a loop or a state that the export changes; and a comparison that leaves out too much."""
    policy, report = exported_parts(name)
    assert report.parity.observations >= 256
    assert max(report.parity.action, report.parity.unsafe_probability, report.parity.state) <= 1e-5
    assert report.parity.undecided <= 0.02 * report.parity.observations
    bundle = inspect_bundle(report.path)
    assert bundle.noise_width == policy.noise_width
    assert bundle.is_recurrent == policy.is_recurrent
    assert (bundle.metadata.noise is not None) == (name in DRAWN)


@pytest.mark.parametrize("name", CASES)
def test_the_runtime_follows_torch(exported_parts: ExportedParts, name: str) -> None:
    """Catches a past, an own action or noise that the robot feeds otherwise: twenty ticks, answer by answer."""
    policy, runtime = exported_parts(name)[0], PolicyRuntime.load(exported_parts(name)[1].path, provider="cpu")
    rows = states(20, seed=4)
    state = policy.initial_state(1) if policy.is_recurrent else None
    for tick in range(20):
        stamp_ns = tick * PERIOD_NS
        noise = None
        if policy.noise_width:
            noise = torch.from_numpy(draw_noise(0, stamp_ns, policy.noise_width)[None])
        with torch.inference_mode():
            one = tensors({key: values[tick : tick + 1] for key, values in rows.items()})
            if state is None:
                action, _ = policy(one, noise)
            else:
                (action, _), state = policy.step(one, state, noise)
        proposal = runtime.predict(Observation(stamp_ns, {key: values[tick] for key, values in rows.items()}, {}))
        np.testing.assert_allclose(proposal.actions, action[0].numpy(), atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_weights_travel_as_safetensors(exported_parts: ExportedParts, name: str, tmp_path: Path) -> None:
    """Catches a part that a checkpoint does not rebuild."""
    policy = exported_parts(name)[0]
    checkpoint = Checkpoint(policy, inspect_bundle(exported_parts(name)[1].path).contract, {}, "d", 1.0, states(2))
    checkpoint.save(tmp_path)
    loaded = Checkpoint.load(tmp_path).policy
    noise = torch.randn(3, policy.noise_width) if policy.noise_width else None
    np.testing.assert_array_equal(_ask_torch(loaded, 3, noise), _ask_torch(policy, 3, noise))


@pytest.mark.parametrize("name", DRAWN)
def test_the_robot_draws_from_the_distribution_that_was_trained(exported_parts: ExportedParts, name: str) -> None:
    """Catches noise that is too narrow, repeated, shared between dimensions, or lost on its way through the graph.

    Torch's own generator against the runtime's, through ONNX Runtime. The negative control: noise of half the width.
    """
    policy = exported_parts(name)[0]
    torch.manual_seed(0)
    noise = torch.randn(DRAWS, policy.noise_width)
    theirs = _ask_runtime(PolicyRuntime.load(exported_parts(name)[1].path, provider="cpu"), DRAWS).reshape(DRAWS, -1)
    ours, narrow = (_ask_torch(policy, DRAWS, part).reshape(DRAWS, -1) for part in (noise, 0.5 * noise))
    assert distance_in_distribution(theirs, ours) < 1.0
    assert distance_in_distribution(theirs, narrow) > 1.0


@pytest.mark.parametrize("name", [name for name in CASES if name not in DRAWN])
def test_without_noise_there_is_no_chance(exported_parts: ExportedParts, name: str) -> None:
    runtime = PolicyRuntime.load(exported_parts(name)[1].path, provider="cpu")
    assert runtime.noise_seed is None
    answers = _ask_runtime(runtime, 3)
    np.testing.assert_array_equal(answers[1], answers[0])
    np.testing.assert_array_equal(answers[2], answers[0])


def test_a_seed_and_a_stamp_are_all_there_is_to_chance(exported_parts: ExportedParts) -> None:
    """Catches noise that depends on how often was asked before: a replay would give other commands than the robot."""
    path = exported_parts("cvae drawn")[1].path
    first, second = (PolicyRuntime.load(path, provider="cpu") for _ in range(2))
    other = PolicyRuntime.load(path, provider="cpu", noise_seed=7)
    assert (first.noise_seed, other.noise_seed) == (0, 7)
    arrays = {key: values[0] for key, values in states(1).items()}
    at = [Observation(stamp_ns, arrays, {}) for stamp_ns in (10, 20)]
    first.warm_up()
    expected = [first.predict(one).actions for one in at]
    np.testing.assert_array_equal(second.predict(at[1]).actions, expected[1])
    np.testing.assert_array_equal(second.predict(at[0]).actions, expected[0])
    assert float(np.abs(expected[0] - expected[1]).max()) > 1e-3
    assert float(np.abs(other.predict(at[0]).actions - expected[0]).max()) > 1e-3
