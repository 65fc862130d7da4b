"""The instruments in a frame of the film: paths on the road, steering gauge, speed bar, and who has the wheel."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from understudy.evaluation.traces import DRIVERS, Float64Array
from understudy.report.road_view import RoadCamera, path_ahead, to_pixels
from understudy.report.style import DRIVER_ROLES, PALETTE

__all__ = ["WIDTH_PX", "Moment", "draw_driver", "draw_moment"]

WIDTH_PX = 576  # six times the simulated camera's 96 px
_SCALE = 2  # shapes are drawn at this multiple and reduced, which smooths their edges
_GAUGE_REACH_RAD = math.radians(62)  # the needle's angle at full steering
_LOWEST = 0.71  # of the picture's height: paths start there, so that the gauge below stays clear
_HORIZON_S = 1.6  # of the paths ahead: about ten metres at the demonstrations' speed
_BAND_M = 0.35  # half the width of the band on the road, narrower than the car so that the road stays visible
# On the pill, by driver code: of a car, and of an arm.
_DRIVERS = ("EXPERT drives", "POLICY drives", "STOPPING")
_MOVERS = ("EXPERT moves", "POLICY moves", "HOLDING")
_INK, _SHADE = (255, 255, 255, 255), (10, 14, 20)

Colour = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Moment:
    """What the instruments show: time, driver code, speed, the commanded yaw rate, the expert's, and full scale."""

    elapsed_s: float
    driver: int
    speed_m_s: float
    yaw_rate_rad_s: float | None
    expert_yaw_rate_rad_s: float | None
    full_speed_m_s: float
    full_yaw_rate_rad_s: float


@cache
def _font(size_px: int, bold: bool) -> ImageFont.FreeTypeFont:
    # matplotlib brings this font along, so that the film looks the same on a machine without any.
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/{name}", size_px)


def _colour(palette_role: str, alpha: int = 255) -> Colour:
    """The dark-mode variant of a role: it is drawn on a dark shade."""
    digits = PALETTE[palette_role][1].removeprefix("#")
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16), alpha


def draw_moment(image: npt.NDArray[np.uint8], moment: Moment, camera: RoadCamera | None) -> Image.Image:
    """The camera's picture ``(height, width, 3)``, enlarged, with its instruments."""
    base, layer = _layers(image)
    draw = ImageDraw.Draw(layer)
    _draw_shade(draw, layer.size)
    if camera is not None:
        _draw_paths(draw, moment, camera, layer.size)
    _draw_driver(draw, _DRIVERS[moment.driver], moment.driver, moment.elapsed_s, layer.width)
    _draw_speed(draw, moment, layer.size)
    _draw_gauge(draw, moment, layer.size)
    return _together(base, layer)


def draw_driver(image: npt.NDArray[np.uint8], driver: int, elapsed_s: float) -> Image.Image:
    """The camera's picture ``(height, width, 3)``, enlarged, with nothing but who moves the robot, and the time."""
    base, layer = _layers(image)
    _draw_driver(ImageDraw.Draw(layer), _MOVERS[driver], driver, elapsed_s, layer.width)
    return _together(base, layer)


def _layers(image: npt.NDArray[np.uint8]) -> tuple[Image.Image, Image.Image]:
    """The picture enlarged, and an empty layer to draw on at ``_SCALE`` times that."""
    height = round(WIDTH_PX * image.shape[0] / image.shape[1] / 2) * 2
    base = Image.fromarray(image).resize((WIDTH_PX, height), Image.Resampling.BICUBIC).convert("RGBA")
    return base, Image.new("RGBA", (WIDTH_PX * _SCALE, height * _SCALE), (*_SHADE, 0))


def _together(base: Image.Image, layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(base, layer.resize(base.size, Image.Resampling.LANCZOS)).convert("RGB")


def _draw_paths(draw: ImageDraw.ImageDraw, moment: Moment, camera: RoadCamera, size: tuple[int, int]) -> None:
    """Onto the road: the way that the command leads (a band), and the way that the expert would go (a line)."""
    speed = max(moment.speed_m_s, 1.0)  # at a standstill there would be nothing to see
    if moment.yaw_rate_rad_s is not None:
        centre = path_ahead(speed, moment.yaw_rate_rad_s, _HORIZON_S)
        edges = [to_pixels(_beside(centre, side), camera, *size) for side in (_BAND_M, -_BAND_M)]
        outline = np.concatenate([edges[0], edges[1][::-1]])
        outline = outline[_on_road(outline, size)]
        if len(outline) > 2:
            draw.polygon([(float(x), float(y)) for x, y in outline], fill=_colour(DRIVER_ROLES[moment.driver], 120))
    if moment.expert_yaw_rate_rad_s is not None and DRIVERS[moment.driver] != "expert":
        line = to_pixels(path_ahead(speed, moment.expert_yaw_rate_rad_s, _HORIZON_S), camera, *size)
        line = line[_on_road(line, size)]
        for start, end in itertools.pairwise(line.tolist()):
            draw.line([tuple(start), tuple(end)], fill=_colour("expert"), width=2 * _SCALE)


def _on_road(pixels: Float64Array, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Which of the points may be drawn: those in front of the camera and above the gauge."""
    return np.isfinite(pixels).all(axis=1) & (np.nan_to_num(pixels[:, 1], nan=np.inf) < _LOWEST * size[1])


def _beside(path: Float64Array, distance_m: float) -> Float64Array:
    """The path moved to its left by that much."""
    forward = np.gradient(path, axis=0)
    forward /= np.maximum(np.linalg.norm(forward, axis=1, keepdims=True), 1e-9)
    return path + distance_m * np.stack([-forward[:, 1], forward[:, 0]], axis=1)


def _draw_shade(draw: ImageDraw.ImageDraw, size: tuple[int, int]) -> None:
    """A shade rising from the lower edge that light text can be read on."""
    width, height = size
    top = round(height * 0.62)
    for y in range(top, height):
        draw.line([(0, y), (width, y)], fill=(*_SHADE, round(215 * ((y - top) / (height - top)) ** 0.7)))


def _draw_driver(draw: ImageDraw.ImageDraw, text: str, driver: int, elapsed_s: float, width: int) -> None:
    """Top left: who drives, in that driver's colour. Top right: time in the episode."""
    font, pad = _font(17 * _SCALE, bold=True), 10 * _SCALE
    left, top = 14 * _SCALE, 14 * _SCALE
    box = (left, top, left + draw.textlength(text, font) + 2 * pad, top + 32 * _SCALE)
    draw.rounded_rectangle(box, 16 * _SCALE, fill=_colour(DRIVER_ROLES[driver], 240))
    draw.text((left + pad, (box[1] + box[3]) / 2), text, font=font, fill=(*_SHADE, 255), anchor="lm")
    clock, font = f"{elapsed_s:.1f} s", _font(15 * _SCALE, bold=False)
    right = width - 14 * _SCALE
    box = (right - draw.textlength(clock, font) - 2 * pad, top, right, top + 32 * _SCALE)
    draw.rounded_rectangle(box, 16 * _SCALE, fill=(*_SHADE, 170))
    draw.text((right - pad, (box[1] + box[3]) / 2), clock, font=font, fill=_INK, anchor="rm")


def _draw_speed(draw: ImageDraw.ImageDraw, moment: Moment, size: tuple[int, int]) -> None:
    """Lower left: the speed as a number over a bar."""
    left, bottom, length = 18 * _SCALE, size[1] - 20 * _SCALE, 112 * _SCALE
    number = f"{moment.speed_m_s:.1f}"
    draw.text((left, bottom - 14 * _SCALE), number, font=_font(26 * _SCALE, bold=True), fill=_INK, anchor="ls")
    after = left + draw.textlength(number, _font(26 * _SCALE, bold=True)) + 6 * _SCALE
    draw.text((after, bottom - 14 * _SCALE), "m/s", font=_font(14 * _SCALE, bold=False), fill=_INK, anchor="ls")
    share = min(max(moment.speed_m_s / moment.full_speed_m_s, 0.0), 1.0)
    draw.rounded_rectangle((left, bottom - 6 * _SCALE, left + length, bottom), 3 * _SCALE, fill=(255, 255, 255, 70))
    if share > 0.03:
        draw.rounded_rectangle((left, bottom - 6 * _SCALE, left + length * share, bottom), 3 * _SCALE, fill=_INK)


def _draw_gauge(draw: ImageDraw.ImageDraw, moment: Moment, size: tuple[int, int]) -> None:
    """Middle: the steering as a filled arc with a needle; what the expert would steer as a hollow pointer outside."""
    steering, expert, full = moment.yaw_rate_rad_s, moment.expert_yaw_rate_rad_s, moment.full_yaw_rate_rad_s
    centre, radius = (size[0] / 2, size[1] + 8 * _SCALE), 92 * _SCALE

    def angle(value: float) -> float:
        # Turning left is positive in ROS and goes to the left here; zero points up.
        return -math.pi / 2 - _GAUGE_REACH_RAD * min(max(value / full, -1.0), 1.0)

    def at(angle_rad: float, distance: float) -> tuple[float, float]:
        return centre[0] + distance * math.cos(angle_rad), centre[1] + distance * math.sin(angle_rad)

    box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    width, ends = 9 * _SCALE, sorted((math.degrees(angle(full)), math.degrees(angle(-full))))
    draw.arc(box, *ends, fill=(255, 255, 255, 80), width=width)
    draw.line([at(-math.pi / 2, radius - width * 1.5), at(-math.pi / 2, radius)], fill=_INK, width=2 * _SCALE)
    if steering is not None:
        colour, now = _colour(DRIVER_ROLES[moment.driver]), angle(steering)
        draw.arc(box, *sorted((math.degrees(now), -90.0)), fill=colour, width=width)
        draw.line([at(now, radius * 0.35), at(now, radius + 3 * _SCALE)], fill=colour, width=5 * _SCALE)
    if expert is not None and DRIVERS[moment.driver] != "expert":
        ghost, out = angle(expert), radius + 7 * _SCALE
        corners = [at(ghost, out), at(ghost - 0.07, out + 15 * _SCALE), at(ghost + 0.07, out + 15 * _SCALE)]
        draw.polygon(corners, fill=(*_SHADE, 150), outline=_colour("expert"), width=2 * _SCALE)
        right, baseline = size[0] - 18 * _SCALE, size[1] - 20 * _SCALE
        font = _font(13 * _SCALE, bold=False)
        draw.text((right, baseline), "expert would steer", font=font, fill=_colour("expert"), anchor="rs")
        mark = right - draw.textlength("expert would steer", font) - 12 * _SCALE
        low, high = baseline - 1 * _SCALE, baseline - 12 * _SCALE
        corners = [(mark, low), (mark - 5 * _SCALE, high), (mark + 5 * _SCALE, high)]
        draw.polygon(corners, fill=(*_SHADE, 150), outline=_colour("expert"), width=2 * _SCALE)
