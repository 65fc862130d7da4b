"""Another bundle on its way to running: what the child refuses, what the node refuses, and what runs on."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from il_nodes.policy.bundle_loader import BundleLoader
from il_nodes.policy.bundle_swap import BundleSwap, cheap_objection
from il_nodes.policy.running_policy import RunningPolicy
from models.bundle.reading import inspect_bundle
from models.contract import Contract, parse_contract
from models.data import Observation
from models.errors import ObservationError
from models.runtime import PolicyRuntime

BUNDLE = Path(__file__).parent / "data" / "bundles" / "small_car.onnx"
CONTRACT = inspect_bundle(BUNDLE).contract
CAMERA, STATE = "observation.images.front", "observation.state"


def observation(stamp_ns: int, size: tuple[int, int] = (16, 24)) -> Observation:
    random = np.random.default_rng(stamp_ns)
    arrays = {
        CAMERA: random.integers(0, 256, (2, *size, 3), dtype=np.uint8),
        STATE: random.normal(size=(2, 2)).astype(np.float32),
    }
    return Observation(stamp_ns, arrays, dict.fromkeys(arrays, stamp_ns))


class Stage:
    """A running policy and the way to another one, without a node."""

    def __init__(self, directory: Path, contract: Contract = CONTRACT) -> None:
        self.directory = directory
        contract_path = directory / "contract.yaml"
        contract_path.write_text(contract.text)
        self.policy = RunningPolicy(PolicyRuntime.load(BUNDLE, provider="cpu"))
        self.first = self.policy.runtime
        self.swap = BundleSwap(self.policy, BundleLoader(contract, contract_path, "cpu"), str(BUNDLE))
        self.told: list[str] = []

    def copy(self, name: str = "next.onnx") -> Path:
        return Path(shutil.copy(BUNDLE, self.directory / name))

    def wish(self, path: Path) -> str:
        """Swap to a file and wait; the problem."""
        self.swap.begin(str(path), time.monotonic(), self.told.append)
        deadline_s = time.monotonic() + 60.0
        while self.swap.phase != "idle":
            assert time.monotonic() < deadline_s, self.swap.phase
            self.swap.poll(time.monotonic(), at_once=False)
            time.sleep(0.01)
        return self.told[-1]


def test_a_valid_bundle_takes_over(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    path = stage.copy()
    before = stage.policy.propose(observation(1))
    assert stage.wish(path) == ""
    assert stage.policy.runtime is not stage.first
    after = stage.policy.propose(observation(1))
    assert before is not None
    assert after is not None
    assert after.actions.tobytes() == before.actions.tobytes()
    assert stage.swap.path == str(path)
    values = stage.swap.values()
    assert (values["file"], values["swaps"], values["refusals"]) == (str(path), 1, 0)
    assert values["sha256"] == inspect_bundle(BUNDLE).sha256[:12]
    assert float(str(values["last_swap_s"])) > 0.0


def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    """FAULTS 22. Catches a refused bundle that runs, or that leaves the swap busy for ever."""
    faster = parse_contract(CONTRACT.text.replace("fps: 20", "fps: 50"))
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(BUNDLE.read_bytes()[:-1000])
    for stage, path, words in (
        (Stage(tmp_path), corrupt, "corrupt.onnx is not an ONNX file"),
        (Stage(tmp_path, faster), BUNDLE, "fps: policy 20 Hz, robot 50 Hz"),
    ):
        problem = stage.wish(path)
        assert words in problem
        assert "\n" not in problem
        assert stage.policy.runtime is stage.first
        assert (stage.swap.path, stage.swap.refusals, stage.swap.last_refusal) == (str(BUNDLE), 1, problem)
    # The next wish is granted all the same.
    stage = Stage(tmp_path)
    problem = stage.wish(corrupt)
    assert stage.swap.problem == problem
    assert stage.wish(stage.copy()) == ""
    assert (stage.swap.problem, stage.swap.last_refusal) == ("", problem), "what runs now was not refused"


def test_a_bundle_for_other_sensors_is_refused(tmp_path: Path) -> None:
    """Catches a policy that takes over and then refuses every observation; what the sensors really send counts."""
    stage = Stage(tmp_path)
    with pytest.raises(ObservationError):
        stage.policy.propose(observation(1, size=(8, 12)))
    problem = stage.wish(stage.copy())
    assert "it wants observation.images.front uint8 (2, 16, 24, 3)" in problem
    assert "this robot's observations are observation.images.front uint8 (2, 8, 12, 3)" in problem
    assert stage.policy.runtime is stage.first


def test_one_swap_at_a_time_and_everybody_is_told(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    path = str(stage.copy())
    assert stage.swap.objection(path) == ""
    stage.swap.begin(path, time.monotonic(), stage.told.append)
    assert "under way (verifying)" in stage.swap.objection(path)
    assert stage.swap.values()["wish"] == path
    stage.swap.abandon("the node ends")
    assert stage.told == ["the node ends"]
    assert stage.swap.phase == "idle"


@pytest.mark.parametrize(
    ("path", "words"),
    [(3, "not 3"), ("", "not ''"), (None, "not None"), ("nowhere.onnx", "cannot read"), (".", "no file"), ("a\0", "")],
)
def test_what_cannot_be_a_bundle_is_known_at_once(path: object, words: str) -> None:
    assert words in cheap_objection(path)
    assert cheap_objection(path)


def test_an_empty_and_a_huge_file(tmp_path: Path) -> None:
    empty, huge = tmp_path / "empty.onnx", tmp_path / "huge.onnx"
    empty.touch()
    with huge.open("wb") as stream:
        stream.truncate(2**40)
    assert "0 bytes" in cheap_objection(str(empty))
    assert "bytes" in cheap_objection(str(huge))
    assert cheap_objection(str(BUNDLE)) == ""
