"""``python -m il_nodes.nodes``: which nodes there are, and how one is started; with a NAME, that node."""

from __future__ import annotations

import ast
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main", "nodes"]


def nodes() -> dict[str, str]:
    """Name of each node to the first sentence of its module; none of them is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        words = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
        found[path.stem] = words.partition(". ")[0].rstrip(".").replace("``", "")
    return found


def main(args: Sequence[str] | None = None) -> int:
    """Print the list; or run the node that comes first in ``args``, as after the program's name, with the others."""
    name, *others = [*(sys.argv[1:] if args is None else args), ""]
    known = nodes()
    if name in known:
        return int(importlib.import_module(f"il_nodes.nodes.{name}").main(others[:-1]))
    if name and not name.startswith("-"):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        print(f"there is no node {name}{hint}\n  found:    {', '.join(known)}", file=sys.stderr)
        return 2
    for node, words in known.items():
        print(f"{node:<12} {words}")
    print("\npython -m il_nodes.nodes.NAME --help")
    print("python -m il_nodes.nodes.NAME --ros-args --params-file FILE -p PARAMETER:=VALUE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
