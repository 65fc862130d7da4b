"""A learning beside a robot that runs: its stack of nodes, once for all rounds, and who collects from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from models.contract import Contract
from models.errors import DeploymentError, TrainingError
from models.interactive import Actor, Collector, Rule
from models.interactive.rules import BehavioralCloningRule, Dagger, HumanGated, SafeDagger
from understudy.learning.beside import Stop, StoppedError, work_beside
from understudy.learning.director import Director
from understudy.learning.live_collector import LiveCollector
from understudy.learning.parts import open_collector
from understudy.learning.settings import HUMAN, LearnSettings
from understudy.stacks.drives import DriveSettings, node_overrides
from understudy.stacks.options import StackOptions
from understudy.stacks.running import StackRun, default_params_file

__all__ = ["LiveLearning", "LiveOptions", "require_live"]

Result = TypeVar("Result")

#: As ``sim.driving.in_process.Overseer``: metres from the centre line.
_STAND_IN = (0.6, 0.15)
#: How long the answer to a tick is awaited, s; and how long the recorder waits for that to an episode's last one.
_LABEL_WAIT_S, _LAST_LABEL_S = 1.0, 0.5


@dataclass(frozen=True)
class LiveOptions:
    """What only decides how a live learning is run.

    Attributes:
        device: what a person holds; ``None``: what the parameter file says.
        domain: ROS domain; ``None`` takes a free one.
        params_file: parameters of the nodes; the simulated robot's by default.
        terminal_output: descriptor on which a keyboard shows itself.
        real_time_factor: simulated seconds a second.
    """

    device: str | None = None
    domain: int | None = None
    params_file: Path | None = None
    terminal_output: int = 1
    real_time_factor: float = 1.0


def require_live(rule: Rule, settings: LearnSettings) -> None:
    """Refuse what cannot be learned live: the gate decides who drives, and draws nothing.

    Raises:
        TrainingError: such a rule, such options, or such a robot.
    """
    if settings.robot != "driving":
        raise TrainingError("only the car can be learned live yet", found=settings.robot, expected="driving")
    if not isinstance(rule, BehavioralCloningRule | Dagger | SafeDagger | HumanGated):
        raise TrainingError(
            f"{rule.name} cannot be learned live: who drives is the gate's choice, and it draws nobody",
            expected="bc, dagger, safedagger or human-gated",
            fix="leave out --live",
        )
    if isinstance(rule, Dagger) and rule.beta > 0.0:
        raise TrainingError(
            "dagger with a beta cannot be learned live: who drives is the gate's choice, and it draws nobody",
            found=f"beta {rule.beta:g}",
            expected="0: the expert drives the first round, the policy behind the gate the others",
        )


class LiveLearning:
    """The stack of one live learning, and its folder.

    Args:
        settings: what is learned.
        rule: of the settings.
        contract: the robot's.
        contract_file: where it was read from.
        folder: of the learning: ``recordings/``, ``live/`` and ``live.jsonl`` go there.
        log_directory: of the nodes' logs.
        bundle_of: writes a policy as a bundle into a path.
        say: told about recordings that are left out.
        options: how it is run.
    """

    def __init__(
        self,
        settings: LearnSettings,
        rule: Rule,
        contract: Contract,
        contract_file: Path,
        folder: Path,
        log_directory: Path,
        bundle_of: Callable[[Actor, Path], None],
        say: Callable[[str], None],
        options: LiveOptions,
    ) -> None:
        self._settings, self._rule, self._options = settings, rule, options
        self._contract, self._contract_file, self._folder, self._logs = contract, contract_file, folder, log_directory
        self._write_bundle, self._say = bundle_of, say
        self._params_file = options.params_file or default_params_file(settings.robot)
        self._policy_drives = not isinstance(rule, BehavioralCloningRule)
        self.recordings = folder / "recordings"

    @property
    def uses_terminal(self) -> bool:
        """Whether a node reads the keyboard and draws on the terminal."""
        return self._stack_options.uses_terminal(self._params_file)

    def check(self) -> None:
        """Refuse, before anything is made, nodes that cannot run together; raises ``DeploymentError``."""
        self._stack()

    def run(self, work: Callable[[Collector, Stop], Result]) -> Result:
        """Let the robot drive while ``work`` collects, trains and validates; all nodes are gone afterwards.

        Raises:
            DeploymentError: a node died; or the person at the keyboard has quit.
        """
        run = self._stack()

        def collecting(domain: int, stop: Stop) -> Result:
            with self._collector(run, domain, stop) as collector:
                return work(collector, stop)

        try:
            return work_beside(run, collecting)
        except StoppedError:
            raise DeploymentError(
                "the robot's run was ended before the learning was done",
                found="whoever teleoperated has quit, or a node was told to end",
                fix="give the same command again: finished rounds are kept",
            ) from None

    @property
    def _stack_options(self) -> StackOptions:
        expert = "teleop" if self._settings.live == HUMAN else "scripted"
        return StackOptions(expert=expert, labeller=True, teleop_device=self._options.device, enable_policy=False)

    def _stack(self) -> StackRun:
        """The nodes of a deployment with labels; the policy node waits for its first bundle."""
        stack = "deploy" if self._policy_drives else "collect"
        contract = self._contract_file.resolve()
        nodes = self._stack_options.nodes(stack, contract=contract, params_file=self._params_file)
        overrides = node_overrides(self._drives(), self.recordings.resolve(), contract, None, "auto")
        awaited = [node.name for node in nodes if node.name not in ("sim", "policy")]
        overrides["sim"] |= {"endless": True, "exit_when_done": False, "wait_for_nodes": awaited}
        # No label is needed soon, and each one counts: an expert without CPU for a moment is waited for.
        overrides["labeller"] = {"wait_s": _LABEL_WAIT_S}
        overrides["recorder"] |= {"grace_s": _LAST_LABEL_S}
        if self._policy_drives:
            overrides["policy"] = {"autostart": False, "time_scale": overrides["gate"].get("time_scale", 1.0)}
        if self._settings.live != HUMAN:
            overrides["expert"] = {"robot": self._settings.robot}
        if isinstance(self._rule, SafeDagger):
            # The rule's own: what it keeps is where the expert drove.
            overrides["gate"] |= {"unsafe_threshold": self._rule.threshold, "allow_looser_threshold": True}
        return StackRun(
            stack=stack,
            log_directory=self._logs,
            params_file=self._params_file,
            overrides=overrides,
            domain=self._options.domain,
            nodes=nodes,
            terminal_output=self._options.terminal_output,
        )

    def _drives(self) -> DriveSettings:
        plan, run = self._settings.plan, self._run_number()
        ticks = math.ceil(plan.ticks / plan.episodes)
        return DriveSettings(
            tracks=self._settings.places,
            prefix=f"live-{run:03d}",
            # Other starts in a run that goes on where one was ended.
            seed=1000 * plan.seed + run,
            max_episode_s=ticks * self._contract.period_s,
            real_time_factor=self._options.real_time_factor,
        )

    def _run_number(self) -> int:
        """From 1: how often this learning has been begun or gone on with."""
        numbers = [path.name.split("-")[1] for path in self.recordings.glob("live-*-*") if path.is_dir()]
        return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)

    @contextmanager
    def _collector(self, run: StackRun, domain: int, stop: Stop) -> Iterator[Collector]:
        stand_in = _STAND_IN if isinstance(self._rule, HumanGated) and self._settings.live != HUMAN else None
        with ExitStack() as held:
            director = held.enter_context(Director(domain, self._logs, stand_in)) if self._policy_drives else None
            yield LiveCollector(
                self.recordings,
                str(run.overrides["sim"]["episode_prefix"]),
                float(str(run.overrides["sim"]["max_episode_s"])) / self._options.real_time_factor,
                judge=held.enter_context(open_collector(self._settings, self._contract)),
                director=director,
                bundle_of=self._bundle_of,
                log=self._folder / "live.jsonl",
                check=stop.check,
                say=self._say,
            )

    def _bundle_of(self, actor: Actor, number: int) -> Path:
        """The bundle of the policy that the first ``number`` rounds have made."""
        path = self._folder / "live" / f"policy-{number:03d}.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._write_bundle(actor, path)
        return path
