"""Help of a command with many options: under headings, in the order in which they were declared."""

from __future__ import annotations

from typing import Any

import typer.core

__all__ = ["GroupedCommand"]


class GroupedCommand(typer.core.TyperCommand):
    """Shows each option under its ``rich_help_panel``; those without one come first, under "Options"."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write every group as a section of its own."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)
