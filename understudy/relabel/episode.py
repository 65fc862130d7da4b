"""One recorded episode as it is shown to whoever labels it: frames as JPEG, ticks, and what was commanded then."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from il_nodes.bags import BagReader
from il_nodes.bags.files import MANIFEST, Manifest, mcap_name
from il_nodes.codecs import CdrCursor, codec_for, decode_raw, header_stamp_ns
from il_nodes.observation.trigger_ticks import TriggerTicks
from il_nodes.recorder.topics import EPISODE_TOPIC, LABEL_PREFIX, behind
from models.contract import Align, Channel, Contract, DimensionLimits, Source
from models.data import FloatArray
from models.errors import CodecError, RecordingError

__all__ = ["FrameFile", "ShownEpisode", "cameras_of", "open_episode"]

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
#: Seen side by side with the camera's own pixels, nobody tells the difference.
JPEG_QUALITY = 92

Progress = Callable[[int, int], object]


class FrameFile:
    """Encoded frames in an unnamed temporary file: an episode's may be larger than the memory, and threads read it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="understudy-frames-")  # noqa: SIM115 - closed by close()
        self._ends = [0]

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, data: bytes) -> None:
        """Add one frame behind the others. Raises OSError when the disk is full."""
        self._file.write(data)
        self._ends.append(self._ends[-1] + len(data))

    def read(self, index: int) -> bytes:
        """Frame of that number, from any thread."""
        start, end = self._ends[index], self._ends[index + 1]
        return os.pread(self._file.fileno(), end - start, start)

    def finish(self) -> None:
        """All frames are there."""
        self._file.flush()

    def close(self) -> None:
        """Give the space back."""
        self._file.close()


@dataclass(frozen=True)
class ShownEpisode:
    """What the page shows.

    Attributes:
        episode_id: the episode.
        recording: folder's name.
        recording_sha256: of its MCAP file.
        task: what was to be done.
        outcome: how it ended.
        contract: as recorded.
        dimensions: limits of the action vector; without limits in the contract, what was recorded spans them.
        cameras: what may be shown.
        camera: what is shown.
        frames: its pictures.
        stamps_ns: ``(T,)`` of the ticks.
        frame_of_tick: ``(T,)`` the picture that was newest at each tick.
        expert: ``(T, dims)`` the recorded labels or the expert's commands; NaN where there is none.
        executed: ``(T, dims)`` what the robot was sent; NaN where there is none.
    """

    episode_id: str
    recording: str
    recording_sha256: str
    task: str
    outcome: str
    contract: Contract
    dimensions: tuple[DimensionLimits, ...]
    cameras: tuple[str, ...]
    camera: str
    frames: FrameFile
    stamps_ns: npt.NDArray[np.int64]
    frame_of_tick: npt.NDArray[np.int64]
    expert: FloatArray
    executed: FloatArray


def cameras_of(reader: BagReader) -> dict[str, Source]:
    """Name to source of every camera with pictures: the contract's by the end of their keys, others by their topics."""
    found: dict[str, Source] = {}
    for stream in reader.contract.observations:
        if stream.is_image and reader.counts.get(stream.sources[0].channel.topic):
            # As the camera saw it: resizing is the policy's business.
            found[stream.key.rsplit(".", 1)[-1]] = replace(stream.sources[0], apply=())
    known = {source.channel.topic for source in found.values()}
    for topic, kind in sorted(reader.types.items()):
        if kind in IMAGE_TYPES and reader.counts.get(topic) and topic not in known:
            found[topic] = Source(Channel(topic, kind), Align("hold", "header"))
    return found


def open_episode(path: Path, camera: str = "", progress: Progress | None = None) -> ShownEpisode:
    """Read a finished recording once and prepare what is shown of it.

    Args:
        path: the recording's folder.
        camera: name or topic of one of :func:`cameras_of`; the trigger's, or else the first, when empty.
        progress: told (frames done, frames in all).

    Raises:
        RecordingError: damaged, unfinished, without a camera, without ticks, or without the named camera.
    """
    reader = BagReader(path)
    contract = reader.contract
    name, source = _choose(reader, camera)
    frames, frame_stamps = _read_frames(reader, source, progress)
    stamps_ns = np.array(list(_ticks(reader, contract)), np.int64)
    if not len(stamps_ns):
        raise RecordingError(f"recording {path.name} has no tick to label", expected=f"samples of {contract.trigger}")
    shown = np.searchsorted(frame_stamps, stamps_ns, side="right") - 1
    expert, executed = _commands(reader, contract, stamps_ns)
    manifest = Manifest.read(path / MANIFEST)
    return ShownEpisode(
        episode_id=reader.episode_id,
        recording=path.name,
        recording_sha256=manifest.files[mcap_name(manifest.episode_id)].sha256,
        task=reader.task,
        outcome=reader.outcome,
        contract=contract,
        dimensions=contract.limits or _spanned(contract, np.concatenate([expert, executed])),
        cameras=tuple(cameras_of(reader)),
        camera=name,
        frames=frames,
        stamps_ns=stamps_ns,
        frame_of_tick=np.maximum(shown, 0),
        expert=expert,
        executed=executed,
    )


def _choose(reader: BagReader, camera: str) -> tuple[str, Source]:
    found = cameras_of(reader)
    if not found:
        raise RecordingError(
            f"recording {reader.path.name} holds no camera's pictures, and nobody can label what they do not see",
            found=", ".join(sorted(reader.types)) or "no topics",
            expected="a topic of type sensor_msgs/msg/Image or CompressedImage",
        )
    if not camera:
        trigger = reader.contract.trigger.rsplit(".", 1)[-1]
        camera = trigger if trigger in found else next(iter(found))
    for name, source in found.items():
        if camera in (name, source.channel.topic):
            return name, source
    raise RecordingError(
        f"recording {reader.path.name} has no such camera",
        found=camera,
        expected=f"--camera with one of {', '.join(found)}",
    )


def _stamp_ns(source: Source, log_time_ns: int, cdr: bytes) -> int:
    return header_stamp_ns(cdr) if codec_for(source.channel.type).has_header else log_time_ns


def _observed_ns(source: Source, log_time_ns: int, cdr: bytes) -> int:
    """When a sample counts for the observation: by its header only where the contract goes by it."""
    return _stamp_ns(source, log_time_ns, cdr) if source.align.timeline == "header" else log_time_ns


def _read_frames(
    reader: BagReader, source: Source, progress: Progress | None
) -> tuple[FrameFile, npt.NDArray[np.int64]]:
    frames = FrameFile()
    stamps: list[int] = []
    total = reader.counts[source.channel.topic]
    try:
        for _, log_time_ns, cdr in reader.messages([source.channel.topic]):
            try:
                encoded = _encode(decode_raw(cdr, source))
                stamp_ns = _observed_ns(source, log_time_ns, cdr)
            except CodecError:
                continue  # one broken picture: the one before stays on the screen
            if stamps and stamp_ns < stamps[-1]:
                continue
            frames.append(encoded)
            stamps.append(stamp_ns)
            if progress:
                progress(len(frames), total)
        frames.finish()
    except OSError as error:
        frames.close()
        raise RecordingError("the pictures need space in the temporary folder", found=error.strerror) from error
    if not stamps:
        frames.close()
        raise RecordingError(f"no picture on {source.channel.topic} can be read", found=f"{total} messages")
    return frames, np.array(stamps, np.int64)


def _encode(pixels: npt.NDArray[Any]) -> bytes:
    import cv2

    channels = pixels.shape[2]
    # Of stacked or unknown channels the last three are the newest picture.
    shown = pixels[:, :, -3:] if channels >= 3 else pixels[:, :, :1]
    image = np.ascontiguousarray(shown[:, :, ::-1]) if channels >= 3 else np.ascontiguousarray(shown)
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise CodecError("a picture cannot be encoded", found=str(pixels.shape))
    return bytes(data.tobytes())


def _ticks(reader: BagReader, contract: Contract) -> Iterator[int]:
    """Stamps of the ticks, exactly those that become rows of a dataset (before anything is left out)."""
    trigger = contract.observation(contract.trigger).sources[0]
    grid = TriggerTicks(contract.fps)
    starts = _episode_starts(reader)
    if starts:
        grid.restart(starts.pop(0))
    for _, log_time_ns, cdr in reader.messages(
        [trigger.channel.topic] if trigger.channel.topic in reader.types else []
    ):
        try:
            stamp_ns = _observed_ns(trigger, log_time_ns, cdr)
        except CodecError:
            continue
        while starts and stamp_ns >= starts[0]:
            grid.restart(starts.pop(0))
        if grid.is_tick(stamp_ns):
            yield stamp_ns


def _episode_starts(reader: BagReader) -> list[int]:
    """Stamps at which the episode began, or went on after a recovery; an empty id is its end."""
    if not reader.counts.get(EPISODE_TOPIC):
        return []
    starts = []
    for _, _, cdr in reader.messages([EPISODE_TOPIC]):
        cursor = CdrCursor(cdr)
        stamp_ns = cursor.time_ns()
        if cursor.string():
            starts.append(stamp_ns)
    return sorted(starts)


def _commands(reader: BagReader, contract: Contract, ticks_ns: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """What the expert said (a labeller's answers where there are any) and what was executed, at or before each tick."""
    sources, experts = contract.action_sources, contract.gate.expert_topics
    given = [behind(LABEL_PREFIX, topic) for topic in experts]
    labelled = bool(given) and all(reader.counts.get(topic) for topic in given)
    topics = [given if labelled else experts, [source.channel.topic for source in sources]]
    expert, executed = (_joined(reader, sources, which, ticks_ns) for which in topics)
    return expert, executed


def _joined(
    reader: BagReader, sources: Sequence[Source], topics: Sequence[str], ticks_ns: npt.NDArray[np.int64]
) -> FloatArray:
    columns = []
    for number, source in enumerate(sources):
        values = np.full((len(ticks_ns), len(source.names)), np.nan, np.float32)
        if number < len(topics) and reader.counts.get(topics[number]):
            stamps, rows = _series(reader, source, topics[number])
            positions = np.searchsorted(stamps, ticks_ns, side="right") - 1
            known = positions >= 0
            values[known] = rows[positions[known]]
        columns.append(values)
    return np.concatenate(columns, axis=1)


def _series(reader: BagReader, source: Source, topic: str) -> tuple[npt.NDArray[np.int64], FloatArray]:
    stamps, rows = [], []
    for _, log_time_ns, cdr in reader.messages([topic]):
        try:
            values = decode_raw(cdr, source)
            if values.shape == (len(source.names),) and np.isfinite(values).all():
                stamps.append(_stamp_ns(source, log_time_ns, cdr))
                rows.append(values)
        except CodecError:
            continue
    order = np.argsort(np.array(stamps, np.int64), kind="stable")
    found = np.array(rows, np.float32).reshape(len(rows), len(source.names))
    return np.array(stamps, np.int64)[order], found[order]


def _spanned(contract: Contract, values: FloatArray) -> tuple[DimensionLimits, ...]:
    """Limits for drawing, where the contract has none: a little beyond what was recorded."""
    limits = []
    for name, column in zip(contract.action_names, values.T, strict=True):
        seen = np.append(column[np.isfinite(column)], [-1.0, 1.0])
        largest = float(np.abs(seen).max()) * 1.2
        limits.append(DimensionLimits(name, -largest, largest, 1e9))
    return tuple(limits)
