"""The words of a drafted contract: measured facts as comments, values as YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from il_nodes.survey.report import SurveyReport, TopicReport
from models.contract.messages import LABEL_TYPES
from understudy.contracts.values import Limit

__all__ = [
    "CHANGE_ME",
    "limit_words",
    "measured",
    "milliseconds",
    "one_line",
    "placeholders",
    "scalar",
    "select_words",
    "stamp_words",
]

#: What marks a value that only a person can know.
CHANGE_ME = "CHANGE ME"
_PLAIN = re.compile(r"[A-Za-z_/][\w./-]*")
#: Words that YAML takes for something else.
_RESERVED = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def measured(topic: TopicReport) -> str:
    """Rate, size, losses and publishers, in words."""
    jitter, gap = milliseconds(topic.jitter_s), milliseconds(topic.longest_gap_s)
    parts = [f"{topic.rate_hz or 0.0:.1f} Hz (jitter {jitter}, longest gap {gap})"]
    if topic.image is not None:
        changes = f", {topic.image.sizes} different sizes" if topic.image.sizes > 1 else ""
        parts.append(f"{topic.image.width}x{topic.image.height} {one_line(topic.image.encoding)}{changes}")
    parts.append(f"{topic.size_bytes / 1000:.0f} kB" if topic.size_bytes >= 10_000 else f"{topic.size_bytes} bytes")
    if topic.lost:
        parts.append(f"{topic.lost} of {topic.count + topic.lost} lost on the way")
    parts += dict.fromkeys(f"{end.reliability.replace('_', ' ')}, from {end.node}" for end in topic.publishers)
    return ", ".join(parts)


def stamp_words(topic: TopicReport, report: SurveyReport, stamped: bool) -> str:
    """Which clock the stamps are on, or why nothing can be aligned by them."""
    stamps = topic.stamps
    if stamps is None:
        return "messages of this type carry no stamp"
    if stamped:
        return f"stamps on the {stamps.clock} clock, {milliseconds(stamps.age_s)} old on arrival"
    if stamps.clock == "unset":
        return "the driver leaves the stamps at zero"
    if stamps.clock == "unknown":
        return "the stamps are on no clock of this machine"
    if stamps.clock != ("simulated" if report.simulated_time else "wall"):
        return f"the stamps are on the {stamps.clock} clock, which is not the robot's"
    return f"the stamps do not advance ({stamps.standing + stamps.backward} of {topic.count})"


def select_words(topic: TopicReport, select: Sequence[str], indent: str) -> str:
    """The line ``select``, with what else the message holds."""
    left = [value for value in topic.values if value.name not in select] if topic.type not in LABEL_TYPES else []
    broken = [value.name for value in left if value.not_finite]
    others = [value.name for value in left if not value.not_finite]
    notes = [f"also in it: {_some(others)}"] if others else []
    notes += [f"NaN, so left out: {_some(broken)}"] if broken else []
    return f"{indent}select: [{', '.join(map(scalar, select))}]" + (
        f"  # measured: {'; '.join(notes)}" if notes else ""
    )


def _some(names: Sequence[str]) -> str:
    shown = [one_line(name) for name in names[:6]]
    return ", ".join(shown) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def limit_words(limit: Limit) -> str:
    """One dimension's limits in flow style, marked as the placeholder that it is."""
    parts = [f"min: {limit.minimum:g}", f"max: {limit.maximum:g}", f"rate: {limit.rate:g}"]
    parts += [f"unit: {limit.unit}"] if limit.unit else []
    parts += [f"stop: {limit.stop:g}"] if limit.stop is not None else []
    unit = "" if limit.unit else "; say its unit too (rad/s, m/s, Nm), and if it is a position (rad, m) where it stops"
    if limit.unit == "rad":
        unit = "; a joint that slides has unit: m"
    return f"{{{', '.join(parts)}}}  # {CHANGE_ME}: {limit.why}{unit}"


def scalar(text: str) -> str:
    """As YAML: plain where it can be mistaken for nothing else, else quoted."""
    return text if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED else json.dumps(text)


def one_line(text: str) -> str:
    """On one line and printable: comments hold names that other people's drivers chose."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def milliseconds(seconds: float) -> str:
    """``150 ms``, and ``1.3 ms`` where the digit tells something."""
    number = seconds * 1000.0
    return f"{number:.0f} ms" if abs(number) >= 10 or number == 0 else f"{number:.1f} ms"


def placeholders(text: str) -> list[tuple[int, str]]:
    """Line number and value of everything in a contract's text that is still marked ``CHANGE ME``."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        before, mark, _ = line.partition(f"# {CHANGE_ME}")
        value = before.partition(" #")[0].strip()
        if mark and value:
            found.append((number, value))
    return found
