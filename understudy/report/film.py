"""A short film of the drive: the front camera enlarged, with the wheel, the speed and who is driving drawn into it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from understudy.evaluation.trace_reader import read_frames
from understudy.evaluation.traces import POLICY, Commands, Trace, newest_at
from understudy.report.instruments import Moment, draw_moment
from understudy.report.road_view import RoadCamera

__all__ = ["FRAMES_PER_S", "Film", "choose_span", "encode_film", "make_film"]

FRAMES_PER_S = 10
SECONDS = 12.0
MOST_BYTES = 2_500_000
_QUALITIES = (72, 58, 44, 30, 18)  # tried in turn until the film is small enough


@dataclass(frozen=True, slots=True)
class Film:
    """An animated WebP.

    Attributes:
        data: the file's bytes.
        still: one telling frame as a WebP, for paper and for readers who asked for less motion.
        width, height: of a frame, px.
        frames: how many.
        episode_id: the episode that it shows.
        start_s, end_s: the part of it, seconds since its start.
    """

    data: bytes
    still: bytes
    width: int
    height: int
    frames: int
    episode_id: str
    start_s: float
    end_s: float


def choose_span(trace: Trace, seconds: float = SECONDS) -> tuple[int, int]:
    """The most telling ``seconds`` of a trace, as stamps: around the policy's loss and recovery of the wheel if there
    is one, else where the policy drives and the road turns most.
    """
    stamps, driver = trace.decisions.stamps_ns, trace.decisions.driver
    length_ns = int(seconds * 1e9)
    latest = max(int(stamps[-1]) - length_ns, int(stamps[0]))
    losses = stamps[1:][(driver[:-1] == POLICY) & (driver[1:] != POLICY)]
    if len(losses):
        # A third of the film before the hand-over shows what led to it, the rest how it went on.
        starts = np.clip(losses - length_ns // 3, stamps[0], latest)
    else:
        starts = np.arange(int(stamps[0]), latest + 1, 500_000_000, dtype=np.int64)
    yaw_rates = np.abs(trace.poses.yaw_rate_rad_s)

    def interest(start: int) -> float:
        inside = (stamps >= start) & (stamps < start + length_ns)
        turning = yaw_rates[(trace.poses.stamps_ns >= start) & (trace.poses.stamps_ns < start + length_ns)]
        return float(np.mean(driver[inside] == POLICY)) + (float(np.mean(turning)) if len(turning) else 0.0)

    best = max((int(start) for start in starts), key=interest)
    return best, min(best + length_ns, int(stamps[-1]))


def make_film(trace: Trace, camera: RoadCamera | None = None, seconds: float = SECONDS) -> Film | None:
    """Film of one episode, ``None`` where its bag holds no images or nobody decided.

    Args:
        trace: the episode; its bag is read again for the images.
        camera: where the contract's first camera sits, to draw the paths ahead onto the road; ``None`` for no paths.
        seconds: how much of the episode to show.
    """
    if not len(trace.decisions.stamps_ns):
        return None
    start_ns, end_ns = choose_span(trace, seconds)
    stamps, images = read_frames(trace.path, start_ns, end_ns)
    if not len(stamps):
        return None
    wanted = np.arange(stamps[0], stamps[-1] + 1, 1_000_000_000 // FRAMES_PER_S, dtype=np.int64)
    picks = np.unique(newest_at(stamps, wanted))
    frames = [draw_moment(images[pick], _moment(trace, int(stamps[pick])), camera) for pick in picks]
    driver = trace.driver_at(stamps[picks])
    changes = np.flatnonzero(np.diff(driver))
    telling = int(changes[0]) + 1 if len(changes) else len(frames) // 2
    start_s, end_s = (float(stamps[pick] - trace.start_ns) / 1e9 for pick in (picks[0], picks[-1]))
    return encode_film(frames, telling, trace.episode_id, start_s, end_s)


def encode_film(frames: Sequence[Image.Image], telling: int, episode_id: str, start_s: float, end_s: float) -> Film:
    """The film of these frames, of which ``telling`` is the still."""
    return Film(
        data=_encode(frames),
        still=_encode_still(frames[telling]),
        width=frames[0].width,
        height=frames[0].height,
        frames=len(frames),
        episode_id=episode_id,
        start_s=start_s,
        end_s=end_s,
    )


def _encode(frames: Sequence[Image.Image]) -> bytes:
    """Animated WebP, at the best quality that stays below ``MOST_BYTES`` (or the lowest there is)."""
    data = b""
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        frames[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=1000 // FRAMES_PER_S,
            loop=0,
            quality=quality,
            method=3,
        )
        data = buffer.getvalue()
        if len(data) <= MOST_BYTES:
            break
    return data


def _encode_still(frame: Image.Image) -> bytes:
    buffer = io.BytesIO()
    frame.save(buffer, "WEBP", quality=80, method=4)
    return buffer.getvalue()


def _moment(trace: Trace, stamp_ns: int) -> Moment:
    """What the instruments show at a stamp."""
    now = np.array([stamp_ns], dtype=np.int64)
    names = [name.removeprefix("twist.") for name in trace.action_names]
    steering = names.index("angular.z") if "angular.z" in names else len(names) - 1
    throttle = names.index("linear.x") if "linear.x" in names else 0
    speed = trace.poses.speed_m_s[newest_at(trace.poses.stamps_ns, now)[0]] if len(trace.poses.stamps_ns) else 0.0
    return Moment(
        elapsed_s=(stamp_ns - trace.start_ns) / 1e9,
        driver=int(trace.driver_at(now)[0]),
        speed_m_s=float(speed),
        yaw_rate_rad_s=_value_at(trace.commands, stamp_ns, steering),
        expert_yaw_rate_rad_s=_value_at(trace.expert, stamp_ns, steering),
        full_speed_m_s=_finite_or(trace.action_limit[throttle], 8.0),
        full_yaw_rate_rad_s=_finite_or(trace.action_limit[steering], 2.5),
    )


def _finite_or(value: float, otherwise: float) -> float:
    """The gauge's end where the contract names none: that of a car in a yard."""
    return float(value) if np.isfinite(value) else otherwise


def _value_at(commands: Commands, stamp_ns: int, dimension: int) -> float | None:
    """The newest value not after the stamp, ``None`` before the first one."""
    if not len(commands.stamps_ns) or commands.stamps_ns[0] > stamp_ns:
        return None
    return float(commands.values[newest_at(commands.stamps_ns, np.array([stamp_ns]))[0], dimension])
