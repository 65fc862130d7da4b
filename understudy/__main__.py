"""The command ``understudy``; ``python -m understudy`` is the same.

Starts in a fraction of a second: torch, rclpy and the rest are imported by the commands that need them.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from understudy.console import INTERRUPTED, Console

__all__ = ["main", "run"]


def run(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name); the exit code of ``docs/command-line.md``.

    Never raises and never prints a traceback.
    """
    words, json_mode = _take_json_flag(arguments)
    console = Console(json_mode)
    try:
        return _run(words, console)
    except KeyboardInterrupt:  # while the commands were being imported
        return console.interrupted()


def _run(words: list[str], console: Console) -> int:
    import typer

    from models.errors import UnderstudyError
    from understudy.commands import build_app
    from understudy.stacks.supervisor import Terminated

    try:
        outcome = build_app(console)(args=words, prog_name="understudy", standalone_mode=False)
    except UnderstudyError as error:
        return console.error(error)
    except Terminated as error:
        return console.interrupted(128 + error.signal_number)
    except KeyboardInterrupt:
        return console.interrupted()
    except typer.Abort as error:
        # Typer takes the EOFError of a damaged file for the end of what a person types.
        hidden = error.__context__
        return console.internal_error(hidden) if isinstance(hidden, EOFError) else console.interrupted()
    except Exception as error:
        return _explain(error, console)
    if outcome == INTERRUPTED:  # what newer versions of typer make of a KeyboardInterrupt
        return console.interrupted()
    return outcome if isinstance(outcome, int) else 0


def _explain(error: Exception, console: Console) -> int:
    from understudy.environment.machine_limits import explain_memory_error, explain_system_error

    if _is_usage_error(error):
        return _explain_usage(error, console)
    explained = explain_system_error(error) if isinstance(error, OSError) else explain_memory_error(error)
    return console.internal_error(error) if explained is None else console.error(explained)


def _is_usage_error(error: Exception) -> bool:
    """Whether it is click's way of saying that a command line is wrong; typer brings click along or has its own."""
    import typer

    roots = [base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"]
    return isinstance(error, tuple(roots))


def _explain_usage(error: Any, console: Console) -> int:
    message = _plainly(error.format_message())
    if type(error).__name__ == "NoArgsIsHelpError":
        return console.usage_error("a command is missing", message, int(error.exit_code))
    context = getattr(error, "ctx", None)
    usage = f"{context.get_usage()}\nHelp: {context.command_path} --help" if context is not None else ""
    return console.usage_error(message, usage, int(error.exit_code))


def _plainly(message: str) -> str:
    """The message without the words of the library that checked the value; with the choice that was perhaps meant."""
    message = message.replace("Value error, ", "", 1)
    choice = re.search(r"'([^']+)' is not one of (.+?)\.?$", message)
    if choice is None:
        return message
    near = difflib.get_close_matches(choice[1], re.findall(r"[\w-]+", choice[2]), 1)
    return f"{message}{'' if message.endswith('.') else '.'} Did you mean {near[0]!r}?" if near else message


def _take_json_flag(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """``--json`` counts wherever it stands, before or behind the command's name."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    words = [word for word in arguments[:end] if word != "--json"]
    return [*words, *arguments[end:]], len(words) < end


def _make_streams_usable() -> None:
    """A closed stream swallows what is written to it, and a letter that the locale cannot write is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the process ends
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _end_in_order() -> None:
    """SIGTERM and SIGHUP, too, end a command through its clean-up and with its JSON; ``nohup`` stays what it is."""
    from understudy.stacks.supervisor import Terminated

    def terminate(number: int, _frame: FrameType | None) -> None:
        raise Terminated(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, terminate)


def main() -> None:
    """Entry point of the console script."""
    _make_streams_usable()
    _end_in_order()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read the output has gone ("| head"). Python must not meet the broken pipe once more on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 1
    sys.exit(code)


if __name__ == "__main__":
    main()
