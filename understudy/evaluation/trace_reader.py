"""Read a recorded bag into a ``Trace``, or the camera frames of a time span. Needs neither ROS nor a simulator.

Topics are those of the simulated car (``docs/report.md`` lists them) and, for commands and proposals, those that the
contract inside the bag names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

from il_nodes.bags import BagReader
from il_nodes.codecs import codec_for, decode_proposal, decode_raw, header_stamp_ns
from models.contract import Source
from models.errors import CodecError, RecordingError
from understudy.evaluation.traces import DRIVERS, Commands, Decisions, Float64Array, Int64Array, Poses, Trace, Track

__all__ = ["read_frames", "read_trace"]

POSE_TOPIC = "/odom"
STATUS_TOPIC = "/sim/status"
DECISION_TOPIC = "/gate/decision"
TRACK_TOPICS = ("/track/centerline", "/track/left_edge", "/track/right_edge")

Row = tuple[Any, ...]


@cache
def _deserialize() -> Callable[[bytes, str], Any]:
    return get_typestore(Stores.ROS2_JAZZY).deserialize_cdr  # type: ignore[no-any-return]


def _stamp_ns(header: Any) -> int:
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def _number(text: str) -> float:
    """A KeyValue's text as a number, truth values as 1 and 0, anything else as NaN."""
    truth = {"true": 1.0, "false": 0.0}.get(text.strip().lower())
    if truth is not None:
        return truth
    try:
        return float(text)
    except ValueError:
        return math.nan


def _pose_row(message: Any) -> Row:
    position, q = message.pose.pose.position, message.pose.pose.orientation
    yaw = math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
    twist = message.twist.twist
    return _stamp_ns(message.header), position.x, position.y, yaw, twist.linear.x, twist.angular.z


def _status_row(message: Any) -> Row:
    texts = {item.key: item.value for status in message.status for item in status.values}
    return _stamp_ns(message.header), texts


def _decision_row(message: Any) -> Row:
    texts = {item.key: item.value for status in message.status for item in status.values}
    source = texts.get("source", "")
    if source not in DRIVERS:
        raise RecordingError(
            f"{DECISION_TOPIC} holds a decision whose source nobody knows", found=source, expected=", ".join(DRIVERS)
        )
    reason = texts.get("reason") or message.status[0].message
    unsafe, threshold = (_number(texts.get(name, "")) for name in ("unsafe_probability", "unsafe_threshold"))
    return _stamp_ns(message.header), DRIVERS.index(source), reason, unsafe, threshold


def _proposal_row(cdr: bytes, names: Sequence[str]) -> Row | None:
    """None for what the gate takes for no proposal either: another node's message on the topic costs no scores."""
    try:
        proposal = decode_proposal(cdr)
    except CodecError:
        return None
    if proposal.names != tuple(names):
        return None
    return proposal.stamp_ns, proposal.actions[0], proposal.unsafe_probability


def _track_row(message: Any) -> Row:
    points = [(pose.pose.position.x, pose.pose.position.y) for pose in message.poses]
    return _stamp_ns(message.header), points


def read_trace(path: Path) -> Trace:
    """Read everything but the images of one bag.

    Raises:
        RecordingError: the bag is damaged, of another format, or holds nothing that can be placed in time.
    """
    reader = BagReader(path)
    contract = reader.contract
    dims = len(contract.action_names)
    acted: dict[str, list[tuple[Source, list[Row]]]] = {}
    commands = _channels(acted, contract.action_sources, [source.channel.topic for source in contract.action_sources])
    expert = _channels(acted, contract.action_sources, contract.gate.expert_topics)

    def with_message(row: Callable[[Any], Row], kind: str) -> Callable[[bytes], Row]:
        return lambda cdr: row(_deserialize()(cdr, kind))

    parsers: dict[str, Callable[[bytes], Row | None]] = {
        POSE_TOPIC: with_message(_pose_row, "nav_msgs/msg/Odometry"),
        STATUS_TOPIC: with_message(_status_row, "diagnostic_msgs/msg/DiagnosticArray"),
        DECISION_TOPIC: with_message(_decision_row, "diagnostic_msgs/msg/DiagnosticArray"),
        contract.gate.proposal_topic: lambda cdr: _proposal_row(cdr, contract.action_names),
        **{topic: with_message(_track_row, "nav_msgs/msg/Path") for topic in TRACK_TOPICS},
    }
    rows: dict[str, list[Row]] = {topic: [] for topic in parsers}
    recorded = [topic for topic in {**parsers, **acted} if reader.counts.get(topic)]
    for topic, log_time_ns, cdr in reader.messages(recorded):
        if topic in parsers and (row := parsers[topic](cdr)) is not None:
            rows[topic].append(row)
        for source, found in acted.get(topic, ()):
            has_header = codec_for(source.channel.type).has_header
            found.append((header_stamp_ns(cdr) if has_header else log_time_ns, decode_raw(cdr, source)))
    for series in rows.values():
        series.sort(key=lambda row: int(row[0]))
    if not (rows[POSE_TOPIC] or rows[STATUS_TOPIC] or rows[DECISION_TOPIC]):
        raise RecordingError(
            f"{path}: nothing in this recording can be scored",
            found=", ".join(sorted(reader.counts)) or "no messages",
            expected=f"messages on {POSE_TOPIC}, {STATUS_TOPIC} or {DECISION_TOPIC}",
        )
    statuses = rows[STATUS_TOPIC]
    proposals = rows[contract.gate.proposal_topic]
    return Trace(
        path=Path(path),
        episode_id=reader.episode_id,
        outcome=reader.outcome,
        contract_hash=contract.hash,
        period_s=contract.period_s,
        unsafe_threshold=_threshold(rows[DECISION_TOPIC], contract.gate.unsafe_threshold),
        action_names=contract.action_names,
        action_limit=np.asarray(contract.action_maximum, dtype=np.float64),
        track=_track(*(rows[topic] for topic in TRACK_TOPICS)),
        poses=_poses(rows[POSE_TOPIC]),
        decisions=_decisions(_while_it_lasted(rows[DECISION_TOPIC], statuses)),
        status_stamps_ns=_stamps(statuses),
        status=_status(statuses),
        labels=_labels(statuses),
        commands=_commands(_joined(commands), dims),
        expert=_commands(_joined(expert), dims),
        proposals=_commands(proposals, dims),
        proposed_unsafe=np.array([row[2] for row in proposals], dtype=np.float64),
        dry_run=bool(rows[DECISION_TOPIC]) and not any(commands),
    )


def _channels(
    acted: dict[str, list[tuple[Source, list[Row]]]], sources: Sequence[Source], topics: Sequence[str]
) -> list[list[Row]]:
    """An empty list of rows for each channel of an action, also entered into ``acted`` under its topic."""
    parts: list[list[Row]] = [[] for _ in topics]
    for part, source, topic in zip(parts, sources, topics, strict=False):
        acted.setdefault(topic, []).append((source, part))
    return parts


def _joined(parts: Sequence[list[Row]]) -> list[Row]:
    """Rows of whole actions, by stamp: those stamps at which every channel has its part."""
    if len(parts) == 1:
        return sorted(parts[0], key=lambda row: int(row[0]))
    by_stamp: list[dict[int, Any]] = [{row[0]: row[1] for row in part} for part in parts]
    common = sorted(set.intersection(*map(set, by_stamp))) if by_stamp else []
    return [(stamp, np.concatenate([values[stamp] for values in by_stamp])) for stamp in common]


def read_frames(path: Path, start_ns: int, end_ns: int) -> tuple[Int64Array, npt.NDArray[np.uint8]]:
    """Camera frames of the contract's first image stream with header stamps in ``[start_ns, end_ns]``.

    Returns:
        Stamps ``(n,)`` ns and RGB images ``(n, height, width, 3)`` uint8 as recorded; ``n`` is zero where the bag
        holds no images in that span.
    """
    reader = BagReader(path)
    source = next((s for stream in reader.contract.observations if stream.is_image for s in stream.sources), None)
    stamps: list[int] = []
    images: list[npt.NDArray[np.uint8]] = []
    if source is not None and reader.counts.get(source.channel.topic):
        for _topic, _log_time_ns, cdr in reader.messages([source.channel.topic]):
            stamp_ns = header_stamp_ns(cdr)
            if start_ns <= stamp_ns <= end_ns:
                stamps.append(stamp_ns)
                images.append(np.asarray(decode_raw(cdr, source), dtype=np.uint8).copy())
    if not images:
        return np.empty(0, dtype=np.int64), np.empty((0, 1, 1, 3), dtype=np.uint8)
    order = np.argsort(stamps, kind="stable")
    return np.array(stamps, dtype=np.int64)[order], np.stack(images)[order]


def _while_it_lasted(decisions: list[Row], statuses: Sequence[Row]) -> list[Row]:
    """Decisions up to the one that answers the last scored tick.

    What the gate does behind it, the robot's sensors having gone silent, is no part of the episode.
    """
    if not statuses:
        return decisions
    end_ns = int(statuses[-1][0])
    answers = sum(int(row[0]) < end_ns for row in decisions)
    return decisions[: answers + 1]


def _stamps(rows: Sequence[Row]) -> Int64Array:
    return np.array([row[0] for row in rows], dtype=np.int64)


def _poses(rows: Sequence[Row]) -> Poses:
    table = np.array([row[1:] for row in rows], dtype=np.float64).reshape(-1, 5)
    return Poses(
        stamps_ns=_stamps(rows),
        position_in_map_m=table[:, :2],
        yaw_in_map_rad=table[:, 2],
        speed_m_s=table[:, 3],
        yaw_rate_rad_s=table[:, 4],
    )


def _decisions(rows: Sequence[Row]) -> Decisions:
    return Decisions(
        stamps_ns=_stamps(rows),
        driver=np.array([row[1] for row in rows], dtype=np.uint8),
        reasons=tuple(row[2] for row in rows),
        unsafe_probability=np.array([row[3] for row in rows], dtype=np.float64),
    )


def _commands(rows: Sequence[Row], dims: int) -> Commands:
    values = np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, dims)
    return Commands(stamps_ns=_stamps(rows), values=values)


def _threshold(decisions: Sequence[Row], otherwise: float) -> float:
    """The threshold that the gate says it used last: a deployment may override the contract's."""
    return next((row[4] for row in reversed(decisions) if math.isfinite(row[4])), otherwise)


def _status(rows: Sequence[Row]) -> dict[str, Float64Array]:
    names = sorted({name for _, texts in rows for name in texts})
    return {name: np.array([_number(texts.get(name, "")) for _, texts in rows], dtype=np.float64) for name in names}


def _labels(rows: Sequence[Row]) -> dict[str, str]:
    names = {name for _, texts in rows for name in texts}
    last = {name: next((texts[name] for _, texts in reversed(rows) if texts.get(name)), "") for name in names}
    return {name: text for name, text in last.items() if text and math.isnan(_number(text))}


def _track(*lines: Sequence[Row]) -> Track | None:
    """The last polyline of each topic; ``None`` unless all three were recorded."""
    if not all(lines):
        return None
    return Track(*(np.array(line[-1][1], dtype=np.float64).reshape(-1, 2) for line in lines))
