"""The loop that all interactive algorithms share. What tells them apart is a :class:`Rule`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.data import FloatArray, Observation
from models.episodes import EpisodeDataset, join_datasets
from models.errors import TrainingError
from models.interactive.in_process import episode_seed
from models.interactive.mixture import Mixture
from models.interactive.ports import Actor, Assignment, Collector, Learned, Learner, Notice
from models.interactive.records import Drive, RoundRecord, Tally
from models.interactive.rule import Rule
from models.interactive.store import RoundStore
from models.noise_file import NoiseFile, load_noise

__all__ = ["Learning", "Listener", "Plan", "combined_actor", "learn"]

#: Seeds of validation drives, apart from those of any round.
VALIDATION = 1_000_000
#: Held-out episodes, the latest ones, on which DART's noise is fitted: the learner of today, not that of the start.
LAST_TRAJECTORIES = 5


class Listener:
    """Told what happens; every method may be left as it is."""

    def driving(self, number: int, ticks: int, total: int) -> None:
        """Round ``number`` has driven so many of its ticks."""

    def training(self, number: int, done: int, total: int) -> None:
        """Its policy is trained so far."""

    def validating(self, number: int, done: int, total: int) -> None:
        """Its policy has driven alone so often."""

    def finished(self, record: RoundRecord) -> None:
        """The round counts."""


@dataclass(frozen=True)
class Plan:
    """How much is learned; contradictions raise ``TrainingError``.

    Attributes:
        rounds: of driving and training.
        ticks: of each.
        episodes: of each, at least: no episode takes more than its part of the ticks. A learner that holds episodes out
            needs several, and mixtures learn from one round alone.
        validation: episodes that every new policy drives alone, the same ones for all; 0 for none, and then the last
            policy is the result.
        seed: of everything.
    """

    rounds: int = 10
    ticks: int = 1000
    validation: int = 2
    seed: int = 0
    episodes: int = 1

    def __post_init__(self) -> None:
        for name, least in (("rounds", 1), ("ticks", 1), ("episodes", 1), ("validation", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise TrainingError(f"{name} is too small", found=getattr(self, name), expected=f">= {least}")


@dataclass(frozen=True)
class Learning:
    """What came of it.

    Attributes:
        actor: the result: one policy, or a mixture.
        members: the rounds whose policies it is made of, and what each weighs.
        records: of all rounds.
    """

    actor: Actor
    members: Mapping[int, float]
    records: tuple[RoundRecord, ...] = field(repr=False)


def learn(
    rule: Rule, collector: Collector, learner: Learner, store: RoundStore, plan: Plan, listener: Listener | None = None
) -> Learning:
    """Drive, keep, train, combine; again and again. Rounds that the store has finished are not repeated.

    Raises:
        TrainingError: a rule that lacks what it needs, or a training that diverged.
    """
    tell = listener or Listener()
    policies = [learner.load(store.policy(number)) for number in range(store.finished)]
    for number in range(store.finished, plan.rounds):
        clock = _Clock()
        actor = combined_actor(rule, policies) if policies else None
        noise = _noise(store, collector, number)
        tally = store.drives(number)
        if tally is None:  # else an earlier run was ended while it trained
            longest = math.ceil(plan.ticks / plan.episodes)
            assignment = Assignment(number, actor, noise, plan.ticks, plan.seed, longest)
            drives = _told(collector.collect(rule, assignment), tell, assignment)
            tally = store.keep_drives(number, drives, collector.contract)
        clock.lap("driving")
        dataset = join_datasets([store.data(earlier) for earlier in rule.learns_from(number)])
        tolerance = rule.tolerance([record.report for record in store.records])
        learned = learner.fit(dataset, tolerance, _notice(tell.training, number))
        store.keep_policy(number, learned.save)
        _fit_noise(rule, learned, dataset, store, number, plan.seed)
        policies.append(learned.actor)
        clock.lap("training")
        validation = _validate(collector, combined_actor(rule, policies), plan, _notice(tell.validating, number))
        clock.lap("validating")
        record = RoundRecord(
            number=number,
            collected=tally,
            learned_from=int(dataset.labelled.sum()),
            validation=validation,
            score=_score(validation),
            report=learned.report,
            noise=None if noise is None else tuple(tuple(row) for row in noise.covariance.tolist()),
            seconds=clock.laps,
        )
        store.finish(record)
        tell.finished(record)
    return _result(rule, policies, store.records[: plan.rounds])


def combined_actor(rule: Rule, policies: Sequence[Actor]) -> Actor:
    """The policies learned so far, oldest first, as they act together."""
    members = _members(rule.weights(len(policies)))
    if len(members) == 1:
        return policies[next(iter(members))]
    return Mixture([policies[number] for number in members], list(members.values()))


def _members(weights: Sequence[float]) -> dict[int, float]:
    return {number: weight for number, weight in enumerate(weights) if weight > 0.0}


def _result(rule: Rule, policies: Sequence[Actor], records: tuple[RoundRecord, ...]) -> Learning:
    """All policies as a mixture, or the one that drove best alone; of equal ones the latest, which saw the most."""
    policies = policies[: len(records)]
    if rule.is_mixture:
        return Learning(combined_actor(rule, policies), _members(rule.weights(len(policies))), records)
    scores = [(-np.inf if record.score is None else record.score, record.number) for record in records]
    best = max(scores)[1]
    return Learning(policies[best], {best: 1.0}, records)


def _validate(collector: Collector, actor: Actor, plan: Plan, notice: Notice) -> Mapping[str, float]:
    """The same starts for every policy."""
    if not plan.validation:
        return {}
    seeds = [episode_seed(plan.seed, VALIDATION, index) for index in range(plan.validation)]
    return collector.score(actor, seeds, notice)


def _score(validation: Mapping[str, float]) -> float | None:
    """Minus the cost of a try where the world counts tries, which last differently; of a tick where it does not."""
    return -validation["cost"] / (validation.get("tries") or validation["ticks"]) if validation else None


def _noise(store: RoundStore, collector: Collector, number: int) -> NoiseFile | None:
    """What the round before left to disturb this one."""
    path = store.noise(number - 1) if number else None
    return load_noise(path, collector.contract) if path is not None and path.exists() else None


def _fit_noise(
    rule: Rule, learned: Learned, dataset: EpisodeDataset, store: RoundStore, number: int, seed: int
) -> None:
    def held_out() -> tuple[FloatArray, FloatArray]:
        return _on_held_out(learned, dataset)

    # Another seed each round, or the first episodes of all rounds would be pushed in the same way.
    rule.fit_noise(store.noise(number), dataset.contract, episode_seed(seed, number, 0), held_out)


def _on_held_out(learned: Learned, dataset: EpisodeDataset) -> tuple[FloatArray, FloatArray]:
    """Labels, and the policy's actions, on the last held-out episodes; ``(T, A)`` each."""
    last = [dataset.episode_ids.index(name) for name in learned.held_out][-LAST_TRAJECTORIES:]
    ticks = np.flatnonzero(np.isin(dataset.episode_index, last) & dataset.labelled)
    quiet = np.zeros(learned.actor.noise_width, np.float32)
    actions = []
    for tick in ticks:
        stack = {key: rows[0] for key, rows in dataset.stack([int(tick)]).items()}
        starts = bool(dataset.begins_stretch[tick])
        observation = Observation(int(dataset.stamps_ns[tick]), stack, {}, starts_memory=starts)
        actions.append(learned.actor.answer(observation, quiet).action)
    return np.asarray(dataset.actions[ticks]), np.array(actions, np.float32)


def _told(drives: Iterator[Drive], listener: Listener, assignment: Assignment) -> Iterator[Drive]:
    total = Tally()
    listener.driving(assignment.number, 0, assignment.ticks)
    for drive in drives:
        total = total + drive.tally
        listener.driving(assignment.number, total.ticks, assignment.ticks)
        yield drive


def _notice(tell: object, number: int) -> Notice:
    def notice(done: int, total: int) -> None:
        assert callable(tell)
        tell(number, done, total)

    return notice


class _Clock:
    """Wall time by what it was spent on."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._since, 3)
        self._since = now
