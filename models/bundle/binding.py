"""One observation at a time through a graph, by buffers that are bound once.

ONNX Runtime's I/O binding says beforehand where inputs lie and where outputs go, so that a step allocates nothing. On a
GPU an input is copied into its device buffer, and the state of a recurrent policy stays on the device from one step to
the next. On a CPU an observation is read where it lies: copying a 640x480 stack first costs more than all that binding
saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import onnxruntime

from models.bundle.known_answer import Answers
from models.bundle.signature import OUTPUTS, STATE_INPUT, STATE_OUTPUT
from models.bundle.structure import TensorInfo
from models.data import FloatArray

__all__ = ["BoundGraph", "Device"]

Device = Literal["cpu", "cuda"]
Arrays = Mapping[str, npt.NDArray[np.generic]]


class BoundGraph:
    """A graph, and the state that it keeps.

    Two state buffers take turns: a step reads one and writes the other. That makes two bindings, each made once.

    Args:
        session: of ONNX Runtime.
        inputs: the observation streams, and the noise of a policy that draws.
        chunk: actions per observation.
        dims: of an action.
        state_shape: of the state; ``None`` without one.
        device: where the buffers lie.
        copies_inputs: whether an observation is copied into a buffer rather than read where it lies, which only works
            on the CPU; by default wherever it has to be.
    """

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        inputs: Sequence[TensorInfo],
        chunk: int,
        dims: int,
        state_shape: tuple[int, ...] | None = None,
        device: Device = "cpu",
        copies_inputs: bool | None = None,
    ) -> None:
        self._session = session
        self._device = device
        self._names = [entry.name for entry in inputs]
        copies = device != "cpu" if copies_inputs is None else copies_inputs
        self._inputs: dict[str, Any] | None = None
        if copies:
            self._inputs = {e.name: self._buffer((1, *e.sizes), e.dtype) for e in inputs}
        shapes: list[Sequence[int]] = [(1, chunk, dims), (1,)]
        self._outputs = [self._buffer(shape) for shape in shapes]
        self._zeros = None if state_shape is None else np.zeros((1, *state_shape), np.float32)
        self._states = [self._buffer((1, *state_shape)) for _ in range(2)] if state_shape is not None else []
        self._bindings = [self._bind(turn) for turn in range(len(self._states) or 1)]
        self._turn = 0
        self.set_state(None)

    def _buffer(self, shape: Sequence[int], dtype: npt.DTypeLike = np.float32) -> Any:
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(list(shape), np.dtype(dtype), self._device, 0)

    def _bind(self, turn: int) -> Any:
        binding = self._session.io_binding()
        for name, buffer in (self._inputs or {}).items():
            binding.bind_ortvalue_input(name, buffer)
        for name, buffer in zip(OUTPUTS, self._outputs, strict=True):
            binding.bind_ortvalue_output(name, buffer)
        if self._states:
            binding.bind_ortvalue_input(STATE_INPUT, self._states[turn])
            binding.bind_ortvalue_output(STATE_OUTPUT, self._states[1 - turn])
        return binding

    def set_state(self, state: FloatArray | None) -> None:
        """Go on from ``state``, of the state's shape; ``None`` for zeros, the beginning."""
        if self._zeros is not None:
            given = self._zeros if state is None else np.ascontiguousarray(state, np.float32).reshape(self._zeros.shape)
            self._states[self._turn].update_inplace(given)

    def step(self, arrays: Arrays) -> Answers:
        """One observation by input, ``(frames, ...)`` or ``(width,)``, to answers of one row in memory of their own.

        The state goes on; the one handed back is a copy to look at.
        """
        binding = self._bindings[self._turn]
        for name in self._names:
            array = np.ascontiguousarray(arrays[name][np.newaxis])
            if self._inputs is None:
                binding.bind_cpu_input(name, array)
            else:
                self._inputs[name].update_inplace(array)
        self._session.run_with_iobinding(binding)
        if self._states:
            self._turn = 1 - self._turn
        action, unsafe = (np.array(buffer.numpy()) for buffer in self._outputs)
        return Answers(action, unsafe, np.array(self._states[self._turn].numpy()) if self._states else None)
