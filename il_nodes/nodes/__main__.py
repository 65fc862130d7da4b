"""``python -m il_nodes.nodes``: which nodes there are, and how one is started."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

__all__ = ["main", "nodes"]


def nodes() -> dict[str, str]:
    """Name of each node to the first sentence of its module; none of them is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        words = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
        found[path.stem] = words.partition(". ")[0].rstrip(".").replace("``", "")
    return found


def main() -> int:
    """Print the list."""
    for name, words in nodes().items():
        print(f"{name:<12} {words}")
    print("\npython -m il_nodes.nodes.NAME --ros-args --params-file FILE -p PARAMETER:=VALUE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
