"""What a valid contract means: defaults, names, limits, units and topics."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.contract import (
    Align,
    Channel,
    Clamp,
    Contract,
    ContractError,
    DimensionLimits,
    Memory,
    Qos,
    Rad2Deg,
    Resize,
    load_contract,
    parse_contract,
)

ROOT = Path(__file__).parents[1]
DRIVING = ROOT / "contracts" / "driving.yaml"
DATA = Path(__file__).parent / "data" / "contracts"


@pytest.fixture(scope="module")
def driving() -> Contract:
    return load_contract(DRIVING)


@pytest.fixture(scope="module")
def every_feature() -> Contract:
    return load_contract(DATA / "every_feature.yaml")


def test_driving_contract_is_what_the_car_expects(driving: Contract) -> None:
    """Catches a change of the shipped contract that the simulator and the nodes do not know of."""
    assert driving.fps == 20
    assert driving.period_s == pytest.approx(0.05)
    assert [stream.key for stream in driving.observations] == ["observation.images.front", "observation.state"]
    assert driving.trigger == "observation.images.front"
    assert driving.action_names == ("twist.linear.x", "twist.angular.z")
    assert driving.limits == (
        DimensionLimits("twist.linear.x", 0.0, 8.0, 10.0, "m/s", 0.0),
        DimensionLimits("twist.angular.z", -2.5, 2.5, 15.0, "rad/s", 0.0),
    )
    assert driving.memory == Memory(frames=3, stride=1, recurrent=False, reset_gap_s=0.5)
    assert driving.gate.expert_topic == "/expert/cmd_vel"
    assert driving.text == DRIVING.read_text()
    driving.require_limits()


def test_limit_arrays_are_float32_in_action_order_and_read_only(driving: Contract) -> None:
    """Catches arrays in another order or type, and a caller that silently moves everybody's limits."""
    np.testing.assert_array_equal(driving.action_minimum, np.array([0, -2.5], np.float32))
    np.testing.assert_array_equal(driving.action_maximum, np.array([8, 2.5], np.float32))
    np.testing.assert_array_equal(driving.action_rate, np.array([10, 15], np.float32))
    np.testing.assert_array_equal(driving.action_stop, np.zeros(2, np.float32))
    assert {array.dtype for array in (driving.action_minimum, driving.action_rate)} == {np.dtype(np.float32)}
    with pytest.raises(ValueError, match="read-only"):
        driving.action_maximum[0] = 100.0


def test_minimal_contract_takes_every_default() -> None:
    """Catches a default that is missing, or that turned into a required key."""
    contract = load_contract(DATA / "minimal.yaml")
    (image,) = contract.observations
    heard = Qos(reliability="best_effort")
    assert image.sources[0].channel == Channel("/camera/image_raw", "sensor_msgs/msg/Image", heard)
    assert contract.action_sources[0].channel.qos == Qos()
    assert image.sources[0].align == Align("hold", "header", 0.0)
    assert image.sources[0].max_age_s is None
    assert image.image_size is None
    assert image.names == ()
    assert contract.memory == Memory()
    assert contract.limits == ()
    assert contract.gate.expert_topics == ()
    assert contract.topics().keys() == {"/camera/image_raw", "/cmd_vel"}


def test_what_a_qos_leaves_out_is_that_of_sensor_data_or_of_commands() -> None:
    """Catches a camera that is deaf to a best-effort driver because its contract only says how deep its queue is."""
    text = DRIVING.read_text().replace("reliability: reliable, ", "")
    contract = parse_contract(text)
    assert contract.observation("observation.state").sources[0].channel.qos == Qos("best_effort", depth=50)
    assert contract.action_sources[0].channel.qos == Qos("reliable", depth=10)
    assert load_contract(DRIVING).observation("observation.state").sources[0].channel.qos.reliability == "reliable"
    assert load_contract(DRIVING).hash == contract.hash


def test_contract_without_limits_has_infinite_ones_and_cannot_deploy() -> None:
    """Catches driving a robot without limits, and an error that does not show what to write."""
    contract = load_contract(DATA / "minimal.yaml")
    assert np.all(np.isneginf(contract.action_minimum))
    assert np.all(np.isposinf(contract.action_rate))
    with pytest.raises(ContractError, match="no limits") as caught:
        contract.require_limits()
    assert "twist.angular.z: {min:" in str(caught.value)


def test_every_feature_of_the_vocabulary_loads(every_feature: Contract) -> None:
    """Catches any word of the vocabulary that is no longer understood."""
    streams = {stream.key: stream for stream in every_feature.observations}
    mast = streams["observation.images.mast"].sources[0]
    assert mast.apply == (Resize(120, 160), Clamp(5.0, 250.0))
    assert mast.max_age_s == 0.2
    assert mast.channel.qos == Qos("best_effort", "volatile", "keep_last", 5)
    assert streams["observation.images.mast"].image_size == (120, 160)
    left = streams["observation.images.gripper.left"].sources[0]
    assert left.channel.qos == Qos("best_effort", "volatile", "keep_last", 2)
    assert left.align == Align("asof", "header", 40.0)
    state = streams["observation.state"]
    assert state.topics == ("/left/joint_states", "/right/joint_states", "/odom")
    assert state.sources[0].apply == (Rad2Deg(),)
    assert streams["observation.orientation"].sources[0].kind == "quaternion"
    assert streams["observation.bumper"].names == ("data",)
    assert every_feature.trigger == "observation.images.gripper.left"
    assert every_feature.unused_sections == (
        *("tasks", "rewards", "signals", "info", "complementary_data", "teleop", "adjunct"),
    )


def test_equal_paths_are_told_apart_by_their_topics(every_feature: Contract) -> None:
    """Catches two arms whose joints share a name collapsing into one label."""
    streams = {stream.key: stream for stream in every_feature.observations}
    assert streams["observation.state"].names == (
        *("left.position.elbow", "velocity.elbow", "right.position.elbow", "effort.elbow"),
        *("twist.twist.linear.x", "pose.covariance.35"),
    )
    assert every_feature.action_names == (
        *("left.position.elbow", "right.position.elbow", "data", "linear.x", "angular.z"),
    )


def test_names_shared_by_two_action_keys_get_their_key_in_front() -> None:
    """Catches an action vector with two equal labels, which no proposal could be matched to."""
    text = (DATA / "minimal.yaml").read_text()
    second = text[text.index("  action:\n") :].replace("  action:", "  action.trailer:").replace("/cmd_vel", "/trailer")
    contract = parse_contract(text + second)
    assert contract.action_names == (
        *("action.twist.linear.x", "action.twist.angular.z"),
        *("action.trailer.twist.linear.x", "action.trailer.twist.angular.z"),
    )


def test_limits_with_units_are_converted_to_si(every_feature: Contract) -> None:
    """Catches degrees, km/h or rpm that reach the gate as if they were SI."""
    limits = {limit.name: limit for limit in every_feature.limits}
    elbow = limits["left.position.elbow"]
    assert (elbow.minimum, elbow.maximum) == pytest.approx((-math.pi / 2, math.pi / 2))
    assert elbow.rate == pytest.approx(math.pi)
    assert elbow.stop == pytest.approx(math.radians(10))
    assert limits["linear.x"].maximum == 1.0
    assert limits["linear.x"].unit == "m/s"
    assert limits["angular.z"].maximum == pytest.approx(math.pi / 3)
    assert limits["angular.z"].rate == pytest.approx(2 * math.pi)
    assert limits["data"].unit == "1"


def test_gate_and_memory_quantities(every_feature: Contract) -> None:
    """Catches a duration that is read in milliseconds here and in seconds there."""
    gate = every_feature.gate
    assert (gate.expert_max_age_s, gate.proposal_max_age_s) == (0.08, 0.09)
    assert gate.unsafe_threshold == 0.4
    assert (gate.dwell_s, gate.halt_ramp_s, gate.sync_tolerance_s) == (0.75, 1.5, 0.02)
    assert (gate.frozen_after_ticks, gate.limited_after_ticks) == (30, 0)
    assert gate.expert_topics == ("/expert/left", "/expert/right", "/expert/gripper", "/expert/cmd_vel")
    assert every_feature.memory == Memory(4, 2, True, 0.25)


def test_topics_give_the_expert_the_type_of_its_command(every_feature: Contract) -> None:
    """Catches an expert topic subscribed with the type of another command channel."""
    topics = every_feature.topics()
    assert topics["/expert/cmd_vel"].type == "geometry_msgs/msg/Twist"
    assert topics["/expert/gripper"].type == "std_msgs/msg/Float64"
    assert topics["/expert/left"].topic == "/expert/left"


def test_actions_stay_in_wire_units(every_feature: Contract) -> None:
    """Catches an action in degrees under limits in radians: rad2deg on an action goes, bounds behind it convert."""
    (clamp,) = every_feature.actions[0].sources[0].apply
    assert isinstance(clamp, Clamp)
    assert (clamp.minimum, clamp.maximum) == pytest.approx((-math.pi / 2, math.pi / 2))


def test_two_part_type_names_are_completed() -> None:
    """Catches ``sensor_msgs/Image``, which ROS 2 tools accept, becoming another type than ``sensor_msgs/msg/Image``."""
    text = (DATA / "minimal.yaml").read_text()
    assert parse_contract(text.replace("sensor_msgs/msg/Image", "sensor_msgs/Image")).hash == parse_contract(text).hash


def test_a_foreign_message_type_is_taken_on_trust() -> None:
    """Catches refusing a robot's own message package, even one whose message has a common name."""
    text = (DATA / "minimal.yaml").read_text()
    for own in ("my_msgs/msg/TwistStamped", "ackermann_msgs/msg/AckermannDriveStamped"):
        contract = parse_contract(text.replace("geometry_msgs/msg/TwistStamped", own))
        assert contract.actions[0].sources[0].channel.type == own


def test_loading_imports_no_codec(tmp_path: Path) -> None:
    """Catches code execution by contract: a decoder's module must not be imported, wherever it lies."""
    (tmp_path / "evil_codecs.py").write_text("raise SystemExit('imported')\n")
    text = (DATA / "every_feature.yaml").read_text().replace("no_such_package_anywhere.codecs", "evil_codecs")
    (tmp_path / "contract.yaml").write_text(text)
    script = "import sys; from models.contract import load_contract; c = load_contract('contract.yaml'); "
    script += "assert 'evil_codecs' not in sys.modules; print(c.observation('observation.cells').sources[0].channel)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "evil_codecs:decode_cells" in done.stdout


def test_the_first_image_starts_a_tick_wherever_it_stands() -> None:
    """Catches a fast vector stream, which merely stands first, setting the pace of a slow camera."""
    text = (DATA / "minimal.yaml").read_text()
    state = "  observation.bumper:\n    channel: {topic: /bumper, type: std_msgs/msg/Bool}\n"
    state += "    align: {strategy: hold, timeline: receive}\n"
    contract = parse_contract(text.replace("observations:\n", f"observations:\n{state}"))
    assert contract.observations[0].key == "observation.bumper"
    assert contract.trigger == "observation.images.front"


def test_merged_blocks_yield_to_the_block_itself_and_to_earlier_ones() -> None:
    """Catches YAML's ``<<`` read in another order than every other YAML reader has."""
    anchors = "x-a: &a {reliability: best_effort, depth: 3}\n"
    anchors += "x-b: &b {depth: 4, durability: transient_local, history: keep_all}\n"
    text = (DATA / "minimal.yaml").read_text()
    qos = "sensor_msgs/msg/Image, qos: {<<: [*a, *b], history: keep_last}"
    contract = parse_contract(anchors + text.replace("sensor_msgs/msg/Image", qos))
    assert contract.observations[0].sources[0].channel.qos == Qos("best_effort", "transient_local", "keep_last", 3)
