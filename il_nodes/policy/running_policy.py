"""The policy that proposes, and the one that is to take its place: a swap that costs no tick.

A policy whose memory is the stack can propose at once. One with a recurrent state has to see some observations first,
so both look at the same ones, and the old policy proposes until the new one is warm.
"""

from __future__ import annotations

from models.chunks import TemporalEnsemble
from models.data import Observation, Proposal
from models.errors import ObservationError
from models.runtime import PolicyRuntime

__all__ = ["RunningPolicy"]


class RunningPolicy:
    """Asks one runtime, or during a swap two; one thread.

    Args:
        runtime: loaded and warmed up.
        ensemble: combines overlapping chunks; ``None`` to pass them on as they are.

    Attributes:
        runtime: what proposes.
        successor: what takes its place once it is warm; ``None`` when there is none.
        swaps: successors that have taken over.
        problem: why the last successor was dropped; empty when it was not.
    """

    def __init__(self, runtime: PolicyRuntime, ensemble: TemporalEnsemble | None = None) -> None:
        self.runtime = runtime
        self.successor: PolicyRuntime | None = None
        self.swaps = 0
        self.problem = ""
        self._ensemble = ensemble
        self._newest: Observation | None = None
        runtime.reset()

    def restart(self) -> None:
        """Memory starts anew: recurrent states, and what the ensemble remembers."""
        self.runtime.reset()
        if self.successor is not None:
            self.successor.reset()
        self._forget_chunks()

    def overlook(self, observation: Observation, *, fit: bool) -> None:
        """An observation that is not answered, because a newer one is there or because nobody may act on it.

        A recurrent state must see it all the same, unless it is unfit.

        Raises:
            ObservationError: as :meth:`propose`.
        """
        if not fit:
            if observation.starts_memory:
                self.restart()
            return
        # Runtimes look for the start of a memory themselves.
        if observation.starts_memory:
            self._forget_chunks()
        self._newest = observation
        for runtime in (self.runtime, self.successor):
            if runtime is not None and runtime.is_recurrent:
                runtime.predict(observation)

    def propose(self, observation: Observation) -> Proposal | None:
        """The proposal for an observation; ``None`` while a recurrent state warms up.

        Raises:
            ObservationError: the observation is not what the policy was made for.
        """
        if observation.starts_memory:
            self._forget_chunks()
        self._newest = observation
        proposal, error = _ask(self.runtime, observation)
        if self.successor is not None:
            first, problem = _ask(self.successor, observation)
            if problem is not None:
                self.successor, self.problem = None, problem.problem
            elif first is not None:
                self._hand_over()
                proposal, error = first, None
        if error is not None:
            raise error
        if proposal is None or self._ensemble is None:
            return proposal
        return self._ensemble.add(proposal)

    def misfit(self, runtime: PolicyRuntime) -> str:
        """Why another policy cannot take over whatever it was trained for: it wants other arrays. Empty if it can."""
        # What the sensors really send counts; before they have sent anything, what the present policy wants.
        made = _wanted(self.runtime) if self._newest is None else _shapes(self._newest)
        wanted = _wanted(runtime)
        return "" if made == wanted else f"it wants {_text(wanted)}; this robot's observations are {_text(made)}"

    def replace(self, runtime: PolicyRuntime, *, at_once: bool) -> None:
        """Another policy takes over between two ticks: now, or once its recurrent state is warm.

        Args:
            runtime: loaded, warmed up, and no misfit.
            at_once: nobody waits for proposals, so there is nothing to wait for.
        """
        runtime.reset()
        self.successor, self.problem = runtime, ""
        if at_once or runtime.is_warm:
            self._hand_over()

    def drop_successor(self) -> None:
        """Keep the present policy."""
        self.successor = None

    def _hand_over(self) -> None:
        assert self.successor is not None
        self.runtime, self.successor = self.successor, None
        # Chunks of two policies must not be mixed.
        self._forget_chunks()
        self.swaps += 1

    def _forget_chunks(self) -> None:
        if self._ensemble is not None:
            self._ensemble.reset()


def _ask(runtime: PolicyRuntime, observation: Observation) -> tuple[Proposal | None, ObservationError | None]:
    try:
        proposal = runtime.predict(observation)
    except ObservationError as error:
        return None, error
    return (proposal if runtime.is_warm else None), None


def _shapes(observation: Observation) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {key: (str(array.dtype), array.shape) for key, array in observation.arrays.items()}


def _wanted(runtime: PolicyRuntime) -> dict[str, tuple[str, tuple[int, ...]]]:
    keys = {stream.key for stream in runtime.bundle.contract.observations}
    inputs = [entry for entry in runtime.bundle.inputs if entry.name in keys]
    return {entry.name: (entry.dtype, tuple(size or 0 for size in entry.shape[1:])) for entry in inputs}


def _text(arrays: dict[str, tuple[str, tuple[int, ...]]]) -> str:
    return ", ".join(f"{key} {dtype} {shape}" for key, (dtype, shape) in sorted(arrays.items()))
