"""What stands beside a deployment's bags in ``driver.json``: which policy drove which episode, and how."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["DRIVER_FILE", "Driver", "dry_episodes", "read_driver", "write_driver"]

DRIVER_FILE = "driver.json"


@dataclass(frozen=True)
class Driver:
    """How an episode of a deployment was driven.

    Attributes:
        bundle: the policy's file, as it was named.
        sha256: of that file, hex.
        unsafe_threshold: unsafe probability above which the expert drove.
        dry_run: whether the gate only decided, and commanded nothing.
    """

    bundle: str
    sha256: str
    unsafe_threshold: float
    dry_run: bool = False


def read_driver(deployment: Path) -> dict[str, object]:
    """What was noted beside a deployment's bags; empty where nothing can be read."""
    try:
        content = json.loads((deployment / DRIVER_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_driver(deployment: Path, driver: Driver, episodes: Iterable[str]) -> None:
    """Note who drove these episodes, beside what is known of others: one entry an episode.

    The policy of the newest episodes also stands at the top, where ``understudy evaluate`` looks for it.
    """
    known = _entries(deployment)
    one = asdict(driver)
    newest = {name: one[name] for name in ("bundle", "sha256", "unsafe_threshold")}
    content = {**newest, "episodes": {**known, **dict.fromkeys(episodes, one)}}
    temporary = deployment / f"{DRIVER_FILE}.new"
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    temporary.replace(deployment / DRIVER_FILE)


def dry_episodes(deployment: Path) -> frozenset[str]:
    """Names of the episodes in which nothing was commanded, as far as it was noted."""
    return frozenset(name for name, entry in _entries(deployment).items() if entry.get("dry_run") is True)


def _entries(deployment: Path) -> dict[str, Mapping[str, object]]:
    entries = read_driver(deployment).get("episodes")
    if not isinstance(entries, dict):
        return {}
    return {str(name): entry for name, entry in entries.items() if isinstance(entry, dict)}
