"""Bring another bundle up beside the running one: verified by a child process, loaded and warmed up by a thread.

A file that nobody has looked at yet may crash or stall whoever opens it, so a child opens it first, at low priority.
What the node then loads are exactly the bytes that the child found good: they are compared by SHA-256.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.bundle.child_check import verify_in_child
from models.bundle.session import ProviderChoice
from models.contract import Contract
from models.errors import BundleError, UnderstudyError
from models.runtime import PolicyRuntime

__all__ = ["VERIFY_TIMEOUT_S", "BundleLoader"]

#: A child takes 1 to 2 s on an idle machine and a multiple of it, at low priority, on a busy one.
VERIFY_TIMEOUT_S = 60.0
#: Seconds after which Python's threads change places while a bundle is loaded; 5 ms by default, a quarter of a tick at
#: 50 Hz, and inference may have to wait for several of them.
SWITCH_S = 0.0005


@contextmanager
def _short_turns() -> Iterator[None]:
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


class BundleLoader:
    """One bundle at a time.

    Args:
        contract: the robot's.
        contract_path: the file that it was read from, for the child.
        provider: what inference runs on.
    """

    def __init__(self, contract: Contract, contract_path: Path, provider: ProviderChoice) -> None:
        self._contract, self._contract_path, self._provider = contract, contract_path, provider
        self._thread: threading.Thread | None = None
        self._outcome: PolicyRuntime | UnderstudyError | None = None

    def begin(self, path: Path) -> None:
        """Start on a file; :meth:`poll` tells how it went."""
        assert self._thread is None
        self._outcome = None
        # A daemon: a node that ends does not wait for a bundle that it will not run.
        self._thread = threading.Thread(target=self._run, args=(path,), name="bundle loader", daemon=True)
        self._thread.start()

    def poll(self) -> PolicyRuntime | UnderstudyError | None:
        """A runtime that is warmed up, or why there is none; ``None`` while nobody knows yet."""
        if self._thread is None or self._thread.is_alive():
            return None
        self._thread = None
        return self._outcome

    def _run(self, path: Path) -> None:
        try:
            self._outcome = self._load(path)
        except UnderstudyError as error:
            self._outcome = error
        except Exception as error:
            # Whatever else a strange file may cause must not end the policy that runs.
            self._outcome = BundleError(f"{path.name} could not be loaded: {type(error).__name__}: {error}")

    def _load(self, path: Path) -> PolicyRuntime:
        report = verify_in_child(path, self._contract_path, VERIFY_TIMEOUT_S)
        with _short_turns():
            runtime = PolicyRuntime.load(path, self._contract, self._provider, verified=report)
            runtime.warm_up()
        return runtime
