"""Run a policy where it is trained, before there is a bundle: what ``PolicyRuntime`` gives of the bundle, tick by tick.

runtime = TorchRuntime(policy)
proposal = runtime.predict(observation)
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from models.bundle.noise import draw_noise
from models.data import FloatArray, Observation, Proposal
from models.policies.acting import ActingPolicy

__all__ = ["TorchRuntime"]


class TorchRuntime:
    """A policy that drives in this process, such as for ``BehavioralCloning.fit(evaluate=...)``. One robot at a time.

    A recurrent policy's state lives here: it goes on from :meth:`predict` to :meth:`predict`, and starts at zero with
    every observation that starts memory, as the first of an episode does. Torch's own generator is never asked, so that
    looking at a policy while it learns changes nothing about how it learns.

    Args:
        policy: in whatever mode; it is put back into that mode.
        noise_seed: from which, with the stamp of a tick, a policy that acts by drawing gets its noise, as on a robot.
    """

    def __init__(self, policy: ActingPolicy, noise_seed: int = 0) -> None:
        self._policy, self._noise_seed = policy, noise_seed
        self._state: Tensor | None = None

    def reset(self) -> None:
        """Forget the past."""
        self._state = None

    def predict(self, observation: Observation) -> Proposal:
        """What the policy would do: actions in SI units within limits, and how unsure it is."""
        width = self._policy.noise_width
        return self.answer(observation, draw_noise(self._noise_seed, observation.stamp_ns, width) if width else None)

    def answer(self, observation: Observation, drawn: FloatArray | None) -> Proposal:
        """The same, with the noise ``(width,)`` of a policy that acts by drawing; ``None`` of one that does not."""
        policy = self._policy
        raw = {
            stream.key: torch.from_numpy(np.ascontiguousarray(observation.arrays[stream.key][np.newaxis]))
            for stream in policy.specification.streams
        }
        noise = None if drawn is None else torch.from_numpy(drawn[np.newaxis])
        was_training = policy.training
        if was_training:  # not otherwise: it goes through all layers, which takes as long as a small network's answer
            policy.eval()
        try:
            with torch.inference_mode():
                if not policy.is_recurrent:
                    action, unsafe = policy(raw, noise)
                else:
                    if self._state is None or observation.starts_memory:
                        self._state = policy.initial_state(1)
                    (action, unsafe), self._state = policy.step(raw, self._state, noise)
        finally:
            if was_training:
                policy.train()
        names = policy.specification.action_names
        return Proposal(observation.stamp_ns, action[0].numpy(), float(unsafe[0]), names)
