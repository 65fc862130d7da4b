"""``understudy learn --live``: one stack of nodes for all rounds, policies swapped in while the robot drives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from terminal_process import OnTerminal

from il_nodes.bags import BagReader
from il_nodes.live.stand_in import StandIn
from il_nodes.live.wishes import PutIn, Told, told_from_json, wish_from_json
from models.episodes import EXPERT, POLICY, open_dataset
from models.errors import DeploymentError
from models.interactive import Plan
from understudy.__main__ import run
from understudy.console import Console
from understudy.evaluation.trace_reader import read_trace
from understudy.learning.live import LiveOptions
from understudy.learning.session import LearnSession
from understudy.learning.settings import LearnSettings
from understudy.stacks.drives import finished_episodes
from understudy.workspace import Workspace

TRIGGER, LABELS = "/camera/front/image_raw", "/label/expert/cmd_vel"
#: Of a busy machine; an idle one needs a tenth.
PATIENCE_S = 240.0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["smile", "--live"], 2, "No such option: --live"),
        (["dagger", "--expert", "human"], 2, "in process there are no nodes"),
        (["dagger", "--live", "--teleop-device", "joy"], 2, "the expert is a program"),
        (["dagger", "--live", "--beta", "0.5"], 5, "draws nobody"),
    ],
)
def test_what_cannot_be_learned_live_is_refused_before_anything_is_made(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Catches an option that does nothing, and a rule whose driver nobody would draw."""
    assert run(["learn", *words, "-w", str(tmp_path / "w")]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_a_stand_in_holds_the_robot_until_it_is_back() -> None:
    """Catches one that flickers around a single limit, and one that keeps the robot over an episode's end."""
    person = StandIn(0.6, 0.15)
    changes = [person.sees(off) for off in (0.5, -0.7, 0.5, 0.2, -0.1, 0.3)]
    assert changes == [False, True, False, False, True, False]
    person.sees(1.0)
    person.lets_go()
    assert not person.in_control
    with pytest.raises(DeploymentError, match="closer to the centre line"):
        StandIn(0.1, 0.2)


def test_wishes_and_answers_survive_the_pipe() -> None:
    """Catches a field that gets lost, and words of another program taken for an answer."""
    assert wish_from_json(PutIn("/a b/policy.onnx").to_json()) == PutIn("/a b/policy.onnx")
    told = Told(problem="", seconds=1.5, episode="live-001-002-track-3", swapped=True)
    assert told_from_json(told.to_json()) == told
    for words in ("[]", "Segmentation fault", '{"seconds": 1, "other": 2}'):
        with pytest.raises(DeploymentError):
            told_from_json(words)
    with pytest.raises(DeploymentError):
        wish_from_json("{}")


def _wait_until(condition: Callable[[], object], what: str, process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert process.poll() is None, f"it ended before {what}: {process.communicate()[1][-3000:]}"
        assert time.monotonic() < deadline_s, what
        time.sleep(0.1)


def _rounds(workspace: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (workspace / "learning" / "live.jsonl").read_text().splitlines()]


def _settings(rounds: int) -> LearnSettings:
    plan = Plan(rounds, ticks=40, validation=0, seed=0, episodes=2)
    return LearnSettings("dagger", {"beta": 0.0, "per": "step"}, places=(3,), plan=plan, epochs=1, live="scripted")


_BEGIN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_learn_live import _settings
from understudy.__main__ import _explain, _end_in_order
from understudy.console import Console
from understudy.learning.session import LearnSession
from understudy.workspace import Workspace
_end_in_order()
LearnSession(Workspace(Path(sys.argv[1])), Console(), _settings(3)).run("again")
"""


@pytest.mark.ros
@pytest.mark.sim
@pytest.mark.slow
def test_policies_are_swapped_in_and_an_ended_learning_goes_on(tmp_path: Path) -> None:
    """Catches a lost round, a policy that never drives, ticks without a label, and a robot that stops to learn."""
    place = tmp_path / "w"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _BEGIN, str(place), str(Path(__file__).parent)]
    first = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    state = place / "learning" / "state.json"
    _wait_until(state.exists, "the first round", first)
    first.send_signal(signal.SIGINT)
    assert first.wait(PATIENCE_S) != 0
    done = json.loads(state.read_text())["rounds"]
    assert len(done) < 3
    logs = place / "logs" / "learn"
    assert "told to end by SIGINT" in (logs / "gate.log").read_text()

    facts = LearnSession(Workspace(place), Console(), _settings(3), live=LiveOptions()).run("again")

    assert json.loads(state.read_text())["rounds"][: len(done)] == done
    by_round = facts["by_round"]
    assert isinstance(by_round, list)
    assert [entry["ticks"] for entry in by_round] == [40, 40, 40]
    assert [entry["queries"] for entry in by_round] == [40, 40, 40]
    assert by_round[0]["expert_ticks"] == 40
    told = {entry["round"]: entry for entry in _rounds(place)}
    assert told[1]["bundle"] == ""
    assert (told[3]["bundle"], told[3]["swapped"]) == ("policy-002.onnx", True)
    assert told[3]["passed_over"], "the robot stood still while a policy trained"
    recordings = place / "learning" / "recordings"
    for name in told[3][
        "episodes"
    ]:  # whether it also drove is for its classifier to say, which has hardly been trained
        trace = read_trace(recordings / name)
        assert len(trace.proposals.stamps_ns)
        assert "policy_disabled" not in trace.decisions.reasons
    names = [name for entry in told.values() for name in entry["episodes"]]
    assert len(names) == len(set(names))
    whole = [bag for bag in map(BagReader, finished_episodes(recordings)) if bag.outcome != "aborted"]
    assert len(whole) > len(names)
    ticks, labels = (sum(bag.counts[topic] for bag in whole) for topic in (TRIGGER, LABELS))
    assert ticks - labels <= ticks // 50, "a busy machine's expert may be too late now and then"
    assert Path(str(facts["bundle"])).is_file()
    # Once more: nothing is left to do, and no robot is asked to drive.
    before = len(list(recordings.iterdir()))
    LearnSession(Workspace(place), Console(), _settings(3)).run("again")
    assert len(list(recordings.iterdir())) == before


@pytest.mark.ros
@pytest.mark.sim
@pytest.mark.slow
def test_a_person_at_the_keyboard_is_the_expert(tmp_path: Path) -> None:
    """Catches labels that are not the person's, and a quit that loses what they have shown."""
    place = tmp_path / "w"
    words = (
        "learn human-gated --live --expert human --teleop-device keyboard --tracks 3 --rounds 2 --ticks 40 --epochs 1"
    )
    arguments = ("-m", "understudy", *words.split(), "--validation", "0", "-w", str(place))
    person = OnTerminal(*arguments, environment={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        pressed_s = [time.monotonic()]

        def has_shown_enough() -> bool:
            if "linear.x" in person.read() and time.monotonic() - pressed_s[-1] > 0.05:  # as a held key repeats
                pressed_s.append(time.monotonic())
                person.type(b"w")
            return (place / "learning" / "live.jsonl").exists()

        person.until(has_shown_enough, "a round of driving", PATIENCE_S)
        person.type(b"q")
        person.until(lambda: person.process.poll() is not None, "the end", PATIENCE_S)
        assert person.process.returncode == DeploymentError.exit_code
        assert "ended before the learning was done" in person.read()
    finally:
        person.close()
    (round_,) = _rounds(place)
    data = open_dataset(place / "learning" / "rounds" / "000" / "data")
    assert len(data) == 40
    # Before the first key, and where a key comes late, nobody drives: the gate halts. A policy never does.
    drivers = data.driver.tolist()
    assert POLICY not in drivers
    assert drivers.count(EXPERT) > len(drivers) / 2
    assert float(data.actions[:, 0].max()) > 1.0, "nobody drove forward"
    assert len(finished_episodes(place / "learning" / "recordings")) >= len(round_["episodes"])
