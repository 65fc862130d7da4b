"""The stages of a job in one workspace: record, build, train, export, deploy, evaluate, report.

Commands run one of them each, the demo all of them. Every stage reads what the one before left on disk and returns a
few facts that can be written as JSON.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import DatasetError, RecordingError, TrainingError
from understudy.console import Console
from understudy.dataset_stage import DatasetStage
from understudy.deployments import Driver, read_driver, write_driver
from understudy.environment.ros_environment import shared_folder
from understudy.files import remove, replace, sha256
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
        self.dataset = DatasetStage(workspace, console, None if contract is None else self.contract)

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
        remove(new)
        trained.save(new)
        write_training(new, config, dataset)
        replace(self.workspace.checkpoint, new)
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
        remove(new)
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
        replace(self.workspace.deployment, new)
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
        now = sha256(path)
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

    def _deployed_contract(self) -> Contract:
        """The contract that the deployment was recorded under, unless one was given."""
        from il_nodes.bags import BagReader

        return self.contract() if self._contract_was_given else BagReader(self.require_deployment()[0]).contract
