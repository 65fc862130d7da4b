"""The page that leads a newcomer from his robot to a policy: what it tells him to type must exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml

from understudy.commands import build_app
from understudy.console import Console
from understudy.contracts import draft as contract_draft
from understudy.doctor import contract as doctor_contract
from understudy.doctor import streams as doctor_streams

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "your-robot.md").read_text()
COMMANDS = re.findall(r"^understudy .*$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_on_the_page_can_be_typed(line: str) -> None:
    """Catches a command or an option that was renamed after the page was written."""
    words = shlex.split(line.partition("  #")[0])[1:]
    command = typer.main.get_command(build_app(Console()))
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    used = {word for word in words if word.startswith("--")}
    assert used <= known


def test_options_in_the_text_exist() -> None:
    """Catches an option that only prose speaks of."""
    known: set[str] = set()

    def visit(command: object) -> None:
        for child in getattr(command, "commands", {}).values():
            visit(child)
        for option in getattr(command, "params", ()):
            known.update((*option.opts, *option.secondary_opts))

    visit(typer.main.get_command(build_app(Console())))
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= known


def test_yaml_and_files_of_the_page_are_real() -> None:
    """Catches an excerpt that no YAML reader takes, and links that lead nowhere."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        assert isinstance(yaml.safe_load(block), dict)
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    for path in re.findall(r"`(launch/[^`]+)`", PAGE):
        assert (ROOT / path).exists(), path


def test_the_words_of_the_doctor_are_those_on_the_page() -> None:
    """Catches a finding whose name on the page is one that the doctor no longer says."""
    said = "".join(Path(str(module.__file__)).read_text() for module in (doctor_contract, doctor_streams))
    for check in ("slow", "gaps", "losses", "jittery", "stamps", "together", "changes", "values", "publishers"):
        assert f'"{check}"' in said
        assert check in PAGE
    assert "asks for" in said
    assert contract_draft.CHANGE_ME in PAGE
