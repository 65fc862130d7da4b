"""``understudy learn``: refusals before anything is made, and one learning from the first drive to the bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from html_outline import outline

from models.bundle import inspect_bundle, verify_bundle
from models.contract import load_contract
from understudy.__main__ import run

CONTRACT_FILE = Path(__file__).parent.parent / "contracts" / "driving.yaml"
SMALL = ("--rounds", "2", "--ticks", "60", "--epochs", "1", "--validation", "0", "--tracks", "3")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["dager"], 2, "dager"),
        (["smile", "--beta", "0.5"], 2, "No such option: --beta"),
        (["bc", "--threshold", "0.5"], 2, "No such option: --threshold"),
        (["human-gated", "--robot", "grasping"], 5, "nobody stands beside the simulated arm"),
        (["dagger", "--robot", "grasping", "--live"], 5, "only the car can be learned live"),
        (["dagger", "--tracks", "a"], 2, "a"),
        (["dagger", "--rounds", "0"], 2, "rounds"),
        (["smile", "--alpha", "1.5"], 5, "alpha is no share"),
        (["dart", "--alpha", "1.5"], 5, "alpha and horizon belong together"),
        (["dagger", "--contract", "nothing.yaml"], 3, "nothing.yaml"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_anything_is_made(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a traceback, a wrong exit code, and a folder under a mistyped name."""
    assert run(["learn", *words]) == code
    assert message in capsys.readouterr().err
    assert not list(Path.cwd().iterdir())


def test_a_mixture_of_policies_that_remember_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    recurrent = Path("recurrent.yaml")
    recurrent.write_text(CONTRACT_FILE.read_text().replace("recurrent: false", "recurrent: true"))
    assert run(["learn", "smile", "--contract", str(recurrent)]) == 5
    assert "members cannot remember" in capsys.readouterr().err


def _learn(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert run(["--json", "learn", *words, "-w", "runs/l"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert isinstance(answer, dict)
    return answer


@pytest.mark.sim
@pytest.mark.slow
def test_from_the_first_drive_to_a_bundle_and_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a result that no robot takes, a page that is no HTML, and rounds that are repeated or mixed up."""
    first = _learn(capsys, "smile", *SMALL)
    assert first["rounds"] == 2
    assert first["queries"] == first["ticks"] == 120
    assert [entry["round"] for entry in first["by_round"]] == [1, 2]
    contract = load_contract(CONTRACT_FILE)
    bundle = verify_bundle(Path(first["bundle"]), contract)
    assert bundle.noise_width == 1
    learner = bundle.metadata.learner
    assert learner["name"] == "smile"
    assert learner["members"] == pytest.approx({"0": 0.1 / 0.19, "1": 0.09 / 0.19})
    page = outline(Path(first["report"]).read_text())
    assert page.problems == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(address.startswith("#") for address in page.addresses)
    assert "SMILe, 2 rounds" in page.text
    # Once more: nothing is left to do, and the same bundle comes out.
    state = (Path("runs/l/learning/state.json")).read_text()
    again = _learn(capsys, "smile", *SMALL)
    assert again["sha256"] == first["sha256"]
    assert Path("runs/l/learning/state.json").read_text() == state
    # Another algorithm in the same workspace is refused, unless asked to begin anew.
    assert run(["learn", "dagger", *SMALL, "-w", "runs/l"]) == 5
    assert "learned with other settings" in capsys.readouterr().err
    other = _learn(capsys, "dagger", *SMALL, "--fresh")
    assert other["rule"] == "dagger"
    assert other["members"] == {"1": 1.0}
    assert inspect_bundle(Path(other["bundle"])).noise_width == 0


@pytest.mark.sim
@pytest.mark.slow
def test_the_arm_learns_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches settings of the car that reach the arm, and a page that speaks of laps."""
    words = ("--robot", "grasping", "--rounds", "2", "--ticks", "40", "--epochs", "1", "--validation", "0")
    found = _learn(capsys, "dagger", *words, "--scenes", "3")
    assert found["queries"] == found["ticks"] == 80
    assert [entry["expert_ticks"] for entry in found["by_round"]] == [40, 0]
    contract = load_contract(CONTRACT_FILE.with_name("grasping.yaml"))
    assert verify_bundle(Path(found["bundle"]), contract).metadata.learner["name"] == "dagger"
    page = outline(Path(found["report"]).read_text())
    assert page.problems == []
    assert "failures a try" in page.text
    assert "falls" not in page.text
