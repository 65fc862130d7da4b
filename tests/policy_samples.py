"""A small robot, its policy and observations, for the tests of policies, bundles and the runtime."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.contract import Contract, parse_contract
from models.data import Observation
from models.policies import Policy, PolicyConfig, PolicySpecification, Scaling, StreamShape
from models.policies.checkpoint import Checkpoint

# Torch's threads wait for each other whenever something else computes, which in a test run is always.
torch.set_num_threads(1)

CAMERA, STATE = "observation.images.front", "observation.state"
IMAGE = (16, 24, 3)
FRAMES = 2
SMALL_BUNDLE = Path(__file__).parent / "data" / "bundles" / "small_car.onnx"

CONTRACT = """
robot_type: small_car
fps: 20
observations:
  observation.images.front:
    channel: {topic: /camera, type: sensor_msgs/msg/Image}
    align: {strategy: hold, timeline: header}
    apply: [resize: [16, 24]]
  observation.state:
    channel: {topic: /odom, type: nav_msgs/msg/Odometry}
    align: {strategy: hold, timeline: header}
    select: [twist.twist.linear.x, twist.twist.angular.z]
actions:
  action:
    channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}
    align: {strategy: hold, timeline: header}
    select: [twist.linear.x, twist.angular.z]
limits:
  action:
    twist.linear.x: {min: 0, max: 8, rate: 10, unit: m/s, stop: 0}
    twist.angular.z: {min: -2.5, max: 2.5, rate: 15, unit: rad/s, stop: 0}
memory: {frames: 2}
"""

RECURRENT_CONTRACT = CONTRACT.replace("memory: {frames: 2}", "memory: {frames: 1, recurrent: true, reset_gap: 500 ms}")

SMALL = PolicyConfig(image_channels=(4, 8), features=8, state_features=4, safety_features=4, pool=1, crop_top=0.35)


def small_contract(text: str = CONTRACT) -> Contract:
    return parse_contract(text, name="small_car")


def small_policy(seed: int = 0, text: str = CONTRACT, **options: Any) -> Policy:
    """Random weights, plausible statistics: speeds around 4 m/s, yaw rates around 0."""
    contract = small_contract(text)
    specification = PolicySpecification(
        (StreamShape(CAMERA, IMAGE), StreamShape(STATE, (2,))),
        contract.memory.frames,
        contract.action_names,
        dataclasses.replace(SMALL, **options),
    )
    vector_mean, vector_deviation = np.array([4.0, 0.0], np.float32), np.array([1.0, 0.5], np.float32)
    scaling = Scaling(
        mean={CAMERA: np.full(3, 120.0, np.float32), STATE: vector_mean, "action": vector_mean},
        deviation={CAMERA: np.full(3, 60.0, np.float32), STATE: vector_deviation, "action": vector_deviation},
        minimum=contract.action_minimum,
        maximum=contract.action_maximum,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Policy(specification, scaling).eval()


def small_checkpoint(seed: int = 0, text: str = CONTRACT, **options: Any) -> Checkpoint:
    random = np.random.default_rng(seed)
    contract = small_contract(text)
    frames = contract.memory.frames
    probe = {
        CAMERA: random.integers(0, 256, (40, frames, *IMAGE), dtype=np.uint8),
        STATE: random.normal(size=(40, frames, 2)).astype(np.float32),
    }
    return Checkpoint(small_policy(seed, text, **options), contract, {"name": "none"}, "d" * 64, 0.9, probe)


def small_observation(seed: int = 0, stamp_ns: int = 5) -> Observation:
    random = np.random.default_rng(seed)
    arrays = {
        CAMERA: random.integers(0, 256, (FRAMES, *IMAGE), dtype=np.uint8),
        STATE: random.normal(size=(FRAMES, 2)).astype(np.float32),
    }
    return Observation(stamp_ns, arrays, dict.fromkeys(arrays, stamp_ns))


if __name__ == "__main__":
    # Makes tests/data/bundles/small_car.onnx anew, which only a change of the bundle's format asks for.
    from models.bundle import export_bundle

    print(export_bundle(small_checkpoint(chunk=2), SMALL_BUNDLE))
