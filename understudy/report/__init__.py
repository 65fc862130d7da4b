"""One HTML file that shows a whole run: how the policy drove, who had the wheel, how it learned, how it was made.

``write_report`` is all that others call. Drawing needs matplotlib and Pillow (the ``train`` extra), which are imported
only then; the page itself needs nothing but a browser.
"""

from __future__ import annotations

from pathlib import Path

from models.errors import UnderstudyError
from understudy.report.files import write_page
from understudy.report.inputs import Goals, ReportInputs, SafetyScore, Stage, TrainingHistory

__all__ = ["Goals", "ReportInputs", "SafetyScore", "Stage", "TrainingHistory", "write_report"]


def write_report(path: Path, inputs: ReportInputs) -> Path:
    """Write the report, replacing one that is there, and return its path.

    Raises:
        UnderstudyError: matplotlib or Pillow is not installed, or the file cannot be written.
    """
    try:
        from understudy.report.page import render_page
    except ModuleNotFoundError as error:
        raise UnderstudyError(
            "the report cannot be drawn here",
            found=f"no module {error.name!r}",
            expected="matplotlib and Pillow",
            fix="pip install 'understudy[train]'",
        ) from error
    return write_page(path, render_page(inputs))
