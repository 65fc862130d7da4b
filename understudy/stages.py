"""The stages of a job in one workspace: record, build, train, export, deploy, evaluate, report.

Commands run one of them each, the demo all of them. Every stage reads what the one before left on disk and returns a
few facts that can be written as JSON.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import DatasetError, RecordingError, TrainingError, UnderstudyError
from understudy.console import Console, counted
from understudy.deployments import Driver, read_driver, write_driver
from understudy.environment.ros_environment import shared_folder
from understudy.stacks.drives import drive, finished_episodes
from understudy.stacks.episode_settings import EpisodeSettings
from understudy.stacks.options import SIMULATED, StackOptions
from understudy.stacks.running import default_params_file, require_params_file
from understudy.workspace import Workspace

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.contract import Contract
    from models.learners import BehavioralCloningConfig, EpochRecord
    from understudy.evaluation.goals import Verdict
    from understudy.evaluation.grasps import GraspVerdict
    from understudy.evaluation.judging import AnyGoals
    from understudy.report import Stage

__all__ = ["Facts", "Stages", "default_contract"]

Facts = dict[str, object]

# Beside a dataset: which recordings it was built of.
_SOURCES = "sources.json"
_OWN_RECORDINGS = "recordings"
# With fewer demonstrated tracks a policy usually misses the goals on others.
_USUAL_RECORDINGS = 10


def default_contract(robot: str = "driving") -> Path:
    """A simulated robot's contract."""
    return shared_folder() / "contracts" / f"{robot}.yaml"


class Stages:
    """The stages of one workspace.

    Args:
        workspace: where everything lies.
        console: told about progress.
        contract: the robot's contract; the simulated robot's by default.
        params_file: parameters of the nodes; the simulated robot's by default.
        robot: which robot is simulated.
        domain: ROS domain; None takes a free one.
    """

    def __init__(
        self,
        workspace: Workspace,
        console: Console,
        *,
        contract: Path | None = None,
        params_file: Path | None = None,
        robot: str = "driving",
        domain: int | None = None,
    ) -> None:
        self.workspace = workspace
        self.contract_file = contract or default_contract(robot)
        self._contract_was_given = contract is not None
        self._console = console
        self._params_file = params_file or default_params_file(robot)
        self._domain = domain

    def contract(self) -> Contract:
        """The robot's contract, read anew."""
        from models.contract import load_contract

        return load_contract(self.contract_file)

    def require_drivable(self) -> None:
        """Refuse, before anything is made, a contract or parameters that nothing can be driven with."""
        self.contract().require_limits()
        require_params_file(self._params_file)

    def _uses_terminal(self, options: StackOptions) -> bool:
        return options.uses_terminal(self._params_file)

    def record(self, settings: EpisodeSettings, options: StackOptions = SIMULATED) -> Facts:
        """Let the expert drive; one bag an episode into the workspace's recordings."""
        self.require_drivable()
        with self._console.progress(
            "recording", len(settings.drawn_seeds), quiet=self._uses_terminal(options)
        ) as progress:
            bags = drive(
                settings,
                self.workspace.recordings,
                self.workspace.logs / "record",
                progress,
                contract=self.contract_file,
                params_file=self._params_file,
                domain=self._domain,
                options=options,
                terminal_output=self._console.terminal_output,
            )
        self._say_missing(settings, len(bags))
        return {"episodes": len(bags), "bags": [bag.name for bag in bags]}

    def _say_missing(self, settings: EpisodeSettings, made: int) -> None:
        if made < len(settings.drawn_seeds):  # a person may discard an episode, or quit
            self._console.say(
                f"  {made} of {len(settings.drawn_seeds)} episodes kept; the rest discarded, or not driven"
            )

    def build(self, recordings: Path | None = None, max_lost_frames: int = 0) -> Facts:
        """Make the dataset of the recordings; an earlier one is replaced once the new one is complete.

        Args:
            recordings: folder of the bags; the workspace's own unless given.
            max_lost_frames: also use recordings that lack up to so many camera frames.
        """
        folder = recordings or self.workspace.recordings
        contract = self.contract() if self._contract_was_given else None
        return self._build(folder, self.require_bags(folder), contract, max_lost_frames)

    def require_recordings(self, folder: Path | None = None) -> Path:
        """The folder of the recordings, the workspace's own unless given; refused when there is none."""
        folder = folder or self.workspace.recordings
        if not folder.is_dir():
            raise self._no_recordings(folder)
        return folder

    def require_bags(self, folder: Path | None = None) -> list[Path]:
        """What a dataset can be built of; unfinished ones too: the builder leaves them out, and says so."""
        from il_nodes.bags import find_bags

        folder = self.require_recordings(folder)
        bags = find_bags(folder, include_partial=True)
        if not bags:
            raise self._no_recordings(folder)
        return bags

    def _no_recordings(self, folder: Path) -> RecordingError:
        return RecordingError(
            f"there are no recordings in {folder}",
            found=None if folder.is_dir() else "no such folder",
            fix=f'make some with "understudy record"{self.workspace.or_another("recordings")}',
        )

    def refresh_dataset(self) -> None:
        """Build the dataset when there is none, or when the recordings that it was built of have changed.

        One that was built of recordings elsewhere, or whose recordings are all gone, stays as it is.
        """
        from il_nodes.bags import find_bags

        if not self.workspace.dataset.is_dir():
            self.build()
            return
        built_of = _read_json(self.workspace.dataset / _SOURCES)
        bags = find_bags(self.workspace.recordings, include_partial=True)
        if not bags or built_of.get("folder") != _OWN_RECORDINGS:
            return
        before, now = built_of.get("recordings"), _digests(bags, self.workspace.labels)
        if before == now or not isinstance(before, dict):
            return
        new, gone = len(now.keys() - before.keys()), len(before.keys() - now.keys())
        changed = sum(now[name] != before[name] for name in now.keys() & before.keys())
        words = [f"{number} {word}" for number, word in ((new, "new"), (changed, "changed"), (gone, "gone")) if number]
        self._console.say(f"  the recordings are others than the dataset's ({', '.join(words)}): building it anew")
        contract = None
        if built_of.get("contract_was_given"):
            from models.episodes import open_dataset

            contract = open_dataset(self.workspace.dataset, verify=False).contract
        # Of a workspace of an earlier version nobody knows, and then nothing was tolerated.
        tolerated = built_of.get("max_lost_frames")
        self._build(self.workspace.recordings, bags, contract, tolerated if isinstance(tolerated, int) else 0)

    def _build(self, folder: Path, bags: Sequence[Path], contract: Contract | None, max_lost_frames: int) -> Facts:
        from il_nodes.dataset.builder import build_dataset

        sources = {
            "folder": _OWN_RECORDINGS if _same(folder, self.workspace.recordings) else str(folder),
            "recordings": _digests(bags, self.workspace.labels),
            "contract_was_given": contract is not None,
            "max_lost_frames": max_lost_frames,
        }
        self.workspace.claim("build", [self.workspace.dataset])
        new = self.workspace.path / "dataset.new"
        _remove(new)
        with self._console.progress("building the dataset", len(bags)) as progress:

            def show(done: int, total: int) -> None:
                progress.update(done, total, f"{done} of {counted(total, 'recording')}")

            report = build_dataset(
                bags,
                new,
                show,
                contract=contract,
                labels=self.workspace.labels,
                max_lost_frames=max_lost_frames,
            )
        (new / _SOURCES).write_text(json.dumps(sources, indent=1) + "\n")
        _replace(self.workspace.dataset, new)
        for recording in report.quarantined:
            self._console.say(f"  left out: {recording.name}: {recording.reason}")
        for used in report.used:
            if used.lost_frames:
                left_out = f", {counted(used.without_frame, 'tick')} left out" if used.without_frame else ""
                self._console.say(
                    f"  used: {used.name}, which lacks {counted(used.lost_frames, 'camera frame')}; "
                    f"memory starts anew behind each hole{left_out}"
                )
        return {**asdict(report), "lost_frames": report.lost_frames, "path": self.workspace.dataset}

    def recorded_contract(self, *, anew: bool = False) -> Contract:
        """The contract of the dataset; of the first recording that can be read, where there is none or it will go."""
        from il_nodes.bags import BagReader
        from models.episodes import open_dataset

        if self.workspace.dataset.is_dir() and not anew:
            return open_dataset(self.workspace.dataset, verify=False).contract
        error: UnderstudyError | None = None
        for bag in self.require_bags():
            try:
                return BagReader(bag).contract
            except UnderstudyError as found:
                error = error or found
        assert error is not None, "there are bags"
        raise error

    def train(self, config: BehavioralCloningConfig, contract: Contract | None = None) -> Facts:
        """Train a policy and its safety classifier on the dataset.

        Args:
            config: of the learner.
            contract: of the robot that the policy is for; the dataset's by default.
        """
        from models.episodes import open_dataset
        from models.learners import BehavioralCloning
        from understudy.training.config_file import write_training

        if not self.workspace.dataset.is_dir():
            raise DatasetError(f"there is no dataset {self.workspace.dataset}", fix='run "understudy episodes build"')
        dataset = open_dataset(self.workspace.dataset)
        if contract is not None:
            dataset = dataset.for_robot(contract)
        self.workspace.claim("train", [self.workspace.checkpoint])
        with self._console.progress("training", config.epochs) as progress:

            def show(record: EpochRecord, epochs: int) -> None:
                loss = f"loss {record.training_loss:.4f}, on held-out episodes {record.validation_loss:.4f}"
                progress.update(record.epoch, epochs, f"epoch {record.epoch} of {epochs}, {loss}")

            trained = BehavioralCloning(config).fit(dataset, show)
        new = self.workspace.path / "checkpoint.new"
        _remove(new)
        trained.save(new)
        write_training(new, config, dataset)
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

        self.require_checkpoint()
        if bundle is None:
            self.workspace.claim("export", [self.workspace.bundle])
        with self._console.progress("exporting"):
            report = export_bundle(self.workspace.checkpoint, bundle or self.workspace.bundle)
        return asdict(report)

    def require_checkpoint(self) -> None:
        """Refuse to go on without a checkpoint."""
        if not self.workspace.checkpoint.is_dir():
            raise TrainingError(
                f"there is no checkpoint in {self.workspace.path}",
                fix=f'make one with "understudy train"{self.workspace.or_another("checkpoint")}',
            )

    def require_policy(self, bundle: Path) -> Bundle:
        """A policy that was made for the contract, checked; refused, before anything is made, when it was not."""
        from models.bundle import inspect_bundle, require_contract

        self.require_drivable()
        found = inspect_bundle(bundle)
        require_contract(found, self.contract())
        return found

    def deploy(
        self,
        settings: EpisodeSettings,
        bundle: Path,
        provider: str = "auto",
        unsafe_threshold: float | None = None,
        options: StackOptions = SIMULATED,
    ) -> Facts:
        """Let a policy drive behind the gate and record it; what an earlier deployment recorded is replaced.

        Args:
            settings: what is driven.
            bundle: the policy.
            provider: where it computes: auto, cpu or cuda.
            unsafe_threshold: unsafe probability above which the expert drives; None takes the contract's, to which the
                policy's classifier was calibrated.
            options: who the expert is, and which nodes run beside it.
        """
        found = self.require_policy(bundle)
        contract = self.contract()
        threshold = contract.gate.unsafe_threshold if unsafe_threshold is None else unsafe_threshold
        self.workspace.claim("deploy", [self.workspace.deployment])
        new = self.workspace.path / "deployment.new"
        _remove(new)
        with self._console.progress(
            "deploying", len(settings.drawn_seeds), quiet=self._uses_terminal(options)
        ) as progress:
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
                options=options,
                terminal_output=self._console.terminal_output,
            )
        made = [bag.name for bag in finished_episodes(new)]
        write_driver(new, Driver(str(bundle), found.sha256, threshold, options.enable_control is False), made)
        _replace(self.workspace.deployment, new)
        bags = finished_episodes(self.workspace.deployment)
        self._say_missing(settings, len(bags))
        return {"episodes": len(bags), "bags": [bag.name for bag in bags], "unsafe_threshold": threshold}

    def require_deployment(self) -> list[Path]:
        """The recorded deployment's bags; refused when there are none."""
        bags = finished_episodes(self.workspace.deployment)
        if not bags:
            raise RecordingError(
                f"there is no deployment to score in {self.workspace.deployment}",
                fix=f'make one with "understudy evaluate"{self.workspace.or_another("deployment")}',
            )
        return bags

    def other_driver(self, bundle: Path | None = None) -> str:
        """What to say when the deployment was driven by another policy; empty when it was not, or is not known.

        Args:
            bundle: the policy that should have driven; the workspace's by default.
        """
        path = bundle or self.workspace.bundle
        drove = read_driver(self.workspace.deployment).get("sha256")
        if not isinstance(drove, str) or not path.is_file():
            return ""
        now = _sha256(path)
        if drove == now:
            return ""
        return f"these drives were made by another policy ({drove[:12]}) than {path} is now ({now[:12]})"

    def evaluate(self, goals: AnyGoals | None = None) -> Verdict | GraspVerdict:
        """Score the recorded deployment; writes ``evaluation/scores.json`` and the goals beside it.

        Args:
            goals: what the scores are held against; None takes those of the last evaluation.
        """
        from understudy.evaluation.evaluation import evaluate
        from understudy.evaluation.judging import judge, keep_goals

        bags = self.require_deployment()
        with self._console.progress("scoring"):
            verdict = judge(evaluate(bags), goals, self.workspace.goals)
        self.workspace.claim("evaluate", [self.workspace.evaluation])
        self.workspace.evaluation.mkdir(exist_ok=True)
        (self.workspace.evaluation / "scores.json").write_text(verdict.evaluation.to_json())
        keep_goals(self.workspace.goals, verdict.goals)
        return verdict

    def report(self, verdict: Verdict | GraspVerdict, title: str, command: str, stages: tuple[Stage, ...] = ()) -> Path:
        """Write the page for people."""
        from understudy.report import write_report
        from understudy.report.collection import gather

        self.workspace.claim("report", [self.workspace.report])
        with self._console.progress("writing the report"):
            inputs = gather(
                self.workspace, self._deployed_contract(), verdict, title=title, command=command, stages=stages
            )
            return write_report(self.workspace.report, inputs)

    def few_demonstrations(self) -> str:
        """What to say of a policy that learned from fewer recordings than usually do; empty otherwise, or not known."""
        recordings = _read_json(self.workspace.dataset / _SOURCES).get("recordings")
        number = len(recordings) if isinstance(recordings, dict) else 0
        if not 0 < number < _USUAL_RECORDINGS:
            return ""
        verb = "is" if number == 1 else "are"
        usual = f"{_USUAL_RECORDINGS} are usual (record --append, with other --tracks)"
        return f"{counted(number, 'demonstrated track')} {verb} few: {usual}"

    def _deployed_contract(self) -> Contract:
        """The contract that the deployment was recorded under, unless one was given."""
        from il_nodes.bags import BagReader

        return self.contract() if self._contract_was_given else BagReader(self.require_deployment()[0]).contract


def _read_json(path: Path) -> Facts:
    """The object in a file; empty where there is none."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digests(bags: Sequence[Path], labels: Path) -> dict[str, str]:
    """Name of each recording to the SHA-256 of its manifest, which holds those of its files; empty without one.

    With the SHA-256 of the labels that a person gave it afterwards behind it, where there are any.
    """
    files = {bag.name: (bag / "manifest.json", labels / f"{bag.name}.json") for bag in bags}
    return {name: "+".join(_sha256(file) for file in pair if file.is_file()) for name, pair in files.items()}


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


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
