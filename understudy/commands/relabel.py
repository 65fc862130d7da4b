"""``understudy relabel``: look at a recorded episode in slow motion, and say what should have been done."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import DatasetError, RecordingError
from understudy.console import Console, counted

if TYPE_CHECKING:
    from understudy.relabel.server import RelabelServer
    from understudy.relabel.session import LabelSession

__all__ = ["add_to"]

#: Folders of a workspace that hold recordings.
_PLACES = ("recordings", "deployment")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("relabel", short_help="Label a recorded episode in slow motion, in the browser.")(relabel)


def relabel(
    context: typer.Context,
    place: Annotated[
        Path, typer.Argument(metavar="EPISODE_OR_WORKSPACE", help="Folder of one recording, or a workspace.")
    ],
    episode: Annotated[str, typer.Option(help="Which episode of a workspace.", show_default="the only one")] = "",
    speed: Annotated[
        float, typer.Option(min=0.02, max=2.0, help="Of the playback; 0.25 is four times slower than it was.")
    ] = 0.25,
    camera: Annotated[
        str, typer.Option(help="Which camera is shown.", show_default="the contract's trigger, or the first one")
    ] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the page on 127.0.0.1; 0 takes a free one.")] = 0,
    who: Annotated[str, typer.Option(help="Who labels.", show_default="your login name")] = "",
) -> int:
    """Label a recorded episode: the camera is shown slowed down, and what you command is drawn into the picture.

    Steer with the arrow keys, the mouse or a gamepad. The labels go to WORKSPACE/labels; the recording stays as it is.
    The page is served to this machine only. From another one: ssh -L 8000:127.0.0.1:PORT, and open the printed address
    with port 8000.
    """
    from understudy.relabel.episode import open_episode
    from understudy.relabel.lock import labelling_alone
    from understudy.relabel.server import RelabelServer
    from understudy.relabel.session import LabelSession

    console: Console = context.obj
    bag, labels = find_episode(place, episode)
    with console.progress("reading the pictures") as progress:

        def show(done: int, total: int) -> None:
            progress.update(done, total, f"{done} of {counted(total, 'picture')}")

        shown = open_episode(bag, camera, show)
    try:
        with labelling_alone(labels, shown.episode_id):
            session = LabelSession(shown, labels, who or _login_name())
            server = RelabelServer(shown, session, port, speed)
            if session.resumed:
                console.say(f"  going on with {session.resumed}")
            server.start()
            return _serve(console, session, server)
    finally:
        shown.frames.close()


def _serve(console: Console, session: LabelSession, server: RelabelServer) -> int:
    """Wait for the labeller; say what is saved and what is not."""
    from understudy.relabel.session import DRAFT_EVERY_S

    problem = ""
    try:
        console.say(f"open {server.url}")
        console.say("  Ctrl-C ends; nothing is saved that was not saved on the page")
        while not server.finished.wait(1.0):
            problem = _keep_draft(console, session, DRAFT_EVERY_S, problem)
    except KeyboardInterrupt:
        pass  # the usual end
    finally:
        server.stop()
        problem = _keep_draft(console, session, 0.0, problem)
    now = session.progress
    unsaved = bool(now.unsaved)
    data = {"ok": not unsaved, "labels": session.path, "labelled": now.labelled, "unsaved": now.unsaved}
    if unsaved:
        text = f"{counted(now.unsaved, 'label')} not saved"
        if not problem:
            text += f"; kept in {session.draft}\n"
            text += "  run the same command again to go on from there, and save on the page"
    else:
        saved = session.path.exists()
        text = f"{counted(now.labelled, 'label')} in {session.path}" if saved else "nothing was labelled"
    console.result(data, text)
    return 1 if unsaved else 0


def _keep_draft(console: Console, session: LabelSession, every_s: float, known: str) -> str:
    """What keeps the draft from the disk, said once: the page goes on, and may save once there is room again."""
    try:
        session.keep_draft(every_s=every_s)
    except DatasetError as error:
        if str(error) != known:
            console.warn(str(error))
        return str(error)
    return ""


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container's user need not have a name


def find_episode(place: Path, episode: str = "") -> tuple[Path, Path]:
    """The recording that is meant, and the folder of its labels.

    Args:
        place: a recording, a workspace, or a folder of recordings.
        episode: name of one in it; may be left out where there is only one.

    Raises:
        RecordingError: there is none, or several and none was named.
    """
    from il_nodes.bags import find_bags

    place = place.resolve()  # "." has no parent to put labels into
    if place.is_dir() and any(place.glob("*.mcap")):
        found = [place]
        workspace = place.parent.parent if place.parent.name in _PLACES else place.parent
    else:
        folders = [place / name for name in _PLACES if (place / name).is_dir()] or [place]
        found = [bag for folder in folders for bag in find_bags(folder)]
        workspace = place.parent if place.name in _PLACES else place
    if episode:
        found = [bag for bag in found if bag.name == episode]
    if len(found) == 1:
        return found[0], workspace / "labels"
    names = [bag.name for bag in found] or [f"no recording{f' of {episode}' if episode else ''}"]
    raise RecordingError(
        f"{place} holds several episodes" if found else f"there is nothing to label in {place}",
        found=", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else ""),
        fix="name one with --episode" if found else 'record one with "understudy record", or check the path',
    )
