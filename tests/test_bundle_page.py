"""The page about bundles: what it tells people to type in has to work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "bundle.md").read_text(), re.DOTALL)


def test_there_are_snippets() -> None:
    """Catches a pattern that finds nothing any more."""
    assert len(SNIPPETS) == 2


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippets_run_as_they_stand(number: int) -> None:
    """Catches undefined names, and files that are only on the author's disk."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SNIPPETS[number]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
