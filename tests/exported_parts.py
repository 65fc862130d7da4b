"""Bundles of every head, memory and way of acting, exported once for all tests: the fixture `exported_parts`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from part_samples import HEADS, MEMORIES, blind_checkpoint, blind_policy

from models.bundle import BundleReport, export_bundle
from models.policies import Policy

_PREVIOUS = {"previous_action": True}

CASES: dict[str, dict[str, Any]] = {
    # Drawn: every head that can.
    "gaussian drawn": {"head": HEADS["gaussian"], "act": "sample"},
    "independent drawn, rnn": {"head": HEADS["independent"], "act": "sample", **MEMORIES["rnn"]},
    "joint drawn": {"head": HEADS["joint"], "act": "sample"},
    "autoregressive drawn, gru": {"head": HEADS["autoregressive"], "act": "sample", **MEMORIES["gru"], **_PREVIOUS},
    "mixture drawn, lstm": {"head": HEADS["mixture"], "act": "sample", **MEMORIES["lstm"]},
    "cvae drawn": {"head": HEADS["cvae"], "act": "sample"},
    "n_best drawn": {"head": HEADS["n_best"], "act": "sample"},
    "adversarial drawn": {"head": HEADS["adversarial"], "act": "sample"},
    "flow drawn": {"head": HEADS["flow"], "act": "sample"},
    # Committed to: every head, on other memories.
    "point, lstm": {"head": HEADS["point"], **MEMORIES["lstm"], **_PREVIOUS},
    "gaussian, rnn": {"head": HEADS["gaussian"], **MEMORIES["rnn"], **_PREVIOUS},
    "independent": {"head": HEADS["independent"]},
    "joint, lstm": {"head": HEADS["joint"], **MEMORIES["lstm"]},
    "autoregressive": {"head": HEADS["autoregressive"]},
    "mixture, gru": {"head": HEADS["mixture"], **MEMORIES["gru"]},
    "cvae": {"head": HEADS["cvae"]},
    "n_best": {"head": HEADS["n_best"]},
    "adversarial": {"head": HEADS["adversarial"]},
    "trail": {"head": HEADS["trail"]},
    "flow, rnn": {"head": HEADS["flow"], **MEMORIES["rnn"]},
}

DRAWN = [name for name, options in CASES.items() if options.get("act") == "sample"]


class ExportedParts:
    """Exports a case when it is first asked for, and once.

    Args:
        folder: of the bundles.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: dict[str, tuple[Policy, BundleReport]] = {}

    def __call__(self, name: str) -> tuple[Policy, BundleReport]:
        """The policy of a case, and its bundle."""
        if name not in self._found:
            policy = blind_policy(1, **CASES[name])
            path = self._folder / f"{name.replace(' ', '_')}.onnx"
            self._found[name] = policy, export_bundle(blind_checkpoint(policy), path)
        return self._found[name]
