"""The robot contract itself: what is observed, what is commanded, how fast, and within which limits."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.contract.model import Channel, DimensionLimits, GateSpec, Memory, Source, Stream
from models.data import FloatArray
from models.errors import ContractError

__all__ = ["Contract", "action_names", "canonical_stream"]

HASH_VERSION = "understudy-contract-1"
"""Changes only when the same words come to mean something else."""


@dataclass(frozen=True)
class Contract:
    """One robot's streams, action dimensions, rate, limits, memory and gate.

    Attributes:
        robot_type: the robot's name.
        fps: ticks per second.
        observations: what a policy sees, in the order of the file.
        actions: what it commands; the action vector is their concatenation.
        limits: one for each action dimension in order, or none at all.
        memory: how much of the past it sees.
        gate: when it may drive.
        trigger: key of the observation stream whose sample starts a tick.
        unused_sections: sections of the file that the vocabulary knows and Understudy does not use.
        text: the YAML it was read from.
    """

    robot_type: str
    fps: float
    observations: tuple[Stream, ...]
    actions: tuple[Stream, ...]
    limits: tuple[DimensionLimits, ...]
    memory: Memory
    gate: GateSpec
    trigger: str
    unused_sections: tuple[str, ...] = ()
    text: str = ""

    @property
    def period_s(self) -> float:
        """Seconds from one tick to the next."""
        return 1.0 / self.fps

    @cached_property
    def action_names(self) -> tuple[str, ...]:
        """One unique label for each action dimension, in the order of the action vector."""
        return action_names(self.actions)

    @cached_property
    def action_minimum(self) -> FloatArray:
        """``(dims,)`` smallest allowed values in SI units, read-only; ``-inf`` where the contract has no limits."""
        return self._limit_array([limit.minimum for limit in self.limits], -np.inf)

    @cached_property
    def action_maximum(self) -> FloatArray:
        """``(dims,)`` largest allowed values in SI units, read-only; ``inf`` where the contract has no limits."""
        return self._limit_array([limit.maximum for limit in self.limits], np.inf)

    @cached_property
    def action_rate(self) -> FloatArray:
        """``(dims,)`` largest change per second, in SI units, read-only; ``inf`` where the contract has no limits."""
        return self._limit_array([limit.rate for limit in self.limits], np.inf)

    @cached_property
    def action_stop(self) -> FloatArray:
        """``(dims,)`` the stop command in SI units, read-only; zeros where the contract has no limits.

        Where :attr:`action_held` says so, a halt stays at the last position instead.
        """
        zeros = self.gate.halt_stop == "zeros"
        stops = [min(max(0.0, one.minimum), one.maximum) if zeros else one.stop for one in self.limits]
        return self._limit_array(stops, 0.0)

    @cached_property
    def action_held(self) -> npt.NDArray[np.bool_]:
        """``(dims,)`` which dimensions stay where they are on a halt: the positions, if ``gate.halt.stop`` is hold."""
        held = [one.is_position and self.gate.halt_stop == "hold" for one in self.limits]
        array = np.array(held or [False] * len(self.action_names), dtype=np.bool_)
        array.flags.writeable = False
        return array

    @cached_property
    def hash(self) -> str:
        """Hex SHA-256 of what a trained policy depends on: streams, fps, limits, memory and trigger.

        QoS, ``safety``, ``max_age``, the gate, the robot's name and comments may change without retraining.
        """
        content = {
            "version": HASH_VERSION,
            "fps": float(self.fps),
            "observations": [canonical_stream(stream) for stream in self.observations],
            "actions": [canonical_stream(stream) for stream in self.actions],
            # "+ 0.0" turns -0.0 into 0.0: equal limits must not hash apart.
            "limits": [
                [limit.name, limit.unit, *(x + 0.0 for x in (limit.minimum, limit.maximum, limit.rate, limit.stop))]
                for limit in self.limits
            ],
            "memory": [self.memory.frames, self.memory.stride, self.memory.recurrent, float(self.memory.reset_gap_s)],
            "trigger": self.trigger,
        }
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def observation(self, key: str) -> Stream:
        """The observation stream of that key; raises KeyError."""
        return {stream.key: stream for stream in self.observations}[key]

    @property
    def action_sources(self) -> tuple[Source, ...]:
        """Every command channel, in the order in which the action vector is split over them."""
        return tuple(source for stream in self.actions for source in stream.sources)

    def topics(self) -> dict[str, Channel]:
        """Every observation, action and expert topic with its channel, in that order, each topic once.

        An expert topic carries the type of the action source it stands for.
        """
        found: dict[str, Channel] = {}
        for stream in (*self.observations, *self.actions):
            for source in stream.sources:
                found.setdefault(source.channel.topic, source.channel)
        for topic, source in zip(self.gate.expert_topics, self.action_sources, strict=False):
            found.setdefault(topic, replace(source.channel, topic=topic))
        return found

    def require_limits(self) -> None:
        """Raise ContractError, with the YAML to add, unless every action dimension has limits."""
        if self.limits:
            return
        lines = ["limits:"]
        for stream in self.actions:
            lines.append(f"  {stream.key}:")
            lines += [f"    {name}: {{min: …, max: …, rate: …, unit: …, stop: …}}" for name in stream.names]
        raise ContractError(
            f"the contract of {self.robot_type!r} has no limits, and nothing drives a robot without them",
            found="no section 'limits'",
            expected="minimum, maximum and rate (per second) of every action dimension, in SI units",
            fix="add this with the robot's own numbers:\n" + "\n".join(f"      {line}" for line in lines),
        )

    def _limit_array(self, values: list[float], without: float) -> FloatArray:
        array = np.array(values if self.limits else [without] * len(self.action_names), dtype=np.float32)
        array.flags.writeable = False
        return array


def action_names(actions: Sequence[Stream]) -> tuple[str, ...]:
    """Labels of the action vector; a label that two streams share gets its stream's key in front."""
    counts = Counter(name for stream in actions for name in stream.names)
    return tuple(name if counts[name] == 1 else f"{stream.key}.{name}" for stream in actions for name in stream.names)


def canonical_stream(stream: Stream) -> dict[str, object]:
    """All of a stream that a policy depends on, as plain values: what its numbers mean, and not how they arrive."""
    return {
        "key": stream.key,
        "sources": [
            {
                "topic": source.channel.topic,
                "type": source.channel.type,
                "dtype": source.channel.dtype,
                "decoder": source.channel.decoder,
                "encoder": source.channel.encoder,
                "align": [source.align.strategy, source.align.timeline, float(source.align.tolerance_ms)],
                "select": source.select,
                "apply": [[operator.name, operator.args] for operator in source.apply],
                "kind": source.kind,
            }
            for source in stream.sources
        ],
    }
