"""Which execution provider runs, why not a better one, and where TensorRT keeps its engines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from policy_samples import SMALL_BUNDLE, small_observation
from recurrent_samples import speed, write_accumulator

from models.bundle import inspect_bundle
from models.bundle.engine_cache import engine_cache
from models.bundle.providers import ACCELERATORS, _Accelerator, _open_accelerator, _tensorrt_options, open_graph
from models.bundle.reading import Bundle
from models.bundle.session import CPU, CUDA, TENSORRT, ProviderChoice
from models.errors import ProviderError
from models.runtime import PolicyRuntime

GRAPH = "a" * 64


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return inspect_bundle(SMALL_BUNDLE)


def _works(name: ProviderChoice) -> bool:
    try:
        open_graph(inspect_bundle(SMALL_BUNDLE), name, 1)
    except ProviderError:
        return False
    return True


def test_auto_takes_the_best_that_works_and_says_why_no_better(bundle: Bundle) -> None:
    """Catches a silent choice: whatever was passed over has to be in the note, with its reason."""
    loaded = open_graph(bundle, "auto", 1)
    working = [name for name in ("tensorrt", "cuda") if _works(name)]
    expected = ACCELERATORS[working[0]].name if working else CPU
    assert loaded.provider == expected
    for name, accelerator in ACCELERATORS.items():
        if name == (working or [""])[0]:
            break
        assert accelerator.label in loaded.note
    assert loaded.note.startswith({CPU: "CPU; n", CUDA: "CUDA", TENSORRT: "TensorRT"}[expected])
    assert ": " in loaded.note or expected != CPU


@pytest.mark.parametrize(("name", "provider"), [("cuda", CUDA), ("tensorrt", TENSORRT)])
def test_insisting_gives_the_provider_or_what_to_install(name: ProviderChoice, provider: str) -> None:
    """Catches the fallback that nobody asked for."""
    error: ProviderError | None = None
    try:
        found = PolicyRuntime.load(SMALL_BUNDLE, provider=name).provider
    except ProviderError as caught:
        found, error = "", caught
    if error is None:
        assert found == provider
    else:
        assert error.found
        assert "cpu" in error.fix or "cuda" in error.fix or "pip" in error.fix


def test_the_accelerators_way_is_walked_on_the_cpu(bundle: Bundle, tmp_path: Path) -> None:
    """Catches a mistake on the path of GPUs, as far as it can be walked without one: the same code, device "cpu"."""
    twin = _Accelerator("the CPU", CPU, lambda bundle: {CPU: {}}, lambda: ("", ""))
    graph = _open_accelerator(twin, bundle, 1, device="cpu")
    expected = PolicyRuntime.load(SMALL_BUNDLE, provider="cpu").predict(small_observation()).actions
    assert graph.step(small_observation().arrays).action[0].tobytes() == expected.tobytes()
    recurrent = inspect_bundle(write_accumulator(tmp_path / "policy.onnx"))
    state = _open_accelerator(twin, recurrent, 1, device="cpu").step(speed(1.0).arrays).state
    assert state is not None
    assert state.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize(
    ("accelerator", "message"),
    [
        (_Accelerator("X", CPU, lambda bundle: {CPU: {}}, lambda: ("no card", "buy one")), "no card"),
        (_Accelerator("X", CUDA, lambda bundle: {}, lambda: ("", "")), "fell back to CPUExecutionProvider"),
        (
            _Accelerator("X", "NoSuchProvider", lambda bundle: {"NoSuchProvider": {}}, lambda: ("", "")),
            "NoSuchProvider",
        ),
    ],
)
def test_an_accelerator_that_does_not_run_is_refused(bundle: Bundle, accelerator: _Accelerator, message: str) -> None:
    """Catches ONNX Runtime's own fallback, which says nothing."""
    with pytest.raises(ProviderError, match="the X provider does not work") as caught:
        _open_accelerator(accelerator, bundle, 1, device="cpu")
    assert message in str(caught.value.found)
    assert caught.value.fix


def test_an_accelerator_that_answers_wrongly_is_refused(tmp_path: Path) -> None:
    """Catches a fast provider that computes something else."""
    honest = inspect_bundle(write_accumulator(tmp_path / "policy.onnx"))
    other = inspect_bundle(write_accumulator(tmp_path / "other.onnx", gain=1.01))
    swapped = Bundle(**{**vars(honest), "content": other.content})
    twin = _Accelerator("X", CPU, lambda bundle: {CPU: {}}, lambda: ("", ""))
    with pytest.raises(ProviderError) as caught:
        _open_accelerator(twin, swapped, 1, device="cpu")
    assert "off by" in str(caught.value.found)


# -- TensorRT ---------------------------------------------------------------------------------------------------------


def test_tensorrt_builds_one_engine_in_full_precision(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches half precision, an engine for batches that nobody asks for, and a state left out of its shapes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = _tensorrt_options(bundle)
    assert list(options) == [TENSORRT, CUDA]
    assert options[CUDA]["use_tf32"] == "0"
    engine = options[TENSORRT]
    assert engine["trt_fp16_enable"] == "False"
    shapes = "observation.images.front:1x2x16x24x3,observation.state:1x2x2"
    assert {engine[f"trt_profile_{bound}_shapes"] for bound in ("min", "opt", "max")} == {shapes}
    assert engine["trt_engine_cache_path"] == str(tmp_path / "understudy/tensorrt" / bundle.metadata.graph_sha256)
    recurrent = inspect_bundle(write_accumulator(tmp_path / "policy.onnx"))
    assert _tensorrt_options(recurrent)[TENSORRT]["trt_profile_min_shapes"].endswith(",previous_state:1x3")


def test_engines_lie_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = engine_cache(GRAPH)
    assert folder == tmp_path / "understudy" / "tensorrt" / GRAPH
    assert folder.stat().st_mode & 0o777 == 0o700
    assert engine_cache(GRAPH) == folder
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert engine_cache(GRAPH) == tmp_path / "home" / ".cache" / "understudy" / "tensorrt" / GRAPH


@pytest.mark.parametrize("part", ["understudy", "understudy/tensorrt", f"understudy/tensorrt/{GRAPH}"])
def test_a_cache_that_others_can_write_is_not_used(part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an engine, which is code, put there by somebody else."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine_cache(GRAPH) is not None
    (tmp_path / part).chmod(0o777)
    assert engine_cache(GRAPH) is None


def test_no_cache_is_no_error(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a robot without a home directory that cannot start."""
    blocked = tmp_path / "cache"
    blocked.write_text("a file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert engine_cache(GRAPH) is None
    assert "trt_engine_cache_enable" not in _tensorrt_options(bundle)[TENSORRT]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "linked"
    (link / "understudy").mkdir(parents=True)
    os.symlink(elsewhere, link / "understudy" / "tensorrt")
    monkeypatch.setenv("XDG_CACHE_HOME", str(link))
    assert engine_cache(GRAPH) is None
