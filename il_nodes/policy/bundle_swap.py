"""How another bundle comes to run: wished for, verified, loaded, warmed up, swapped in; or refused with a reason.

Whatever goes wrong, the policy that runs keeps running.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from il_nodes.policy.bundle_loader import BundleLoader
from il_nodes.policy.running_policy import RunningPolicy
from models.bundle.reading import MAX_BYTES
from models.errors import UnderstudyError
from models.runtime import PolicyRuntime

__all__ = ["WARM_UP_TIMEOUT_S", "BundleSwap", "cheap_objection"]

#: A recurrent policy that is not warm by then sees no observations, and nobody should wait for it any longer.
WARM_UP_TIMEOUT_S = 10.0

Done = Callable[[str], None]


def cheap_objection(path: object) -> str:
    """Why a path cannot be a bundle's, as far as one look at the directory tells; empty if it can."""
    if not isinstance(path, str) or not path:
        return f"bundle is the path of a policy.onnx, not {path!r}"
    try:
        size = Path(path).stat().st_size
        is_file = Path(path).is_file()
    except (OSError, ValueError) as error:
        return f"cannot read {path}: {getattr(error, 'strerror', None) or error}"
    if not is_file:
        return f"{path} is no file"
    if not 0 < size <= MAX_BYTES:
        return f"{path} is no bundle: it has {size} bytes"
    return ""


class BundleSwap:
    """One swap at a time; driven by :meth:`poll`, everything else happens in the loader's thread and child.

    Args:
        policy: in which the swap happens.
        loader: brings a bundle up.
        path: of the bundle that runs.

    Attributes:
        path: of the bundle that runs.
        phase: what the swap waits for.
        wish: path of the bundle that is to run; empty when idle.
        refusals: bundles that were refused after they were wished for.
        last_refusal: the reason of the newest; empty before the first.
        problem: why the newest swap came to nothing; empty when it did not, and before the first.
        refused: path of the bundle of that swap; empty with ``problem``.
        last_duration_s: from wish to hand-over, of the newest swap.
    """

    def __init__(self, policy: RunningPolicy, loader: BundleLoader, path: str) -> None:
        self._policy, self._loader = policy, loader
        self.path = path
        self.phase: Literal["idle", "verifying", "warming up"] = "idle"
        self.wish = ""
        self.refusals = 0
        self.last_refusal = self.problem = self.refused = ""
        self.last_duration_s = 0.0
        self._successor: PolicyRuntime | None = None
        self._begun_s = self._loaded_s = 0.0
        self._done: Done = lambda problem: None

    def objection(self, path: object) -> str:
        """Why a swap to ``path`` cannot even begin; empty if it can."""
        if self.phase != "idle":
            return f"a swap to {self.wish} is under way ({self.phase})"
        return cheap_objection(path)

    def begin(self, path: str, now_s: float, done: Done) -> None:
        """Start a swap; ``done`` is called by a later :meth:`poll` with the problem, empty after success."""
        self.phase, self.wish, self._begun_s, self._done = "verifying", path, now_s, done
        self._loader.begin(Path(path))

    def poll(self, now_s: float, *, at_once: bool) -> None:
        """Go on if something has happened; call it between two ticks.

        Args:
            now_s: monotonic.
            at_once: nobody waits for proposals, so that nothing has to warm up before the hand-over.
        """
        if self.phase == "verifying":
            outcome = self._loader.poll()
            if isinstance(outcome, UnderstudyError):
                self._refuse(_one_line(outcome))
            elif outcome is not None:
                self._introduce(outcome, now_s, at_once=at_once)
        if self.phase == "warming up":
            self._watch_successor(now_s, at_once=at_once)

    def abandon(self, reason: str) -> None:
        """The node lets go of its policy: whoever waits for a swap is told."""
        if self.phase != "idle":
            self._refuse(reason)

    def values(self) -> dict[str, object]:
        """For diagnostics."""
        return {
            "file": self.path,
            "sha256": self._policy.runtime.bundle.sha256[:12],
            "swaps": self._policy.swaps,
            "refusals": self.refusals,
            **({"last_refusal": self.last_refusal} if self.last_refusal else {}),
            **({"last_swap_s": self.last_duration_s} if self._policy.swaps else {}),
            **({"phase": self.phase, "wish": self.wish} if self.wish else {}),
            "bundle_pending": f"{self.wish}: {self.phase}" if self.wish else "",
            "bundle_refused": f"{self.refused}: {self.problem}" if self.problem else "",
        }

    def _introduce(self, runtime: PolicyRuntime, now_s: float, *, at_once: bool) -> None:
        misfit = self._policy.misfit(runtime)
        if misfit:
            self._refuse(f"{Path(self.wish).name} does not fit the sensors: {misfit}")
            return
        self.phase, self._successor, self._loaded_s = "warming up", runtime, now_s
        self._policy.replace(runtime, at_once=at_once)

    def _watch_successor(self, now_s: float, *, at_once: bool) -> None:
        assert self._successor is not None
        if self._policy.successor is self._successor:
            if at_once:
                self._policy.replace(self._successor, at_once=True)
            elif now_s - self._loaded_s > WARM_UP_TIMEOUT_S:
                self._policy.drop_successor()
                self._refuse(f"{Path(self.wish).name} did not warm up within {WARM_UP_TIMEOUT_S:g} s of observations")
                return
            else:
                return
        if self._policy.runtime is not self._successor:
            self._refuse(f"{Path(self.wish).name} cannot use the observations: {self._policy.problem}")
            return
        self.path, self.last_duration_s = self.wish, now_s - self._begun_s
        self._end("")

    def _refuse(self, reason: str) -> None:
        self.refusals += 1
        self.last_refusal = reason
        self._end(reason)

    def _end(self, problem: str) -> None:
        done, self._done = self._done, lambda problem: None
        self.refused = self.wish if problem else ""
        self.phase, self.wish, self._successor, self.problem = "idle", "", None, problem
        done(problem)


def _one_line(error: UnderstudyError) -> str:
    """The whole message, for a service's answer and for diagnostics."""
    return "; ".join(line.strip() for line in str(error).splitlines())
