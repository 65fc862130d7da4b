"""Tabular policies as bundles: cells, rows, and the very actions that stand in the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.bundle import export_bundle
from models.cells import Cells
from models.contract import Contract, load_contract, parse_contract
from models.data import Observation
from models.errors import TrainingError
from models.policies.checkpoint import Checkpoint
from models.policies.heads.joint import JointHead
from models.policies.table import table_policy
from models.runtime import PolicyRuntime
from understudy.rewards.lane_policy import LANE_CONTRACT

STATE = "observation.state"
CELLS = Cells((-1.2, -0.4, -0.3), (1.8, 0.6, 0.3), (5, 4, 3))
ACTIONS = np.array([[4.0, -1.0], [4.0, 0.0], [3.0, 1.0], [0.0, 0.3]])


def contract() -> Contract:
    return load_contract(LANE_CONTRACT)


def probabilities(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(len(ACTIONS)), CELLS.count)


def states(count: int, seed: int = 1) -> np.ndarray:
    """Inside the box and far outside of it."""
    return np.random.default_rng(seed).uniform([-3.0, -1.0, -0.6], [3.0, 1.0, 0.6], (count, 3)).astype(np.float32)


def test_the_policy_is_the_table() -> None:
    table = probabilities()
    policy = table_policy(contract(), CELLS, table, ACTIONS)
    rows = states(500)
    with torch.inference_mode():
        actions, unsafe = policy({STATE: torch.from_numpy(rows[:, None])})
        features = policy.features(policy.prepare({STATE: torch.from_numpy(rows[:, None])}))
        assert isinstance(policy.head, JointHead)
        found = torch.softmax(policy.head.output(features), dim=1).numpy()
    cells = CELLS.index(rows.astype(np.float64))
    np.testing.assert_allclose(found, table[cells], atol=1e-6)
    np.testing.assert_allclose(actions[:, 0].numpy(), ACTIONS[table[cells].argmax(axis=1)], atol=1e-6)
    assert float(unsafe.max()) < 1e-6


def test_a_state_that_is_not_a_number_gives_no_action() -> None:
    policy = table_policy(contract(), CELLS, probabilities(), ACTIONS)
    rows = torch.zeros(2, 1, 3)
    rows[1, 0, 2] = torch.nan
    with torch.inference_mode():
        actions, unsafe = policy({STATE: rows})
    assert bool(torch.isfinite(actions[0]).all())
    assert bool(torch.isnan(actions[1]).all())
    assert float(unsafe[1]) == 1.0


def test_draws_come_as_often_as_the_table_says() -> None:
    """Catches probabilities that lost their scale on the way through the layers."""
    table = probabilities(2)
    policy = table_policy(contract(), CELLS, table, ACTIONS, act="sample")
    row = states(1, seed=4)
    torch.manual_seed(0)
    with torch.inference_mode():
        actions, _ = policy({STATE: torch.from_numpy(np.repeat(row[None], 4000, axis=0))})
    drawn = np.abs(actions.numpy() - ACTIONS).sum(axis=2).argmin(axis=1)
    shares = np.bincount(drawn, minlength=len(ACTIONS)) / len(drawn)
    np.testing.assert_allclose(shares, table[CELLS.index(row.astype(np.float64))[0]], atol=0.03)


def test_the_bundle_does_what_the_table_says(tmp_path: Path) -> None:
    """Through a checkpoint, the file, its checks and its runtime. Drawn actions: tests/test_exported_parts.py."""
    table = probabilities(2)
    policy = table_policy(contract(), CELLS, table, ACTIONS)
    checkpoint = Checkpoint(policy, contract(), {"name": "table"}, "d" * 64, 1.0, {STATE: states(40)[:, None]})
    checkpoint.save(tmp_path / "checkpoint")
    report = export_bundle(tmp_path / "checkpoint", tmp_path / "policy.onnx")
    assert report.parity.action <= 1e-6
    assert {"Floor", "Gather"} <= set(report.operators)
    runtime = PolicyRuntime.load(report.path, contract(), provider="cpu")
    rows = states(100, seed=4)
    found = [
        runtime.predict(Observation(tick, {STATE: row[None]}, {STATE: tick})).actions[0]
        for tick, row in enumerate(rows)
    ]
    cells = CELLS.index(rows.astype(np.float64))
    np.testing.assert_allclose(found, ACTIONS[table[cells].argmax(axis=1)], atol=1e-5)


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TrainingError, match="does not fit the contract"):
        table_policy(contract(), CELLS, probabilities()[1:], ACTIONS)
    with pytest.raises(TrainingError, match="within the contract's limits"):
        table_policy(contract(), CELLS, probabilities(), ACTIONS + np.array([0.0, 5.0]))
    stacked = parse_contract(contract().text.replace("frames: 1,", "frames: 2,"))
    with pytest.raises(TrainingError, match="one vector, now"):
        table_policy(stacked, CELLS, probabilities(), ACTIONS)
