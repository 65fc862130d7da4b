"""Run a policy bundle on a robot: numpy and ONNX Runtime, neither torch nor ROS.

runtime = PolicyRuntime.load("policy.onnx", contract)
proposal = runtime.predict(observation)
"""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.bundle.check_report import CheckReport
from models.bundle.known_answer import Answers
from models.bundle.metadata import BundleMetadata
from models.bundle.noise import NOISE_INPUT, draw_noise
from models.bundle.providers import Loaded, open_graph
from models.bundle.reading import Bundle, inspect_bundle
from models.bundle.session import CPU, ProviderChoice
from models.bundle.verification import require_contract
from models.contract import Contract
from models.data import Observation, Proposal
from models.errors import ObservationError
from models.recurrence import DEFAULT_WARM_UP_TICKS, Continuity, is_poisoned

__all__ = ["DEFAULT_THREADS", "PolicyRuntime"]

DEFAULT_THREADS = 1
"""The demo's network takes well under a millisecond on one thread; a second one only takes a core from the others."""

WARM_UP_RUNS = 10
"""The first runs allocate and, on a GPU, choose kernels; after a handful the time of one run no longer falls."""


class PolicyRuntime:
    """A verified bundle, loaded. One thread at a time.

    A recurrent policy's state lives here: it starts at zero, goes on with every :meth:`predict`, and starts anew where
    the ticks do not follow one another or where it is poisoned (:mod:`models.recurrence`).

    Attributes:
        bundle: what was loaded, with its metadata and contract.
        provider: ``CPUExecutionProvider``, ``CUDAExecutionProvider`` or ``TensorrtExecutionProvider``: the one that
            really runs.
        provider_note: one line: which provider, and why not a better one.
        is_recurrent: whether the policy keeps a state from tick to tick.
        noise_seed: from which, with the stamp of a tick, a policy that acts by drawing is fed its noise; ``None`` for
            one that does not draw.
    """

    def __init__(self, bundle: Bundle, loaded: Loaded, warm_up_ticks: int, noise_seed: int | None = None) -> None:
        """Use ``PolicyRuntime.load``."""
        self.bundle = bundle
        self.provider = loaded.provider
        self.provider_note = loaded.note
        self.is_recurrent = bundle.is_recurrent
        stated = bundle.metadata.noise
        self.noise_seed = None if stated is None else stated.seed if noise_seed is None else noise_seed
        self._graph = loaded.graph
        self._names = bundle.contract.action_names
        self._inputs = {entry.name: (np.dtype(entry.dtype), entry.sizes) for entry in bundle.inputs}
        self._continuity = Continuity(bundle.contract.period_s, bundle.contract.memory.reset_gap_s, warm_up_ticks)

    @classmethod
    def load(
        cls,
        path: Path | str,
        contract: Contract | None = None,
        provider: ProviderChoice = "auto",
        threads: int = DEFAULT_THREADS,
        *,
        warm_up_ticks: int | None = None,
        noise_seed: int | None = None,
        verified: CheckReport | None = None,
    ) -> PolicyRuntime:
        """Check everything, choose a provider, replay the known answer.

        Args:
            path: the ``policy.onnx``.
            contract: the robot's; the bundle is refused when it was made for another. ``None`` trusts the bundle's.
            provider: ``auto`` takes the first of TensorRT, CUDA and the CPU that works; all others insist.
            threads: inside one operator.
            warm_up_ticks: ticks after a reset before a recurrent policy may drive; the bundle's own when not given.
            noise_seed: of a policy that acts by drawing; the bundle's own when not given.
            verified: what ``verify_in_child`` found: a file that is not the same any more is refused, and what the
                child replayed on the CPU is not replayed on it again.

        Raises:
            BundleError: with one reason of the table in ``docs/bundle.md``.
            ProviderError: what was insisted on does not work here.
        """
        bundle = inspect_bundle(path, verified.sha256 if verified else "")
        if contract is not None:
            require_contract(bundle, contract)
        loaded = open_graph(bundle, provider, threads, replayed=verified is not None and verified.provider == CPU)
        if warm_up_ticks is None:
            recurrence = bundle.metadata.recurrence
            warm_up_ticks = recurrence.warm_up_ticks if recurrence else DEFAULT_WARM_UP_TICKS
        return cls(bundle, loaded, warm_up_ticks, noise_seed)

    @property
    def metadata(self) -> BundleMetadata:
        """What the bundle says about itself."""
        return self.bundle.metadata

    @property
    def is_warm(self) -> bool:
        """Whether the newest proposal may drive. Always, for a policy without a state."""
        return not self.is_recurrent or self._continuity.is_warm

    @property
    def resets(self) -> Counter[str]:
        """How often the state was zeroed, by reason: see :class:`models.recurrence.Continuity`."""
        return self._continuity.resets

    @property
    def dropped_ticks(self) -> int:
        """Ticks that a recurrent policy should have seen and did not."""
        return self._continuity.dropped_ticks

    def predict(self, observation: Observation) -> Proposal:
        """What the policy would do: actions in SI units within limits, and how unsure it is.

        An action that the graph could not compute is NaN, which the gate rejects; it is never clamped to a limit. So
        are all actions of the tick at which a recurrent state turns out to be poisoned.

        Raises:
            ObservationError: a stream is missing, of another dtype or shape, or not finite; or the graph fails on it.
                The state stays as it is, and the next observation will be seen to come a tick late.
        """
        feed = self._feed(observation)
        if not self.is_recurrent:
            answer = self._step(feed)
            return Proposal(observation.stamp_ns, answer.action[0], float(answer.unsafe_probability[0]), self._names)
        interruption = self._continuity.interruption(observation.stamp_ns, starts_memory=observation.starts_memory)
        if interruption:
            self._forget(interruption)
        answer = self._step(feed)
        self._continuity.stepped(observation.stamp_ns)
        action, unsafe = answer.action[0], float(answer.unsafe_probability[0])
        if answer.state is None or is_poisoned(answer.state, self.bundle.state_limit):
            self._forget("poisoned")
            action, unsafe = np.full_like(action, np.nan), math.nan
        return Proposal(observation.stamp_ns, action, unsafe, self._names)

    def _step(self, feed: dict[str, npt.NDArray[np.generic]]) -> Answers:
        """One step of the graph. One that fails concerns this observation, and must not end the process."""
        try:
            return self._graph.step(feed)
        except Exception as error:  # ONNX Runtime raises a family of its own that shares no base class.
            raise ObservationError(
                "the policy's graph fails on this observation",
                found=str(error).splitlines()[0] if str(error) else type(error).__name__,
                fix="the expert drives meanwhile; export the policy again if it goes on",
            ) from error

    def _feed(self, observation: Observation) -> dict[str, npt.NDArray[np.generic]]:
        feed = {}
        for key, (dtype, shape) in self._inputs.items():
            array = observation.arrays.get(key)
            if array is None:
                raise ObservationError(
                    f"the observation has no stream {key!r}",
                    found=sorted(observation.arrays),
                    expected=", ".join(self._inputs),
                )
            if array.dtype != dtype or array.shape != shape:
                raise ObservationError(
                    f"stream {key!r} is not what the policy was trained on",
                    found=f"{array.dtype} {array.shape}",
                    expected=f"{dtype} {shape}",
                    fix=_fitting(array, dtype, shape),
                )
            if dtype.kind == "f" and not np.isfinite(array).all():
                raise ObservationError(f"stream {key!r} is not finite", found=array[-1].tolist())
            feed[key] = array
        if self.noise_seed is not None:
            feed[NOISE_INPUT] = draw_noise(self.noise_seed, observation.stamp_ns, self.bundle.noise_width)
        return feed

    def _forget(self, reason: str) -> None:
        self._graph.set_state(None)
        self._continuity.forget(reason)

    def reset(self) -> None:
        """Forget the past: the state is zero, and warms up before the policy may drive again.

        Policies whose memory is a stack keep none here: the assembler owns the stack.
        """
        if self.is_recurrent:
            self._forget("asked")

    def warm_up(self) -> None:
        """Run the graph a few times on zeros, so that the first observation is answered as fast as any.

        A recurrent policy is reset by it; this has nothing to do with the ticks after which it :attr:`is_warm`.
        """
        zeros = {entry.name: np.zeros(entry.sizes, entry.dtype) for entry in self.bundle.arrays}
        for _ in range(WARM_UP_RUNS):
            self._graph.step(zeros)
        self.reset()


def _fitting(array: npt.NDArray[np.generic], dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> str:
    """What to do about an array that the policy was not trained on."""
    if array.shape == shape[1:]:
        return (
            f"stack the last {shape[0]} ticks along a new first axis, the oldest first"
            if shape[0] > 1
            else ("add a first axis, of one tick")
        )
    if array.shape == shape and dtype.kind == "u":
        return "give the pixels as they are, 0 to 255: the policy scales them itself"
    if array.shape == shape:
        return f"convert it with .astype(np.{dtype})"
    return "check the camera's size and the contract's `resize` and `select`"
