"""A bundle's graph in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime

from models.bundle.binding import BoundGraph, Device
from models.bundle.known_answer import Answers
from models.bundle.reading import Bundle
from models.bundle.signature import OUTPUTS, STATE_INPUT, STATE_OUTPUT
from models.data import FloatArray
from models.errors import BundleError

__all__ = ["CPU", "CUDA", "TENSORRT", "ProviderChoice", "Session"]

ProviderChoice = Literal["auto", "cpu", "cuda", "tensorrt"]

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
# ONNX Runtime's severities: 3 is error. Its warnings about graphics cards that a machine does not have help nobody.
LOG_ERRORS_ONLY = 3
LOG_FATAL_ONLY = 4

Options = Mapping[str, str]


class Session:
    """The graph, loaded, with its providers pinned: it never falls back by itself.

    Args:
        content: the serialised model.
        providers: by name, with their options; the first that can run an operator does. The CPU stands behind them all.
        threads: inside one operator.

    Attributes:
        provider: the first one that ONNX Runtime really took.

    Raises:
        BundleError: ONNX Runtime cannot load the graph.
    """

    def __init__(self, content: bytes, providers: Mapping[str, Options], threads: int) -> None:
        onnxruntime.set_default_logger_severity(LOG_ERRORS_ONLY)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = LOG_FATAL_ONLY if set(providers) - {CPU} else LOG_ERRORS_ONLY
        # Spinning threads win microseconds and take a core from the gate and the cameras.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        wanted = [(name, dict(settings)) for name, settings in ({**providers, CPU: {}}).items()]
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=wanted, enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises a family of its own that shares no base class.
            raise BundleError(f"ONNX Runtime cannot load the graph: {str(error).splitlines()[0]}") from error
        self.provider: str = self._session.get_providers()[0]

    def run(self, arrays: Mapping[str, npt.NDArray[np.generic]], state: FloatArray | None = None) -> Answers:
        """``(N, frames, ...)`` by stream key, noise by its input's name, and states ``(N, ...)``, to N answers."""
        if state is None:
            return Answers(*self._session.run(OUTPUTS, dict(arrays)))
        return Answers(*self._session.run((*OUTPUTS, STATE_OUTPUT), {**arrays, STATE_INPUT: state}))

    def bind(self, bundle: Bundle, device: Device, copies_inputs: bool | None = None) -> BoundGraph:
        """Buffers for one observation at a time, on a device; the bundle says their shapes."""
        dims = len(bundle.contract.action_names)
        return BoundGraph(self._session, bundle.arrays, bundle.chunk, dims, bundle.state_shape, device, copies_inputs)
