"""What a learning leaves on disk: it can be ended anywhere, and goes on to the same end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from chain_samples import PLAN, chain_collector, learn_chain

from models.errors import DatasetError, TrainingError
from models.interactive import RoundRecord, RoundStore, learn, make_rule
from models.interactive.loop import Listener
from models.interactive.table import TableLearner

STATE = "state.json"


def _outcome(folder: Path) -> list[dict[str, object]]:
    """What was learned, without how long it took."""
    rounds = json.loads((folder / STATE).read_text())["rounds"]
    tables = sorted(folder.glob("rounds/*/policy/table.json"))
    return [
        {**record, "seconds": None, "table": table.read_text()} for record, table in zip(rounds, tables, strict=True)
    ]


class _EndedError(Exception):
    """Stands for a kill: nothing after it is carried out."""


class _EndsAt(Listener):
    """Ends a learning at one of the moments that it is told about."""

    def __init__(self, moment: int) -> None:
        self._left = moment

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise _EndedError

    def driving(self, number: int, ticks: int, total: int) -> None:
        self._count()

    def training(self, number: int, done: int, total: int) -> None:
        self._count()

    def validating(self, number: int, done: int, total: int) -> None:
        self._count()

    def finished(self, record: RoundRecord) -> None:
        self._count()


class _Nobody:
    """A collector that drives nothing."""

    contract, measure = chain_collector().contract, chain_collector().measure


@pytest.mark.parametrize("rule", ["dagger", "smile", "dart"])
def test_a_learning_that_was_ended_goes_on_to_the_same_end(tmp_path: Path, rule: str) -> None:
    """Catches a round that is lost, repeated on other luck, or half written, wherever the end comes."""
    learn_chain(tmp_path / "whole", rule)
    expected = _outcome(tmp_path / "whole")
    for moment in (1, 5, 12, 13, 14, 17, 18, 20, 31, 37):
        folder = tmp_path / f"ended-{moment}"
        with pytest.raises(_EndedError):
            learn_chain(folder, rule, listener=_EndsAt(moment))
        learn_chain(folder, rule)
        assert _outcome(folder) == expected, moment


def test_drives_that_are_over_are_not_repeated(tmp_path: Path) -> None:
    """Catches a training that was ended, and costs the round's driving as well."""

    class EndsInTraining(Listener):
        def training(self, number: int, done: int, total: int) -> None:
            raise _EndedError

    settings = {"rule": "dagger", "seed": PLAN.seed, "ticks": PLAN.ticks}
    plan = replace(PLAN, rounds=1, validation=0)
    with pytest.raises(_EndedError):
        learn_chain(tmp_path, "dagger", plan, EndsInTraining())
    learned = learn(make_rule("dagger"), _Nobody(), TableLearner(2), RoundStore(tmp_path, settings), plan)  # type: ignore[arg-type]
    assert learned.records[0].collected.ticks == PLAN.ticks


@pytest.mark.slow
def test_a_process_that_is_killed_loses_no_finished_round(tmp_path: Path) -> None:
    """Catches a state file that names what is not on disk yet: SIGKILL, three times, each a little later."""
    samples = Path(__file__).with_name("chain_samples.py")
    command = [sys.executable, str(samples), str(tmp_path / "killed"), "smile", "12"]
    environment = os.environ | {"PYTHONPATH": str(samples.parent.parent)}
    state, finished = tmp_path / "killed" / STATE, 0
    for _ in range(3):
        process = subprocess.Popen(command, env=environment)
        try:
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                found = len(json.loads(state.read_text())["rounds"]) if state.exists() else 0
                if found > finished:
                    break
                time.sleep(0.005)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        found = len(json.loads(state.read_text())["rounds"])
        assert found > finished
        finished = found
    subprocess.run(command, env=environment, check=True)
    learn_chain(tmp_path / "whole", "smile", replace(PLAN, rounds=12))
    assert _outcome(tmp_path / "killed") == _outcome(tmp_path / "whole")


def test_more_rounds_may_be_asked_for_later(tmp_path: Path) -> None:
    """Catches a plan's length among what has to stay the same, and finished rounds that are driven again."""
    learn_chain(tmp_path / "a", "dagger", replace(PLAN, rounds=1))
    before = (tmp_path / "a" / "rounds" / "000" / "data" / "dataset.json").stat().st_mtime_ns
    learned = learn_chain(tmp_path / "a", "dagger")
    assert len(learned.records) == PLAN.rounds
    assert (tmp_path / "a" / "rounds" / "000" / "data" / "dataset.json").stat().st_mtime_ns == before
    shorter = learn_chain(tmp_path / "a", "dagger", replace(PLAN, rounds=2))
    assert [record.number for record in shorter.records] == [0, 1]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    """Catches rounds of two experiments in one policy."""
    learn_chain(tmp_path, "dagger", replace(PLAN, rounds=1))
    with pytest.raises(TrainingError, match="1 rounds that were learned with other settings") as refused:
        learn_chain(tmp_path, "smile")
    assert "rule 'dagger', now 'smile'" in str(refused.value.found)


@pytest.mark.parametrize("content", ["", "[]", '{"format": 9}', '{"format": 1, "settings": {}, "rounds": [{}]}'])
def test_a_damaged_state_is_said_so(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE).write_text(content)
    with pytest.raises(TrainingError, match="cannot go on"):
        RoundStore(tmp_path, {})


def test_damaged_data_are_said_so(tmp_path: Path) -> None:
    """Catches a flipped byte in an earlier round that is trained on."""
    learn_chain(tmp_path, "dagger", replace(PLAN, rounds=1))
    path = tmp_path / "rounds" / "000" / "data" / "action.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DatasetError, match="damaged"):
        learn_chain(tmp_path, "dagger")


def test_a_policy_that_is_gone_is_said_so(tmp_path: Path) -> None:
    learn_chain(tmp_path, "dagger", replace(PLAN, rounds=1))
    (tmp_path / "rounds" / "000" / "policy" / "table.json").unlink()
    with pytest.raises(TrainingError, match="no usable table"):
        learn_chain(tmp_path, "dagger")


def test_a_learning_that_is_done_is_not_repeated(tmp_path: Path) -> None:
    """Catches work on a second call."""
    learn_chain(tmp_path, "dagger")
    store = RoundStore(tmp_path, {"rule": "dagger", "seed": PLAN.seed, "ticks": PLAN.ticks})
    learned = learn(make_rule("dagger"), _Nobody(), TableLearner(2), store, PLAN)  # type: ignore[arg-type]
    assert learned.members == {2: 1.0}
