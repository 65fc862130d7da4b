"""Run a policy bundle on a robot: numpy and ONNX Runtime, neither torch nor ROS.

runtime = PolicyRuntime.load("policy.onnx", contract)
proposal = runtime.predict(observation)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.bundle.metadata import BundleMetadata
from models.bundle.reading import Bundle, inspect_bundle
from models.bundle.session import ProviderChoice, Session, open_session
from models.bundle.verification import require_contract
from models.contract import Contract
from models.data import Observation, Proposal
from models.errors import ObservationError

__all__ = ["DEFAULT_THREADS", "PolicyRuntime"]

DEFAULT_THREADS = 1
"""The demo's network takes well under a millisecond on one thread; a second one only takes a core from the others."""

WARM_UP_RUNS = 10
"""The first runs allocate and, on a GPU, choose kernels; after a handful the time of one run no longer falls."""


class PolicyRuntime:
    """A verified bundle, loaded.

    Attributes:
        bundle: what was loaded, with its metadata and contract.
        provider: ``CPUExecutionProvider`` or ``CUDAExecutionProvider``: the one that really runs.
        provider_note: one line: which provider, and why not a better one.
    """

    def __init__(self, bundle: Bundle, session: Session, provider_note: str) -> None:
        """Use ``PolicyRuntime.load``."""
        self.bundle = bundle
        self.provider = session.provider
        self.provider_note = provider_note
        self._session = session
        self._names = bundle.contract.action_names
        self._inputs = {entry.name: (np.dtype(entry.dtype), entry.shape[1:]) for entry in bundle.inputs}

    @classmethod
    def load(
        cls,
        path: Path | str,
        contract: Contract | None = None,
        provider: ProviderChoice = "auto",
        threads: int = DEFAULT_THREADS,
    ) -> PolicyRuntime:
        """Check everything, choose a provider, replay the known answer.

        Args:
            path: the ``policy.onnx``.
            contract: the robot's; the bundle is refused when it was made for another. ``None`` trusts the bundle's.
            provider: ``auto`` takes CUDA where it works and the CPU elsewhere; ``cuda`` insists.
            threads: inside one operator.

        Raises:
            BundleError: with one reason of the table in ``docs/bundle.md``.
            ProviderError: CUDA was insisted on and does not work here.
        """
        bundle = inspect_bundle(path)
        if contract is not None:
            require_contract(bundle, contract)
        session, note = open_session(bundle, provider, threads)
        return cls(bundle, session, note)

    @property
    def metadata(self) -> BundleMetadata:
        """What the bundle says about itself."""
        return self.bundle.metadata

    def predict(self, observation: Observation) -> Proposal:
        """What the policy would do: actions in SI units within limits, and how unsure it is.

        An action that the graph could not compute is NaN, which the gate rejects; it is never clamped to a limit.

        Raises:
            ObservationError: a stream is missing, of another dtype or shape, or not finite.
        """
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
                    fix="check the camera's size and the contract's `resize` and `select`",
                )
            if dtype.kind == "f" and not np.isfinite(array).all():
                raise ObservationError(f"stream {key!r} is not finite", found=array[-1].tolist())
            feed[key] = array[np.newaxis]
        action, unsafe = self._session.run(feed)
        return Proposal(observation.stamp_ns, action[0], float(unsafe[0]), self._names)

    def reset(self) -> None:
        """Forget the past. Policies whose memory is a stack keep none here: the assembler owns the stack."""

    def warm_up(self) -> None:
        """Run the known question a few times, so that the first observation is answered as fast as any."""
        question = {key: rows[:1] for key, rows in self.metadata.known_answer.inputs().items()}
        for _ in range(WARM_UP_RUNS):
            self._session.run(question)
