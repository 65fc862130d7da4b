"""What a tick costs: every head in both ways of acting, and the encoders, as a robot runs them.

Policies of the simulated car with random weights, exported and asked by ``PolicyRuntime`` on one thread, in turn, so
that whatever else the machine does slows all of them alike. A figure is the median of all calls.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from bench.harness import Bench, median_interval
from bench.policies.variants import CAR_CROP_TOP
from models.bundle import export_bundle
from models.contract import Contract, load_contract
from models.data import Observation
from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape
from models.policies.checkpoint import Checkpoint
from models.policies.heads import HEADS, head_options
from models.runtime import PolicyRuntime

__all__ = ["run"]

ROBOT = Path(__file__).parent.parent.parent / "contracts" / "driving.yaml"
CHUNK, LONG_CHUNK = 4, 16
ROUNDS, CALLS = 6, 50
# A tenth of the car's tick, and a tick: of 50 ms.
GOAL_MS, LARGE_GOAL_MS = 5.0, 50.0
PROBES = 40


def run(bench: Bench, quick: bool) -> dict[str, object]:
    """Export, ask, and hold the slowest against a tick."""
    contract = load_contract(ROBOT)
    found: dict[str, dict[str, list[float]]] = {
        group: {name: [] for name in ways} for group, ways in _ways(quick).items()
    }
    with tempfile.TemporaryDirectory() as folder:
        runtimes = {
            group: {name: _runtime(Path(folder), contract, config) for name, config in ways.items()}
            for group, ways in _ways(quick).items()
        }
        for _ in range(ROUNDS):
            for group, asked in runtimes.items():
                for name, runtime in asked.items():
                    found[group][name] += _milliseconds(runtime, contract)
    medians = {group: {name: asdict(median_interval(ms)) for name, ms in ways.items()} for group, ways in found.items()}
    small = max(one["value"] for group in ("likeliest", "sample") for one in medians[group].values())
    bench.goal("costs: the slowest head, small encoder", small, "<=", GOAL_MS, "ms")
    large = max(one["value"] for one in medians["encoders"].values())
    bench.goal("costs: the slowest encoder", large, "<=", LARGE_GOAL_MS, "ms")
    return {"milliseconds": medians, "calls": ROUNDS * CALLS, "chunk": CHUNK, "observation": _shapes(contract)}


def _ways(quick: bool) -> Mapping[str, Mapping[str, PolicyConfig]]:
    """What is asked, by group and name."""
    car = PolicyConfig(chunk=CHUNK, crop_top=CAR_CROP_TOP)
    kinds = ("point", "autoregressive", "flow") if quick else tuple(HEADS)
    likeliest = {kind: replace(car, head=head_options(kind)) for kind in kinds}
    drawn = {kind: replace(one, act="sample") for kind, one in likeliest.items() if one.head.can_sample}
    long = replace(car, head=head_options("autoregressive"), chunk=LONG_CHUNK)
    resnet = replace(car, encoder="resnet")
    encoders = {"keypoints": replace(car, encoder="keypoints"), "resnet": resnet}
    if not quick:
        encoders["resnet, whole picture"] = replace(resnet, crop_top=0.0, pool=1)
    return {
        "likeliest": {**likeliest, f"autoregressive, chunk {LONG_CHUNK}": long},
        "sample": drawn,
        "encoders": encoders,
    }


def _shapes(contract: Contract) -> dict[str, tuple[int, ...]]:
    """Of one observation's streams, ``(frames, ...)``."""
    frames = contract.memory.frames
    return {
        stream.key: (frames, *stream.image_size, 3) if stream.image_size else (frames, len(stream.names))
        for stream in contract.observations
    }


def _rows(contract: Contract, count: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        key: random.integers(0, 256, (count, *shape), dtype=np.uint8)
        if len(shape) == 4
        else random.normal(size=(count, *shape)).astype(np.float32)
        for key, shape in _shapes(contract).items()
    }


def _runtime(folder: Path, contract: Contract, config: PolicyConfig) -> PolicyRuntime:
    """A policy with random weights, as a robot loads it."""
    shapes = {key: shape[1:] for key, shape in _shapes(contract).items()}
    dims = len(contract.action_names)
    scaling = Scaling(
        # Of pixels and of a car: with identities a random network would see numbers in the hundreds.
        mean={key: np.full(shape[-1], 120.0 if len(shape) == 3 else 0.0) for key, shape in shapes.items()}
        | {"action": np.zeros(dims)},
        deviation={key: np.full(shape[-1], 60.0 if len(shape) == 3 else 1.0) for key, shape in shapes.items()}
        | {"action": np.ones(dims)},
        minimum=contract.action_minimum,
        maximum=contract.action_maximum,
    )
    streams = tuple(StreamShape(key, shape) for key, shape in shapes.items())
    torch.manual_seed(0)
    policy = Policy(PolicySpecification(streams, contract.memory.frames, contract.action_names, config), scaling).eval()
    path = folder / "policy.onnx"
    export_bundle(Checkpoint(policy, contract, {"name": "none"}, "0" * 64, 0.9, _rows(contract, PROBES)), path)
    print(f"costs: {config.head.kind}, {config.act}, {config.encoder}: exported", file=sys.stderr, flush=True)
    runtime = PolicyRuntime.load(path, provider="cpu", threads=1)
    runtime.warm_up()
    return runtime


def _milliseconds(runtime: PolicyRuntime, contract: Contract) -> list[float]:
    """Of each call."""
    rows = _rows(contract, CALLS)
    found = []
    for call in range(CALLS):
        observation = Observation(call, {key: values[call] for key, values in rows.items()}, {})
        started_s = time.perf_counter()
        runtime.predict(observation)
        found.append(1e3 * (time.perf_counter() - started_s))
    return found
