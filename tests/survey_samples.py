"""What a survey of small robots would report, made by hand: for tests of whoever reads such reports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from il_nodes.survey.report import Endpoint, ImageFacts, StampFacts, SurveyReport, TopicReport, ValueFacts
from models.contract import Contract, parse_contract
from understudy.contracts.draft import draft_contract

IMAGE, JOINTS, ODOMETRY = "sensor_msgs/msg/Image", "sensor_msgs/msg/JointState", "nav_msgs/msg/Odometry"
TWIST, STAMPED_TWIST = "geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"
DRIVER = "/robot/driver"


def end(node: str, kind: str, reliability: str = "best_effort", durability: str = "volatile") -> Endpoint:
    """One publisher or subscriber."""
    return Endpoint(node, kind, reliability, durability)


def numbers(**values: float | tuple[float, float]) -> tuple[ValueFacts, ...]:
    """Values that stayed the same, or went from one to the other; ``__`` stands for a dot."""
    found = []
    for name, value in values.items():
        low, high = value if isinstance(value, tuple) else (value, value)
        found.append(ValueFacts(name.replace("__", "."), low, high, high))
    return tuple(found)


def heard(topic: str, kind: str, rate_hz: float = 20.0, **changes: Any) -> TopicReport:
    """A sensor that publishes as it should, for three seconds, stamped on the wall clock 10 ms before it arrives."""
    period_s = 1.0 / rate_hz
    stamped = not kind.startswith("std_msgs/") and kind != TWIST
    stamps_ns = tuple(10**18 + round(index * period_s * 1e9) for index in range(int(3 * rate_hz)))
    facts: dict[str, Any] = {
        "publishers": (end(DRIVER, kind),),
        "count": int(3 * rate_hz),
        "rate_hz": rate_hz,
        "period_s": period_s,
        "jitter_s": 0.001,
        "longest_gap_s": period_s + 0.002,
        "size_bytes": 100,
        "stamps": StampFacts("wall", 0.01, 0.012) if stamped else None,
        "stamps_ns": stamps_ns if stamped else (),
    }
    return TopicReport(topic, (kind,), **{**facts, **changes})


def camera(topic: str = "/camera/front/image_raw", rate_hz: float = 29.9, **changes: Any) -> TopicReport:
    """A VGA camera."""
    return heard(topic, IMAGE, rate_hz, **{"image": ImageFacts(480, 640, "rgb8"), **changes})


def odometry(rate_hz: float = 50.0, **changes: Any) -> TopicReport:
    """Wheel odometry of a robot that drives straight on."""
    fields: Mapping[str, float] = {"linear__x": 0.3, "linear__y": 0.0, "angular__z": 0.0}
    values = numbers(**{f"twist__twist__{name}": value for name, value in fields.items()})
    return heard("/odom", ODOMETRY, rate_hz, **{"values": values, **changes})


def listened(topic: str = "/cmd_vel", kind: str = TWIST, **changes: Any) -> TopicReport:
    """A command that the driver waits for."""
    return TopicReport(topic, (kind,), **{"subscribers": (end(DRIVER, kind, "reliable"),), **changes})


def survey(*topics: TopicReport, **changes: Any) -> SurveyReport:
    """A report of these topics."""
    return SurveyReport(**{"domain": 0, "seconds": 3.0, "nodes": (DRIVER,), "topics": topics, **changes})


CAR = survey(camera(), odometry(), listened())
ARM = heard("/joint_states", JOINTS, 100.0, values=numbers(position__pan=0.5, position__lift=-1.2, velocity__pan=0.0))


def drafted(report: SurveyReport, **options: Any) -> Contract:
    """The contract that is drafted of it."""
    return parse_contract(draft_contract(report, **options).text)


def comment(report: SurveyReport, key: str, **options: Any) -> str:
    """The rest of the first line that starts with ``key``."""
    text = draft_contract(report, **options).text
    return next(line for line in text.splitlines() if line.strip().startswith(key)).partition(key)[2]
