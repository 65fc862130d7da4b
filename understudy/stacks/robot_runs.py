"""Runs on a robot of one's own: no simulator and no end of their own; Ctrl-C halts the robot and closes the file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from models.contract import Contract, load_contract
from models.errors import DeploymentError, RecordingError
from understudy.console import Console, Progress
from understudy.contracts.watching import Narrator, RobotWatch
from understudy.deployments import Driver, write_driver
from understudy.environment.domains import require_free_domain
from understudy.environment.ros_security import is_security_on
from understudy.stacks.drives import finished_episodes
from understudy.stacks.options import StackOptions
from understudy.stacks.params_file import ParamsFile
from understudy.stacks.recorded_episodes import RecordedEpisodes
from understudy.stacks.running import (
    Overrides,
    StackRun,
    default_params_file,
    require_params_file,
    robot_domain,
    run_stack,
)
from understudy.stacks.unfinished import with_unfinished
from understudy.stages import Facts, Stages
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
        require_free_domain(robot_domain(self.domain), on_robot=True)

    def record(self) -> Facts:
        """Record episodes, started and stopped through the recorder, until Ctrl-C."""
        return self._run("collect", self.workspace.recordings)

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
        overrides: dict[str, dict[str, object]] = {"policy": {"provider": provider}}
        threshold = self.contract().gate.unsafe_threshold
        if unsafe_threshold is not None:
            threshold = float(unsafe_threshold)
            overrides["gate"] = {"unsafe_threshold": threshold, "allow_looser_threshold": True}
        commands = decided(self.parameters, self.options).enable_control is True
        driver = Driver(str(bundle), found.sha256, threshold, dry_run=not commands)
        return self._run("deploy", folder, bundle, overrides, driver)

    def _run(
        self,
        stack: str,
        folder: Path,
        bundle: Path | None = None,
        overrides: Overrides | None = None,
        driver: Driver | None = None,
    ) -> Facts:
        options = decided(self.parameters, self.options)
        run = self._stack(stack, folder, bundle, overrides or {}, options)
        folder.mkdir(parents=True, exist_ok=True)
        episodes = RecordedEpisodes(folder)
        self._announce(run, options)
        label = "recording" if bundle is None else "deploying"
        shown = _Shown(self.console, episodes, driver, quiet=self.options.uses_terminal(self.parameters))
        try:
            with self.console.progress(label, quiet=shown.quiet) as progress, self._watching(run) as shown.robot:
                shown.update(progress)
                run_stack(run, lambda: shown.update(progress), shown.lost)
        except DeploymentError as error:
            raise with_unfinished(error, episodes.left_unfinished) from error
        finally:
            shown.look_at_episodes()
        self.console.say(f"  {label}: {episodes.summary()}")
        made = episodes.made
        return {"episodes": len(made), "bags": [bag.name for bag in made], "commanded": options.enable_control}

    def _stack(
        self, stack: str, folder: Path, bundle: Path | None, overrides: Overrides, options: StackOptions
    ) -> StackRun:
        nodes = options.nodes(
            stack,
            contract=self.contract_file.resolve(),
            directory=folder.resolve(),
            bundle=None if bundle is None else bundle.resolve(),
            params_file=self.parameters,
        )
        return StackRun(
            stack=stack,
            log_directory=self.workspace.logs / ("record" if bundle is None else "deploy"),
            params_file=self.parameters,
            overrides=overrides,
            domain=self.domain,
            nodes=nodes,
            on_robot=True,
            terminal_output=self.console.terminal_output,
        )

    def _watching(self, run: StackRun) -> AbstractContextManager[RobotWatch | None]:
        """Who listens to the robot meanwhile; nobody where it would not be shown, or has no place in the enclaves."""
        domain = run.wanted_domain()
        if domain is None or self.options.uses_terminal(self.parameters) or is_security_on(os.environ):
            return nullcontext()
        by_joystick = self.options.is_teleoperated and self.options.device(self.parameters) == "joy"
        return RobotWatch(domain, contract=self.contract_file, needed=("/joy",) if by_joystick else ())

    def _announce(self, run: StackRun, options: StackOptions) -> None:
        says = self.console.say
        says(f"  ROS domain {run.wanted_domain()}; logs in {run.log_directory}")
        if options.enable_control:
            says("  control is enabled: the gate commands the robot as soon as it has looked for others who do")
        else:
            says("  dry run: the gate decides and reports, and commands nothing; --enable-control lets it command")
        if run.stack == "deploy" and not options.enable_policy:
            says("  the expert drives until the policy is let in: by the hand-back key, or by /gate/enable_policy")
        keys = "by the teleoperator's keys or buttons, or " if options.is_teleoperated else ""
        says(f"  episodes start and stop {keys}by the services /recorder/start and /recorder/stop")


class _Shown:
    """What a person sees of a run while it goes on, and who is noted to have driven.

    Args:
        console: where it is shown.
        episodes: of this run.
        driver: who drives, in a deployment.
        quiet: another process draws on this terminal.
    """

    def __init__(self, console: Console, episodes: RecordedEpisodes, driver: Driver | None, *, quiet: bool) -> None:
        self._console, self._episodes, self._driver, self.quiet = console, episodes, driver, quiet
        self._noted = 0
        self._narrator, self._drives, self._deaf = Narrator(after_gate=True), "", False
        self.robot: RobotWatch | None = None

    def update(self, progress: Progress) -> None:
        """Look what has changed."""
        lines: list[str] = []
        for sighting in self.robot.sightings() if self.robot is not None else ():
            lines += self._narrator.news(sighting)
            self._drives = f"{sighting.driver}; " if sighting.driver else ""
        if self.robot is not None and self.robot.problem and not self._deaf:
            self._deaf = True
            lines.append(f"nobody listens who drives: {self.robot.problem}")
        self._say(lines)
        self.look_at_episodes()
        runs = f"; {self._episodes.running} is being recorded" if self._episodes.running else ""
        progress.update(
            len(self._episodes.made), None, f"{self._drives}{self._episodes.summary()}{runs}; Ctrl-C ends it"
        )

    def look_at_episodes(self) -> None:
        """Say what became of the episodes, and note who drove them as soon as they are whole: a run may be cut off."""
        self._say(self._episodes.news())
        made = self._episodes.made
        if self._driver is not None and len(made) > self._noted:
            write_driver(made[0].parent, self._driver, [path.name for path in made])
            self._noted = len(made)

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            if not self.quiet:
                self._console.say(f"  {line}")

    def lost(self, error: DeploymentError) -> None:
        """A node died without which the run goes on."""
        if not self.quiet:
            self._console.warn(str(error))
