"""The folder of a run: where its parts lie, which of them are up to date, and that only one run works in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from models.errors import UnderstudyError
from understudy.console import jsonable
from understudy.environment.ros_environment import repository_root

__all__ = ["DEFAULT_WORKSPACE", "Workspace", "code_fingerprint", "fingerprint"]

DEFAULT_WORKSPACE = Path("runs/default")
#: A lock file goes only with an empty workspace, whose run has failed; that many in a row do not happen.
_LOCK_ATTEMPTS = 8


def fingerprint(*parts: object) -> str:
    """SHA-256 hex over parts that can be written as JSON; dictionaries count without their order."""
    return hashlib.sha256(json.dumps(jsonable(parts), sort_keys=True).encode()).hexdigest()


def code_fingerprint(*packages: str) -> str:
    """SHA-256 hex over the source code of packages: a stage made by other code is not up to date."""
    digest = hashlib.sha256()
    for package in sorted(packages):
        for path in sorted((repository_root() / package).rglob("*.py")):
            digest.update(f"{path.relative_to(repository_root())}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class Workspace:
    """One run's folder.

    Args:
        path: the folder.
        create: make the folder now when it is missing; otherwise with the first lock or note, so that a command that
            fails before leaves nothing under a mistyped name.
    """

    #: Raised when ``workspace.json`` changes its meaning: older ones count as empty.
    FORMAT = 1

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        if create:
            self._make()

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnderstudyError(
                f"the workspace {self.path} cannot be made", found=error.strerror, fix="choose another with --workspace"
            ) from error

    def or_another(self, part: str) -> str:
        """The end of an advice: which workspaces beside this one have a part that it lacks; empty when none has.

        Args:
            part: the name of a folder or file in a workspace.
        """
        having: list[Path] = []
        for parent in dict.fromkeys((self.path.parent, DEFAULT_WORKSPACE.parent)):
            with suppress(OSError):
                folders = sorted(path for path in parent.iterdir() if path != self.path)
                having += [path for path in folders if _is_there(path / part)]
        return ", or ".join(["", *(f"add --workspace {shlex.quote(str(path))}" for path in having[:3])])

    def option(self) -> str:
        """The option that leads another command here; empty for the default workspace."""
        return "" if self.path == DEFAULT_WORKSPACE else f" --workspace {shlex.quote(str(self.path))}"

    @property
    def recordings(self) -> Path:
        """Bags of the expert's demonstrations, one folder an episode."""
        return self.path / "recordings"

    @property
    def labels(self) -> Path:
        """What a person said afterwards about recorded episodes, one file each."""
        return self.path / "labels"

    @property
    def dataset(self) -> Path:
        """What the bags were built into."""
        return self.path / "dataset"

    @property
    def checkpoint(self) -> Path:
        """What training left."""
        return self.path / "checkpoint"

    @property
    def policy_contract(self) -> Path:
        """The contract that the policy was trained for: the robot's, perhaps with another memory."""
        return self.checkpoint / "contract.yaml"

    @property
    def bundle(self) -> Path:
        """The exported policy."""
        return self.path / "policy.onnx"

    @property
    def deployment(self) -> Path:
        """Bags of the policy's own drives."""
        return self.path / "deployment"

    @property
    def evaluation(self) -> Path:
        """The scores of the deployment."""
        return self.path / "evaluation"

    @property
    def goals(self) -> Path:
        """The goals that the scores were held against."""
        return self.evaluation / "goals.json"

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.path / "report.html"

    @property
    def logs(self) -> Path:
        """One folder of node logs a stage."""
        return self.path / "logs"

    @property
    def _state_file(self) -> Path:
        return self.path / "workspace.json"

    def _state(self) -> dict[str, dict[str, object]]:
        try:
            state = json.loads(self._state_file.read_text())
            if state["format"] == self.FORMAT:
                return {name: dict(entry) for name, entry in state["stages"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass  # missing or damaged: nothing is known to be up to date
        return {}

    def is_current(self, stage: str, inputs: str) -> bool:
        """Whether a stage was finished with these inputs and all that it made is still there.

        Args:
            stage: its name.
            inputs: ``fingerprint`` of everything that decides what it makes.
        """
        entry = self._state().get(stage)
        if entry is None or entry.get("inputs") != inputs:
            return False
        return all((self.path / str(name)).exists() for name in _listed(entry))

    def stage_result(self, stage: str) -> dict[str, object]:
        """What ``finish`` was given for a finished stage; empty for one that is not."""
        result = self._state().get(stage, {}).get("result", {})
        return dict(result) if isinstance(result, dict) else {}

    def begin(self, stage: str, outputs: Sequence[Path]) -> None:
        """Take away what an earlier run of a stage made, and note that a new one is under way.

        Raises:
            UnderstudyError: something lies where the outputs will go that no stage of this workspace made.
        """
        self.claim(stage, outputs)
        for path in outputs:
            _delete(path)

    def claim(self, stage: str, outputs: Sequence[Path]) -> None:
        """Note that a stage is about to replace its outputs, without deleting them yet; raises like ``begin``."""
        state = self._state()
        known = {str(name) for entry in state.values() for name in _listed(entry)}
        for path in outputs:
            if path.exists() and str(path.relative_to(self.path)) not in known:
                raise UnderstudyError(
                    f"{path} was not made by a stage of this workspace and will not be replaced",
                    fix="move it away, or choose another folder with --workspace",
                )
        state[stage] = {"inputs": "", "outputs": self._names(outputs), "result": {}}
        self._write(state)

    def finish(self, stage: str, inputs: str, outputs: Sequence[Path], result: Mapping[str, object]) -> None:
        """Remember that a stage is up to date; written in one step, so that a crash never leaves half of it."""
        state = self._state()
        state[stage] = {"inputs": inputs, "outputs": self._names(outputs), "result": jsonable(result)}
        self._write(state)

    def note(self, stage: str, result: Mapping[str, object]) -> None:
        """Write down what a single command made, and of what; its outputs stay those that it claimed.

        Such a stage never counts as up to date: only :meth:`finish` knows everything that decides about it.
        """
        state = self._state()
        outputs = _listed(state.get(stage, {}))
        state[stage] = {"inputs": "", "outputs": outputs, "result": jsonable(result)}
        self._write(state)

    def contract_of(self, robot_type: str) -> Path | None:
        """The contract that this robot was recorded with here, if it is still there; ``None`` where nobody knows."""
        from models.contract import load_contract

        path = Path(str(self.stage_result("record").get("contract", "")))
        with suppress(UnderstudyError, OSError):
            if path.is_file() and load_contract(path).robot_type == robot_type:
                return path
        return None

    def _names(self, paths: Sequence[Path]) -> list[str]:
        return [str(path.relative_to(self.path)) for path in paths]

    def _write(self, state: Mapping[str, object]) -> None:
        self._make()
        temporary = self._state_file.with_suffix(".json.new")
        temporary.write_text(json.dumps({"format": self.FORMAT, "stages": state}, indent=1) + "\n")
        os.replace(temporary, self._state_file)

    def start_over(self) -> None:
        """Delete everything that the stages of this workspace made; what somebody else put here stays."""
        for entry in self._state().values():
            for name in _listed(entry):
                # A workspace may come from somebody else, and what it says must not reach beyond it.
                if self._is_inside(str(name)):
                    _delete(self.path / str(name))
        _delete(self._state_file)

    def _is_inside(self, name: str) -> bool:
        parent = (self.path / name).parent.resolve()
        return Path(name).name not in ("", "..") and parent.is_relative_to(self.path.resolve())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out for the length of the block.

        A workspace that was made for a block which then fails, and holds nothing yet, goes again.

        Raises:
            UnderstudyError: another run works here.
        """
        made = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        with self._take_lock() as file:
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            try:
                yield
            except BaseException:
                self._unmake(made)
                raise

    @property
    def _lock_file(self) -> Path:
        return self.path / "workspace.lock"

    def _take_lock(self) -> TextIO:
        """The open lock file; again, when the run that had it has just taken it away with its empty workspace."""
        for _ in range(_LOCK_ATTEMPTS):
            self._make()
            try:
                file = self._lock_file.open("a+")
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                holder = file.read().strip()
                file.close()
                raise UnderstudyError(
                    f"another understudy run works in {self.path}",
                    found=f"process {holder or 'unknown'}",
                    fix="wait for it, end it, or choose another folder with --workspace",
                ) from None
            with suppress(FileNotFoundError):
                if os.path.samestat(self._lock_file.stat(), os.fstat(file.fileno())):
                    return file
            file.close()
        raise UnderstudyError(
            f"the workspace {self.path} cannot be locked",
            found=f"a {self._lock_file.name} that comes and goes, or leads nowhere",
            fix="choose another with --workspace",
        )

    def _unmake(self, made: Sequence[Path]) -> None:
        """Take an empty workspace away, while its lock is still held; and no folder but those ``made`` for it."""
        with suppress(OSError):  # somebody else has put something there, or taken it away
            if made and list(self.path.iterdir()) == [self._lock_file]:
                self._lock_file.unlink()
                for folder in made:
                    folder.rmdir()


def _listed(entry: Mapping[str, object]) -> list[object]:
    """The outputs that an entry of ``workspace.json`` names."""
    outputs = entry.get("outputs")
    return outputs if isinstance(outputs, list) else []


def _is_there(path: Path) -> bool:
    """Whether it is a file, or a folder with something in it."""
    return any(path.iterdir()) if path.is_dir() else path.is_file()


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
