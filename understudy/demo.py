"""The main job from end to end on a simulated robot, in one workspace, on two cores and without a GPU.

A stage whose inputs are what they were (settings, contract, parameters, code, the stages before it) is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from understudy.console import Console
from understudy.demo_settings import DemoSettings, GraspDemoSettings
from understudy.report.inputs import Stage
from understudy.stacks.running import default_params_file
from understudy.stages import Facts, Stages
from understudy.workspace import Workspace, code_fingerprint, fingerprint

if TYPE_CHECKING:
    from understudy.evaluation.goals import Verdict
    from understudy.evaluation.grasps import GraspVerdict

__all__ = ["DemoResult", "DemoSettings", "GraspDemoSettings", "run_demo"]


@dataclass(frozen=True)
class DemoResult:
    """How it went: the verdict, where the report is, and seconds by stage (those of an earlier run where reused)."""

    verdict: Verdict | GraspVerdict
    report: Path
    seconds: Mapping[str, float]
    reused: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The demo's last line on stdout."""
        seconds = {name: round(value, 1) for name, value in self.seconds.items()}
        return {
            **self.verdict.as_json(),
            "report": self.report.resolve(),
            "seconds": seconds,
            "reused": list(self.reused),
        }


class _Chain:
    """Runs stages one after the other, and skips those that are up to date.

    Every stage's inputs contain those of the stages before it, so that a change anywhere repeats all that follows.
    """

    def __init__(self, workspace: Workspace, console: Console, start: str, count: int) -> None:
        self._workspace, self._console, self._inputs, self._count = workspace, console, start, count
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    def run(self, name: str, title: str, outputs: Sequence[Path], work: Callable[[], Facts], *inputs: object) -> Facts:
        """Run a stage, or take what an earlier run left; the facts that it gave."""
        self._inputs = fingerprint(self._inputs, name, *inputs)
        number = f"{len(self.seconds) + 1}/{self._count}"
        if self._workspace.is_current(name, self._inputs):
            facts = self._workspace.stage_result(name)
            self.reused.append(name)
            self._console.headline(f"{number}  {title}: up to date")
        else:
            self._console.headline(f"{number}  {title}")
            self._workspace.begin(name, outputs)
            started = time.monotonic()
            facts = {**work(), "seconds": time.monotonic() - started}
            self._workspace.finish(name, self._inputs, outputs, facts)
        self.seconds[name] = float(str(facts["seconds"]))
        return facts


def run_demo(
    workspace: Workspace,
    console: Console,
    settings: DemoSettings | GraspDemoSettings,
    *,
    domain: int | None = None,
    command: str = "",
) -> DemoResult:
    """Record, build, train, export, deploy, evaluate, report.

    Args:
        workspace: where everything goes; the caller holds its lock.
        console: told about progress.
        settings: what is done.
        domain: ROS domain; None takes a free one.
        command: what the report names as the command that makes it again.
    """
    shown, driven, words = settings.demonstrations, settings.deployment, settings.words
    stages = Stages(workspace, console, robot=shown.robot, domain=domain)
    params = default_params_file(shown.robot)
    # The command line itself is left out: its words change more often than its work.
    code = code_fingerprint("models", "sim", "il_nodes")
    start = fingerprint(code, stages.contract().hash, stages.contract_file.read_text(), _text(params))
    chain = _Chain(workspace, console, start, 7)
    learning = settings.learning()

    chain.run(
        "record",
        f"{words.shows.format(len(shown.drawn_seeds))} over ROS 2, disturbed, and is recorded",
        [workspace.recordings],
        lambda: stages.record(shown),
        asdict(shown),
    )
    chain.run("build", "recordings become a dataset", [workspace.dataset], stages.dataset.build)
    chain.run(
        "train",
        "a policy and its safety classifier learn from it",
        [workspace.checkpoint],
        lambda: stages.train(learning),
        asdict(learning),
    )
    chain.run("export", "both become one policy.onnx", [workspace.bundle], stages.export)
    chain.run(
        "deploy",
        f"{words.acts.format(len(driven.drawn_seeds))} it has never seen, in real time, behind the gate",
        [workspace.deployment],
        lambda: stages.deploy(driven, workspace.bundle),
        asdict(driven),
    )
    return _judge(workspace, console, stages, chain, settings, command)


def _judge(
    workspace: Workspace,
    console: Console,
    stages: Stages,
    chain: _Chain,
    settings: DemoSettings | GraspDemoSettings,
    command: str,
) -> DemoResult:
    """Score and report; always anew, for both take seconds and goals may have changed."""
    console.headline(f"6/7  {settings.words.scored}")
    started = time.monotonic()
    verdict = stages.evaluate(settings.goals)
    chain.seconds["evaluate"] = time.monotonic() - started

    console.headline("7/7  a report is written")
    started = time.monotonic()
    times = tuple(Stage(name, seconds) for name, seconds in chain.seconds.items())
    path = stages.report(verdict, settings.words.title, command, times)
    chain.seconds["report"] = time.monotonic() - started
    return DemoResult(verdict, path, chain.seconds, tuple(chain.reused))


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""
