"""The stages of a job in one workspace: record, build, train, export, deploy, evaluate, report.

Commands run one of them each, the demo all of them. Every stage reads what the one before left on disk and returns a
few facts that can be written as JSON.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import DatasetError, RecordingError, UnderstudyError
from understudy.console import Console
from understudy.drives import DriveSettings, drive, finished_episodes
from understudy.ros_environment import repository_root
from understudy.workspace import Workspace

if TYPE_CHECKING:
    from models.contract import Contract
    from models.learners import BehavioralCloningConfig, EpochRecord
    from understudy.goals import Verdict
    from understudy.report import Goals, Stage

__all__ = ["Facts", "Stages", "default_contract"]

Facts = dict[str, object]


def default_contract() -> Path:
    """The simulated car's contract."""
    return repository_root() / "contracts" / "driving.yaml"


class Stages:
    """The stages of one workspace.

    Args:
        workspace: where everything lies.
        console: told about progress.
        contract: the robot's contract; the simulated car's by default.
        params_file: parameters of the nodes; the simulated car's by default.
        domain: ROS domain; None takes a free one.
    """

    def __init__(
        self,
        workspace: Workspace,
        console: Console,
        *,
        contract: Path | None = None,
        params_file: Path | None = None,
        domain: int | None = None,
    ) -> None:
        self.workspace = workspace
        self.contract_file = contract or default_contract()
        self._contract_was_given = contract is not None
        self._console = console
        self._params_file = params_file
        self._domain = domain

    def contract(self) -> Contract:
        """The robot's contract, read anew."""
        from models.contract import load_contract

        return load_contract(self.contract_file)

    def record(self, settings: DriveSettings) -> Facts:
        """Let the expert drive; one bag an episode into the workspace's recordings."""
        self.contract().require_limits()
        with self._console.progress("recording", len(settings.tracks)) as progress:
            bags = drive(
                settings,
                self.workspace.recordings,
                self.workspace.logs / "record",
                progress,
                contract=self.contract_file,
                params_file=self._params_file,
                domain=self._domain,
            )
        return {"episodes": len(bags), "bags": [bag.name for bag in bags]}

    def build(self, recordings: Path | None = None) -> Facts:
        """Make the dataset of the recordings; an earlier one is replaced once the new one is complete."""
        from il_nodes.bag import find_bags

        folder = recordings or self.workspace.recordings
        # Unfinished ones too: the builder leaves them out, and says so.
        bags = find_bags(folder, include_partial=True)
        if not bags:
            raise RecordingError(f"there are no recordings in {folder}", fix='make some with "understudy record"')
        from il_nodes.dataset_builder import build_dataset

        self.workspace.claim("build", [self.workspace.dataset])
        new = self.workspace.path / "dataset.new"
        _remove(new)
        with self._console.progress("building the dataset", len(bags)) as progress:
            contract = self.contract() if self._contract_was_given else None
            report = build_dataset(bags, new, progress.update, contract=contract)
        _replace(self.workspace.dataset, new)
        for recording in report.quarantined:
            self._console.say(f"  left out: {recording.name}: {recording.reason}")
        return {**asdict(report), "path": self.workspace.dataset}

    def train(self, config: BehavioralCloningConfig) -> Facts:
        """Train a policy and its safety classifier on the dataset."""
        from models.episodes import open_dataset
        from models.learners import BehavioralCloning

        if not self.workspace.dataset.is_dir():
            raise DatasetError(f"there is no dataset {self.workspace.dataset}", fix='run "understudy episodes build"')
        dataset = open_dataset(self.workspace.dataset)
        self.workspace.claim("train", [self.workspace.checkpoint])
        with self._console.progress("training", config.epochs) as progress:

            def show(record: EpochRecord, epochs: int) -> None:
                loss = f"loss {record.training_loss:.4f}, on held-out episodes {record.validation_loss:.4f}"
                progress.update(record.epoch, epochs, loss)

            trained = BehavioralCloning(config).fit(dataset, show)
        new = self.workspace.path / "checkpoint.new"
        _remove(new)
        trained.save(new)
        _replace(self.workspace.checkpoint, new)
        best = min(trained.curve, key=lambda record: record.validation_loss)
        return {
            "frames": len(dataset.actions),
            "epochs": len(trained.curve),
            "best_epoch": best.epoch,
            "validation_loss": best.validation_loss,
            "error": trained.error,
            "constant_error": trained.constant_error,
            "unsafe_threshold": trained.checkpoint.unsafe_threshold_suggested,
        }

    def export(self, bundle: Path | None = None) -> Facts:
        """Write the checkpoint as one ``policy.onnx``, compared with torch and read back."""
        from models.bundle import export_bundle

        if bundle is None:
            self.workspace.claim("export", [self.workspace.bundle])
        with self._console.progress("exporting"):
            report = export_bundle(self.workspace.checkpoint, bundle or self.workspace.bundle)
        return asdict(report)

    def deploy(
        self,
        settings: DriveSettings,
        bundle: Path,
        provider: str = "auto",
        unsafe_threshold: float | None = None,
    ) -> Facts:
        """Let a policy drive behind the gate and record it; what an earlier deployment recorded is replaced.

        Args:
            settings: what is driven.
            bundle: the policy.
            provider: where it computes: auto, cpu or cuda.
            unsafe_threshold: unsafe probability above which the expert drives; None takes the contract's, to which the
                policy's classifier was calibrated.
        """
        from models.bundle import inspect_bundle, require_contract

        contract = self.contract()
        contract.require_limits()
        found = inspect_bundle(bundle)
        require_contract(found, contract)
        threshold = contract.gate.unsafe_threshold if unsafe_threshold is None else unsafe_threshold
        self.workspace.claim("deploy", [self.workspace.deployment])
        new = self.workspace.path / "deployment.new"
        _remove(new)
        with self._console.progress("deploying", len(settings.tracks)) as progress:
            drive(
                settings,
                new,
                self.workspace.logs / "deploy",
                progress,
                contract=self.contract_file,
                bundle=bundle,
                provider=provider,
                unsafe_threshold=unsafe_threshold,
                params_file=self._params_file,
                domain=self._domain,
            )
        _replace(self.workspace.deployment, new)
        bags = finished_episodes(self.workspace.deployment)
        return {"episodes": len(bags), "bags": [bag.name for bag in bags], "unsafe_threshold": threshold}

    def evaluate(self, goals: Goals) -> Verdict:
        """Score the recorded deployment; writes ``evaluation/scores.json``."""
        from understudy.evaluation import evaluate
        from understudy.goals import Verdict

        bags = finished_episodes(self.workspace.deployment)
        if not bags:
            raise RecordingError(
                f"there is no deployment to score in {self.workspace.deployment}", fix='run "understudy deploy"'
            )
        with self._console.progress("scoring"):
            verdict = Verdict(evaluate(bags), goals)
        self.workspace.claim("evaluate", [self.workspace.evaluation])
        self.workspace.evaluation.mkdir(exist_ok=True)
        (self.workspace.evaluation / "scores.json").write_text(verdict.evaluation.to_json())
        return verdict

    def report(self, verdict: Verdict, title: str, command: str, stages: tuple[Stage, ...] = ()) -> Path:
        """Write the page for people."""
        from understudy.report import write_report
        from understudy.report_inputs import gather

        self.workspace.claim("report", [self.workspace.report])
        with self._console.progress("writing the report"):
            inputs = gather(self.workspace, self.contract(), verdict, title=title, command=command, stages=stages)
            return write_report(self.workspace.report, inputs)


def _remove(path: Path) -> None:
    """Delete a folder; or a file or link in its place, but never what a link leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _replace(old: Path, new: Path) -> None:
    """Put a folder in the place of another, which is only deleted then."""
    aside = old.with_name(f"{old.name}.old")
    try:
        _remove(aside)
        if old.exists():
            old.rename(aside)
        new.rename(old)
        _remove(aside)
    except OSError as error:
        if aside.exists() and not old.exists():
            aside.rename(old)
        raise UnderstudyError(f"{new} could not be moved to {old}", found=error.strerror) from error
