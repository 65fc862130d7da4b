"""PyYAML's complaints in words for somebody who wrote a contract, not a parser."""

from __future__ import annotations

import re

import yaml

from models.contract.problems import Problem, shown

__all__ = ["explain_yaml_error"]

_NO_SPACE = re.compile(r"\s*(?:- +)?([A-Za-z_][\w.]*):([^\s:][^:]*)")
_TO_BE_QUOTED = re.compile(r"character '([@%`])' that cannot start any token")


def explain_yaml_error(error: yaml.YAMLError, text: str) -> Problem:
    """The line that a person has to change, and how."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return _problem(0, "", str(error).split("\n", 1)[0], "printable UTF-8 text in YAML")
    mark = error.problem_mark or error.context_mark
    problem, context = error.problem or "", error.context or ""
    line = mark.line + 1 if mark else 0
    start = error.context_mark.line + 1 if error.context_mark else line
    lines = text.splitlines()
    if "'\\t'" in problem:
        fix = f"replace the tab on line {line} by spaces"
        return _problem(line, "YAML indents with spaces only", "a tab", "spaces", fix)
    if quoted := _TO_BE_QUOTED.search(problem):
        return _problem(line, f"a text that starts with {quoted[1]!r} needs quotes", _line(lines, line), "'…'")
    if "quoted scalar" in context:
        return _problem(start, "a quote that is never closed", _line(lines, start), "a second quote")
    if "flow mapping" in context or "flow sequence" in context:
        bracket, closing = ("{", "}") if "mapping" in context else ("[", "]")
        fix = f"close it with {closing!r}, or separate its entries by commas"
        return _problem(start, f"a {bracket!r} that is not closed", _line(lines, start), f"a {closing!r}", fix)
    return _block_problem(lines, line, start, error)


def _block_problem(lines: list[str], line: int, start: int, error: yaml.MarkedYAMLError) -> Problem:
    """What goes wrong between the lines: indentation, and colons that are missing or too many."""
    problem, context = error.problem or "", error.context or ""
    context_column = error.context_mark.column if error.context_mark else -1
    before = _line_before(lines, line)
    if problem.startswith(("expected <block end>", "mapping values")):
        if (no_space := _NO_SPACE.fullmatch(_line(lines, before))) and problem.startswith("mapping values"):
            fix = f"write '{no_space[1]}: {no_space[2].strip()}'"
            return _problem(before, "no space behind the colon", _line(lines, before).strip(), "key: value", fix)
        beside = context_column if "block mapping" in context else -1
        if indentation := _indentation_problem(lines, line, before, beside):
            return indentation
        if problem.startswith("mapping values"):
            fix = "put the value into quotes, or the second key on a line of its own"
            return _problem(line, "a second ': ' on one line", _line(lines, line).strip(), "one key and its value", fix)
        if "'}'" in problem or "']'" in problem:
            return _problem(line, "a bracket that closes nothing", _line(lines, line).strip(), "as many as were opened")
        if "'-'" in problem:
            message = "a list item among keys"
            return _problem(line, message, _line(lines, line).strip(), "keys only, or a list only", "indent the item")
    if "expected ':'" in problem:
        no_space = _NO_SPACE.fullmatch(_line(lines, start))
        fix = f"write '{no_space[1]}: {no_space[2].strip()}'" if no_space else ""
        return _problem(start, "no ': ' behind the key", _line(lines, start).strip(), "key: value", fix)
    return _problem(line, "", "; ".join(part for part in (problem, context) if part), "valid YAML")


def _indentation_problem(lines: list[str], line: int, before: int, beside: int) -> Problem | None:
    """Told from the columns at which the blocks above this line start; ``beside`` is the parser's guess."""
    here = _indent(_line(lines, line))
    opened: dict[int, int] = {}
    for number, text in enumerate(lines[: line - 1], start=1):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        dash = re.match(r" *(- +)*", text)
        columns = {_indent(text), dash.end() if dash else 0}
        opened = {column: at for column, at in opened.items() if column < min(columns)} | dict.fromkeys(columns, number)
    if not before or here in opened:
        return None
    near = min(opened, key=lambda column: (abs(column - here), column != beside, -column))
    found = f"line {line} is indented by {_spaces(here)}, the keys beside it by {near}"
    other = opened[near]
    fix = f"indent line {line} like line {other}" + (f", or line {other} like line {line}" if other == before else "")
    return _problem(line, "wrong indentation", found, "the same indentation for all keys of one block", fix)


def _spaces(count: int) -> str:
    return f"{count} space{'' if count == 1 else 's'}"


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _line(lines: list[str], number: int) -> str:
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _line_before(lines: list[str], number: int) -> int:
    """The last line above that holds something; 0 for none."""
    for above in range(min(number - 1, len(lines)), 0, -1):
        content = lines[above - 1].strip()
        if content and not content.startswith("#"):
            return above
    return 0


def _problem(line: int, what: str, found: str, expected: str, fix: str = "") -> Problem:
    message = f"not valid YAML: {what}" if what else "not valid YAML"
    short = found if len(found) <= 120 else shown(found)
    return Problem("", line, message, short, expected, fix)
