"""The HTML report: whole, self-contained, honest about what is missing, and its film plays."""

from __future__ import annotations

import base64
import dataclasses
import errno
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from html_outline import outline
from PIL import Image
from recorded_drives import PERIOD_NS, START_NS, Message, RoadCamera, diagnostics, drive, write_bag

from models.errors import UnderstudyError
from understudy.evaluation.evaluation import Evaluation, evaluate
from understudy.evaluation.trace_reader import read_trace
from understudy.report import Goals, ReportInputs, SafetyScore, Stage, TrainingHistory, write_report
from understudy.report.collection import _history, _safety
from understudy.report.film import choose_span, make_film
from understudy.report.headlines import headlines, verdict
from understudy.report.road_view import path_ahead, to_pixels
from understudy.report.style import PALETTE, new_figure, role, styled, to_svg

SECTIONS = ("film", "tracks", "wheel", "precision", "reaction", "learning", "making")


def who(elapsed_s: float) -> tuple[str, str]:
    """The policy drives, but for the start, half a second of the expert, and a quarter of a halt."""
    if elapsed_s < 0.2:
        return "expert", "policy_disabled"
    if 1.0 <= elapsed_s < 1.5:
        return "expert", "unsafe"
    if 2.0 <= elapsed_s < 2.25:
        return "halt", "expert_stale"
    return "policy", "policy_trusted"


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Two short deployed episodes on two tracks, the first one with pictures."""
    directory = tmp_path_factory.mktemp("deployed")
    return evaluate(
        [
            write_bag(directory, "first", drive(3, 3.0, who=who, images=True)),
            write_bag(directory, "second", drive(5, 3.0)),
        ]
    )


@pytest.fixture(scope="module")
def inputs(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> ReportInputs:
    """Everything that a report can show."""
    shown = write_bag(
        tmp_path_factory.mktemp("shown"), "demo", drive(3, 3.0, who=lambda _: ("expert", "policy_disabled"))
    )
    return ReportInputs(
        title="A <fine> run & more",
        evaluation=evaluation,
        demonstrations=[read_trace(shown)],
        goals=Goals(laps=0, policy_share=0.5),
        training=TrainingHistory([1.0, 0.1, 0.05], [1.1, 0.2, 0.15], best_epoch=2, samples_per_s=1234.0),
        safety=SafetyScore(
            0.71, 0.36, 0.5, 0.2, [(0.1, 0.4, 1.0), (0.5, 0.71, 0.36), (0.9, 0.9, 0.3)], tau=0.12, flagged_share=0.008
        ),
        facts={"Dataset": {"hash": "abc123", "seeds": [1, 2]}, "Empty": {}},
        stages=[Stage("record", 12.0), Stage("train", 131.0)],
        command="understudy demo",
        chain=["understudy record --tracks 3", "understudy report"],
        camera=RoadCamera(),
    )


@pytest.fixture(scope="module")
def page(inputs: ReportInputs, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    assert write_report(path, inputs) == path
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_every_tag_is_closed_and_no_id_is_used_twice(page: str) -> None:
    """Would catch plots whose ids collide (clip paths of one cut off another) and unescaped titles."""
    found = outline(page)
    assert found.problems == []
    assert found.open == []
    assert [name for name, count in Counter(found.ids).items() if count > 1] == []
    assert "A <fine> run & more" in found.text


def test_nothing_is_fetched_from_anywhere(page: str) -> None:
    """Would catch a font, script or picture that is missing on a plane, or that tells somebody who reads the report."""
    outside = [a for a in outline(page).addresses if not a.startswith(("#", "data:image/webp;base64,"))]
    assert outside == []
    assert "http" not in re.sub(r"base64,[^\"]+", "", page)
    assert "<script" not in page
    assert re.findall(r"url\((?!#)|@import|@font-face", page) == []


def test_every_reference_inside_the_page_leads_somewhere(page: str) -> None:
    """Would catch links and clip paths that lost their target when ids were renamed."""
    found = outline(page)
    wanted = {address[1:] for address in found.addresses if address.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", page))
    assert wanted - set(found.ids) == set()
    assert set(SECTIONS) <= set(found.ids)


def test_the_page_says_what_happened(page: str, evaluation: Evaluation) -> None:
    """Would catch a section that lost its content."""
    text = outline(page).text
    share = evaluation.summary.policy_share
    assert share is not None
    for words in (
        f"{share * 100:.1f}%",
        "felt unsafe",
        "expert too old",
        "withheld it for 0.20 s in all at the start of 1 of 2 episodes (policy not enabled yet) and later took it away",
        "The gate withheld the wheel for 0.20 s at the start (policy not enabled yet). The policy lost the wheel 2",
        "withheld at the start: policy not enabled yet 1 ×, 0.20 s",
        "lost: felt unsafe 1 ×",
        "differs from the expert by more than the limit τ (0.12, squared",
        "Set to flag about 0.8% of frames, so it finds few of the frames that differ: a tripwire, not a guarantee.",
        "changes of driver",
        "understudy record --tracks 3 understudy report",
        "Without the writing of this report.",
        "expert, in the demonstrations",
        "finish line",
        "The policy never lost the wheel.",
        "The expert never showed this track.",
        "1,234 samples a second",
        "Of the frames that it calls unsafe 71% are",
        "abc123",
        "2 min 11 s",
        "understudy demo",
        "age of the command",
    ):
        assert words in text, words
    assert "No film" not in text
    assert len(page) < 6_000_000
    assert page.count("<svg") == 2 + 2 + 2 + 1 + 2  # maps, timelines, precision, ages, learning


def test_colours_follow_light_and_dark(page: str) -> None:
    """Would catch a plot drawn in a fixed colour that vanishes on a dark card."""
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL))
    assert set(re.findall(r"#[0-9a-fA-F]{6}\b", drawings)) == set()
    assert set(re.findall(r"var\(--(\w+)\)", drawings)) <= set(PALETTE)
    assert "prefers-color-scheme: dark" in page


@pytest.mark.parametrize("mode", [0, 1])
def test_text_can_be_read_on_its_background(mode: int) -> None:
    """Would catch a palette whose text falls below WCAG's contrast of 4.5 to 1."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for background in ("card", "page"):
        for name in ("ink", "muted", "policy", "expert", "halt", "good", "bad"):
            dark, light = sorted(luminance(PALETTE[role_name][mode]) for role_name in (name, background))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, background)


def test_a_report_of_an_evaluation_alone_says_what_it_lacks(evaluation: Evaluation, tmp_path: Path) -> None:
    """Would catch a crash, or an empty hole, where a run has no training or was not asked for a film."""
    page = write_report(tmp_path / "bare.html", ReportInputs("Bare", evaluation, film=False)).read_text()
    found = outline(page)
    assert found.problems == []
    assert found.open == []
    assert set(SECTIONS) <= set(found.ids)
    for words in ("No film", "No learning curve", "No scores of a safety classifier", "Neither durations nor versions"):
        assert words in found.text


@pytest.mark.parametrize(
    ("kept", "sentences"),
    [
        (lambda topic: topic == "/odom", ("Who drove was not recorded", "The gate's decisions were not recorded")),
        (lambda topic: topic == "/sim/status", ("No map of", "No film")),
        (lambda topic: topic == "/gate/decision", ("No distance from the centreline", "cannot be compared")),
        (lambda topic: topic != "/policy/proposal" and not topic.startswith("/track"), ("No map of",)),
    ],
)
def test_a_recording_without_some_topics_is_still_shown(
    kept: Callable[[str], bool], sentences: tuple[str, ...], tmp_path: Path
) -> None:
    """Would catch an index into an empty series for any of the topics that a robot may not publish."""
    messages = [message for message in drive(3, 1.0, who=who) if kept(message[0])]
    scored = evaluate([write_bag(tmp_path, "part", messages)])
    found = outline(write_report(tmp_path / "part.html", ReportInputs("Part", scored)).read_text())
    assert found.problems == []
    for words in sentences:
        assert words in found.text, words


def test_lock_step_is_not_praised_for_its_speed(tmp_path: Path) -> None:
    """Would catch 'command age 0 ms, goal met' for a simulator that waits for every command."""
    messages = drive(3, 0.5, status_extra={"command_age_ms": ""})
    scored = evaluate([write_bag(tmp_path, "waits", messages)])
    age = headlines(scored, Goals())[-1]
    assert (age.value, age.met) == ("–", None)
    assert "No command age was recorded" in write_report(tmp_path / "r.html", ReportInputs("L", scored)).read_text()


def test_only_commands_that_never_came_count_as_unanswered(tmp_path: Path) -> None:
    """Would catch the first tick, which has no command before it, being counted as a missed one."""
    messages: list[Message] = []
    for tick, age in enumerate(("", "12.5", "", "72.5", "12.5")):
        values = {"laps": 0, "command_age_ms": age}
        messages.append(diagnostics("/sim/status", START_NS + tick * PERIOD_NS, "driving", "on track", values))
    scored = evaluate([write_bag(tmp_path, "gaps", messages)])
    text = outline(write_report(tmp_path / "r.html", ReportInputs("G", scored)).read_text()).text
    # median, 99th percentile, slowest, later than a tick, unanswered
    assert "gaps 12.5 71.3 72.5 1 1" in text


def test_goals_are_met_or_missed_by_the_numbers(evaluation: Evaluation) -> None:
    """Would catch a comparison the wrong way round."""
    easy = headlines(evaluation, Goals(laps=0, off_track=0, policy_share=0.1, autonomy=0.1, command_age_p99_ms=900))
    hard = headlines(evaluation, Goals(laps=9, off_track=-1, policy_share=1, autonomy=1.1, command_age_p99_ms=0.1))
    assert [one.met for one in easy] == [True] * 5
    assert [one.met for one in hard] == [False] * 5
    assert "never left the road" in verdict(evaluation)
    summary = dataclasses.replace(evaluation.summary, off_track=2, reasons={"unsafe": 1})
    words = verdict(dataclasses.replace(evaluation, summary=summary))
    assert "left the road 2 times" in words
    assert "took it away once" in words


def test_the_film_plays_at_ten_frames_a_second_and_shows_who_drives(evaluation: Evaluation, page: str) -> None:
    """Would catch a film that does not decode, repeats one frame, or labels the wrong driver."""
    trace = evaluation.traces[0]
    film = make_film(trace)
    assert film is not None
    with Image.open(io.BytesIO(film.data)) as movie:
        assert (movie.format, movie.size) == ("WEBP", (film.width, film.height))
        assert movie.n_frames == film.frames == 30  # 3 s
        durations, corners = [], []
        for index in range(movie.n_frames):
            movie.seek(index)
            movie.load()
            durations.append(movie.info["duration"])
            corners.append(np.asarray(movie.convert("RGB"))[30, 20])  # inside the pill that names the driver
    assert set(durations) == {100}
    # Blue while the policy drives, orange from 1.0 s to 1.5 s while the expert does.
    assert corners[5][2] > corners[5][0] + 40
    assert corners[12][0] > corners[12][2] + 40
    with Image.open(io.BytesIO(film.still)) as still:
        assert still.size == (film.width, film.height)
    assert len(film.data) < 2_500_000
    in_page = re.search(r'<img [^>]*src="data:image/webp;base64,([^"]+)"', page)
    assert in_page is not None
    with Image.open(io.BytesIO(base64.b64decode(in_page.group(1)))) as embedded:
        assert embedded.n_frames == 30


def test_the_film_is_about_the_hand_over(evaluation: Evaluation) -> None:
    """Would catch a film of a straight, while the one interesting second goes unseen."""
    trace = evaluation.traces[0]
    start_ns, end_ns = choose_span(trace, seconds=1.5)
    losses_ns = [trace.start_ns + 1_000_000_000, trace.start_ns + 2_000_000_000]
    assert any(start_ns < loss_ns < end_ns for loss_ns in losses_ns)
    assert end_ns - start_ns == 1_500_000_000


def test_no_film_without_pictures(evaluation: Evaluation) -> None:
    """Would catch an exception for a robot without a camera."""
    assert make_film(evaluation.traces[1]) is None


def test_the_path_ahead_is_the_arc_that_the_command_drives() -> None:
    """Would catch left and right exchanged, and 0/0 on a straight."""
    straight = path_ahead(5.0, 0.0, 2.0)
    assert straight[-1] == pytest.approx([10.0, 0.0])
    quarter = path_ahead(np.pi / 2, np.pi / 2, 1.0)  # a quarter of a circle of radius 1 m to the left
    assert quarter[-1] == pytest.approx([1.0, 1.0])
    camera = RoadCamera()
    left, ahead, behind = to_pixels(np.array([[8.0, 1.0], [8.0, 0.0], [-3.0, 0.0]]), camera, 96, 64)
    assert left[0] < 48 == pytest.approx(ahead[0])
    assert 0 < ahead[1] < 64
    assert np.isnan(behind).all()
    # The axis of a camera 1 m up that looks down by 15 degrees meets the road 1/tan(15°) ahead of the lens.
    axis = to_pixels(np.array([[1.4 + 1 / np.tan(np.radians(15.0)), 0.0]]), camera, 96, 64)
    assert axis[0] == pytest.approx([48.0, 32.0])


def test_two_plots_of_one_name_are_equal_and_of_two_names_share_no_id() -> None:
    """Would catch reports that differ although nothing changed, and ids that collide."""

    def draw(name: str) -> str:
        with styled():
            figure = new_figure(200, 100)
            figure.subplots().plot([0, 1], [0, 1], color=role("policy"), marker="o")
            return to_svg(figure, name, 'a "line" & more')

    assert draw("one") == draw("one")
    ids = [set(re.findall(r'id="([^"]+)"', draw(name))) for name in ("one", "two")]
    assert ids[0] & ids[1] == set()
    assert outline(draw("one")).problems == []
    assert 'aria-label="a &quot;line&quot; &amp; more"' in draw("one")


def test_a_report_that_cannot_be_written_says_where(evaluation: Evaluation, tmp_path: Path) -> None:
    """Would catch a traceback for a file in the way."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnderstudyError, match="cannot be written"):
        write_report(tmp_path / "file" / "report.html", ReportInputs("T", evaluation, film=False))


def test_bytes_of_another_encoding_in_a_title_do_not_cost_the_report(evaluation: Evaluation, tmp_path: Path) -> None:
    """Catches a report that cannot be written because a folder's name on the command line is no UTF-8."""
    title = os.fsdecode(b"K\xf6ln")
    page = write_report(tmp_path / "page.html", ReportInputs(title, evaluation, film=False)).read_text("utf-8")
    assert r"K\udcf6ln" in page


def test_a_full_disk_is_called_one_and_keeps_no_half_page(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_report(tmp_path / "page.html", ReportInputs("T", evaluation, film=False))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "record", ["5", "{}", '{"is_best": true, "training_loss": "low", "validation_loss": null}', '"text"']
)
def test_a_damaged_learning_curve_does_not_cost_the_report(record: str) -> None:
    assert _history(json.loads(f"[{record}]")) is None


@pytest.mark.parametrize("scores", [{}, {"precision": "x", "recall": 1}, {"precision": 0.5, "recall": 0.5}, 5])
def test_damaged_scores_of_the_classifier_do_not_cost_the_report(scores: object) -> None:
    assert _safety(scores) is None
