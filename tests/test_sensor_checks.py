"""Frozen sensors, sensors too far apart, and lock-step ticks that can have no observation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ros_messages import CAMERA, ODOMETRY, image_cdr, odometry_cdr

from il_nodes.observation.lock_step_ticks import LockStepTicks
from il_nodes.observation.sensor_checks import SensorChecks, any_saturated, is_saturated
from models.contract import Contract, parse_contract
from models.data import Observation
from models.errors import DeploymentError

PERIOD_NS = 50_000_000
TEXT = """
robot_type: small_car
fps: 20
observations:
  observation.images.front:
    channel: {topic: /camera/front/image_raw, type: sensor_msgs/msg/Image}
    align: {strategy: hold, timeline: header}
  observation.state:
    channel: {topic: /odom, type: nav_msgs/msg/Odometry}
    align: {strategy: hold, timeline: header}
    select: [twist.twist.linear.x]
actions:
  action:
    channel: {topic: /cmd_vel, type: geometry_msgs/msg/TwistStamped}
    align: {strategy: hold, timeline: header}
    select: [twist.linear.x]
"""
CONTRACT = parse_contract(TEXT)


def picture(tick: int) -> bytes:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[0, 0, 0] = tick % 256
    return image_cdr(tick * PERIOD_NS, pixels)


def frozen_after(checks: SensorChecks, *, camera_moves: bool, state_moves: bool, ticks: int) -> list[str]:
    """Topics found frozen after some lively ticks and then that many, each with a fresh stamp."""
    for tick in range(5):
        checks.note(CAMERA, picture(200 + tick), tick * PERIOD_NS)
        checks.note(ODOMETRY, odometry_cdr(tick * PERIOD_NS, -1.0 - tick, 0.0), tick * PERIOD_NS)
    for tick in range(5, ticks + 5):
        pixels = np.full((8, 8, 3), tick if camera_moves else 0, np.uint8)
        checks.note(CAMERA, image_cdr(tick * PERIOD_NS, pixels), tick * PERIOD_NS)
        speed = 0.1 * tick if state_moves else 0.0
        checks.note(ODOMETRY, odometry_cdr(tick * PERIOD_NS, speed, 0.0), tick * PERIOD_NS)
    return checks.frozen()


@pytest.mark.parametrize(
    ("camera_moves", "state_moves", "ticks", "expected"),
    [
        (False, True, 10, []),
        (False, True, 11, [CAMERA]),
        (True, False, 11, [ODOMETRY]),
        (True, True, 40, []),
        # A robot that stands still before a noiseless camera.
        (False, False, 40, []),
    ],
)
def test_a_sensor_is_frozen_when_it_alone_stands_still(
    camera_moves: bool, state_moves: bool, ticks: int, expected: list[str]
) -> None:
    """FAULTS 12: ten ticks of the same content under fresh stamps."""
    checks = SensorChecks(CONTRACT)
    assert frozen_after(checks, camera_moves=camera_moves, state_moves=state_moves, ticks=ticks) == expected
    checks.restart()
    assert checks.frozen() == []


def test_a_robot_that_comes_to_rest_has_no_frozen_sensor() -> None:
    """Catches the sensor whose last change arrived first, a few milliseconds or ticks before the other's."""
    checks = SensorChecks(CONTRACT)
    for tick in range(40):
        checks.note(ODOMETRY, odometry_cdr(tick * PERIOD_NS, float(min(tick, 10)), 0.0), tick * PERIOD_NS)
        checks.note(CAMERA, picture(min(tick, 12)), tick * PERIOD_NS + 3_000_000)
        assert checks.frozen() == []


def test_garbage_between_the_fields_does_not_hide_a_frozen_sensor() -> None:
    """Rclpy leaves whatever was in memory as padding: the bytes differ, and what they say does not."""
    checks = SensorChecks(CONTRACT)
    clean = odometry_cdr(0, 1.0, 0.0)
    # "map" + zero is padded nowhere, "base_link" + zero is padded to a multiple of eight.
    start = clean.index(b"base_link\0") + len("base_link\0")
    for tick in range(12):
        noisy = clean[:start] + bytes([tick]) + clean[start + 1 :]
        assert noisy != clean or tick == 0
        checks.note(ODOMETRY, noisy, tick * PERIOD_NS)
        checks.note(CAMERA, picture(tick), tick * PERIOD_NS)
    assert checks.frozen() == [ODOMETRY]


def test_a_lone_sensor_and_a_check_that_is_turned_off() -> None:
    only = replace(CONTRACT, observations=CONTRACT.observations[:1])
    lone, off = SensorChecks(only), SensorChecks(replace(only, gate=replace(only.gate, frozen_after_ticks=0)))
    for checks in (lone, off):
        for tick in range(11):
            checks.note(CAMERA, picture(0), tick * PERIOD_NS)
    assert lone.frozen() == [CAMERA]
    assert off.frozen() == []


def test_broken_bytes_are_nobodys_standstill() -> None:
    """They are reported where the observation is made; here they must only not raise."""
    checks = SensorChecks(CONTRACT)
    for tick, cdr in enumerate([b"", b"\0\1\0\0short", picture(0), picture(0)[:40], picture(1)]):
        checks.note(CAMERA, cdr, tick * PERIOD_NS)
    assert checks.frozen() == []


def observation(contract: Contract, state_behind_ns: int) -> Observation:
    stamps = {"observation.images.front": 10**9, "observation.state": 10**9 - state_behind_ns}
    return Observation(10**9, {}, {key: stamps[key] for key in (s.key for s in contract.observations)})


def test_sensors_more_than_the_tolerance_apart_are_not_one_observation() -> None:
    """FAULTS 14; a stream on the time of its arrival has no stamp to compare."""
    checks = SensorChecks(CONTRACT)
    assert checks.problem(observation(CONTRACT, PERIOD_NS)) == ""
    assert "observation.state by 51 ms" in checks.problem(observation(CONTRACT, 51_000_000))
    state = CONTRACT.observations[1]
    by_receipt = replace(state.sources[0], align=replace(state.sources[0].align, timeline="receive"))
    received = replace(CONTRACT, observations=(CONTRACT.observations[0], replace(state, sources=(by_receipt,))))
    assert SensorChecks(received).problem(observation(received, 10**12)) == ""
    frozen_after(checks, camera_moves=False, state_moves=True, ticks=12)
    assert checks.problem(observation(CONTRACT, 0)) == f"frozen: {CAMERA}"


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_one_extreme_is_saturated(value: int) -> None:
    """FAULTS 13: 99 % of the bytes count, wherever the rest is; dark and bright halves are a picture."""
    generator = np.random.default_rng(0)
    for height in (1, 7, 33, 100):
        image = np.full((height, 100, 3), value, np.uint8)
        others = image.size // 100
        assert is_saturated(image)
        for rest in (slice(0, others), slice(image.size - others, image.size)):
            nearly = image.copy()
            nearly.reshape(-1)[rest] = 128
            assert is_saturated(nearly)
        spread = image.copy()
        spread.reshape(-1)[generator.choice(image.size, others + 1, replace=False)] = 128
        assert not is_saturated(spread)
    assert not is_saturated(np.full((8, 8, 3), 254 if value else 1, np.uint8))
    halves = np.repeat(np.array([0, 255], np.uint8), 50).reshape(100, 1, 1)
    assert not is_saturated(halves)
    assert not is_saturated(np.empty((0, 0, 3), np.uint8))


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("frames", [1, 3, 8])
def test_one_dark_frame_among_bright_ones_is_found(value: int, frames: int) -> None:
    """Catches a look at a whole stack that a single frame is lost in."""
    stack = np.full((frames, 48, 32, 3), 100, np.uint8)
    assert not any_saturated(stack)
    for index in range(frames):
        one = stack.copy()
        one[index] = value
        assert any_saturated(one)


def test_a_saturated_frame_is_unfit_for_as_long_as_it_is_remembered() -> None:
    """Catches a check of the newest frame only, and one that takes numbers for pixels."""
    checks, key = SensorChecks(CONTRACT), CONTRACT.observations[0].key
    plain = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    states = {CONTRACT.observations[1].key: np.zeros((3, 1), np.float32)}
    assert checks.problem(replace(observation(CONTRACT, 0), arrays={key: plain, **states})) == ""
    for index in range(3):
        stack = plain.copy()
        stack[index] = 255
        found = checks.problem(replace(observation(CONTRACT, 0), arrays={key: stack, **states}))
        assert found == f"saturated: {CAMERA}"


def test_a_tick_is_unanswerable_once_everybody_has_sent_for_it() -> None:
    ticks = LockStepTicks(CONTRACT)
    assert ticks.unanswerable() is None
    assert ticks.received(CAMERA, picture(1)) == PERIOD_NS
    assert ticks.unanswerable() is None
    ticks.received(ODOMETRY, odometry_cdr(PERIOD_NS, 0.0, 0.0))
    assert ticks.unanswerable() == PERIOD_NS
    ticks.answered(0)
    assert ticks.unanswerable() == PERIOD_NS
    ticks.answered(PERIOD_NS)
    assert ticks.unanswerable() is None
    # A sensor that is ahead of the trigger does not move the tick.
    ticks.received(CAMERA, picture(1))
    ticks.received(ODOMETRY, odometry_cdr(PERIOD_NS + 1, 0.0, 0.0))
    assert ticks.unanswerable() == PERIOD_NS
    ticks.answered(PERIOD_NS)
    # The state may come first; the tick begins with the trigger all the same.
    ticks.received(ODOMETRY, odometry_cdr(2 * PERIOD_NS, 0.0, 0.0))
    assert ticks.unanswerable() is None
    ticks.received(CAMERA, picture(2))
    assert ticks.unanswerable() == 2 * PERIOD_NS


def test_lock_step_needs_stamps() -> None:
    bare = (
        TEXT.replace("nav_msgs/msg/Odometry", "geometry_msgs/msg/Twist")
        .replace("twist.twist.", "")
        .replace("timeline: header}\n    select", "timeline: receive}\n    select")
    )
    with pytest.raises(DeploymentError, match="lock-step"):
        LockStepTicks(parse_contract(bare))
