"""A bundle's graph in ONNX Runtime, on a provider that was seen to work."""

from __future__ import annotations

import contextlib
import ctypes
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import onnxruntime

from models.bundle.known_answer import TOLERANCE
from models.bundle.reading import OUTPUTS, Bundle
from models.data import FloatArray
from models.errors import BundleError, ProviderError

__all__ = ["ProviderChoice", "Session", "open_session"]

ProviderChoice = Literal["auto", "cpu", "cuda"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# TF32 keeps 10 bits of a product's mantissa, which shows in the known answer; these networks gain nothing by it.
CUDA_OPTIONS = {"use_tf32": "0"}
# ONNX Runtime's severities: 3 is error. Its warnings about graphics cards that a machine does not have help nobody.
LOG_ERRORS_ONLY = 3
LOG_FATAL_ONLY = 4


class Session:
    """The graph, loaded, with its provider pinned: it never falls back by itself.

    Args:
        content: the serialised model.
        provider: ``CPUExecutionProvider`` or ``CUDAExecutionProvider``.
        threads: inside one operator.

    Raises:
        BundleError: ONNX Runtime cannot load the graph.
    """

    def __init__(self, content: bytes, provider: str, threads: int) -> None:
        onnxruntime.set_default_logger_severity(LOG_ERRORS_ONLY)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = LOG_FATAL_ONLY if provider == CUDA else LOG_ERRORS_ONLY
        # Spinning threads win microseconds and take a core from the gate and the cameras.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        options.add_session_config_entry("session.load_model_format", "ONNX")
        providers: list[object] = [(CUDA, CUDA_OPTIONS), CPU] if provider == CUDA else [CPU]
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
        except Exception as error:  # ONNX Runtime raises a family of its own that shares no base class.
            raise BundleError(f"ONNX Runtime cannot load the graph: {str(error).splitlines()[0]}") from error
        self.provider: str = self._session.get_providers()[0]

    def run(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> tuple[FloatArray, FloatArray]:
        """``(N, frames, ...)`` by stream key to ``action (N, chunk, A)`` and ``unsafe_probability (N,)``."""
        action, unsafe = self._session.run(OUTPUTS, dict(arrays))
        return action, unsafe


def open_session(bundle: Bundle, provider: ProviderChoice, threads: int) -> tuple[Session, str]:
    """Load the graph, replay the known answer, and say in one line which provider runs and why not a better one.

    Raises:
        ProviderError: CUDA was insisted on and does not work here.
        BundleError: the graph cannot be loaded, or does not give the known answer on the CPU.
    """
    if provider == "cuda":
        return _open_cuda(bundle, threads), "CUDA, as asked for"
    note = "CPU, as asked for"
    if provider == "auto":
        try:
            return _open_cuda(bundle, threads), "CUDA, which gave the known answer"
        except ProviderError as error:
            note = f"CPU; not CUDA: {error.found}"
    session = Session(bundle.content, CPU, threads)
    problem = _wrong_answer(bundle, session)
    if problem:
        raise BundleError(
            f"{bundle.path.name} does not give its known answer on this machine",
            found=problem,
            expected=f"errors of at most {TOLERANCE:g}",
            fix="copy or export it again; if that does not help, this processor or ONNX Runtime computes wrongly",
        )
    return session, note


def _open_cuda(bundle: Bundle, threads: int) -> Session:
    problem, fix = _cuda_problem()
    if not problem:
        try:
            session = Session(bundle.content, CUDA, threads)
        except BundleError as error:
            problem, fix = error.problem, "update the NVIDIA driver, or use --provider cpu"
        else:
            if session.provider != CUDA:
                problem = f"ONNX Runtime fell back to {session.provider}"
                fix = "check `nvidia-smi`, or use --provider cpu"
            else:
                problem, fix = _wrong_answer(bundle, session), "use --provider cpu, and report the card and its driver"
                if not problem:
                    return session
    raise ProviderError("the CUDA provider does not work on this machine", found=problem, fix=fix)


def _cuda_problem() -> tuple[str, str]:
    """What is missing for CUDA and what to install, or two empty strings; asks libraries, starts no session."""
    if CUDA not in onnxruntime.get_available_providers():
        return "this ONNX Runtime was built without CUDA", "pip uninstall onnxruntime && pip install onnxruntime-gpu"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1)", "install the NVIDIA driver, or use --provider cpu"
    capi = Path(onnxruntime.__file__).parent / "capi"
    try:
        if hasattr(onnxruntime, "preload_dlls"):
            # It looks into the nvidia-* packages of this environment, and prints what it does not find.
            with contextlib.redirect_stdout(io.StringIO()):
                onnxruntime.preload_dlls()
        ctypes.CDLL(str(capi / "libonnxruntime_providers_shared.so"), mode=ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(capi / "libonnxruntime_providers_cuda.so"))
    except OSError as error:
        return str(error), "pip install 'onnxruntime-gpu[cuda,cudnn]', or use --provider cpu"
    return "", ""


def _wrong_answer(bundle: Bundle, session: Session) -> str:
    """How the known answer was missed, or an empty string."""
    try:
        action, unsafe = bundle.metadata.known_answer.errors(session.run, bundle.action_span)
    except Exception as error:  # ONNX Runtime raises a family of its own that shares no base class.
        return f"the graph failed: {str(error).splitlines()[0]}"
    if max(action, unsafe) <= TOLERANCE:
        return ""
    return f"action off by {action:.3g} of its range, unsafe_probability by {unsafe:.3g}"
