"""Runs on a robot of one's own: no simulator and no end of their own; Ctrl-C halts the robot and closes the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from models.contract import Contract, load_contract
from models.errors import DeploymentError, RecordingError
from understudy.console import Console, counted
from understudy.stacks.drives import finished_episodes
from understudy.stacks.options import StackOptions
from understudy.stacks.params_file import ParamsFile
from understudy.stacks.running import Overrides, StackRun, default_params_file, require_params_file, run_stack
from understudy.stages import Facts, Stages, write_driver
from understudy.workspace import Workspace

__all__ = ["RobotRun", "decided"]


def decided(params_file: Path, options: StackOptions) -> StackOptions:
    """The options with the gate's switches set: whether it commands the robot, and the policy may drive from the start.

    ROS reads a parameter file more leniently than we do (``y`` for true, nested and repeated sections). The gate is
    therefore told, and what it is told goes before the file: it does what was announced.

    Args:
        params_file: parameters of the nodes; what it does not plainly switch on is off.
        options: what the command line says, which counts before the file.

    Raises:
        DeploymentError: the file cannot be read.
    """
    file = ParamsFile(params_file)

    def switch(name: str, said: bool | None) -> bool:
        return file.value("gate", name) is True if said is None else said

    return replace(
        options,
        enable_control=switch("enable_control", options.enable_control),
        enable_policy=switch("enable_policy", options.enable_policy),
    )


@dataclass(frozen=True)
class RobotRun:
    """One run on a robot.

    Attributes:
        workspace: where recordings go.
        console: told about progress.
        contract_file: the robot's contract.
        params_file: parameters of the nodes; ``launch/params/robot.yaml`` unless given.
        domain: ROS domain; ``None`` takes the one that the environment names, 0 otherwise.
        options: who the expert is, and which nodes run beside it.
    """

    workspace: Workspace
    console: Console
    contract_file: Path
    params_file: Path | None
    domain: int | None
    options: StackOptions

    def contract(self) -> Contract:
        """The robot's contract, read anew; refused without limits."""
        contract = load_contract(self.contract_file)
        contract.require_limits()
        return contract

    @property
    def parameters(self) -> Path:
        """The parameter file."""
        return self.params_file or default_params_file("robot")

    def check(self) -> None:
        """Refuse, before anything is made, what cannot run."""
        self.contract()
        require_params_file(self.parameters)
        options = decided(self.parameters, self.options)
        options.nodes("collect", contract=self.contract_file, params_file=self.parameters)

    def record(self) -> Facts:
        """Record episodes, started and stopped through the recorder, until Ctrl-C."""
        return self._run("collect", self.workspace.recordings, None)

    def deploy(self, bundle: Path, provider: str = "auto", unsafe_threshold: float | None = None) -> Facts:
        """Let a policy drive behind the gate until Ctrl-C, and record the episodes that are started meanwhile.

        Args:
            bundle: the policy.
            provider: where it computes: auto, cpu or cuda.
            unsafe_threshold: unsafe probability above which the expert drives; None takes the contract's.

        Raises:
            RecordingError: the workspace holds drives of another policy.
        """
        stages = Stages(self.workspace, self.console, contract=self.contract_file, params_file=self.parameters)
        found = stages.require_policy(bundle)
        folder = self.workspace.deployment
        other = stages.other_driver(bundle) if finished_episodes(folder) else ""
        if other:
            raise RecordingError(other, fix="choose another folder with --workspace")
        self.workspace.claim("deploy", [folder])
        folder.mkdir(parents=True, exist_ok=True)
        overrides: dict[str, dict[str, object]] = {"policy": {"provider": provider}}
        threshold = self.contract().gate.unsafe_threshold
        if unsafe_threshold is not None:
            threshold = float(unsafe_threshold)
            overrides["gate"] = {"unsafe_threshold": threshold, "allow_looser_threshold": True}
        write_driver(folder, bundle, found.sha256, threshold)
        return self._run("deploy", folder, bundle, overrides)

    def _run(self, stack: str, folder: Path, bundle: Path | None, overrides: Overrides | None = None) -> Facts:
        folder.mkdir(parents=True, exist_ok=True)
        before = set(finished_episodes(folder))
        options = decided(self.parameters, self.options)
        nodes = options.nodes(
            stack,
            contract=self.contract_file.resolve(),
            directory=folder.resolve(),
            bundle=None if bundle is None else bundle.resolve(),
            params_file=self.parameters,
        )
        run = StackRun(
            stack=stack,
            log_directory=self.workspace.logs / ("record" if bundle is None else "deploy"),
            params_file=self.parameters,
            overrides=overrides or {},
            domain=self.domain,
            nodes=nodes,
            on_robot=True,
            terminal_output=self.console.terminal_output,
        )
        self._announce(run, options)
        label = "recording" if bundle is None else "deploying"
        quiet = options.uses_terminal(self.parameters)
        with self.console.progress(label, quiet=quiet) as progress:

            def show() -> None:
                number = len(set(finished_episodes(folder)) - before)
                progress.update(number, None, f"{counted(number, 'episode')}; Ctrl-C ends it")

            def lost(error: DeploymentError) -> None:
                if not quiet:
                    self.console.warn(str(error))

            show()
            run_stack(run, show, lost)
        made = [path for path in finished_episodes(folder) if path not in before]
        return {"episodes": len(made), "bags": [bag.name for bag in made], "commanded": options.enable_control}

    def _announce(self, run: StackRun, options: StackOptions) -> None:
        says = self.console.say
        says(f"  ROS domain {run.wanted_domain()}; logs in {run.log_directory}")
        if options.enable_control:
            says("  the gate commands the robot")
        else:
            says("  dry run: the gate decides and reports, and commands nothing; --enable-control lets it command")
        if run.stack == "deploy" and not options.enable_policy:
            says("  the expert drives until the policy is let in: by the hand-back key, or by /gate/enable_policy")
        says("  episodes start and stop by the teleoperator's keys or buttons, or by the service /recorder/start")
