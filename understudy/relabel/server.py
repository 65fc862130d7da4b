"""The local web server of the relabelling page: this machine only, a random token in every address, no other files.

``http.server`` of the standard library; there is one labeller, who looks at one page.
"""

from __future__ import annotations

import errno
import json
import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from models.data import FloatArray
from models.errors import UnderstudyError
from understudy.relabel.episode import ShownEpisode
from understudy.relabel.session import LabelSession

__all__ = ["RelabelServer"]

#: An hour of labels at 50 Hz, in one request.
MAX_BODY_BYTES = 16 * 1024 * 1024
#: Of a Content-Length; Python refuses to read thousands of digits.
MAX_LENGTH_DIGITS = 12
_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")
#: A browser that stays silent in mid-request gives its thread back.
REQUEST_TIMEOUT_S = 30.0


class _QuietServer(ThreadingHTTPServer):
    """A server that leaves the terminal to the person: a browser that hangs up in mid-answer is no news."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a connection that broke; of anything else one line, and no traceback."""
        error = sys.exception()
        if not isinstance(error, OSError):
            print(f"understudy relabel: a request failed: {type(error).__name__}: {error}", file=sys.stderr)


class RelabelServer:
    """Serves one session until :meth:`stop`, or until the page says that the labeller is done.

    Args:
        episode: what is shown.
        session: its labels.
        port: on 127.0.0.1; 0 takes a free one.
        speed: that the page begins with.

    Attributes:
        url: of the page, with its token.
        finished: set when the labeller has saved and left.

    Raises:
        UnderstudyError: the port is taken.
    """

    def __init__(self, episode: ShownEpisode, session: LabelSession, port: int = 0, speed: float = 0.25) -> None:
        self.token = secrets.token_urlsafe(24)
        self.finished = threading.Event()
        context = _Context(episode, session, speed, self.token, self.finished)
        try:
            self._http = _QuietServer(("127.0.0.1", port), _handler(context))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            raise UnderstudyError(
                f"the page cannot be served on port {port}",
                found="another program listens there" if taken else error.strerror,
                fix="choose another with --port, or leave it out for a free one",
            ) from error
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/{self.token}/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True)

    def start(self) -> None:
        """Serve, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()


class _Context:
    """What every request works on."""

    def __init__(
        self, episode: ShownEpisode, session: LabelSession, speed: float, token: str, finished: threading.Event
    ) -> None:
        self.episode, self.session, self.speed, self.token, self.finished = episode, session, speed, token, finished
        self.page = files("understudy.relabel").joinpath("page.html").read_text(encoding="utf-8")

    def description(self) -> dict[str, object]:
        """Everything that the page needs to begin, or to go on after it was closed."""
        episode = self.episode
        seconds = (episode.stamps_ns - episode.stamps_ns[0]) * 1e-9
        return {
            "episode_id": episode.episode_id,
            "task": episode.task,
            "outcome": episode.outcome,
            "fps": episode.contract.fps,
            "speed": self.speed,
            "camera": episode.camera,
            "cameras": episode.cameras,
            "resumed": self.session.resumed,
            "path": str(self.session.path),
            "dimensions": [
                {"name": d.name, "unit": d.unit, "min": d.minimum, "max": d.maximum, "stop": d.stop}
                for d in episode.dimensions
            ],
            "driving": _driving(episode),
            "times_s": np.round(seconds, 6).tolist(),
            "frames": episode.frame_of_tick.tolist(),
            "expert": _rows(episode.expert),
            "executed": _rows(episode.executed),
            "labels": _rows(self.session.labels()),
            "progress": self.progress(),
        }

    def progress(self) -> dict[str, object]:
        """How far it is, as JSON."""
        now = self.session.progress
        return {"ok": True, "ticks": now.ticks, "labelled": now.labelled, "unsaved": now.unsaved}

    def give(self, body: Any) -> dict[str, object]:
        """``{"labels": [[tick, [values] or null], …], "speed": 0.25}``. Raises ValueError, TypeError, KeyError."""
        entries: dict[int, list[float] | None] = {}
        for tick, values in body["labels"]:
            if not isinstance(tick, int) or isinstance(tick, bool):
                raise ValueError("a tick is a whole number")
            entries[tick] = None if values is None else _numbers(values)
        self.session.give(entries, *_numbers([body["speed"]]))
        return self.progress()

    def save(self, _body: Any) -> dict[str, object]:
        """Save; the path goes back to the page."""
        self.session.save()
        return self.progress() | {"path": str(self.session.path)}

    def finish(self, _body: Any) -> dict[str, object]:
        """Save, and end the command."""
        answer = self.save(None)
        self.finished.set()
        return answer


def _numbers(values: object) -> list[float]:
    """Numbers of a list; a text such as "12" is none, and neither is true. Raises ValueError, OverflowError."""
    if not isinstance(values, list) or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise ValueError("a label is a list of numbers")
    return [float(value) for value in values]


def _rows(values: FloatArray) -> list[list[float] | None]:
    """Rows with seven significant digits, which is a float32; null for one that is not whole."""
    return [[float(f"{value:.7g}") for value in row] if np.isfinite(row).all() else None for row in values]


def _driving(episode: ShownEpisode) -> dict[str, object] | None:
    """Which dimension is the speed and which one turns, for a robot that is driven by these two; else ``None``."""
    units = [dimension.unit for dimension in episode.dimensions]
    if len(units) != 2:
        return None
    for turn, unit in (("rate", "rad/s"), ("angle", "rad")):
        if sorted(units) == sorted(["m/s", unit]):
            return {"speed": units.index("m/s"), "turn": units.index(unit), "kind": turn}
    return None


def _handler(context: _Context) -> type[BaseHTTPRequestHandler]:
    """A handler class bound to one session."""
    posts: dict[str, Callable[[Any], dict[str, object]]] = {
        "api/labels": context.give,
        "api/save": context.save,
        "api/finish": context.finish,
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "understudy", ""
        timeout = REQUEST_TIMEOUT_S

        def log_message(self, format: str, *args: Any) -> None:
            """The terminal belongs to the person."""

        def do_GET(self) -> None:
            place = self._place()
            if place is None:
                return
            if place == "":
                nonce = secrets.token_urlsafe(12)
                page = context.page.replace("NONCE", nonce)
                self._answer(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8", nonce=nonce)
            elif place == "api/episode":
                self._json(HTTPStatus.OK, context.description())
            elif place == "api/progress":
                self._json(HTTPStatus.OK, context.progress())
            else:
                self._frame(place)

        def _frame(self, place: str) -> None:
            number = place.removeprefix("frame/").removesuffix(".jpg")
            frames = context.episode.frames
            if place == f"frame/{number}.jpg" and number.isdecimal() and len(number) < 10 and int(number) < len(frames):
                self._answer(HTTPStatus.OK, frames.read(int(number)), "image/jpeg", keep=True)
            else:
                self._json(HTTPStatus.NOT_FOUND, {"ok": False, "problem": "there is nothing at this address"})

        def do_POST(self) -> None:
            self.close_connection = True  # whatever is left of a refused body must not be read as the next request
            place = self._place()
            if place is None:
                return
            act = posts.get(place)
            length = self.headers.get("Content-Length", "")
            if act is None:
                self._json(HTTPStatus.NOT_FOUND, {"ok": False, "problem": "there is nothing at this address"})
            elif not length.isdecimal() or len(length) > MAX_LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
                self._json(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"ok": False, "problem": "too much at once"})
            else:
                self._act(act, self.rfile.read(int(length)))

        def _act(self, act: Callable[[Any], dict[str, object]], body: bytes) -> None:
            try:
                answer = act(json.loads(body or b"null"))
            except UnderstudyError as error:
                self._json(HTTPStatus.INSUFFICIENT_STORAGE, {"ok": False, "problem": str(error)})
            except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
                self._json(HTTPStatus.BAD_REQUEST, {"ok": False, "problem": str(error)})
            else:
                self._json(HTTPStatus.OK, answer)

        def _place(self) -> str | None:
            """The address behind the token; refused, and ``None``, without it or when another site asks."""
            # A name that leads here may belong to another site (DNS rebinding), whose scripts must not read a frame.
            # Ports may differ: an SSH tunnel's end has its own.
            addresses = [f"//{self.headers.get('Host', '')}", *self.headers.get_all("Origin", [])]
            token, place = "", ""
            named: list[str | None] = [None]
            # An address that is none, such as "[::1", leads nowhere.
            with suppress(ValueError):
                token, _, place = urlsplit(self.path).path.removeprefix("/").partition("/")
                named = [urlsplit(address).hostname for address in addresses]
            known = secrets.compare_digest(token.encode(), context.token.encode())
            if known and all(name in _LOCAL_NAMES for name in named):
                return place
            self.close_connection = True
            problem = "this address needs the token that understudy relabel printed"
            self._json(HTTPStatus.FORBIDDEN, {"ok": False, "problem": problem})
            return None

        def _json(self, status: HTTPStatus, content: dict[str, object]) -> None:
            data = json.dumps(content, allow_nan=False).encode()
            self._answer(status, data, "application/json")

        def _answer(self, status: HTTPStatus, data: bytes, kind: str, *, keep: bool = False, nonce: str = "") -> None:
            sources = (
                f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; connect-src 'self'; "
            )
            policy = f"default-src 'none'; {sources if nonce else ''}base-uri 'none'; frame-ancestors 'none'"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "private, max-age=3600" if keep else "no-store")
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Referrer-Policy", "no-referrer")  # or a link would carry the token away
            self.send_header("X-Content-Type-Options", "nosniff")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

    return Handler
