"""One HTML file that shows a whole run: how the policy drove, who had the wheel, how it learned, how it was made.

``write_report`` is all that others call. Drawing needs matplotlib and Pillow (the ``train`` extra), which are imported
only then; the page itself needs nothing but a browser.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from models.errors import UnderstudyError
from understudy.report.inputs import Goals, ReportInputs, SafetyScore, Stage, TrainingHistory

__all__ = ["Goals", "ReportInputs", "SafetyScore", "Stage", "TrainingHistory", "write_page", "write_report"]


def write_report(path: Path, inputs: ReportInputs) -> Path:
    """Write the report, replacing one that is there, and return its path.

    Raises:
        UnderstudyError: matplotlib or Pillow is not installed, or the file cannot be written.
    """

    def draw() -> str:
        from understudy.report.page import render_page

        return render_page(inputs)

    return write_page(path, draw)


def write_page(path: Path, draw: Callable[[], str]) -> Path:
    """Draw a page and write it in one step, replacing one that is there, and return its path.

    Args:
        path: of the page.
        draw: makes the HTML; it may import what only drawing needs.

    Raises:
        UnderstudyError: matplotlib or Pillow is not installed, or the file cannot be written.
    """
    try:
        page = draw()
    except ModuleNotFoundError as error:
        raise UnderstudyError(
            "the report cannot be drawn here",
            found=f"no module {error.name!r}",
            expected="matplotlib and Pillow",
            fix="pip install 'understudy[train]'",
        ) from error
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Text from the command line may hold bytes that are no UTF-8.
        partial.write_text(page, encoding="utf-8", errors="backslashreplace")
        os.replace(partial, path)
    except OSError as error:
        with suppress(OSError):  # half a page is of no use to anybody, least of all on a full disk
            partial.unlink()
        if error.errno == errno.ENOSPC:
            raise
        raise UnderstudyError(f"the report cannot be written to {path}", found=error.strerror) from error
    return path
