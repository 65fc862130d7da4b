"""Rounds collected in a world that waits: the tick-by-tick half of every algorithm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from models.bundle.noise import draw_noise
from models.contract import Contract
from models.data import FloatArray, Observation
from models.episode_noise import EpisodeNoise
from models.episodes import EXPERT, POLICY, Episode
from models.errors import TrainingError
from models.interactive.ports import Actor, Answer, Assignment, CostToGo, Environment, Expert, Human, Measure, Notice
from models.interactive.records import Drive, Tally, add_outcomes
from models.interactive.rule import Moment, Rule

__all__ = ["InProcess", "episode_seed"]


_NO_NOISE = np.empty(0, np.float32)


def episode_seed(seed: int, number: int, index: int) -> int:
    """Of one episode of a round: equal for every algorithm, so that they can be compared on matched starts."""
    return int(np.random.SeedSequence([seed, number, index]).generate_state(1)[0])


class InProcess:
    """A collector for a world in this process.

    Args:
        environment: the world.
        expert: who is asked.
        human: who takes over, for rules that need it.
        costs: what actions lead to, for SEARN.
    """

    def __init__(
        self, environment: Environment, expert: Expert, human: Human | None = None, costs: CostToGo | None = None
    ) -> None:
        self._environment, self._expert, self._human, self._costs = environment, expert, human, costs

    @property
    def contract(self) -> Contract:
        """Of the robot."""
        return self._environment.contract

    @property
    def measure(self) -> Measure:
        """What deviations are."""
        return self._environment.measure

    def collect(self, rule: Rule, assignment: Assignment) -> Iterator[Drive]:
        """Episode after episode until the ticks are used up.

        Raises:
            TrainingError: the rule needs a human, and there is none.
        """
        if rule.needs_human and self._human is None:
            raise TrainingError(f"{rule.name} needs somebody who takes over", found="no human")
        left, index = assignment.ticks, 0
        while left > 0:
            drive = self._drive(rule, assignment, index, min(left, assignment.longest or left))
            left, index = left - drive.tally.ticks, index + 1
            yield drive

    def _drive(self, rule: Rule, assignment: Assignment, index: int, most_ticks: int) -> Drive:
        """One episode: who acts, who labels, what is kept."""
        environment, seed = self._environment, episode_seed(assignment.seed, assignment.number, index)
        name = f"round-{assignment.number:03d}-{index:04d}"
        noise = EpisodeNoise(assignment.noise, name, self.contract.period_s) if assignment.noise else None
        random = np.random.default_rng([assignment.seed, assignment.number, index])
        episode_draw = float(random.random())
        rows = _Rows()
        environment.reset(seed)
        if self._human is not None:
            self._human.begin()
        over = False
        while not over and len(rows) < most_ticks:
            observation = environment.observe()
            taken_over = rule.needs_human and self._human is not None and self._human.in_control(environment)
            draw, answer = float(random.random()), _ask(assignment.actor, observation, seed)
            if answer is None:  # nothing has been learned yet, or nothing that can be executed
                expert_acts, kept = True, True
            else:
                moment = Moment(assignment.number, draw, episode_draw, answer, taken_over)
                expert_acts = rule.expert_acts(moment)
                kept = rule.keeps(moment, expert_acts)
            asked = self._expert.action(observation) if expert_acts or kept else None
            intended = _given(asked) if expert_acts or answer is None else answer.action
            executed = self._limited(intended if noise is None else intended + noise.at(len(rows)))
            label, weight = rule.target(_given(asked), self._costs) if kept else (executed, 0.0)
            rows.add(observation, label, weight, executed, expert_acts, asked is not None, environment.deviation)
            over = environment.step(executed)
        return rows.drive(name, environment)

    def score(self, actor: Actor, seeds: Sequence[int], notice: Notice | None = None) -> Mapping[str, float]:
        """Let a policy drive whole episodes alone; what it cannot answer, the stop command answers."""
        outcomes = []
        stop = np.asarray(self.contract.action_stop, np.float32)
        for done, seed in enumerate(seeds, start=1):
            self._environment.reset(seed)
            over, ticks = False, 0
            while not over:
                answer = _ask(actor, self._environment.observe(), seed)
                over = self._environment.step(stop if answer is None else self._limited(answer.action))
                ticks += 1
            outcomes.append({**self._environment.outcome(), "ticks": float(ticks)})
            if notice is not None:
                notice(done, len(seeds))
        return add_outcomes(outcomes)

    def _limited(self, action: npt.NDArray[np.floating]) -> FloatArray:
        """Inside the contract's limits, which come after any noise."""
        limited: FloatArray = np.clip(action, self.contract.action_minimum, self.contract.action_maximum).astype(
            np.float32
        )
        return limited


def _ask(actor: Actor | None, observation: Observation, seed: int) -> Answer | None:
    """A policy's answer; ``None`` without a policy, or without a finite action. Equal seeds and ticks draw the same."""
    if actor is None:
        return None
    width = actor.noise_width
    answer = actor.answer(observation, draw_noise(seed, observation.stamp_ns, width) if width else _NO_NOISE)
    return answer if np.isfinite(answer.action).all() else None


def _given(action: FloatArray | None) -> FloatArray:
    assert action is not None, "whoever acts or labels was asked"
    return action


class _Rows:
    """One episode while it is driven."""

    def __init__(self) -> None:
        self._observations: list[Observation] = []
        self._columns: dict[str, list[object]] = {
            name: [] for name in ("label", "weight", "executed", "by_expert", "asked", "deviation")
        }

    def __len__(self) -> int:
        return len(self._observations)

    def add(self, observation: Observation, *values: object) -> None:
        """One tick: the values of every column, in their order."""
        self._observations.append(observation)
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def drive(self, name: str, environment: Environment) -> Drive:
        """The episode, and what is to be counted of it."""
        columns = {key: np.array(values) for key, values in self._columns.items()}
        first = self._observations[0]
        driver = np.where(columns["by_expert"], EXPERT, POLICY).astype(np.uint8)
        weights = columns["weight"].astype(np.float32)
        outcome = environment.outcome()
        episode = Episode(
            episode_id=name,
            stamps_ns=np.array([observation.stamp_ns for observation in self._observations], np.int64),
            observations={
                key: np.stack([observation.arrays[key][-1] for observation in self._observations])
                for key in first.arrays
            },
            actions=columns["label"].astype(np.float32),
            executed=columns["executed"].astype(np.float32),
            driver=driver,
            starts_memory=np.array([observation.starts_memory for observation in self._observations]),
            meta={key: f"{value:g}" for key, value in outcome.items()},
            weights=weights,
        )
        limit = environment.measure.limit
        deviations = np.abs(columns["deviation"].astype(np.float64))
        tally = Tally.of(driver, columns["asked"].astype(bool), weights > 0.0, deviations, limit, outcome)
        return Drive(episode, tally)
