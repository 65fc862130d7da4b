"""What the report says about a run: who had the wheel, how the data came to be, how to make it again."""

from __future__ import annotations

import dataclasses
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from html_outline import outline
from recorded_drives import drive, write_bag

from understudy.evaluation.evaluation import Evaluation, evaluate
from understudy.evaluation.trace_reader import read_trace
from understudy.report import Goals, ReportInputs, write_report
from understudy.report.collection import _chain, _processor, _seeds, _track_seeds
from understudy.report.headlines import headlines, verdict
from understudy.report.labels import spread_out
from understudy.report.sections import _short_name
from understudy.report.starts import withheld_at_start


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """One short episode that the policy drives from the first tick."""
    return evaluate([write_bag(tmp_path_factory.mktemp("deployed"), "only", drive(5, 3.0))])


def test_a_policy_that_had_to_wait_is_not_said_to_have_driven_from_the_start(tmp_path: Path) -> None:
    """Would catch "the gate never took it away" of an episode whose first seconds the expert drove."""
    bag = write_bag(
        tmp_path,
        "waits",
        drive(3, 3.0, who=lambda s: ("expert", "unsafe") if s < 1.9 else ("policy", "policy_trusted")),
    )
    scored = evaluate([bag])
    assert "the gate withheld it for 1.9 s at the start (felt unsafe) and later never took it away" in verdict(scored)
    text = outline(write_report(tmp_path / "r.html", ReportInputs("W", scored, film=False)).read_text()).text
    assert "The gate withheld the wheel for 1.9 s at the start (felt unsafe). The policy never lost the wheel" in text
    assert "withheld at the start: felt unsafe 1 ×, 1.9 s" in text
    assert "1 of 1 episode never left" in text


def test_a_policy_that_never_drove_is_said_to_have_been_kept_from_it(tmp_path: Path) -> None:
    """Would catch praise for a policy that never lost a wheel that it never had."""
    scored = evaluate([write_bag(tmp_path, "never", drive(3, 1.0, who=lambda _: ("expert", "unsafe")))])
    start = withheld_at_start(scored.traces[0])
    assert start is not None
    assert start.seconds == pytest.approx(1.0)
    assert start.for_good
    assert "the gate never gave it away (felt unsafe)" in verdict(scored)
    text = outline(write_report(tmp_path / "r.html", ReportInputs("N", scored, film=False)).read_text()).text
    assert "The gate never gave the policy the wheel (felt unsafe)." in text
    assert "never given: felt unsafe" in text


def test_nothing_was_withheld_from_a_policy_that_drove_the_first_tick(evaluation: Evaluation) -> None:
    assert withheld_at_start(evaluation.traces[0]) is None
    assert "the gate never took it away" in verdict(evaluation)


def test_names_of_curves_that_meet_keep_apart() -> None:
    """Would catch "training" printed over "validation"."""
    for places in ([10.0, 11.0], [11.0, 10.0], [5.0, 5.0], [0.0, 90.0], [1.0, 2.0, 3.0]):
        moved = spread_out(places, 17.0)
        assert np.diff(np.sort(moved)).min() >= 17.0 - 1e-9
        assert moved.mean() == pytest.approx(np.mean(places))
        assert list(np.argsort(moved, kind="stable")) == list(np.argsort(places, kind="stable"))
    assert spread_out([0.0, 90.0], 17.0).tolist() == [0.0, 90.0]


@pytest.mark.parametrize(
    ("disturbance_rad", "words"),
    [(0.08, "expert, disturbed on purpose"), (0.0, "expert, undisturbed"), (None, "expert, in the demonstrations")],
)
def test_disturbed_demonstrations_are_called_so(
    evaluation: Evaluation, tmp_path: Path, disturbance_rad: float | None, words: str
) -> None:
    """Would catch a histogram that makes the expert look worse than the policy which learned from it."""
    extra = None if disturbance_rad is None else {"disturbance_rad": disturbance_rad}
    shown = read_trace(write_bag(tmp_path, "demo", drive(3, 1.0, status_extra=extra)))
    page = write_report(tmp_path / "r.html", ReportInputs("D", evaluation, demonstrations=[shown], film=False))
    assert words in outline(page.read_text()).text


def test_seeds_and_commands_are_those_of_the_run(evaluation: Evaluation) -> None:
    """Would catch commands that drive other tracks, or invented ones where the tracks are not known."""

    def on(*tracks: str) -> str:
        return _track_seeds([dataclasses.replace(evaluation.traces[0], labels={"track": name}) for name in tracks])

    assert on("track-2", "track-1", "track-3", "track-9", "track-1") == "1-3,9"
    assert on("track-1", "yard") == ""
    assert on() == ""
    learner = {"epochs": 25, "seed": 4, "safety": {"seed": 5}}
    assert _seeds("1-3", "", learner) == {"tracks demonstrated": "1-3", "training": 4, "safety classifier": 5}
    assert _chain("1-3", "1001", learner)[:2] == (
        "understudy record --tracks 1-3",
        "understudy train --epochs 25 --seed 4",
    )
    assert _chain("1-3", "1001", {}) == ()
    assert _processor()


def test_the_documented_snippet_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Would catch names in docs/report.md that no longer exist."""
    guide = (Path(__file__).parent.parent / "docs" / "report.md").read_text()
    snippet = re.search(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    assert snippet is not None
    write_bag(tmp_path / "runs" / "demo" / "deployment", "first", drive(3, 1.0))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "snippet.py").write_text(snippet.group(1))
    runpy.run_path(str(tmp_path / "snippet.py"))
    assert (tmp_path / "report.html").is_file()


def test_an_episode_is_called_by_its_track_only_where_that_is_clear(evaluation: Evaluation) -> None:
    """Would catch two rows of one name."""
    one = dataclasses.replace(evaluation.episodes[0], episode_id="deployment-000-track-7", track="track-7")
    two = dataclasses.replace(one, episode_id="deployment-001-track-7")
    assert _short_name(one, [one]) == "track-7"
    assert _short_name(one, [one, two]) == "deployment-000-track-7"


def test_the_age_of_a_command_is_shown_but_not_counted_as_a_goal(evaluation: Evaluation, tmp_path: Path) -> None:
    """Would catch a page that counts five goals where the console counts four."""
    age = headlines(evaluation, Goals(laps=0))[-1]
    assert (age.goal, age.met) == ("one tick is 50 ms", None)
    page = write_report(tmp_path / "r.html", ReportInputs("A", evaluation, goals=Goals(laps=0), film=False))
    assert "4 of 4 goals met." in outline(page.read_text()).text
