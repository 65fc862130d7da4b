"""Step 2 of the gate: the safety classifier's answer against a threshold that nothing at run time can loosen."""

from __future__ import annotations

from il_nodes.gate.decision import Reason
from models.contract import Contract
from models.errors import DeploymentError

__all__ = ["UnsafeMonitor", "accepted_hysteresis", "accepted_threshold"]


def accepted_threshold(contract: Contract, wanted: float | None, *, allow_looser: bool = False) -> float:
    """The threshold to use: the contract's, or ``wanted`` if it is stricter or if looser was allowed in so many words.

    Raises:
        DeploymentError: ``wanted`` is zero or no probability, or looser than the contract without ``allow_looser``.
    """
    own = contract.gate.unsafe_threshold
    if wanted is None:
        return own
    if not 0.0 < wanted <= 1.0:
        raise DeploymentError(
            "unsafe_threshold has to be a probability, and at 0 a policy could never come back",
            found=wanted,
            expected="above 0, up to 1",
            fix="enable_policy: false keeps the policy away",
        )
    if wanted > own and not allow_looser:
        raise DeploymentError(
            "unsafe_threshold would make the gate looser than the robot's contract",
            found=wanted,
            expected=f"at most {own}, the contract's gate.threshold",
            fix="lower it, or set allow_looser_threshold: true if you mean it",
        )
    return wanted


def accepted_hysteresis(contract: Contract, threshold: float) -> float:
    """How far ``unsafe_probability`` has to fall below ``threshold`` before control comes back.

    The contract's hysteresis, but at most half of the threshold, as where a contract names none: below a threshold that
    is smaller than the hysteresis there is no probability. Where the contract's own is more than half of its own
    threshold it stays in that proportion, for a stricter threshold must not let the policy back any earlier.
    """
    spec = contract.gate
    return min(spec.hysteresis, threshold * max(0.5, spec.hysteresis / spec.unsafe_threshold))


class UnsafeMonitor:
    """Threshold with hysteresis and a minimum dwell on ``unsafe_probability``.

    On above ``threshold`` (or if it is no probability at all: NaN, below 0, above 1); off again at or below
    ``threshold - hysteresis``, ``dwell_s`` after it went on at the earliest. So the policy loses control at most
    ``1 / dwell_s`` times a second, however the classifier chatters.
    """

    def __init__(self, threshold: float, hysteresis: float, dwell_s: float) -> None:
        self.threshold = threshold
        self._release = threshold - hysteresis
        self._dwell_s = dwell_s
        self._since_s: float
        self.reason: Reason | None = None

    def update(self, probability: float, now_s: float) -> None:
        """Take in one proposal's probability."""
        valid = 0.0 <= probability <= 1.0
        if valid and probability <= self.threshold:
            calm = self.reason is not None and probability <= self._release
            if calm and now_s - self._since_s >= self._dwell_s:
                self.reason = None
            return
        if self.reason is None:
            self._since_s = now_s
        self.reason = Reason.UNSAFE if valid else Reason.UNSAFE_INVALID

    def reset(self) -> None:
        """Forget what it saw."""
        self.reason = None
