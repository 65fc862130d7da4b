"""Mutation testing: small changes to a module, one at a time, each of which some test has to notice.

A mutant is one edit of the syntax tree: a comparison moved by its boundary or turned round, an operator swapped, a
constant changed, a condition made always true or false, a statement or a return value left out. Each one runs in a
child that is forked from a process in which everything but the mutated module and the tests is loaded; there an import
hook puts the mutant in the module's place, and pytest runs the given tests up to the first failure. What is still
alive afterwards is either a hole in the tests or a change that nobody can notice: the list of the latter, each with
its explanation, is part of the repository.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

__all__ = ["Mutant", "Outcome", "find_mutants", "run_mutants"]

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
#: A test that loops for ever has noticed too. All of them together take three seconds, and on a machine that is busy
#: with other things a mutant must not count as noticed because it was slow.
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Mutant:
    """One edit of one module.

    Attributes:
        module: dotted name.
        key: where it is and what it changes, without line numbers: what the list of equivalent mutants names.
        source: the whole module with the edit.
    """

    module: str
    key: str
    source: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutant: which one.
        killed: whether a test noticed.
        timed_out: whether it was noticed by its never ending.
        seconds: how long that took.
    """

    mutant: Mutant
    killed: bool
    timed_out: bool
    seconds: float


class _Replacer(ast.NodeTransformer):
    """Puts ``new`` in the place of the node that is ``old``."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self._old:
            return self._new
        self.generic_visit(node)
        return node


def find_mutants(path: Path, module: str) -> list[Mutant]:
    """Every mutant of a file, in the order of its text."""
    tree = ast.parse(path.read_text())
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for place, node in _sites(tree, ""):
        for edited in _edits(node):
            before, after = _shown(node), _shown(edited)
            key = f"{module.rpartition('.')[2]}.{place}: {before} -> {after}"
            seen[key] += 1
            if seen[key] > 1:
                key += f" #{seen[key]}"
            whole = ast.fix_missing_locations(_replaced(tree, node, edited))
            found.append(Mutant(module, key, ast.unparse(whole)))
    return found


def _replaced(tree: ast.Module, node: ast.AST, edited: ast.AST) -> ast.AST:
    """A copy of the tree with the edit; the copy keeps track of the node through the memo."""
    memo: dict[int, object] = {}
    whole = copy.deepcopy(tree, memo)
    twin = memo[id(node)]
    assert isinstance(twin, ast.AST)
    return _Replacer(twin, edited).visit(whole)


def _shown(node: ast.AST) -> str:
    return "pass" if isinstance(node, ast.Pass) else " ".join(ast.unparse(node).split())


def _sites(node: ast.AST, place: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node that may be edited: no annotations, decorators, docstrings, imports, or lists of names."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        children = value if isinstance(value, list) else [value]
        for index, child in enumerate(children):
            if not isinstance(child, ast.AST) or isinstance(child, ast.Import | ast.ImportFrom | ast.expr_context):
                continue
            if name == "body" and index == 0 and _is_text(child):
                continue
            if isinstance(child, ast.Assign) and ast.unparse(child.targets[0]) == "__all__":
                continue
            inner = place
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inner = f"{place}.{child.name}" if place else child.name
            yield inner, child
            yield from _sites(child, inner)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _edits(node: ast.AST) -> Iterator[ast.AST]:
    """Copies of a node with one change each."""
    if isinstance(node, ast.Compare):
        yield from _edited_comparisons(node)
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        yield ast.BinOp(node.left, _OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        yield ast.AugAssign(node.target, _OPERATORS[type(node.op)](), node.value)
        yield ast.Pass()
    elif isinstance(node, ast.BoolOp):
        other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other, node.values)
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1 :]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _other_constants(node.value))
    elif isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield ast.Call(ast.Name(_CALLS[node.func.id], ast.Load()), node.args, node.keywords)
    else:
        yield from _edited_statements(node)


def _edited_comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for index, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            yield ast.Compare(node.left, [*node.ops[:index], other(), *node.ops[index + 1 :]], node.comparators)


def _other_constants(value: object) -> tuple[bool | int | float | str, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (value + 1, value * 2) if value else (value + 1,)
    return (value + "!",) if isinstance(value, str) else ()


def _edited_statements(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.If | ast.While):
        for always in (True, False):
            if isinstance(node, ast.While) and always:
                continue  # it loops for ever, which proves nothing
            yield type(node)(ast.Constant(always), node.body, node.orelse)
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif _can_be_left_out(node):
        yield ast.Pass()


def _can_be_left_out(node: ast.AST) -> bool:
    """A raise, a call, or an assignment to an attribute; without a local variable the rest would not even run."""
    if isinstance(node, ast.Assign):
        return any(isinstance(one, ast.Attribute) for one in _targets(node))
    return isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))


def _targets(node: ast.Assign) -> Iterator[ast.AST]:
    for target in node.targets:
        yield from target.elts if isinstance(target, ast.Tuple) else (target,)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class _MutantFinder(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):  # type: ignore[misc]  # typeshed's own
    """Imports a mutant where its module is asked for."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self) if name == self._mutant.module else None

    def get_filename(self, fullname: str) -> str:
        return f"<mutant of {fullname}>"

    def get_data(self, path: str | bytes) -> bytes:
        return self._mutant.source.encode()


def _in_child(mutant: Mutant, tests: Sequence[Sequence[str]]) -> int:
    """Exit code of pytest over the mutant: of the first group of tests that fails, or zero."""
    import pytest
    from hypothesis import settings

    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    sys.meta_path.insert(0, _MutantFinder(mutant))
    # The same examples every time: a survivor must not depend on luck.
    settings.register_profile("mutation", derandomize=True, database=None, deadline=None)
    settings.load_profile("mutation")
    quiet = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:timeout",
        "--noconftest",
        "--assert=plain",
        "-o",
        "addopts=",
    ]
    return next((code for group in tests if (code := int(pytest.main([*quiet, *group])))), 0)


def run_mutants(
    mutants: Sequence[Mutant],
    tests: Mapping[str, Sequence[Sequence[str]]],
    *,
    processes: int = 2,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Run the tests over every mutant. The modules must not have been imported in this process, nor the tests.

    Args:
        mutants: what to try.
        tests: module to groups of test files. A group is collected only when those before it have passed, and most
            mutants die of the first one.
        processes: how many children at a time.
        on_outcome: told of each one.

    Raises:
        RuntimeError: one of the mutated modules is loaded already, so that its mutants would never run.
    """
    loaded = {mutant.module for mutant in mutants} & set(sys.modules)
    if loaded:
        raise RuntimeError(f"already imported: {', '.join(sorted(loaded))}")
    waiting = list(reversed(mutants))
    running: dict[int, tuple[Mutant, float]] = {}
    outcomes: list[Outcome] = []
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                mutant = waiting.pop()
                running[_start(mutant, tests[mutant.module])] = (mutant, time.monotonic())
            for outcome in _ended(running):
                outcomes.append(outcome)
                on_outcome(outcome)
            time.sleep(0.005)
    finally:
        for child in running:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return outcomes


def _start(mutant: Mutant, tests: Sequence[Sequence[str]]) -> int:
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = _in_child(mutant, tests)
        finally:
            os._exit(code)
    return child


def _ended(running: dict[int, tuple[Mutant, float]]) -> Iterator[Outcome]:
    for child, (mutant, begun_s) in list(running.items()):
        ended, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - begun_s
        late = not ended and seconds > TIMEOUT_S
        if late:
            os.kill(child, signal.SIGKILL)
            ended, status = os.waitpid(child, 0)
        if ended:
            del running[child]
            yield Outcome(mutant, status != 0, late, seconds)
