"""Relabelling over real HTTP: what the page is served, what it may change, and what reaches the disk."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from recorded_drives import CONTRACT_PATH, PERIOD_NS, START_NS, TYPES, drive, write_bag

from models.errors import DatasetError, RecordingError, UnderstudyError
from models.label_file import read_labels
from understudy.commands.relabel import find_episode
from understudy.relabel.episode import ShownEpisode, open_episode
from understudy.relabel.server import RelabelServer
from understudy.relabel.session import LabelSession

TICKS = 20


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of driving with pictures; the recording is only read."""
    place = tmp_path_factory.mktemp("relabel") / "run"
    write_bag(place / "recordings", "first", drive(3, TICKS * PERIOD_NS / 1e9, images=True))
    return place


@pytest.fixture
def shown(workspace: Path) -> Iterator[ShownEpisode]:
    episode = open_episode(workspace / "recordings" / "first")
    yield episode
    episode.frames.close()


class Browser:
    """Speaks to one server as a page does."""

    def __init__(self, server: RelabelServer) -> None:
        self.base = urlsplit(server.url)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.base.port or 0, timeout=10)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    def get(self, place: str) -> bytes:
        status, _, content = self.ask("GET", f"{self.base.path}{place}")
        assert status == 200, content
        return content

    def post(self, place: str, body: object) -> dict[str, Any]:
        status, _, content = self.ask("POST", f"{self.base.path}{place}", body)
        answer: dict[str, Any] = json.loads(content)
        assert (status == 200) == answer["ok"]
        return answer


@pytest.fixture
def served(shown: ShownEpisode, tmp_path: Path) -> Iterator[tuple[LabelSession, RelabelServer, Browser]]:
    session = LabelSession(shown, tmp_path / "labels", "ann")
    server = RelabelServer(shown, session)
    server.start()
    yield session, server, Browser(server)
    server.stop()


Served = tuple[LabelSession, RelabelServer, Browser]


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_an_episode_is_its_ticks_pictures_and_commands(shown: ShownEpisode) -> None:
    """Catches a picture of another tick, and a command that is off by one."""
    assert shown.stamps_ns.tolist() == [START_NS + tick * PERIOD_NS for tick in range(TICKS)]
    assert shown.frame_of_tick.tolist() == list(range(TICKS))
    assert (shown.camera, shown.cameras, len(shown.frames)) == ("front", ("front",), TICKS)
    messages = drive(3, TICKS * PERIOD_NS / 1e9, images=True)
    pictures = [cdr for topic, _, cdr in messages if topic == "/camera/front/image_raw"]
    decoded: Any = cv2.imdecode(np.frombuffer(shown.frames.read(7), np.uint8), cv2.IMREAD_COLOR)
    decoded = decoded[:, :, ::-1]
    truth = np.frombuffer(pictures[7][-64 * 96 * 3 :], np.uint8).reshape(64, 96, 3)
    assert np.abs(decoded.astype(int) - truth).mean() < 6, "another picture, or red and blue exchanged"
    assert np.isfinite(shown.expert).all()
    assert np.isfinite(shown.executed).all()
    assert re.fullmatch("[0-9a-f]{64}", shown.recording_sha256)


def test_ticks_are_the_rows_of_the_dataset(workspace: Path, shown: ShownEpisode, tmp_path: Path) -> None:
    """Catches labels whose stamps no dataset row has."""
    from il_nodes.dataset.builder import build_dataset
    from models.episodes import open_dataset

    build_dataset([workspace / "recordings" / "first"], tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert set(dataset.stamps_ns.tolist()) <= set(shown.stamps_ns.tolist())
    assert len(dataset) >= TICKS - 2
    np.testing.assert_array_equal(dataset.actions, shown.expert[np.isin(shown.stamps_ns, dataset.stamps_ns)])


def test_without_a_camera_or_with_another_one_it_says_so(workspace: Path, tmp_path: Path) -> None:
    blind = write_bag(tmp_path, "blind", drive(3, 0.5))
    with pytest.raises(RecordingError, match="what they do not see"):
        open_episode(blind)
    with pytest.raises(RecordingError, match=r"no such camera(.|\n)*--camera with one of front"):
        open_episode(workspace / "recordings" / "first", "rear")
    open_episode(workspace / "recordings" / "first", "/camera/front/image_raw").frames.close()


def test_ticks_are_the_rows_also_where_receipt_counts(tmp_path: Path) -> None:
    """Catches an hour of labels, none of which meets a tick, because the contract does not go by the stamps."""
    from il_nodes.bags import BagWriter
    from il_nodes.dataset.builder import build_dataset
    from models.contract import parse_contract
    from models.episodes import open_dataset

    messages = drive(3, TICKS * PERIOD_NS / 1e9, images=True)
    received = parse_contract(CONTRACT_PATH.read_text().replace("timeline: header", "timeline: receive"))
    with BagWriter(tmp_path, "bag", received, {topic: TYPES[topic] for topic, _, _ in messages}) as writer:
        for topic, stamp_ns, cdr in sorted(messages, key=lambda message: message[1]):
            writer.write(topic, stamp_ns + 7_000_000, cdr)
        bag = writer.close("success")
    shown = open_episode(bag)
    session = LabelSession(shown, tmp_path / "labels")
    session.give({tick: [1.5, -0.5] for tick in range(TICKS)}, 0.25)
    session.save()
    shown.frames.close()
    report = build_dataset([bag], tmp_path / "set", labels=tmp_path / "labels")
    assert report.used[0].relabelled == len(open_dataset(tmp_path / "set")) >= TICKS - 2


def test_an_episode_is_found_by_its_place_alone(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches labels written where nobody reads them, by somebody who stands in the folder."""
    bag = workspace / "recordings" / "first"
    for folder, place in ((bag.parent, "first"), (bag.parent, "."), (bag, ".")):
        monkeypatch.chdir(folder)
        assert find_episode(Path(place)) == (bag, workspace / "labels")


def test_an_episode_is_found_by_itself_or_in_its_workspace(workspace: Path, tmp_path: Path) -> None:
    bag = workspace / "recordings" / "first"
    for place in (bag, workspace, workspace / "recordings"):
        assert find_episode(place) == (bag, workspace / "labels")
    assert find_episode(workspace, "first")[0] == bag
    with pytest.raises(RecordingError, match=r"nothing to label(.|\n)*no recording of second"):
        find_episode(workspace, "second")
    write_bag(tmp_path / "deployment", "one", drive(3, 0.2))
    write_bag(tmp_path / "recordings", "two", drive(3, 0.2))
    with pytest.raises(RecordingError, match=r"several episodes(.|\n)*two, one(.|\n)*--episode"):
        find_episode(tmp_path)
    assert find_episode(tmp_path, "one") == (tmp_path / "deployment" / "one", tmp_path / "labels")


# -- what the page is served -------------------------------------------------------------------------------------------


def test_the_page_fetches_nothing_from_elsewhere_and_runs_only_its_own_script(served: Served) -> None:
    _, _, browser = served
    status, headers, content = browser.ask("GET", browser.base.path)
    page = content.decode()
    assert status == 200
    nonce = re.search("script-src 'nonce-([^']+)'", headers["Content-Security-Policy"])
    assert nonce is not None
    assert page.count(f'nonce="{nonce[1]}"') == 2
    assert not re.search(r"https?://|@import|src=\"(?!frame)", page)
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_description_is_what_the_recording_says(served: Served, shown: ShownEpisode) -> None:
    _, _, browser = served
    found = json.loads(browser.get("api/episode"))
    assert found["driving"] == {"speed": 0, "turn": 1, "kind": "rate"}
    assert found["dimensions"][1] == {"name": "twist.angular.z", "unit": "rad/s", "min": -2.5, "max": 2.5, "stop": 0}
    assert len(found["times_s"]) == len(found["expert"]) == len(found["labels"]) == TICKS
    assert found["times_s"][3] == pytest.approx(0.15)
    assert found["labels"] == [None] * TICKS
    np.testing.assert_allclose(found["executed"], shown.executed, rtol=1e-6)
    assert (found["progress"]["labelled"], found["speed"]) == (0, 0.25)


def test_pictures_are_jpegs_and_there_are_no_others(served: Served) -> None:
    _, _, browser = served
    assert browser.get("frame/0.jpg").startswith(b"\xff\xd8\xff")
    for place in (
        f"frame/{TICKS}.jpg",
        "frame/-1.jpg",
        "frame/0.png",
        "frame/../page.html",
        "x",
        "frame/" + "9" * 5000,
    ):
        assert browser.ask("GET", browser.base.path + place)[0] in (404, 414)


@pytest.mark.parametrize("path", ["/", "/api/episode", "/wrong/api/episode", "/wrong/", "/frame/0.jpg", "/é/"])
def test_nothing_is_answered_without_the_token(served: Served, path: str) -> None:
    """Catches a recording that every program on the machine can read."""
    _, _, browser = served
    for method in ("GET", "POST"):
        status, _, content = browser.ask(
            method, path.encode("latin-1", "replace").decode("latin-1").replace("é", "%C3")
        )
        assert status == 403
        assert b"first" not in content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8000"}, 200),
        ({"Host": "[::1]:1"}, 200),
    ],
)
def test_other_sites_are_refused_even_with_the_token_and_a_tunnel_is_not(
    served: Served, headers: dict[str, str], status: int
) -> None:
    """Catches DNS rebinding and forged requests, and an SSH tunnel whose port is another one."""
    _, _, browser = served
    assert browser.ask("GET", f"{browser.base.path}api/progress", **headers)[0] == status
    assert browser.ask("POST", f"{browser.base.path}api/save", {}, **headers)[0] == status


# -- what it may change ------------------------------------------------------------------------------------------------


def test_labels_are_kept_clipped_erased_and_saved(served: Served, shown: ShownEpisode) -> None:
    session, _, browser = served
    answer = browser.post("api/labels", {"labels": [[3, [2.0, 0.5]], [4, [99.0, -99.0]], [5, [1, 1]]], "speed": 0.1})
    assert (answer["labelled"], answer["unsaved"]) == (3, 3)
    assert browser.post("api/labels", {"labels": [[5, None]], "speed": 0.1})["labelled"] == 2
    assert not session.path.exists()
    answer = browser.post("api/save", None)
    assert (answer["labelled"], answer["unsaved"], answer["path"]) == (2, 0, str(session.path))
    saved = read_labels(session.path)
    assert saved.stamps_ns.tolist() == shown.stamps_ns[[3, 4]].tolist()
    assert saved.actions.tolist() == [[2.0, 0.5], [8.0, -2.5]]
    assert (saved.labeller, saved.speed, saved.camera, saved.episode_id) == ("ann", 0.1, "front", "first")
    assert saved.recording_sha256 == shown.recording_sha256
    assert not session.draft.exists()
    assert json.loads(browser.get("api/episode"))["labels"][3] == [2.0, 0.5], "a page that is opened again goes on"
    assert browser.post("api/labels", {"labels": [[3, [2.0, 0.5]]], "speed": 0.1})["unsaved"] == 0, "nothing changed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        {"labels": [[TICKS, [0, 0]]], "speed": 1},
        {"labels": [[-1, [0, 0]]], "speed": 1},
        {"labels": [[True, [0, 0]]], "speed": 1},
        {"labels": [[0, [0]]], "speed": 1},
        {"labels": [[0, ["x", 0]]], "speed": 1},
        {"labels": [[0, "12"]], "speed": 1},
        {"labels": [[0, ["1", "2"]]], "speed": 1},
        {"labels": [[0, [True, 0]]], "speed": 1},
        {"labels": [[0, [1, 2]]], "speed": "1"},
        {"labels": [[0, [1, 2]]], "speed": True},
        b'{"labels": [[0, [NaN, 0]]], "speed": 1}',
        {"labels": [[0, [0, 0]]], "speed": 0},
        {"labels": [[0, [0, 0]]]},
        {"labels": [[1, [1, 1]], [0, [0]]], "speed": 1},
    ],
)
def test_labels_that_cannot_be_are_refused_as_a_whole(served: Served, body: object) -> None:
    session, _, browser = served
    status, _, content = browser.ask("POST", f"{browser.base.path}api/labels", body)
    assert (status, json.loads(content)["ok"]) == (400, False)
    assert session.progress.labelled == 0


def test_a_body_that_is_too_long_is_not_read(served: Served) -> None:
    _, _, browser = served
    for length in ("99999999999", "9" * 5000, "-1", "x"):
        with socket.create_connection(("127.0.0.1", browser.base.port or 0), timeout=10) as line:
            head = f"POST {browser.base.path}api/labels HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
            line.sendall(head.encode())
            assert line.recv(4096).startswith(b"HTTP/1.1 413")


def test_the_terminal_stays_quiet_whatever_a_browser_does(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """Catches tracebacks in front of somebody who labels: of an address that is none, and of a closed tab."""
    _, server, browser = served
    address = ("127.0.0.1", browser.base.port or 0)
    with socket.create_connection(address, timeout=10) as line:
        line.sendall(b"GET http://[/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(4096).startswith(b"HTTP/1.1 403")
    with socket.create_connection(address, timeout=10) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets the connection
        line.sendall(f"GET {browser.base.path}api/episode HTTP/1.1\r\n".encode())
    browser.get("api/progress")
    server.stop()  # waits for nobody, but the reset was taken up before the request that was answered
    assert capfd.readouterr().err == ""


def test_save_and_close_ends_the_command(served: Served) -> None:
    session, server, browser = served
    browser.post("api/labels", {"labels": [[0, [1, 0]]], "speed": 0.25})
    assert not server.finished.is_set()
    browser.post("api/finish", None)
    assert server.finished.is_set()
    assert session.path.exists()


def test_a_full_disk_is_said_on_the_page_and_loses_nothing(served: Served) -> None:
    session, _, browser = served
    session.path.parent.write_text("in the way")
    answer = browser.post("api/labels", {"labels": [[0, [1, 0]]], "speed": 0.25})
    assert "cannot be written" in answer["problem"]
    assert "cannot be written" in browser.post("api/save", None)["problem"]
    session.path.parent.unlink()
    assert browser.post("api/save", None)["labelled"] == 1


def test_a_port_that_is_taken_is_an_error_with_advice(shown: ShownEpisode, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(UnderstudyError) as caught:
        RelabelServer(shown, LabelSession(shown, tmp_path), other.getsockname()[1])
    assert "--port" in str(caught.value)


# -- drafts ------------------------------------------------------------------------------------------------------------


def test_a_draft_is_taken_up_again_and_is_gone_once_it_is_saved(shown: ShownEpisode, tmp_path: Path) -> None:
    """Catches an hour's work lost with a closed laptop."""
    first = LabelSession(shown, tmp_path)
    first.give({0: [1.0, 0.0]}, 0.25)
    first.save()
    first.give({1: [2.0, 0.0], 0: None}, 0.5)
    assert first.keep_draft()
    again = LabelSession(shown, tmp_path)
    assert "draft that was never saved" in again.resumed
    assert (again.progress.labelled, again.progress.unsaved) == (1, 2)
    assert again.labels()[1].tolist() == [2.0, 0.0]
    again.save()
    assert [file.name for file in tmp_path.iterdir()] == ["first.json"]
    third = LabelSession(shown, tmp_path)
    assert third.resumed == "1 labels saved before"
    assert not third.keep_draft()


def test_labels_of_another_recording_stop_it(shown: ShownEpisode, tmp_path: Path) -> None:
    """Catches labels of one drive that are overwritten with those of another of the same name."""
    from dataclasses import replace

    session = LabelSession(shown, tmp_path)
    session.give({0: [1.0, 0.0]}, 1.0)
    session.keep_draft()
    other = replace(shown, recording_sha256="0" * 64)
    with pytest.raises(DatasetError, match=r"draft(.|\n)*another recording"):
        LabelSession(other, tmp_path)
    session.save()
    with pytest.raises(DatasetError, match="another recording"):
        LabelSession(other, tmp_path)
