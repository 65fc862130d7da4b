"""The loop on the chain: who really acted, what was really kept, and that what comes out is the right policy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from chain_samples import HORIZON, MISTAKE_RATE, PLAN, chain_collector, learn_chain

from models.data import FloatArray, Observation
from models.episodes import EXPERT, POLICY, EpisodeDataset
from models.errors import TrainingError
from models.interactive import Answer, InProcess, Measure, Mixture, Plan, RoundStore, learn, make_rule
from models.interactive.rules import Dagger, Dart, Smile
from models.interactive.table import LearnedTable, Table, TableLearner
from models.noise_file import load_noise
from sim.chain import BACK, LOST, Chain, ChainExpert

LOST_SEEN = Observation(0, {"observation.state": np.array([[LOST]], np.float32)}, {})
NO_NOISE = np.empty(0, np.float32)


def _stored(folder: Path, rule: str) -> RoundStore:
    return RoundStore(folder, {"rule": rule, "seed": PLAN.seed, "ticks": PLAN.ticks})


@pytest.mark.parametrize("name", ["dagger", "safedagger", "human-gated"])
def test_the_way_back_is_learned_by_who_gets_lost(tmp_path: Path, name: str) -> None:
    """Catches a loop that never learns from the learner's own states; cloning is the control, and stays lost."""
    learned = learn_chain(tmp_path / name, name)
    assert learned.actor.answer(LOST_SEEN, NO_NOISE).action.tolist() == [BACK]
    control = learn_chain(tmp_path / "bc", "bc")
    assert control.actor.answer(LOST_SEEN, NO_NOISE).action.tolist() != [BACK]
    scores = [side.records[-1].score for side in (learned, control)]
    assert scores[0] is not None
    assert scores[1] is not None
    assert scores[0] > -3 * MISTAKE_RATE > -0.4 > scores[1]


def test_who_acted_and_who_was_asked(tmp_path: Path) -> None:
    """Catches counts that are not those of the data, and an expert who is asked behind a rule's back."""
    for name in ("bc", "dagger", "smile", "safedagger", "dart", "human-gated"):
        learned = learn_chain(tmp_path / name, name)
        for record in learned.records:
            data, tally = _stored(tmp_path / name, name).data(record.number), record.collected
            assert tally.ticks == len(data) == PLAN.ticks
            assert tally.expert_ticks == int((data.driver == EXPERT).sum())
            assert tally.kept == int(data.labelled.sum())
            assert sum(tally.expert_deviations) + sum(tally.policy_deviations) == tally.ticks
            assert tally.queries == tally.kept  # here nobody is asked for nothing
            if record.number == 0 or name in ("bc", "dart"):
                assert tally.expert_ticks == tally.queries == PLAN.ticks
            elif name == "dagger":
                assert (tally.expert_ticks, tally.queries) == (0, PLAN.ticks)
            elif name in ("safedagger", "human-gated"):
                assert tally.queries == tally.expert_ticks < 0.25 * PLAN.ticks
                assert tally.queries > 0 or record.number > 1
        expected = [PLAN.ticks * (1 if name == "smile" else number + 1) for number in range(PLAN.rounds)]
        if name in ("bc", "dagger", "smile", "dart"):
            assert [record.learned_from for record in learned.records] == expected


def test_smile_lets_go_of_the_expert_at_the_published_rate(tmp_path: Path) -> None:
    """Catches a share that is drawn per episode, or counted from the wrong round: within four standard errors."""
    learned = learn_chain(tmp_path / "smile", Smile(alpha=0.3), replace(PLAN, rounds=4, ticks=2000))
    for record in learned.records:
        share = 0.7**record.number
        spread = 4.0 * np.sqrt(share * (1.0 - share) / 2000) + 1e-9
        assert abs(record.collected.expert_ticks / 2000 - share) < spread
    assert learned.members == pytest.approx({j: 0.3 * 0.7**j / (1.0 - 0.7**4) for j in range(4)})
    assert isinstance(learned.actor, Mixture)


def test_daggers_driver_for_a_whole_episode(tmp_path: Path) -> None:
    """Catches a driver that is drawn anew at every step although a whole episode was asked for."""
    learn_chain(tmp_path / "d", Dagger(beta=0.5, per="episode"), replace(PLAN, ticks=20 * HORIZON))
    data = RoundStore(tmp_path / "d", {"rule": "dagger", "seed": PLAN.seed, "ticks": 20 * HORIZON}).data(1)
    drivers = [set(data.episode(number).driver.tolist()) for number in range(len(data.lengths))]
    assert all(len(one) == 1 for one in drivers)
    assert {EXPERT} in drivers
    assert {POLICY} in drivers


def test_a_round_has_as_many_episodes_as_were_asked_for(tmp_path: Path) -> None:
    """Catches a round of one long episode, of which nothing can be held out."""
    learn(Dagger(), chain_collector(), TableLearner(), RoundStore(tmp_path, {}), replace(PLAN, rounds=1, episodes=30))
    assert RoundStore(tmp_path, {}).data(0).lengths == (20,) * 30


def test_what_nobody_labelled_is_no_label(tmp_path: Path) -> None:
    """Catches a policy's own actions that pass for the expert's."""
    learn_chain(tmp_path / "s", "safedagger")
    data = _stored(tmp_path / "s", "safedagger").data(1)
    mute = ~data.labelled
    assert mute.any()
    assert (data.driver[mute] == POLICY).all()
    np.testing.assert_array_equal(data.actions[mute], data.executed[mute])


class _Fickle:
    """A learner that has a good day in the second round only."""

    def __init__(self) -> None:
        self.good = Table({f'{{"observation.state": [{LOST}.0]}}': ((float(BACK),), 0.0)}, (0.0,))
        self.fits = 0

    def fit(self, dataset: EpisodeDataset, tolerance: object = None, notice: object = None) -> LearnedTable:
        self.fits += 1
        found = TableLearner().fit(dataset).actor
        return LearnedTable(found if self.fits == 2 else Table({}, (float(BACK),)), (), {})

    def load(self, folder: Path) -> Table:
        return TableLearner().load(folder)


def test_dagger_returns_the_policy_that_drove_best(tmp_path: Path) -> None:
    """Catches the last policy, or the first, in place of the best in validation rollouts."""
    plan = replace(PLAN, rounds=4)
    learned = learn(Dagger(), chain_collector(), _Fickle(), RoundStore(tmp_path, {}), plan)
    scores = [record.score for record in learned.records]
    assert all(score is not None for score in scores)
    assert int(np.argmax(np.array(scores, np.float64))) == 1
    assert learned.members == {1: 1.0}
    without = learn(Dagger(), chain_collector(), _Fickle(), RoundStore(tmp_path / "b", {}), replace(plan, validation=0))
    assert without.members == {3: 1.0}


class _Line:
    """A world whose state is what the actions add up to; it remembers what it was told to do."""

    measure = Measure("distance", "m", 1.0)

    def __init__(self) -> None:
        self.contract = Chain(2, 0.1).contract
        self.executed: list[float] = []

    @property
    def deviation(self) -> float:
        return 0.0

    def reset(self, seed: int) -> None:
        self.tick = 0

    def observe(self) -> Observation:
        state = np.array([[self.tick]], np.float32)
        return Observation(self.tick * 100_000_000, {"observation.state": state}, {}, starts_memory=self.tick == 0)

    def step(self, action: FloatArray) -> bool:
        self.executed.append(float(action[0]))
        self.tick += 1
        return self.tick == 50

    def outcome(self) -> Mapping[str, float]:
        return {"cost": 0.0}


class _Steady:
    def action(self, observation: Observation) -> FloatArray:
        return np.ones(1, np.float32)


class _Off:
    """A policy that is always off by half, to either side in turn: its error has a second moment of a quarter."""

    noise_width = 0

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        return Answer(np.array([1.5 if observation.stamp_ns // 100_000_000 % 2 else 0.5], np.float32))


class _OffLearner:
    def fit(self, dataset: EpisodeDataset, tolerance: object = None, notice: object = None) -> object:
        held_out = dataset.episode_ids[-1:]

        class Learned:
            actor = _Off()
            report: Mapping[str, object] = {}

            def save(self, folder: Path) -> None:
                folder.mkdir()

        learned = Learned()
        learned.held_out = held_out  # type: ignore[attr-defined]
        return learned

    def load(self, folder: Path) -> _Off:
        return _Off()


def test_dart_executes_the_disturbed_and_records_the_intended(tmp_path: Path) -> None:
    """Catches noise in the labels, no noise in the commands, limits that come first, and a round of noise too early."""
    world, store = _Line(), RoundStore(tmp_path, {})
    plan = Plan(rounds=3, ticks=1000, validation=0)
    learned = learn(Dart(), InProcess(world, _Steady()), _OffLearner(), store, plan)  # type: ignore[arg-type]
    rounds = [store.data(number) for number in range(3)]
    assert all((data.actions == 1.0).all() for data in rounds)
    assert (rounds[0].executed == 1.0).all()
    assert learned.records[0].noise is None
    for number in (1, 2):
        noise = load_noise(store.noise(number - 1), world.contract)
        np.testing.assert_allclose(noise.covariance, [[0.25]])
        assert learned.records[number].noise == ((0.25,),)
        executed = rounds[number].executed[:, 0]
        assert executed.min() == 0.0  # a limit: two standard deviations below, some draws lie beyond
        assert executed.max() == 2.0
        assert 0.4 < float(np.std(executed)) < 0.52
    assert not np.array_equal(rounds[1].executed, rounds[2].executed)


def test_a_rule_that_needs_a_human_says_so(tmp_path: Path) -> None:
    chain, store = Chain(10, 0.1), RoundStore(tmp_path, {})
    collector = InProcess(chain, ChainExpert(chain))
    with pytest.raises(TrainingError, match="needs somebody who takes over"):
        learn(make_rule("human-gated"), collector, TableLearner(), store, PLAN)


class _Mute(Table):
    """A policy whose actions are no numbers."""

    def answer(self, observation: Observation, noise: FloatArray) -> Answer:
        return Answer(np.array([np.nan], np.float32))


class _MuteLearner(TableLearner):
    def fit(self, dataset: EpisodeDataset, tolerance: object = None, notice: object = None) -> LearnedTable:
        return LearnedTable(_Mute({}, (0.0,)), (), {})


def test_what_is_not_finite_is_never_executed(tmp_path: Path) -> None:
    """Catches NaN that reaches a world: in a round the expert acts, alone the robot gets the stop command."""
    learned = learn(Dagger(), chain_collector(), _MuteLearner(), RoundStore(tmp_path, {}), replace(PLAN, rounds=2))
    assert learned.records[1].collected.expert_ticks == PLAN.ticks
    assert learned.records[1].score is not None
    assert learned.records[1].score < -0.4


def test_equal_seeds_give_equal_starts(tmp_path: Path) -> None:
    """Catches algorithms that are compared on different luck: the first round is the same for all."""
    for name in ("dagger", "smile"):
        learn_chain(tmp_path / name, name, replace(PLAN, rounds=1))
    first, second = (_stored(tmp_path / name, name).data(0) for name in ("dagger", "smile"))
    assert first.hash == second.hash


def test_the_loop_needs_neither_torch_nor_a_simulator() -> None:
    """Catches an import that a node which decides who acts would drag onto a robot."""
    code = (
        "import sys, models.interactive, models.interactive.table; "
        "print([name for name in ('torch', 'pybullet', 'rclpy', 'gymnasium') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_deviations_are_counted_by_who_acted(tmp_path: Path) -> None:
    """Catches histograms that are swapped: on the chain the expert is never off the path, the learner is."""
    learned = learn_chain(tmp_path, "dagger")
    demonstrated, driven = learned.records[0].collected, learned.records[1].collected
    assert sum(demonstrated.expert_deviations[1:]) == 0
    assert driven.policy_deviations[-1] > 0
