"""Which execution provider runs a bundle: TensorRT, CUDA or the CPU, the first that was seen to work.

Seen means: its libraries load, ONNX Runtime takes it, and the graph gives its known answer on it, asked through the
very buffers that observations will use.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnxruntime

from models.bundle.binding import BoundGraph, Device
from models.bundle.engine_cache import engine_cache
from models.bundle.known_answer import TOLERANCE, Answers, Arrays
from models.bundle.reading import Bundle
from models.bundle.session import CPU, CUDA, TENSORRT, Options, ProviderChoice, Session
from models.bundle.signature import STATE_INPUT
from models.data import FloatArray
from models.errors import BundleError, ProviderError

__all__ = ["Loaded", "open_graph"]

# TF32 keeps 10 bits of a product's mantissa, which shows in the known answer; these networks gain nothing by it.
CUDA_OPTIONS = {"use_tf32": "0"}
# The provider of TensorRT has no option for it; its documentation names this variable, which it reads when it loads.
TF32_VARIABLE = "NVIDIA_TF32_OVERRIDE"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A graph on a provider.

    Attributes:
        graph: ready for observations; its state is zero.
        provider: the provider's name.
        note: one line: which provider, and why not a better one.
    """

    graph: BoundGraph
    provider: str
    note: str


@dataclass(frozen=True, slots=True)
class _Accelerator:
    """A provider that not every machine has.

    Attributes:
        label: as people call it.
        name: as ONNX Runtime calls it.
        options: for a bundle: of the provider and of those that take over what it cannot run.
        problem: what is missing and what to do about it, or two empty strings; starts no session.
    """

    label: str
    name: str
    options: Callable[[Bundle], dict[str, Options]]
    problem: Callable[[], tuple[str, str]]


def open_graph(bundle: Bundle, provider: ProviderChoice, threads: int, replayed: bool = False) -> Loaded:
    """Load the graph and replay the known answer.

    Args:
        bundle: inspected.
        provider: ``auto`` takes the first of TensorRT, CUDA and the CPU that works; all others insist.
        threads: inside one operator.
        replayed: the known answer was given on this machine's CPU already, so that the CPU need not give it again.

    Raises:
        ProviderError: what was insisted on does not work here.
        BundleError: the graph cannot be loaded, or does not give the known answer on the CPU.
    """
    if provider in ACCELERATORS:
        accelerator = ACCELERATORS[provider]
        graph = _open_accelerator(accelerator, bundle, threads)
        return Loaded(graph, accelerator.name, f"{accelerator.label}, as asked for")
    note = "CPU, as asked for"
    if provider == "auto":
        reasons: dict[str, list[str]] = {}
        for accelerator in ACCELERATORS.values():
            try:
                graph = _open_accelerator(accelerator, bundle, threads)
            except ProviderError as error:
                reasons.setdefault(str(error.found), []).append(accelerator.label)
                continue
            known = f"{accelerator.label}, which gave the known answer"
            return Loaded(graph, accelerator.name, "; ".join([known, *_reasons_against(reasons)]))
        note = "; ".join(["CPU", *_reasons_against(reasons)])
    return Loaded(_open_cpu(bundle, threads, replayed), CPU, note)


def _reasons_against(reasons: dict[str, list[str]]) -> list[str]:
    return [
        f"{'neither ' if len(labels) > 1 else 'not '}{' nor '.join(labels)}: {reason}"
        for reason, labels in reasons.items()
    ]


def _open_cpu(bundle: Bundle, threads: int, replayed: bool) -> BoundGraph:
    graph = Session(bundle.content, {}, threads).bind(bundle, "cpu")
    problem = "" if replayed else _wrong_answer(bundle, graph)
    if problem:
        raise BundleError(
            f"{bundle.path.name} does not give its known answer on this machine",
            found=problem,
            expected=f"errors of at most {TOLERANCE:g}",
            fix="copy or export it again; if that does not help, this processor or ONNX Runtime computes wrongly",
        )
    return graph


def _open_accelerator(accelerator: _Accelerator, bundle: Bundle, threads: int, device: Device = "cuda") -> BoundGraph:
    """The graph on a provider that works, or ``ProviderError``."""
    problem, fix = accelerator.problem()
    if not problem:
        try:
            session = Session(bundle.content, accelerator.options(bundle), threads)
        except BundleError as error:
            problem, fix = error.problem, "update the NVIDIA driver, or use --provider cpu"
        else:
            if session.provider != accelerator.name:
                problem = f"ONNX Runtime fell back to {session.provider}"
                fix = "check `nvidia-smi`, or use --provider cpu"
            else:
                fix = "use --provider cpu, and report the card and its driver"
                try:
                    graph = session.bind(bundle, device)
                    problem = _wrong_answer(bundle, graph)
                except Exception as error:  # ONNX Runtime raises a family of its own that shares no base class.
                    problem = f"no buffers on the device: {_first_line(error)}"
                if not problem:
                    return graph
    raise ProviderError(f"the {accelerator.label} provider does not work on this machine", found=problem, fix=fix)


def _wrong_answer(bundle: Bundle, graph: BoundGraph) -> str:
    """How the known answer was missed, or an empty string; the state is zero afterwards."""

    def answer(arrays: Arrays, state: FloatArray | None) -> Answers:
        graph.set_state(state)
        return graph.step(arrays)

    try:
        errors = bundle.metadata.known_answer.errors(answer, bundle.action_span, bundle.state_limit)
        graph.set_state(None)
    except Exception as error:  # ONNX Runtime raises a family of its own that shares no base class.
        return f"the graph failed: {_first_line(error)}"
    return "" if errors.worst <= TOLERANCE else str(errors)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


# -- what is missing ------------------------------------------------------------------------------------------------


def _cuda_problem() -> tuple[str, str]:
    if CUDA not in onnxruntime.get_available_providers():
        return "this ONNX Runtime was built without CUDA", "pip uninstall onnxruntime && pip install onnxruntime-gpu"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1)", "install the NVIDIA driver, or use --provider cpu"
    try:
        if hasattr(onnxruntime, "preload_dlls"):
            # It looks into the nvidia-* packages of this environment, and prints what it does not find.
            with contextlib.redirect_stdout(io.StringIO()):
                onnxruntime.preload_dlls()
        _load_library("shared", ctypes.RTLD_GLOBAL)
        _load_library("cuda")
    except OSError as error:
        return str(error), "pip install 'onnxruntime-gpu[cuda,cudnn]', or use --provider cpu"
    return "", ""


def _tensorrt_problem() -> tuple[str, str]:
    if TENSORRT not in onnxruntime.get_available_providers():
        return "this ONNX Runtime was built without TensorRT", "pip install onnxruntime-gpu, or use --provider cuda"
    problem, fix = _cuda_problem()
    if problem:
        return problem, fix
    os.environ.setdefault(TF32_VARIABLE, "0")
    try:
        _preload_tensorrt()
        _load_library("tensorrt")
    except OSError as error:
        return str(error), "pip install tensorrt (of the major version that the message names), or use --provider cuda"
    return "", ""


def _preload_tensorrt() -> None:
    """Load TensorRT from its Python package, where that is installed: the loader does not look there by itself."""
    found = importlib.util.find_spec("tensorrt_libs")
    for folder in (found.submodule_search_locations or []) if found else []:
        for stem in ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser"):
            for library in sorted(Path(folder).glob(f"{stem}.so.*")):
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def _load_library(part: str, mode: int = ctypes.DEFAULT_MODE) -> None:
    ctypes.CDLL(str(Path(onnxruntime.__file__).parent / "capi" / f"libonnxruntime_providers_{part}.so"), mode=mode)


# -- options --------------------------------------------------------------------------------------------------------


def _cuda_options(bundle: Bundle) -> dict[str, Options]:
    return {CUDA: CUDA_OPTIONS}


def _tensorrt_options(bundle: Bundle) -> dict[str, Options]:
    """One engine for one observation at a time, in float32, kept on disk: building it takes seconds to minutes."""
    inputs: dict[str, tuple[int | None, ...]] = {entry.name: entry.shape[1:] for entry in bundle.arrays}
    if bundle.state_shape is not None:
        inputs[STATE_INPUT] = bundle.state_shape
    shapes = ",".join(f"{name}:" + "x".join(["1", *map(str, shape)]) for name, shape in inputs.items())
    options = {f"trt_profile_{bound}_shapes": shapes for bound in ("min", "opt", "max")}
    options["trt_fp16_enable"] = "False"
    folder = engine_cache(bundle.metadata.graph_sha256)
    if folder is not None:
        options |= {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(folder)}
    return {TENSORRT: options, **_cuda_options(bundle)}


ACCELERATORS = {
    "tensorrt": _Accelerator("TensorRT", TENSORRT, _tensorrt_options, _tensorrt_problem),
    "cuda": _Accelerator("CUDA", CUDA, _cuda_options, _cuda_problem),
}
"""In the order in which ``auto`` tries them."""
