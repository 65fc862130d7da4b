"""What a person, or a program, reads: progress while something runs, one result at its end, errors without tracebacks.

With ``--json`` stdout carries exactly one JSON object, whatever happens, and everything else goes to stderr.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from models.errors import UnderstudyError

__all__ = ["INTERNAL_ERROR", "INTERRUPTED", "Console", "Progress", "counted", "jsonable"]

# sysexits.h: EX_SOFTWARE, an internal software error. 130 is what shells report for a program ended by Ctrl-C.
INTERNAL_ERROR = 70
INTERRUPTED = 130


def counted(number: int, noun: str) -> str:
    """``1 episode``, ``2 episodes``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


class Progress:
    """How far something long has come; ``update`` may be called as often as one likes."""

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        """Show progress.

        Args:
            done: units finished so far.
            total: units altogether; None keeps the last one.
            note: what happens now, a few words; empty keeps the last one.
        """


class _BarProgress(Progress):
    """A bar on a terminal."""

    def __init__(self, bars: Any, task: Any) -> None:
        self._bars, self._task = bars, task

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        changes: dict[str, Any] = {"completed": done}
        if total is not None:
            changes["total"] = total
        if note:
            changes["note"] = note
        self._bars.update(self._task, **changes)


class _LineProgress(Progress):
    """A line now and then, for logs and pipes, where a bar would be noise."""

    # Often enough to see that it lives, rarely enough to keep a CI log readable.
    every_s = 10.0

    def __init__(self, stream: IO[str], label: str) -> None:
        self._stream, self._label = stream, label
        self._total: float | None = None
        self._shown_at = time.monotonic()
        self._shown = ""
        self._note = ""

    def update(self, done: float, total: float | None = None, note: str = "") -> None:
        self._total = total if total is not None else self._total
        self._note = note or self._note
        now = time.monotonic()
        if now - self._shown_at < self.every_s:
            return
        share = f"{100 * done / self._total:.0f} %" if self._total else f"{done:g}"
        text = f"  {self._label}: {self._note} ({share})" if self._note else f"  {self._label}: {share}"
        if text == self._shown:
            return
        self._shown_at, self._shown = now, text
        print(text, file=self._stream, flush=True)


class Console:
    """Where the commands write.

    Args:
        json_mode: one JSON object on stdout, the rest on stderr.
    """

    def __init__(self, json_mode: bool = False) -> None:
        self.json_mode = json_mode

    @property
    def terminal_output(self) -> int:
        """Descriptor of the stream for people, for a process that draws on the terminal itself."""
        return 2 if self.json_mode else 1

    @property
    def _human(self) -> IO[str]:
        return sys.stderr if self.json_mode else sys.stdout

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees at once what is said."""
        return self._human.isatty()

    def _rich(self, stream: IO[str]) -> Any:
        from rich.console import Console as RichConsole

        return RichConsole(file=stream, highlight=False, soft_wrap=True)

    def say(self, text: object = "") -> None:
        """A line, or a rich renderable, for the person. Text is shown as it is, without markup."""
        if isinstance(text, str):
            print(text, file=self._human, flush=True)
        else:
            from rich.console import Console as RichConsole

            stream = self._human
            # A pipe has no width; 120 columns keep a table's row on one line.
            RichConsole(file=stream, highlight=False, width=None if stream.isatty() else 120).print(text)

    def warn(self, text: str) -> None:
        """A line on stderr about something that is probably not meant, though the command goes on."""
        self._coloured(f"warning: {text}", "yellow")

    def next_step(self, command: str) -> None:
        """Say which command usually comes next; not to a program."""
        if not self.json_mode:
            self.say(f"next: {command}")

    def headline(self, text: str) -> None:
        """A line that stands out: the start of a stage."""
        from rich.text import Text

        self._rich(self._human).print(Text(text, style="bold"))

    @contextmanager
    def progress(self, label: str, total: float | None = None, *, quiet: bool = False) -> Iterator[Progress]:
        """Progress of something that takes longer than two seconds; says at its end how long it took.

        Args:
            label: what runs.
            total: units altogether.
            quiet: show nothing meanwhile, because another process draws on this terminal.
        """
        stream = self._human
        started = time.monotonic()
        if quiet:
            yield Progress()
        elif stream.isatty():
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bars

            columns = (
                TextColumn("  {task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}", markup=False),
            )
            with Bars(*columns, console=self._rich(stream), transient=True) as bars:
                yield _BarProgress(bars, bars.add_task(label, total=total, note=""))
        else:
            line = _LineProgress(stream, label)
            line.update(0, total)
            yield line
        print(f"  {label}: done in {time.monotonic() - started:.1f} s", file=stream, flush=True)

    def result(self, data: Mapping[str, object], text: object = None, *, always_json: bool = False) -> None:
        """The one result of a command.

        Args:
            data: what ``--json`` prints.
            text: what a person reads instead; None prints nothing.
            always_json: print ``data`` as the last line in either mode.
        """
        if text is not None and not self.json_mode:
            self.say(text)
        if self.json_mode or always_json:
            print(json.dumps(jsonable(data), allow_nan=False), flush=True)

    def error(self, error: UnderstudyError) -> int:
        """Show an error that a person can act on; the exit code."""
        self._red(str(error))
        self._json_error(
            error.exit_code,
            kind=type(error).__name__,
            problem=error.problem,
            found=None if error.found is None else str(error.found),
            expected=error.expected,
            fix=error.fix,
        )
        return error.exit_code

    def usage_error(self, message: str, usage: str, exit_code: int) -> int:
        """Show that the command line itself cannot be understood; the exit code."""
        if usage:
            print(usage, file=sys.stderr)
        self._red(message)
        self._json_error(exit_code, kind="UsageError", problem=message)
        return exit_code

    def interrupted(self, exit_code: int = INTERRUPTED) -> int:
        """Say that the person ended it; the exit code."""
        print("interrupted; every process that was started has ended", file=sys.stderr)
        self._json_error(exit_code, kind="Interrupted", problem="interrupted")
        return exit_code

    def internal_error(self, error: BaseException) -> int:
        """Save the traceback of a defect of ours and say where it is; the exit code."""
        with tempfile.NamedTemporaryFile(
            "w", prefix="understudy-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(f"command: {sys.argv}\npython: {sys.version}\n\n")
            traceback.print_exception(error, file=file)
        problem = f"a defect of understudy: {type(error).__name__}: {error}"
        fix = f"please report it with the saved traceback: {file.name}"
        self._red(f"{problem}\n  to do:    {fix}")
        self._json_error(INTERNAL_ERROR, kind="InternalError", problem=problem, fix=fix)
        return INTERNAL_ERROR

    def _red(self, text: str) -> None:
        self._coloured(text, "red")

    def _coloured(self, text: str, colour: str) -> None:
        from rich.text import Text

        self._rich(sys.stderr).print(Text(text, style=colour))

    def _json_error(self, exit_code: int, **error: object) -> None:
        if self.json_mode:
            print(json.dumps({"ok": False, "exit_code": exit_code, "error": error}), flush=True)


def jsonable(value: object) -> object:
    """``value`` in JSON's types: paths and unknown things as text, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if hasattr(value, "tolist"):  # a NumPy array or scalar, without importing NumPy
        return jsonable(value.tolist())
    return str(value)
