"""What a check of a bundle found out, in one line that another process can read."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

__all__ = ["CheckReport"]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A bundle that passed every check.

    Attributes:
        path: the file, as it was named.
        sha256: of the bytes that were checked, hex. Who loads the bundle compares it, so that nothing can be put in the
            file's place in between.
        size: bytes.
        contract_hash: of the contract inside, hex.
        contract_checked: whether it was compared with a robot's.
        provider: execution provider that gave the known answer, such as ``CPUExecutionProvider``.
        is_recurrent: whether the policy keeps a state.
        chunk: actions per observation.
        action_names: the action dimensions, in order.
        runs: how often it was timed.
        median_ms: of one run.
        longest_ms: of one run.
        noise_width: standard normal numbers that a policy which acts by drawing takes each tick; 0 for none.
    """

    path: str
    sha256: str
    size: int
    contract_hash: str
    contract_checked: bool
    provider: str
    is_recurrent: bool
    chunk: int
    action_names: tuple[str, ...]
    runs: int
    median_ms: float
    longest_ms: float
    noise_width: int = 0

    def to_json(self) -> str:
        """One line."""
        return json.dumps({"ok": True, **dataclasses.asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, line: str) -> CheckReport:
        """Read :meth:`to_json`; raises ``ValueError``, ``TypeError`` or ``KeyError`` when it is something else."""
        values = json.loads(line)
        if values.pop("ok") is not True:
            raise ValueError("the report is not one of a bundle that passed")
        return cls(**{**values, "action_names": tuple(values["action_names"])})
