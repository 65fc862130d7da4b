"""Nothing in this tree runs code that a file brought along, and the linter that sees to it lets nothing through."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ros_processes import REPOSITORY

#: What ``make lint`` must fail on: the rule, and the code that breaks it.
PLANTED = {
    "pickle-import": ("TID251", "import pickle\n"),
    "pickle-from": ("TID251", "from pickle import loads\n"),
    "pickle-alias": ("S301", "import pickle as p\np.load(open('x', 'rb'))\n"),
    "pickle-loads": ("S301", "import pickle\npickle.loads(b'')\n"),
    "pickle-unpickler": ("S301", "import pickle\npickle.Unpickler(open('x', 'rb'))\n"),
    "cloudpickle": ("TID251", "import cloudpickle\ncloudpickle.load(open('x', 'rb'))\n"),
    "dill": ("TID251", "import dill\ndill.load(open('x', 'rb'))\n"),
    "shelve": ("TID251", "import shelve\nshelve.open('x')\n"),
    "marshal": ("S302", "import marshal\nmarshal.loads(b'')\n"),
    "joblib": ("TID251", "from joblib import load\nload('x')\n"),
    "eval": ("S307", "eval(input())\n"),
    "exec": ("S102", "exec(input())\n"),
    "yaml-load": ("S506", "import yaml\nyaml.load(open('x'))\n"),
    "yaml-full": ("TID251", "import yaml\nyaml.full_load(open('x'))\n"),
    "yaml-unsafe": ("TID251", "from yaml import unsafe_load\nunsafe_load(open('x'))\n"),
    "yaml-loader": ("S506", "import yaml\nyaml.load(open('x'), Loader=yaml.FullLoader)\n"),
    "torch-load": ("TID251", "import torch\ntorch.load('x')\n"),
    "torch-from": ("TID251", "from torch import load\nload('x')\n"),
    "torch-safe": ("TID251", "import torch\ntorch.load('x', weights_only=True)\n"),
    "torch-jit": ("TID251", "import torch\ntorch.jit.load('x')\n"),
    "pandas": ("TID251", "import pandas\npandas.read_pickle('x')\n"),
}
RULES = {rule for rule, _ in PLANTED.values()}
CONFIGURATION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["ruff"]
#: Of environments, caches and runs, which are not ours.
FOREIGN = re.compile(r"^(\.|build$|runs$|install$|log$)")


def sources() -> Iterator[Path]:
    """Every Python file of the tree, once."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or FOREIGN.match(path.name):
                continue
            if path.is_dir():
                yield from walk(path)
            elif path.suffix == ".py":
                yield path

    yield from walk(REPOSITORY)


def lint(name: str, code: str) -> set[str]:
    """The rules that a file of this name and content breaks under the project's configuration."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format", "json"]
    outcome = subprocess.run(
        [*command, "--stdin-filename", name, "-"], input=code, capture_output=True, text=True, cwd=REPOSITORY
    )
    assert outcome.returncode in (0, 1), outcome.stderr
    found = {entry["code"] for entry in json.loads(outcome.stdout)}
    assert (outcome.returncode == 1) == bool(found)
    return found


@pytest.mark.parametrize("planted", sorted(PLANTED))
def test_the_linter_fails_on_a_planted_one(planted: str) -> None:
    """Would catch a rule that was dropped from the configuration, or that never did what its name says."""
    rule, code = PLANTED[planted]
    assert rule in lint("understudy/planted.py", code)


@pytest.mark.parametrize(
    "name", ["il_nodes/nodes/planted.py", "tests/test_planted.py", "bench/planted.py", "launch/planted.py"]
)
def test_no_part_of_the_tree_is_exempt(name: str) -> None:
    assert set(RULES) <= lint(name, "\n".join(code for _, code in PLANTED.values()))


def test_safe_code_passes() -> None:
    """Would catch rules that fail on everything, which is how they get switched off."""
    assert not lint("tests/test_planted.py", "import json\n\nimport yaml\n\nyaml.safe_load(json.dumps({}))\n") & RULES


def test_the_configuration_lets_nothing_through() -> None:
    """Would catch an ignored rule, a folder that is left out, and a file that may do what no other may."""
    rules = CONFIGURATION["lint"]
    assert set(rules["select"]) >= RULES
    assert not {code for code in rules["ignore"] if code.startswith(("S", "TID"))}
    for codes in rules["per-file-ignores"].values():
        assert not {code for code in codes if code.startswith(("S", "TID")) or code == "ALL"}
    # Links to these very folders, and the setup.py of the ROS package.
    assert CONFIGURATION["extend-exclude"] == ["ros2_ws"]
    assert "ruff check ." in (REPOSITORY / "Makefile").read_text()


def comments(path: Path) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def loopholes(comment: str) -> bool:
    """Whether a comment switches one of the rules off, or all of them."""
    if re.search(r"#\s*(ruff|flake8)\s*:", comment, re.IGNORECASE):
        return True
    noqa = re.search(r"#\s*noqa\b(?P<codes>\s*:[\sA-Z0-9,]*)?", comment, re.IGNORECASE)
    if noqa is None:
        return False
    codes = re.findall(r"[A-Z]+[0-9]+", (noqa["codes"] or "").upper())
    return not codes or any(code in RULES or code.startswith(("S1", "S3", "S5", "TID")) for code in codes)


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# noqa", True),
        ("# noqa: S301", True),
        ("# NOQA:E501,S307", True),
        ("# noqa: TID251 - only this once", True),
        ("# ruff: noqa", True),
        ("# ruff: noqa: S301", True),
        ("# flake8: noqa", True),
        ("# noqa: B023", False),
        ("# noqa: SIM115 - open until the process ends", False),
        ("# a comment", False),
    ],
)
def test_a_loophole_is_recognised(comment: str, expected: bool) -> None:
    assert loopholes(comment) is expected


def test_no_comment_switches_a_rule_off() -> None:
    """Would catch ``# noqa: S301``, with which ``make lint`` is content."""
    found = [
        f"{path.relative_to(REPOSITORY)}: {text}" for path in sources() for text in comments(path) if loopholes(text)
    ]
    assert not found


# -- what the linter does not know -------------------------------------------------------------------------------------


def unpickling(tree: ast.AST) -> Iterator[int]:
    """Lines with ``allow_pickle`` that is not plainly False, with modules imported by a text, or with compiled text."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg == "allow_pickle" and not is_false:
                yield node.lineno
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        first = node.args[0] if node.args else None
        text = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None
        if name in ("__import__", "import_module") and text in (
            "pickle",
            "dill",
            "cloudpickle",
            "marshal",
            "joblib",
            "shelve",
        ):
            yield node.lineno
        # NumPy's load takes allow_pickle as its third argument too.
        of_numpy = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in ("np", "numpy")
        if name == "load" and of_numpy and len(node.args) > 2:
            yield node.lineno


@pytest.mark.parametrize(
    "code",
    [
        "np.load('x', allow_pickle=True)",
        "numpy.load('x', None, True)",
        "np.load('x', allow_pickle=wanted)",
        "np.lib.format.read_array(file, allow_pickle=1)",
        "__import__('pickle').loads(data)",
        "importlib.import_module('marshal')",
    ],
)
def test_what_the_linter_does_not_know_is_found(code: str) -> None:
    assert list(unpickling(ast.parse(code))) == [1]


@pytest.mark.parametrize("code", ["np.load('x', allow_pickle=False)", "np.load('x')", "import_module(name)"])
def test_what_is_harmless_is_not(code: str) -> None:
    assert not list(unpickling(ast.parse(code)))


def test_nothing_unpickles() -> None:
    """Would catch a NumPy file with objects in it, which is a pickle, read from somebody else's data set."""
    found = [
        f"{path.relative_to(REPOSITORY)}:{n}" for path in sources() for n in unpickling(ast.parse(path.read_text()))
    ]
    assert not found


def test_every_yaml_file_that_is_read_has_a_largest_size() -> None:
    """Would catch a reader that takes a gigabyte of YAML, which needs a hundred times as much memory, from anybody."""
    for path in sources():
        text = path.read_text()
        if path.is_relative_to(REPOSITORY / "tests") or not re.search(r"\byaml\.(safe_load|compose|parse)\(", text):
            continue
        assert re.search(r"\b_?(LARGEST|MAX_BYTES)\b", text), path
