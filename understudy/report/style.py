"""How every plot looks: one palette for the page and its plots, and matplotlib figures turned into inline SVG.

Plots are drawn with *stand-in* colours, one unique value a role, which the SVG then names as CSS variables
(``var(--policy)``). So one drawing follows the page into dark mode and onto paper, and the palette stands in one place.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from types import MappingProxyType
from typing import Literal

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

__all__ = ["DRIVER_ROLES", "PALETTE", "new_figure", "quiet_axes", "role", "styled", "to_svg"]

# Role: (in light mode, in dark mode). Blue and orange stay apart for every common kind of colour blindness, and in
# grey print by lightness; contrast of text roles on their background is at least 4.5 to 1.
PALETTE = MappingProxyType(
    {
        "ink": ("#1c2430", "#e8ebf0"),
        "muted": ("#5d6878", "#9aa6b6"),
        "faint": ("#c9d0da", "#3d4653"),
        "grid": ("#e8ebf0", "#29303b"),
        "road": ("#eceff3", "#272e39"),
        "shown": ("#b9c2ce", "#4c5665"),
        "card": ("#ffffff", "#171c24"),
        "page": ("#f5f6f8", "#0f1319"),
        "policy": ("#1a66c2", "#63a8ff"),
        "expert": ("#b35208", "#f5a04c"),
        "halt": ("#b3195f", "#ff7db4"),
        "good": ("#1c7a43", "#5cc98a"),
        "bad": ("#b42318", "#ff8a7d"),
    }
)
DRIVER_ROLES = ("expert", "policy", "halt")  # by driver code, as understudy.evaluation.traces.DRIVERS

# Stand-ins differ from every colour that matplotlib would choose by itself, so that replacing them is exact.
_STAND_INS = {name: f"#fe{index:02x}fe" for index, name in enumerate(PALETTE)}
_FONT_PX = 13  # at a drawing's own size; phones shrink half-width plots to about three quarters of it


def role(name: str) -> str:
    """The stand-in colour to draw a role with."""
    return _STAND_INS[name]


@contextmanager
def styled() -> Iterator[None]:
    """Matplotlib settings for one plot, put back afterwards."""
    settings = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": _FONT_PX * 0.75,  # points at 96 px an inch
        "text.color": role("ink"),
        "axes.labelcolor": role("muted"),
        "axes.edgecolor": role("faint"),
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=[role("ink")]),
        "axes.linewidth": 1.0,
        "grid.color": role("grid"),
        "grid.linewidth": 1.0,
        "xtick.color": role("faint"),
        "ytick.color": role("faint"),
        "xtick.labelcolor": role("muted"),
        "ytick.labelcolor": role("muted"),
        "lines.linewidth": 2.0,
        "lines.solid_capstyle": "round",
        "path.simplify": True,
        "path.simplify_threshold": 0.2,
    }
    with matplotlib.rc_context(settings):
        yield


def new_figure(width_px: int, height_px: int, *, bare: bool = False) -> Figure:
    """An empty figure of that size at 96 px an inch, outside pyplot's global state; ``bare``: laid out by hand."""
    figure = Figure(figsize=(width_px / 96, height_px / 96), dpi=96)
    if not bare:
        figure.set_layout_engine("constrained")
    FigureCanvasSVG(figure)
    return figure


def quiet_axes(axes: Axes, *, grid: Literal["x", "y", "both", ""] = "y") -> None:
    """Light grid lines at the ticks of an axis, no left spine, no tick marks."""
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)
    if grid:
        axes.grid(axis=grid)


def to_svg(figure: Figure, name: str, label: str) -> str:
    """The figure as an ``<svg>`` element to put inside HTML.

    Args:
        figure: what ``new_figure`` made.
        name: prefix of every id inside, unique on the page.
        label: what a person who cannot see it is told.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    # Inside HTML neither namespaces nor xlink are needed, and no address of any kind is left in the page.
    svg = re.sub(r"\sxmlns(:\w+)?=\"[^\"]*\"", "", svg).replace("xlink:href", "href")
    svg = re.sub(r"\bid=\"([^\"]+)\"", rf'id="{name}-\1"', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    for key, colour in _STAND_INS.items():
        svg = svg.replace(colour, f"var(--{key})")
    # The page's own font and size ratio; matplotlib's measures were taken with a slightly wider font.
    svg = re.sub(r"'DejaVu Sans', sans-serif|'DejaVu Sans'", "inherit", svg)
    svg = re.sub(r"<svg width=\"[^\"]*\" height=\"[^\"]*\"", "<svg", svg)
    spoken = escape(label)
    svg = re.sub(
        r"<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>",
        lambda tag: f'<svg viewBox="{tag.group(1)}" role="img" aria-label="{spoken}">',
        svg,
    )
    return re.sub(r"\n\s*", "\n", svg).strip()
