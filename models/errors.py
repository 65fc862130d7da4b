"""Every error a person may meet, under one root.

An error names what was found, what was expected and what to do next, and keeps the offending values, so that the
command line can print three short lines instead of a traceback. ``exit_code`` is what ``understudy`` exits with; the
table stands in ``docs/command-line.md``.
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CodecError",
    "ContractError",
    "DatasetError",
    "DeploymentError",
    "ObservationError",
    "ProviderError",
    "RecordingError",
    "SimulationError",
    "TrainingError",
    "UnderstudyError",
]


class UnderstudyError(Exception):
    """Root of every error that Understudy raises on purpose.

    Args:
        problem: one sentence: what went wrong, with the file or topic it concerns.
        found: the offending value, as it was read; ``None`` when there is nothing to show.
        expected: what would have been accepted; empty when ``problem`` says it already.
        fix: what the reader can do now; empty when ``expected`` says it already.
    """

    exit_code = 1

    def __init__(self, problem: str, *, found: object = None, expected: str = "", fix: str = "") -> None:
        self.problem = problem
        self.found = found
        self.expected = expected
        self.fix = fix
        super().__init__(problem)

    def __str__(self) -> str:
        """The whole message on one to four lines."""
        lines = [self.problem]
        if self.found is not None:
            lines.append(f"  found:    {self.found}")
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  to do:    {self.fix}")
        return "\n".join(lines)


class ContractError(UnderstudyError):
    """A robot contract that cannot be read, or that contradicts itself."""

    exit_code = 3


class RecordingError(UnderstudyError):
    """A bag that is missing, empty, truncated, corrupt, or without a topic that the contract needs; or a full disk."""

    exit_code = 4


class DatasetError(UnderstudyError):
    """A dataset of episodes that is missing, empty, or of another contract."""

    exit_code = 5


class TrainingError(UnderstudyError):
    """A training run that cannot start or that diverged."""

    exit_code = 5


class BundleError(UnderstudyError):
    """A ``policy.onnx`` that is refused: corrupt, unsafe to load, of another contract, or not what it was at export."""

    exit_code = 6


class ProviderError(BundleError):
    """The execution provider that was insisted on (for example CUDA) does not work on this machine."""

    exit_code = 6


class CodecError(UnderstudyError):
    """A message that does not hold what the contract says: another encoding, a missing joint, a wrong size."""

    exit_code = 7


class ObservationError(UnderstudyError):
    """An observation that must not reach a policy: not finite, of another shape, or of streams too far apart."""

    exit_code = 7


class DeploymentError(UnderstudyError):
    """A ROS 2 graph that cannot be started or went down: a busy domain, an incompatible QoS, a node that died."""

    exit_code = 7


class SimulationError(UnderstudyError):
    """A simulated world asked for what it cannot do, or whose robot stopped answering in lock-step."""

    exit_code = 7
