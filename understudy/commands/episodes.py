"""``understudy episodes``: what was recorded, whether it is intact, and the dataset made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.errors import UnderstudyError
from understudy.commands.options import DEFAULT_WORKSPACE, ContractOption, WorkspaceOption
from understudy.console import Console, counted

if TYPE_CHECKING:
    from il_nodes.bag import BagReader

__all__ = ["app"]

app = typer.Typer()

FolderOption = Annotated[
    Path | None, typer.Option("--recordings", help="Folder of the bags; the workspace's recordings by default.")
]


@app.callback(short_help="Recorded episodes: list, info, check, build.")
def _group() -> None:
    """Recorded episodes: list them, look into one, check that they are intact, build a dataset of them."""


def _folder(console: Console, workspace: Path, recordings: Path | None) -> Path:
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    return Stages(Workspace(workspace, create=False), console).require_recordings(recordings)


@app.command("list")
def list_episodes(
    context: typer.Context, workspace: WorkspaceOption = DEFAULT_WORKSPACE, recordings: FolderOption = None
) -> int:
    """List the episodes in a folder: outcome, messages, size; unfinished ones too."""
    from il_nodes.bag import BagReader

    console: Console = context.obj
    folder = _folder(console, workspace, recordings)
    rows: list[dict[str, object]] = []
    for path in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        row: dict[str, object] = {"name": path.name, "size_bytes": _size(path)}
        try:
            reader = BagReader(path)
            row |= {"episode_id": reader.episode_id, "outcome": reader.outcome, "messages": sum(reader.counts.values())}
        except UnderstudyError as error:
            row |= {"episode_id": "", "outcome": "partial" if path.name.endswith(".partial") else "damaged"}
            row |= {"messages": None, "problem": error.problem}
        rows.append(row)
    console.result({"ok": True, "folder": folder, "episodes": rows}, _table(rows))
    return 0


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _table(rows: list[dict[str, object]]) -> Any:
    from rich.table import Table

    table = Table("episode", "outcome", "messages", "size", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        size = f"{int(str(row['size_bytes'])) / 2**20:.1f} MiB"
        table.add_row(str(row["name"]), str(row["outcome"]), str(row["messages"] or "-"), size)
    return table


@app.command("info")
def info(context: typer.Context, bag: Annotated[Path, typer.Argument(help="Folder of one bag.")]) -> int:
    """Show what is in one bag: contract, outcome, and messages by topic."""
    from il_nodes.bag import BagReader

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
    }
    lines = [f"{bag}: episode {reader.episode_id}, {reader.outcome or 'no outcome'}"]
    lines.append(f"  contract {contract.robot_type}, {contract.fps:g} Hz, hash {contract.hash[:12]}")
    lines += [f"  {count:>8}  {topic}" for topic, count in sorted(reader.counts.items())]
    console.result(data, "\n".join(lines))
    return 0


@app.command("check")
def check(
    context: typer.Context, workspace: WorkspaceOption = DEFAULT_WORKSPACE, recordings: FolderOption = None
) -> int:
    """Read every byte of every bag: checksums, counts, and whether each message can be read.

    Exits with 1 when a bag is damaged or unfinished; training leaves such bags out and says so.
    """
    from il_nodes.bag import BagReader

    console: Console = context.obj
    paths = sorted(entry for entry in _folder(console, workspace, recordings).iterdir() if entry.is_dir())
    problems: dict[str, str] = {}
    with console.progress("checking") as progress:
        for done, path in enumerate(paths):
            progress.update(done, len(paths), path.name)
            try:
                _read_everything(BagReader(path))
            except UnderstudyError as error:
                problems[path.name] = str(error)
    lines = [f"{name}: {problem}" for name, problem in problems.items()]
    lines.append(f"{len(paths) - len(problems)} of {counted(len(paths), 'bag')} intact")
    console.result({"ok": not problems, "bags": len(paths), "problems": problems}, "\n".join(lines))
    return 1 if problems else 0


def _read_everything(reader: BagReader) -> None:
    for _ in reader.messages(list(reader.counts)):
        pass


@app.command("build")
def build(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    recordings: FolderOption = None,
    contract: ContractOption = None,
) -> int:
    """Build the dataset that training reads: the same code aligns the messages as in the running robot.

    Damaged or unfinished bags are left out; each is named with the reason.
    """
    from understudy.stages import Stages
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    stages = Stages(place, console, contract=contract)
    stages.require_bags(recordings)
    with place.locked():
        result = stages.build(recordings)
    frames = counted(int(str(result["frames"])), "frame")
    console.result({"ok": True, **result}, f"dataset of {frames} in {place.dataset}")
    console.next_step(f"understudy train{place.option()}")
    return 0
