"""One learning in a workspace: rounds, bundle, page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import TrainingError
from models.interactive import Actor, Collector, Learning, Measure, RoundRecord, RoundStore, learn
from models.interactive.loop import Listener
from understudy.console import Console, Progress, counted
from understudy.learning.beside import Stop
from understudy.learning.live import LiveLearning, LiveOptions, require_live
from understudy.learning.parts import open_collector
from understudy.learning.settings import LearnSettings
from understudy.stages import Facts, Stages
from understudy.workspace import Workspace

if TYPE_CHECKING:
    from models.contract import Contract
    from models.interactive import Rule
    from models.policies.checkpoint import Checkpoint

__all__ = ["LearnSession"]

#: Of the length of a round's part of the bar: driving, training, validating.
_SHARES = {"driving": 0.4, "training": 0.4, "validating": 0.2}


class LearnSession:
    """Runs a learning, or goes on with one that was ended.

    Args:
        workspace: rounds go into ``learning/``, the result into ``checkpoint/``, ``policy.onnx`` and ``learning.html``.
        console: told about progress.
        settings: what is learned.
        contract: the robot's; the simulated robot's by default.
        live: how a live learning is run.
    """

    def __init__(
        self,
        workspace: Workspace,
        console: Console,
        settings: LearnSettings,
        contract: Path | None = None,
        live: LiveOptions | None = None,
    ) -> None:
        self.workspace, self.settings = workspace, settings
        self._live = live or LiveOptions()
        self._console = console
        self._stages = Stages(workspace, console, contract=contract, robot=settings.robot)
        self.folder = workspace.path / "learning"
        self.page = workspace.path / "learning.html"

    def check(self) -> None:
        """Refuse, before anything is made, what cannot be learned."""
        from models.learners.interactive import require_fit

        contract = self._stages.contract()
        contract.require_limits()
        rule = self.settings.make_rule()
        require_fit(rule, self.settings.cloning(contract), contract)
        if self.settings.live:
            require_live(rule, self.settings)
            self._live_learning(rule, contract).check()
        open_collector(self.settings, contract)

    def run(self, command: str, *, fresh: bool = False) -> Facts:
        """Learn, export, report; what each round came to, and the paths.

        Args:
            command: what makes the page again.
            fresh: throw an earlier learning of this workspace away.
        """
        settings, contract = self.settings, self._stages.contract()
        self.workspace.claim("learn", [self.folder, self.workspace.checkpoint, self.page])
        if fresh:
            shutil.rmtree(self.folder, ignore_errors=True)
        store = RoundStore(self.folder, settings.to_dict() | {"contract": contract.hash})
        if store.finished:
            rounds = f"{store.finished} of {counted(settings.plan.rounds, 'round')}"
            self._console.say(f"  going on with the learning in {self.folder}: {rounds} done")
        rule = settings.make_rule()
        if settings.live:
            learned, measure = self._learn_live(rule, contract, store)
        else:
            with open_collector(settings, contract) as collector:
                learned, measure = self._learn(rule, collector, store)
        self._keep(learned)
        exported = self._stages.export()
        facts = self._facts(learned, exported)
        with self._console.progress("writing the report"):
            from understudy.report.interactive import InteractiveInputs, write_interactive_report

            inputs = InteractiveInputs(
                settings=settings.to_dict() | {"rounds": settings.plan.rounds},
                source=rule.source,
                learned=learned,
                measure=measure,
                bundle=str(exported["path"]),
                command=command,
            )
            write_interactive_report(self.page, inputs)
        self.workspace.note("learn", facts)
        return facts

    def _learn(
        self,
        rule: Rule,
        collector: Collector,
        store: RoundStore,
        check: Callable[[], None] | None = None,
        *,
        quiet: bool = False,
    ) -> tuple[Learning, Measure]:
        from models.learners.interactive import CloningLearner

        settings = self.settings
        with (
            _one_thread_count(settings.threads),
            self._console.progress("learning", settings.plan.rounds, quiet=quiet) as progress,
        ):
            listener = _Bar(progress, settings, store.finished, check)
            learner = CloningLearner(settings.cloning(collector.contract))
            return learn(rule, collector, learner, store, settings.plan, listener), collector.measure

    def _learn_live(self, rule: Rule, contract: Contract, store: RoundStore) -> tuple[Learning, Measure]:
        """The same beside a robot that runs; without it where all rounds are done."""
        if store.finished >= self.settings.plan.rounds:
            with open_collector(self.settings, contract) as collector:
                return self._learn(rule, collector, store)
        live = self._live_learning(rule, contract)

        def work(collector: Collector, stop: Stop) -> tuple[Learning, Measure]:
            return self._learn(rule, collector, store, stop.check, quiet=live.uses_terminal)

        return live.run(work)

    def _live_learning(self, rule: Rule, contract: Contract) -> LiveLearning:
        return LiveLearning(
            self.settings,
            rule,
            contract,
            self._stages.contract_file,
            self.folder,
            self.workspace.logs / "learn",
            self._write_bundle,
            self._console.say,
            self._live,
        )

    def _write_bundle(self, actor: Actor, path: Path) -> None:
        """A policy as the nodes take it; verified against torch as every export is."""
        from models.bundle import export_bundle
        from models.learners.interactive import checkpoint_of

        checkpoint = path.with_suffix(".checkpoint")
        shutil.rmtree(checkpoint, ignore_errors=True)
        checkpoint_of(actor, {"name": self.settings.rule, "options": self.settings.to_dict()}).save(checkpoint)
        export_bundle(checkpoint, path)
        shutil.rmtree(checkpoint)

    def _keep(self, learned: Learning) -> None:
        """Save the result as the workspace's checkpoint; an earlier one is replaced once the new one is complete."""
        checkpoint = self._checkpoint(learned)
        new = self.workspace.path / "checkpoint.new"
        shutil.rmtree(new, ignore_errors=True)
        checkpoint.save(new)
        shutil.rmtree(self.workspace.checkpoint, ignore_errors=True)
        new.rename(self.workspace.checkpoint)

    def _checkpoint(self, learned: Learning) -> Checkpoint:
        from models.learners.interactive import checkpoint_of

        options = self.settings.to_dict() | {"rounds": len(learned.records)}
        members = {str(number): weight for number, weight in learned.members.items()}
        return checkpoint_of(learned.actor, {"name": self.settings.rule, "options": options, "members": members})

    def _facts(self, learned: Learning, exported: Facts) -> Facts:
        records = learned.records
        return {
            "rule": self.settings.rule,
            "rounds": len(records),
            "ticks": sum(record.collected.ticks for record in records),
            "queries": sum(record.collected.queries for record in records),
            "expert_ticks": sum(record.collected.expert_ticks for record in records),
            "members": {str(number): weight for number, weight in learned.members.items()},
            "validation": dict(records[max(learned.members)].validation),
            "by_round": [_round_facts(record) for record in records],
            "checkpoint": self.workspace.checkpoint,
            "bundle": exported["path"],
            "sha256": exported["sha256"],
            "report": self.page,
        }


def _round_facts(record: RoundRecord) -> Facts:
    tally = record.collected
    return {
        "round": record.number + 1,
        "ticks": tally.ticks,
        "queries": tally.queries,
        "expert_ticks": tally.expert_ticks,
        "switches": tally.switches,
        "learned_from": record.learned_from,
        "driven": dict(tally.outcome),
        "validation": dict(record.validation),
        "score": record.score,
    }


class _Bar(Listener):
    """Shows how far a learning has come, rounds counted from 1; ``check`` may end it by raising."""

    def __init__(
        self, progress: Progress, settings: LearnSettings, finished: int, check: Callable[[], None] | None = None
    ) -> None:
        self._check = check or (lambda: None)
        self._progress, self._rounds = progress, settings.plan.rounds
        self._progress.update(finished, self._rounds)

    def _show(self, number: int, phase: str, done: int, total: int, unit: str) -> None:
        self._check()
        before = sum(share for name, share in _SHARES.items() if list(_SHARES).index(name) < list(_SHARES).index(phase))
        part = before + _SHARES[phase] * min(1.0, done / max(1, total))
        note = f"round {number + 1} of {self._rounds}, {phase} {done} of {counted(total, unit)}"
        self._progress.update(number + part, self._rounds, note)

    def driving(self, number: int, ticks: int, total: int) -> None:
        """Ticks."""
        self._show(number, "driving", ticks, total, "tick")

    def training(self, number: int, done: int, total: int) -> None:
        """Epochs."""
        self._show(number, "training", done, total, "epoch")

    def validating(self, number: int, done: int, total: int) -> None:
        """Drives of the new policy alone."""
        self._show(number, "validating", done, total, "drive")

    def finished(self, record: RoundRecord) -> None:
        """The round counts."""
        self._progress.update(record.number + 1, self._rounds)


@contextmanager
def _one_thread_count(threads: int) -> Iterator[None]:
    """Torch's threads while policies are asked tick by tick, too; without torch there is nothing to learn with."""
    try:
        import torch
    except ModuleNotFoundError as error:
        fix = "pip install 'understudy[train]'"
        raise TrainingError("nothing can be trained here", found="no torch", fix=fix) from error
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
