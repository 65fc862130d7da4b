"""Measuring a topic on clocks that the test holds: rates, stamps, losses, stillness."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ros_messages import command_cdr, image_cdr, odometry_cdr, twist_cdr

from il_nodes.survey import topic_meter
from il_nodes.survey.report import SurveyReport, TopicReport, survey_from_json, survey_to_json
from il_nodes.survey.topic_meter import Arrival, TopicMeter

WALL_NS = 1_700_000_000 * 10**9
PERIOD_NS = 50_000_000
ODOMETRY, TWIST, IMAGE = "nav_msgs/msg/Odometry", "geometry_msgs/msg/Twist", "sensor_msgs/msg/Image"
PLAIN = TopicReport("/topic", (ODOMETRY,))


def at(index: float, **clocks: int) -> Arrival:
    received_ns = WALL_NS + round(index * PERIOD_NS)
    return Arrival(received_ns, 10**12 + round(index * PERIOD_NS), **clocks)


def odometry(index: float, age_ms: float = 10.0) -> bytes:
    return odometry_cdr(WALL_NS + round(index * PERIOD_NS) - round(age_ms * 1e6), 0.1 * index, 0.0)


def measured(type_name: str, *messages: tuple[bytes, Arrival]) -> TopicReport:
    meter = TopicMeter("/topic", type_name)
    for cdr, arrival in messages:
        meter.add(cdr, arrival)
    return meter.report(PLAIN)


def test_rate_period_and_jitter() -> None:
    """Catches a rate that is off by one interval, and a mean where one gap must not count."""
    late = [index + (0.2 if index % 2 else 0.0) for index in range(40)]
    report = measured(ODOMETRY, *((odometry(index), at(index)) for index in [*late, 60]))
    assert report.count == 41
    assert report.rate_hz == pytest.approx(40 / 3.0)
    assert report.period_s == pytest.approx(0.06, abs=0.011)
    assert report.jitter_s == pytest.approx(0.02, abs=0.011)
    assert report.longest_gap_s == pytest.approx(21 * 0.05, abs=0.02)


def test_one_message_has_no_rate() -> None:
    """Catches a division by zero, and an infinite rate."""
    report = measured(ODOMETRY, (odometry(0), at(0)))
    assert (report.count, report.rate_hz, report.period_s, report.jitter_s) == (1, None, 0.0, 0.0)


def test_no_message_is_no_measurement() -> None:
    """Catches numbers that are made up for a silent topic."""
    report = measured(ODOMETRY)
    assert (report.count, report.stamps, report.image, report.values, report.size_bytes) == (0, None, None, (), 0)


def test_age_is_by_the_clock_that_the_stamps_are_on() -> None:
    """Catches an age by the wall clock of stamps on simulated time, and the other way round."""
    wall = measured(ODOMETRY, *((odometry(i, 12.0), at(i, simulated_ns=10**9)) for i in range(20))).stamps
    assert wall is not None
    assert wall.clock == "wall"
    assert wall.age_s == pytest.approx(0.012)
    simulated = measured(
        ODOMETRY,
        *((odometry_cdr(i * PERIOD_NS, 0, 0), at(i, simulated_ns=i * PERIOD_NS + 7_000_000)) for i in range(20)),
    ).stamps
    assert simulated is not None
    assert simulated.clock == "simulated"
    assert simulated.age_s == pytest.approx(0.007)
    assert simulated.period_s == pytest.approx(0.05)
    monotonic = measured(
        ODOMETRY, *((odometry_cdr(10**12 + i * PERIOD_NS - 10**6, 0, 0), at(i)) for i in range(20))
    ).stamps
    assert monotonic is not None
    assert monotonic.clock == "monotonic"


@pytest.mark.parametrize(
    ("stamp_ns", "clock"), [(0, "unset"), (WALL_NS - 10**13, "unknown"), (WALL_NS + 3 * 10**8, "wall")]
)
def test_stamps_that_stand(stamp_ns: int, clock: str) -> None:
    """Catches unfilled stamps taken for simulated time, and a stuck clock that goes unnoticed."""
    stamps = measured(ODOMETRY, *((odometry_cdr(stamp_ns, 0, 0), at(i)) for i in range(10))).stamps
    assert stamps is not None
    assert (stamps.clock, stamps.standing, stamps.backward) == (clock, 9, 0)


def test_the_future_has_a_negative_age_and_the_past_is_counted() -> None:
    """Catches clock skew that is clipped to zero, and stamps out of order."""
    stamps = measured(ODOMETRY, *((odometry(i, -300.0), at(i)) for i in range(10))).stamps
    assert stamps is not None
    assert stamps.age_s == pytest.approx(-0.3)
    swapped = measured(ODOMETRY, *((odometry(i), at(n)) for n, i in enumerate([0, 1, 3, 2, 4]))).stamps
    assert swapped is not None
    assert swapped.backward == 1


def test_losses_are_the_numbers_that_are_missing() -> None:
    """Catches losses blamed on two publishers that count apart, or on the moment in which two ends meet."""
    messages = [(odometry(i), at(i, sequence=100 + i)) for i in range(60) if i not in (1, 30, 31)]
    meter = TopicMeter("/topic", ODOMETRY)
    for cdr, arrival in messages:
        meter.add(cdr, arrival)
    from survey_samples import end

    one = TopicReport("/topic", (ODOMETRY,), publishers=(end("/a", ODOMETRY),))
    two = TopicReport("/topic", (ODOMETRY,), publishers=(end("/a", ODOMETRY), end("/b", ODOMETRY)))
    assert meter.report(one).lost == 2
    assert meter.report(two).lost == 0


def test_ranges_and_numbers_that_are_none() -> None:
    """Catches NaN as a minimum, which JSON cannot carry, and a command's range that forgets its ends."""
    values = [(0.1, 0.0), (math.nan, 0.5), (-0.3, math.inf), (0.2, 0.1)]
    report = measured(TWIST, *((twist_cdr(x, z), at(i)) for i, (x, z) in enumerate(values)))
    by_name = {value.name: value for value in report.values}
    speed, turn = by_name["linear.x"], by_name["angular.z"]
    assert (speed.minimum, speed.maximum, speed.not_finite) == pytest.approx((-0.3, 0.2, 1), abs=1e-6)
    assert (turn.minimum, turn.maximum, turn.not_finite) == pytest.approx((0.0, 0.5, 1), abs=1e-6)
    never = measured(TWIST, (twist_cdr(math.nan, 0.0), at(0))).values[0]
    assert (never.minimum, never.maximum, never.last, never.not_finite) == (None, None, None, 1)


def test_stillness_is_content_and_not_stamps() -> None:
    """Catches fresh stamps that hide a frozen camera, and a moving robot that counts as frozen."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    frozen = measured(IMAGE, *((image_cdr(WALL_NS + i * PERIOD_NS, pixels), at(i)) for i in range(21)))
    assert frozen.still_s == pytest.approx(1.0)
    moving = measured(ODOMETRY, *((odometry(i), at(i)) for i in range(21)))
    assert moving.still_s == 0.0
    assert frozen.image is not None
    assert (frozen.image.width, frozen.image.height, frozen.image.encoding, frozen.image.sizes) == (8, 8, "rgb8", 1)


def test_a_message_that_cannot_be_read_is_reported_once_on_one_line() -> None:
    """Catches a crash in the survey, and a message of four lines in a table."""
    report = measured(ODOMETRY, *((odometry(i)[:60], at(i)) for i in range(5)))
    assert report.count == 5
    assert "not a whole nav_msgs/msg/Odometry" in report.problem
    assert "\n" not in report.problem


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a survey of an hour that eats the robot's memory: nothing may grow with the number of messages."""
    monkeypatch.setattr(topic_meter, "_KEPT", 100)
    meter = TopicMeter("/topic", "geometry_msgs/msg/TwistStamped")
    for i in range(1000):
        meter.add(command_cdr(WALL_NS + i * PERIOD_NS, 0.0, 0.0), at(i))
    report = meter.report(PLAIN)
    assert report.count == 1000
    assert len(report.stamps_ns) == 100
    sizes = [len(value) for value in vars(meter).values() if hasattr(value, "__len__") and not isinstance(value, str)]
    assert max(sizes) == 100


def test_a_report_survives_json() -> None:
    """Catches a field that comes back as another type, or not at all."""
    pixels = np.zeros((8, 8, 3), np.uint8)
    topics = (
        measured(ODOMETRY, *((odometry(i), at(i)) for i in range(9))),
        measured(IMAGE, *((image_cdr(WALL_NS + i * PERIOD_NS, pixels), at(i)) for i in range(3))),
        measured(TWIST, (twist_cdr(math.nan, 0.0), at(0))),
    )
    report = SurveyReport(3, 2.5, True, True, ("/a", "/b"), topics)
    assert survey_from_json(survey_to_json(report)) == report


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"domain": 3}'])
def test_anything_else_is_no_report(text: str) -> None:
    """Catches half a line of a killed process taken for an empty robot."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        survey_from_json(text)
