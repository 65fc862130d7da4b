"""The numbers of a drafted contract, each from what was measured: rates, ages, sizes, selections, limits. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from il_nodes.survey.report import SurveyReport, TopicReport, ValueFacts
from models.contract.messages import SCALAR_TYPES, field_unit, has_header

__all__ = [
    "Limit",
    "choose_fps",
    "choose_select",
    "command_limits",
    "command_select",
    "max_age_s",
    "on_robot_clock",
    "proposed_size",
    "sync_tolerance_s",
]

#: Rates that people give to cameras and controllers, Hz. Above 50 Hz a policy in Python has little time to think.
_USUAL_HZ = (1, 2, 5, 10, 15, 20, 25, 30, 40, 50)
#: A measured 29.9 Hz is 30; 28 is not.
_RATE_TOLERANCE = 1.05
#: Slower streams (a GPS, a battery) are held, and do not slow the policy down.
_SENSIBLE_HZ = 5.0
#: Pixels of the longer side of what a policy sees; road following and grasping are learnt from 64 to 128.
_LONGEST_SIDE = 128
#: Below a policy's own jitter nothing is gained by a shorter limit.
_SHORTEST_AGE_S = 0.1
#: Without an observed command, what a small robot does at a walk, by unit: largest value, and change per second.
_GENTLE = {"m/s": (0.2, 0.5), "rad/s": (0.5, 2.0), "rad": (0.1, 0.2), "m": (0.02, 0.05)}
_GENTLE_OTHERWISE = (0.1, 0.2)
_POSITION_UNITS = ("rad", "m")

_TWIST_FIELDS = ("linear.x", "linear.y", "angular.z")
_PREFIXES = {
    "geometry_msgs/msg/Twist": "",
    "geometry_msgs/msg/TwistStamped": "twist.",
    "nav_msgs/msg/Odometry": "twist.twist.",
}
_FIELDS = {
    "sensor_msgs/msg/Imu": (
        *(f"angular_velocity.{axis}" for axis in "xyz"),
        *(f"linear_acceleration.{axis}" for axis in "xyz"),
    ),
    "geometry_msgs/msg/PoseStamped": tuple(f"pose.position.{axis}" for axis in "xyz"),
    "geometry_msgs/msg/WrenchStamped": tuple(f"wrench.{kind}.{axis}" for kind in ("force", "torque") for axis in "xyz"),
}


@dataclass(frozen=True)
class Limit:
    """A placeholder for one action dimension, in the unit of the wire.

    Attributes:
        name: its label.
        minimum: smallest value.
        maximum: largest value.
        rate: largest change per second.
        unit: SI unit; empty where nothing says it.
        stop: of the stop command; ``None`` for a position that is held where it is.
        why: where the numbers come from.
    """

    name: str
    minimum: float
    maximum: float
    rate: float
    unit: str
    stop: float | None
    why: str


def choose_fps(topics: Sequence[TopicReport]) -> tuple[float, TopicReport]:
    """Ticks per second that every sensible stream can feed, and the stream that sets them."""
    # By the median: one gap while the survey ran is no slower camera.
    rates = [(1.0 / topic.own_period_s if topic.own_period_s else 0.0, topic) for topic in topics]
    sensible = [pair for pair in rates if pair[0] >= _SENSIBLE_HZ] or rates
    rate_hz, slowest = min(sensible, key=lambda pair: pair[0])
    usual = [hz for hz in _USUAL_HZ if hz <= rate_hz * _RATE_TOLERANCE]
    return float(usual[-1] if usual else _USUAL_HZ[0]), slowest


def on_robot_clock(topic: TopicReport, report: SurveyReport) -> bool:
    """Whether its header stamps can be aligned by: filled, advancing, and on the clock that the robot runs on."""
    robot = "simulated" if report.simulated_time else "wall"
    stamps = topic.stamps
    if has_header(topic.type) is not True or stamps is None or stamps.clock != robot:
        return False
    # A few repeated stamps are repeated messages; half of them are a driver that does not fill them.
    return stamps.standing + stamps.backward <= topic.count / 2


def _later_s(topic: TopicReport, trigger: TopicReport) -> float:
    """How much later than the trigger's its samples arrive."""
    if topic.stamps is None or trigger.stamps is None:
        return 0.0
    return max(0.0, topic.stamps.age_s - trigger.stamps.age_s)


def max_age_s(topic: TopicReport, trigger: TopicReport) -> float:
    """Three missing samples make a stream stale, and so does what its own jitter never did."""
    jittery = topic.own_period_s + 3.0 * topic.jitter_s
    return _up(max(3.0 * topic.own_period_s, jittery, _SHORTEST_AGE_S) + _later_s(topic, trigger), 0.01)


def sync_tolerance_s(topics: Sequence[TopicReport], trigger: TopicReport) -> float:
    """How far the newest samples of all streams lie apart in ordinary operation, and not less than the default."""
    spreads = [
        topic.own_period_s + topic.jitter_s + _later_s(topic, trigger)
        for topic in topics
        if topic.topic != trigger.topic
    ]
    return _up(max([0.05, *spreads]), 0.01)


def proposed_size(height: int, width: int) -> tuple[int, int]:
    """Height and width for ``resize``: the image's own where it is small, else its shape with even sides."""
    longest = max(height, width)
    if longest <= _LONGEST_SIDE:
        return height, width
    return tuple(max(2, 2 * round(side * _LONGEST_SIDE / longest / 2)) for side in (height, width))  # type: ignore[return-value]


def choose_select(topic: TopicReport) -> tuple[str, ...]:
    """Field paths that a policy would want of a sensor; a message that is one number gets its topic for a label."""
    if topic.type in SCALAR_TYPES:
        return (_label(topic),)
    usable = [value for value in topic.values if not value.not_finite and value.minimum is not None]
    names = [value.name for value in usable]
    if topic.type in _PREFIXES:
        return _planar(topic) or tuple(names)
    if topic.type in _FIELDS:
        return tuple(name for name in _FIELDS[topic.type] if name in names) or tuple(names)
    first = next((name.partition(".")[0] for name in names), "")
    # Of joints their positions, or whatever else is given alone; of plain arrays everything.
    return tuple(name for name in names if name.startswith(f"{first}."))


def _planar(topic: TopicReport) -> tuple[str, ...]:
    """Forward speed and yaw rate; sideways too where it was seen to move sideways."""
    prefix = _PREFIXES[topic.type]
    by_name = {value.name: value for value in topic.values}
    sideways = by_name.get(f"{prefix}linear.y")
    moves = sideways is not None and any(abs(one or 0.0) > 1e-3 for one in (sideways.minimum, sideways.maximum))
    wanted = [f"{prefix}{field}" for field in _TWIST_FIELDS if moves or field != "linear.y"]
    return tuple(name for name in wanted if not topic.values or not by_name[name].not_finite)


def _label(topic: TopicReport) -> str:
    return topic.topic.strip("/").replace("/", "_")


def command_select(topic: TopicReport, senses: Sequence[TopicReport]) -> tuple[tuple[str, ...], str]:
    """What of a command the policy sets, and whether that had to be guessed (empty: it did not)."""
    if topic.type in SCALAR_TYPES:
        return (_label(topic),), ""
    if topic.type in _PREFIXES:
        return _planar(topic), ""
    seen = [value.name for value in topic.values]
    joints = _joints(senses)
    if topic.type.endswith("MultiArray"):
        if seen and len(seen) != len(joints):
            return tuple(seen), ""
        if joints:
            return tuple(joints), "the joints of the joint states, in that order: is it the controller's?"
        return ("data.0",), "no command was seen: how many numbers does it take?"
    if seen:
        first = seen[0].partition(".")[0]
        return tuple(name for name in seen if name.startswith(f"{first}.")), ""
    field = "positions" if topic.type.startswith("trajectory_msgs/") else "position"
    if topic.type in _FIELDS:
        return _FIELDS[topic.type], ""
    if joints:
        return tuple(f"{field}.{joint}" for joint in joints), "no command was seen: does it take all of these joints?"
    return (f"{field}.joint_1",), "no command was seen: which joints does it take?"


def _joints(senses: Sequence[TopicReport]) -> list[str]:
    """Names of the joints whose positions are known."""
    return list(_joint_positions(senses))


def _joint_positions(senses: Sequence[TopicReport]) -> dict[str, float]:
    return {
        value.name.removeprefix("position."): value.last
        for topic in senses
        if topic.type == "sensor_msgs/msg/JointState"
        for value in topic.values
        if value.name.startswith("position.") and value.last is not None
    }


def _joint(path: str) -> str:
    """The joint of ``positions.elbow``, or of a bare ``elbow``; names of joints may contain dots themselves."""
    head, _, rest = path.partition(".")
    return rest if rest and head in ("position", "positions") else path


def _unit(topic: TopicReport, path: str) -> str:
    """What the message fixes, else what the topic's name says (``/arm_position_controller/commands``)."""
    fixed = field_unit(topic.type, path)
    if fixed:
        return fixed[0]
    words = re.split(r"[/_]+", topic.topic.lower())
    for word, unit in (("position", "rad"), ("velocity", "rad/s"), ("effort", "Nm"), ("torque", "Nm")):
        if word in words:
            return unit
    return ""


def command_limits(topic: TopicReport, select: Sequence[str], senses: Sequence[TopicReport]) -> list[Limit]:
    """Placeholders: the range of the commands that were seen, or little enough to do no harm at first."""
    seen = {value.name: value for value in topic.values}
    listed = list(topic.values)
    positions = _joint_positions(senses)
    limits = []
    for index, name in enumerate(select):
        # Labels of an array are not the names under which its numbers were seen.
        value = seen.get(name) or (listed[index] if len(listed) == len(select) else None)
        unit = _unit(topic, name)
        limits.append(_limit(name, unit, value, positions.get(_joint(name)) if unit in _POSITION_UNITS else None))
    return limits


def _limit(name: str, unit: str, seen: ValueFacts | None, position: float | None) -> Limit:
    reach, rate = _GENTLE.get(unit, _GENTLE_OTHERWISE)
    is_position = unit in _POSITION_UNITS
    stop = None if is_position else 0.0
    if seen is None or seen.minimum is None or seen.maximum is None or seen.minimum == seen.maximum:
        if position is None:
            return Limit(name, -reach, reach, rate, unit, stop, "a guess that is small: no command was seen to vary")
        why = f"the joint was at {position:.3f}, and may go {reach:g} {unit} from there"
        return Limit(name, round(position - reach, 3), round(position + reach, 3), rate, unit, stop, why)
    low, high = seen.minimum, seen.maximum
    why = f"the commands that were seen went from {low:.3g} to {high:.3g}"
    if is_position:
        known = [low, high] if position is None else [low, high, position]
        return Limit(name, _out(min(known), -1), _out(max(known), 1), rate, unit, stop, why)
    # A speed that was seen both ways is as fast both ways, and standing still is always allowed.
    low, high = (-max(-low, high), max(-low, high)) if low < 0.0 < high else (min(low, 0.0), max(high, 0.0))
    # Twice the range a second: a halt from full speed then takes half a second.
    return Limit(name, _out(low, -1), _out(high, 1), _out(2.0 * max(-low, high), 1), unit, stop, why)


def _out(value: float, direction: int) -> float:
    """Rounded to two digits, away from or towards minus infinity."""
    if value == 0.0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounded = math.ceil(value / step - 1e-9) if direction > 0 else math.floor(value / step + 1e-9)
    return float(f"{rounded * step:.6g}")


def _up(value: float, step: float) -> float:
    """To the next multiple."""
    return round(math.ceil(value / step - 1e-6) * step, 6)
