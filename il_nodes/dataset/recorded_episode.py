"""One recording becomes one episode: the live assembler makes its observations, its own topics the labels."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from il_nodes.bags.reader import BagReader
from il_nodes.codecs import CdrCursor, codec_for, decode_raw, header_stamp_ns
from il_nodes.dataset.lost_frames import Hole
from il_nodes.observation.assembler import ObservationAssembler, ObservationCounts
from il_nodes.recorder.topics import DECISION_TOPIC, EPISODE_TOPIC, LABEL_PREFIX, behind
from models.contract import Contract, Source
from models.data import FloatArray, Observation
from models.episodes import DRIVERS, EXPERT, Episode
from models.errors import CodecError, RecordingError, UnderstudyError
from models.label_file import LabelFile, merge_labels

__all__ = ["DECISION_TOPIC", "EPISODE_TOPIC", "RecordedEpisode", "needed_topics", "read_episode"]

#: What reading bytes that are no whole message raises; a recording holds them as they came.
_MALFORMED = (CodecError, struct.error, ValueError, IndexError)


@dataclass(frozen=True)
class RecordedEpisode:
    """An episode, and what was lost on the way to it.

    Attributes:
        episode: ticks with labels. Where ticks without a label were left out, memory starts anew behind them, so that
            no stack reaches over the hole.
        unlabelled: ticks for which the expert had said nothing recent.
        counts: the assembler's.
        relabelled: ticks whose label a person gave afterwards.
        without_frame: labelled ticks that were left out because a camera's frame of theirs was lost.
    """

    episode: Episode
    unlabelled: int
    counts: ObservationCounts
    relabelled: int = 0
    without_frame: int = 0


class _Series:
    """Values of one topic by stamp; the newest at or before a time."""

    def __init__(self) -> None:
        self._stamps_ns: list[int] = []
        self._values: list[npt.NDArray[np.generic]] = []

    def add(self, stamp_ns: int, values: npt.NDArray[np.generic]) -> None:
        self._stamps_ns.append(stamp_ns)
        self._values.append(values)

    def at(
        self,
        ticks_ns: npt.NDArray[np.int64],
        max_age_s: float,
        empty: FloatArray,
        starts_ns: npt.NDArray[np.int64] | None = None,
    ) -> FloatArray:
        """``(T, dims)`` float32 values at the ticks; ``empty`` where there is none, or none young enough.

        Args:
            ticks_ns: ``(T,)`` stamps.
            max_age_s: how long a value counts.
            empty: ``(dims,)``.
            starts_ns: sorted; a value from before a start says nothing about a tick behind it.
        """
        found = np.tile(empty, (len(ticks_ns), 1))
        if not self._stamps_ns:
            return found
        stamps = np.array(self._stamps_ns, np.int64)
        # Stable, and searched from the right: of two messages with one stamp the later one counts, as on the robot.
        order = np.argsort(stamps, kind="stable")
        stamps, values = stamps[order], np.stack(self._values)[order]
        positions = np.searchsorted(stamps, ticks_ns, side="right") - 1
        found_ns = stamps[np.maximum(positions, 0)]
        fresh = (positions >= 0) & (ticks_ns - found_ns <= max_age_s * 1e9)
        if starts_ns is not None and len(starts_ns):
            begun = np.searchsorted(starts_ns, ticks_ns, side="right") - 1
            fresh &= (begun < 0) | (found_ns >= starts_ns[np.maximum(begun, 0)])
        found[fresh] = values[positions[fresh]]
        return found


def _label_sources(contract: Contract) -> tuple[Source, ...]:
    """The action's sources as the expert publishes them; without an expert topic, the commands are its own."""
    sources = contract.action_sources
    experts = contract.gate.expert_topics
    if not experts:
        return sources
    return tuple(
        replace(source, channel=replace(source.channel, topic=topic))
        for source, topic in zip(sources, experts, strict=True)
    )


def _preferred_labels(reader: BagReader, contract: Contract) -> tuple[tuple[Source, ...], float]:
    """The label's sources, and how old a label may be, s: the labeller's answers where there are any.

    They are stamped with the very tick that they answer. Without them the expert's commands count, which are what it
    intended also while noise was on: the noise node publishes elsewhere.
    """
    sources = _label_sources(contract)
    answers = tuple(
        replace(source, channel=replace(source.channel, topic=behind(LABEL_PREFIX, source.channel.topic)))
        for source in sources
    )
    if contract.gate.expert_topics and all(reader.counts.get(source.channel.topic) for source in answers):
        return answers, 0.0
    return sources, contract.gate.expert_max_age_s


def needed_topics(contract: Contract) -> tuple[str, ...]:
    """Topics without which a recording is of no use for training: every observation, and the expert's commands."""
    observed = ObservationAssembler(contract).topics
    return tuple(dict.fromkeys((*observed, *(source.channel.topic for source in _label_sources(contract)))))


def read_episode(
    reader: BagReader,
    contract: Contract,
    settle_s: float = 0.005,
    relabelled: LabelFile | None = None,
    holes: Sequence[Hole] = (),
) -> RecordedEpisode:
    """Episode of one recording.

    Args:
        reader: the recording, of this contract.
        contract: how to observe and label.
        settle_s: as in the live nodes.
        relabelled: what a person said afterwards; on those ticks it counts instead of what was recorded.
        holes: where frames were lost: no tick in one is kept, and memory starts anew behind it.

    Raises:
        RecordingError: a topic is missing, or no tick can be used.
    """
    reader.require(ObservationAssembler(contract).topics)
    if relabelled is None:
        reader.require(source.channel.topic for source in _preferred_labels(reader, contract)[0])
    ticks, assembler, first_error = _observe(reader, contract, settle_s)
    if not ticks:
        raise RecordingError(
            f"recording {reader.path.name} gives no observation",
            found=first_error or str(assembler.counts()),
            expected="samples of every stream that lie close enough together",
        )
    stamps = np.array([observation.stamp_ns for observation in ticks], np.int64)
    labels, executed, driver, label_error = _commands(reader, contract, stamps)
    relabelled_ticks = 0
    if relabelled is not None:
        labels, relabelled_ticks = merge_labels(labels, stamps, relabelled)
        if len(relabelled.stamps_ns) and not relabelled_ticks:
            raise RecordingError(
                f"no label that was given to recording {reader.path.name} afterwards is for one of its ticks",
                found=f"{len(relabelled.stamps_ns)} labels from {relabelled.stamps_ns[0]} ns on",
                expected=f"labels of its {len(ticks)} ticks, from {stamps[0]} ns on",
                fix="label it again with this version, or remove the labels",
            )
    labelled = np.isfinite(labels).all(axis=1)
    if not labelled.any():
        raise RecordingError(
            f"recording {reader.path.name} has no label for any of its {len(ticks)} ticks",
            found=label_error or "no expert command stamped at or shortly before a tick",
            expected=f"commands of the expert, stamped at most {contract.gate.expert_max_age_s} s before each tick",
        )
    whole = np.ones(len(ticks), np.bool_)
    for hole in holes:
        whole &= (stamps < hole.begin_ns) | (stamps >= hole.end_ns)
    kept = np.flatnonzero(labelled & whole)
    if not len(kept):
        raise RecordingError(f"recording {reader.path.name} lacks a frame at each of its {len(ticks)} ticks")
    starts = np.array([observation.starts_memory for observation in ticks])[kept]
    starts |= np.append(True, np.diff(kept) > 1)
    first = np.searchsorted(stamps[kept], np.array([hole.end_ns for hole in holes], np.int64))
    starts[first[first < len(kept)]] = True
    episode = Episode(
        episode_id=reader.episode_id,
        stamps_ns=stamps[kept],
        observations={key: np.stack([ticks[index].arrays[key][-1] for index in kept]) for key in ticks[0].arrays},
        actions=labels[kept],
        executed=executed[kept],
        driver=driver[kept],
        starts_memory=starts,
        meta={"recording": reader.path.name, "task": reader.task, "outcome": reader.outcome},
    )
    return RecordedEpisode(
        episode, int((~labelled).sum()), assembler.counts(), relabelled_ticks, int((labelled & ~whole).sum())
    )


def _observe(
    reader: BagReader, contract: Contract, settle_s: float
) -> tuple[list[Observation], ObservationAssembler, str]:
    """Every observation that a live node would have made, the assembler, and the first refusal in words."""
    assembler = ObservationAssembler(contract, settle_s)
    found: list[Observation] = []
    errors: list[str] = []

    def take(item: Observation | UnderstudyError | None) -> bool:
        if isinstance(item, Observation):
            found.append(_newest_only(item))
        elif item is not None:
            errors.append(str(item))
        return item is not None

    def poll(receive_ns: int) -> Observation | UnderstudyError | None:
        try:
            return assembler.poll(receive_ns)
        except UnderstudyError as error:
            return error

    starts = _episode_starts(reader)
    if starts:
        assembler.start_episode(starts[0][1], starts.pop(0)[0])
    for topic, log_time_ns, cdr in reader.messages(assembler.topics):
        # Live nodes hear of an episode before its first tick, since the simulator waits for that. A bag holds messages
        # of one stamp in another order, so the start comes forward to the first message that belongs to it.
        while starts and _stamp_ns(reader.types[topic], log_time_ns, cdr) >= starts[0][0]:
            for item in assembler.finish():
                take(item)
            assembler.start_episode(starts[0][1], starts.pop(0)[0])
        try:
            take(assembler.add(topic, cdr, log_time_ns))
        except UnderstudyError as error:
            take(error)
        while take(poll(log_time_ns)):
            pass
    for item in assembler.finish():
        take(item)
    return found, assembler, errors[0] if errors else ""


def _newest_only(observation: Observation) -> Observation:
    """The same without its past, which a dataset stores once and not ``frames`` times."""
    return replace(observation, arrays={key: array[-1:].copy() for key, array in observation.arrays.items()})


def _stamp_ns(type_name: str, log_time_ns: int, cdr: bytes) -> int:
    """Header stamp of a message, its log time where it has none that can be read."""
    try:
        return header_stamp_ns(cdr) if codec_for(type_name).has_header else log_time_ns
    except CodecError:
        return log_time_ns


def _episode_starts(reader: BagReader) -> list[tuple[int, str]]:
    """Stamp and id of each start: of the episode, and of its going on after a recovery."""
    if not reader.counts.get(EPISODE_TOPIC):
        return []
    starts = []
    for _, _, cdr in reader.messages([EPISODE_TOPIC]):
        try:
            cursor = CdrCursor(cdr)
            stamp_ns, episode_id = cursor.time_ns(), cursor.string()
        except _MALFORMED as error:
            raise _unreadable(EPISODE_TOPIC, cdr, error) from error
        if episode_id:  # an empty one is an episode's end
            starts.append((stamp_ns, episode_id))
    return sorted(starts)


def _commands(
    reader: BagReader, contract: Contract, ticks_ns: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint8], str]:
    """At each tick the expert's command (NaN without one), the robot's, and who drove; and the first error in words."""
    (labels, label_age_s), commands = _preferred_labels(reader, contract), contract.action_sources
    starts_ns = np.array([stamp_ns for stamp_ns, _ in _episode_starts(reader)], np.int64)
    wanted = [(source, _Series()) for source in (*labels, *commands)]
    by_topic: dict[str, list[tuple[Source, _Series]]] = {}
    for source, series in wanted:
        by_topic.setdefault(source.channel.topic, []).append((source, series))
    drivers = _Series()
    first_error = ""
    recorded = [topic for topic in (*by_topic, DECISION_TOPIC) if reader.counts.get(topic)]
    for topic, log_time_ns, cdr in reader.messages(recorded):
        if topic == DECISION_TOPIC:
            try:
                drivers.add(*_decision(cdr))
            except _MALFORMED as error:
                raise _unreadable(DECISION_TOPIC, cdr, error) from error
            continue
        for source, series in by_topic[topic]:
            try:
                series.add(_stamp_ns(source.channel.type, log_time_ns, cdr), _decode_command(cdr, source))
            except CodecError as error:
                first_error = first_error or str(error)

    def join(part: list[tuple[Source, _Series]], max_age_s: float) -> FloatArray:
        columns = [
            series.at(ticks_ns, max_age_s, np.full(len(source.names), np.nan, np.float32), starts_ns)
            for source, series in part
        ]
        return np.concatenate(columns, axis=1)

    driver = drivers.at(ticks_ns, math.inf, np.array([EXPERT], np.float32))[:, 0].astype(np.uint8)
    return (
        join(wanted[: len(labels)], label_age_s),
        join(wanted[len(labels) :], math.inf),
        driver,
        first_error,
    )


def _unreadable(topic: str, cdr: bytes, error: Exception) -> RecordingError:
    return RecordingError(f"a message on {topic} cannot be read", found=f"{len(cdr)} bytes: {error}")


def _decode_command(cdr: bytes, source: Source) -> npt.NDArray[np.generic]:
    values = decode_raw(cdr, source)
    if values.shape != (len(source.names),):
        raise CodecError(
            f"{source.channel.topic}: a command of the wrong size",
            found=f"{values.shape}",
            expected=f"({len(source.names)},) for {', '.join(source.names)}",
        )
    return values


def _decision(cdr: bytes) -> tuple[int, npt.NDArray[np.float32]]:
    """Stamp and driver's number of a gate's decision, a ``diagnostic_msgs/DiagnosticArray`` with a value ``source``."""
    cursor = CdrCursor(cdr)
    stamp_ns = cursor.header()
    for _ in range(cursor.uint32()):
        cursor.uint8()  # level
        for _ in range(3):  # name, message, hardware id
            cursor.skip_string()
        for _ in range(cursor.uint32()):
            key, value = cursor.string(), cursor.string()
            if key == "source" and value in DRIVERS:
                return stamp_ns, np.array([DRIVERS.index(value)], np.float32)
    raise RecordingError(
        f"a message on {DECISION_TOPIC} does not say who drove",
        found=f"{len(cdr)} bytes without a value called source",
        expected=f"source: one of {', '.join(DRIVERS)}",
    )
