"""``understudy episodes``: what was recorded, whether it is intact, and the dataset made of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import UnderstudyError
from understudy.commands.options import DEFAULT_WORKSPACE, RecordedContractOption, WorkspaceOption
from understudy.console import Console, counted

if TYPE_CHECKING:
    from il_nodes.bags import BagReader

__all__ = ["app"]

app = typer.Typer()

FolderOption = Annotated[
    Path | None, typer.Option("--recordings", help="Folder of the bags; the workspace's recordings by default.")
]


@app.callback(short_help="Recorded episodes: list, info, check, recover, import, build.")
def _group() -> None:
    """Recorded episodes: look at them, save unfinished ones, take in other bags, build a dataset of them."""


def _folder(console: Console, workspace: Path, recordings: Path | None) -> Path:
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    return Stages(Workspace(workspace, create=False), console).dataset.require_recordings(recordings)


@app.command("list")
def list_episodes(
    context: typer.Context, workspace: WorkspaceOption = DEFAULT_WORKSPACE, recordings: FolderOption = None
) -> int:
    """List the episodes in a folder: outcome, length, messages, size, what keeps them from training; unfinished too."""
    from il_nodes.bags import BagReader

    console: Console = context.obj
    folder = _folder(console, workspace, recordings)
    rows: list[dict[str, object]] = []
    for path in _entries(folder):
        row: dict[str, object] = {"name": path.name, "size_bytes": _size(path)}
        try:
            reader = BagReader(path)
            row |= {"episode_id": reader.episode_id, "outcome": reader.outcome, "messages": sum(reader.counts.values())}
            row["quarantine"] = reader.quarantine
            row["seconds"] = (reader.end_ns - reader.start_ns) / 1e9
        except UnderstudyError as error:
            row |= {"episode_id": "", "outcome": "partial" if path.name.endswith(".partial") else "damaged"}
            never = "never finished; save it with `episodes recover`"
            row |= {"messages": None, "problem": never if row["outcome"] == "partial" else error.problem}
        rows.append(row)
    console.result({"ok": True, "folder": folder, "episodes": rows}, _table(rows))
    return 0


def _entries(folder: Path) -> list[Path]:
    """Every folder that should be a recording; what a recovery has kept aside is none."""
    from il_nodes.bags.files import ORIGINALS

    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and entry.name != ORIGINALS)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _table(rows: list[dict[str, object]]) -> Any:
    from rich.table import Table

    columns = ("episode", "outcome", "seconds", "messages", "size", "not for training")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for row in rows:
        size = f"{int(str(row['size_bytes'])) / 2**20:.1f} MiB"
        seconds = f"{row['seconds']:.1f}" if "seconds" in row else "-"
        reasons = (row.get("problem"), row.get("quarantine"), "marked a failure" if row["outcome"] == "failure" else "")
        why = "; ".join(str(reason) for reason in reasons if reason)
        table.add_row(str(row["name"]), str(row["outcome"]), seconds, str(row["messages"] or "-"), size, why)
    return table


@app.command("info")
def info(context: typer.Context, bag: Annotated[Path, typer.Argument(help="Folder of one bag.")]) -> int:
    """Show what is in one bag: contract, outcome, and messages by topic."""
    from il_nodes.bags import BagReader

    console: Console = context.obj
    reader = BagReader(bag)
    contract = reader.contract
    data = {
        "ok": True,
        "bag": bag,
        "episode_id": reader.episode_id,
        "outcome": reader.outcome,
        "robot_type": contract.robot_type,
        "contract_hash": contract.hash,
        "counts": dict(reader.counts),
        "quarantine": reader.quarantine,
        "losses": {kind: dict(counts) for kind, counts in reader.losses.items()},
        "origin": reader.origin,
    }
    lines = [f"{bag}: episode {reader.episode_id}, {reader.outcome or 'no outcome'}"]
    lines.append(f"  contract {contract.robot_type}, {contract.fps:g} Hz, hash {contract.hash[:12]}")
    lines += [f"  {reader.origin}"] if reader.origin else []
    lines += [f"  not for training: {reader.quarantine}"] if reader.quarantine else []
    lines += [f"  {count:>8}  {topic}" for topic, count in sorted(reader.counts.items())]
    console.result(data, "\n".join(lines))
    return 0


@app.command("check")
def check(
    context: typer.Context, workspace: WorkspaceOption = DEFAULT_WORKSPACE, recordings: FolderOption = None
) -> int:
    """Read every byte of every bag: checksums, counts, and whether each message can be read.

    Exits with 1 when a bag is damaged or unfinished; training leaves such bags out and says so. It also leaves out
    those that are intact but not whole, such as recovered ones; they are named, and change nothing here.
    """
    from il_nodes.bags import BagReader

    console: Console = context.obj
    paths = _entries(_folder(console, workspace, recordings))
    problems: dict[str, str] = {}
    quarantined: dict[str, str] = {}
    with console.progress("checking") as progress:
        for done, path in enumerate(paths):
            progress.update(done, len(paths), path.name)
            try:
                reader = BagReader(path)
                _read_everything(reader)
                if reader.quarantine:
                    quarantined[path.name] = reader.quarantine
            except UnderstudyError as error:
                problems[path.name] = str(error)
    lines = [f"{name}: {problem}" for name, problem in problems.items()]
    lines += [f"{name}: intact, but not for training: {reason}" for name, reason in quarantined.items()]
    lines.append(f"{len(paths) - len(problems)} of {counted(len(paths), 'bag')} intact")
    data = {"ok": not problems, "bags": len(paths), "problems": problems, "quarantined": quarantined}
    console.result(data, "\n".join(lines))
    return 1 if problems else 0


def _read_everything(reader: BagReader) -> None:
    for _ in reader.messages(list(reader.counts)):
        pass


@app.command("recover")
def recover(
    context: typer.Context,
    path: Annotated[
        Path | None, typer.Argument(help="Folder of recordings, or one .partial folder; the workspace's by default.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> int:
    """Save what is whole of recordings that were never finished: a killed recorder, a power cut, a full disk.

    Each becomes a bag of its own, marked as partial and not for training; the original is kept in originals/.
    Finished bags that are damaged are named and never repaired: that would hide the damage. Exits with 1 when a bag is
    damaged or cannot be saved.
    """
    from il_nodes.bags.files import PARTIAL_SUFFIX
    from il_nodes.bags.recovery import recover_recording

    console: Console = context.obj
    folder = _folder(console, workspace, path)
    entries = [folder] if folder.name.endswith(PARTIAL_SUFFIX) else _entries(folder)
    found, damaged = [], {}
    with console.progress("recovering") as progress:
        for done, entry in enumerate(entries):
            progress.update(done, len(entries), entry.name)
            if not entry.exists():  # the leftover of an earlier recovery, which went with its original
                continue
            if entry.name.endswith(PARTIAL_SUFFIX):
                found.append(recover_recording(entry))
            elif problem := _damage(entry):
                damaged[entry.name] = problem
    lines = [
        f"{item.name}: {item.result}{f' as {item.bag}' if item.bag else ''}{f': {item.words}' if item.words else ''}"
        for item in found
    ]
    lines += [f"{name}: {problem}" for name, problem in damaged.items()]
    lines = lines or [f"nothing to recover in {folder}"]
    failed = any(item.result == "failed" for item in found) or bool(damaged)
    data = {"ok": not failed, "folder": folder, "partial": [asdict(item) for item in found], "damaged": damaged}
    console.result(data, "\n".join(lines))
    return 1 if failed else 0


def _damage(path: Path) -> str:
    """What is wrong with a finished bag; empty when nothing is, or when it is none."""
    from il_nodes.bags import BagReader
    from il_nodes.bags.files import MANIFEST

    if not (path / MANIFEST).exists():
        return ""
    try:
        BagReader(path)
    except UnderstudyError as error:
        return str(error)
    return ""


@app.command("import")
def import_(
    context: typer.Context,
    bag: Annotated[Path, typer.Argument(help="A rosbag2 folder, or a .mcap or .db3 file.")],
    contract: Annotated[Path, typer.Option("--contract", help="Contract (YAML) of the robot in the bag.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    name: Annotated[str, typer.Option("--name", help="Name of the episode; the bag's by default.")] = "",
    task: Annotated[str, typer.Option("--task", help="What was to be done, in words.")] = "",
) -> int:
    """Take in a bag that another program recorded, as one episode of the workspace.

    Looks at its checksums, its topics, types and stamps first; the bag itself is only read.
    """
    from il_nodes.bags.foreign import import_bag
    from models.contract import load_contract
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    robot = load_contract(contract)
    with place.locked(), console.progress("importing") as progress:
        progress.update(0, 1, bag.name)
        report = import_bag(bag, robot, place.recordings, task=task, episode_id=name)
    lines = [f"warning: {warning}" for warning in report.warnings]
    lines.append(f"{counted(report.messages, 'message')} over {report.seconds:.1f} s in {report.bag}")
    console.result({"ok": True, **asdict(report)}, "\n".join(lines))
    console.next_step(f"understudy episodes build{place.option()}")
    return 0


@app.command("build")
def build(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    recordings: FolderOption = None,
    contract: RecordedContractOption = None,
    max_lost_frames: Annotated[
        int,
        typer.Option(
            "--max-lost-frames",
            min=0,
            help="Also use recordings that lack up to so many camera frames each, and nothing else. Their ticks are "
            "left out, and memory starts anew behind each hole.",
        ),
    ] = 0,
) -> int:
    """Build the dataset that training reads: the same code aligns the messages as in the running robot.

    Damaged or unfinished bags are left out; each is named with the reason. Labels given with "understudy relabel" count
    instead of the recorded ones.
    """
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    stages = Stages(place, console, contract=contract)
    stages.dataset.require_bags(recordings)
    with place.locked():
        result = stages.dataset.build(recordings, max_lost_frames)
        place.note("build", result)
    frames = counted(int(str(result["frames"])), "frame")
    console.result({"ok": True, **result}, f"dataset of {frames} in {place.dataset}")
    console.next_step(f"understudy train{place.option()}")
    return 0
