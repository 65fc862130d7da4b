"""What `python -m bench.train` could get wrong unnoticed: its expert, its data, its scores, its goals."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.harness import Bench
from bench.peers import running
from bench.train import __main__ as main
from bench.train import cartpole, ours
from bench.train.order import Answer, Order
from models.errors import UnderstudyError

STARTS = range(20_000, 20_010)
ORDER = Order("", 4, 32, 2e-3, 0, 1, tuple(STARTS), 0.0)


def test_the_expert_keeps_the_pole_up() -> None:
    """Catches a regulator of another system, or of another sign: then nobody could reach 500."""
    assert cartpole.returns(cartpole.expert, STARTS) == [500.0] * len(STARTS)


def test_scores_tell_a_policy_that_does_nothing_right() -> None:
    """Catches a return that counts steps of an episode that is over, or one episode for all."""
    expert = cartpole.returns(lambda rows: 1 - cartpole.expert(rows), STARTS)
    assert max(expert) < 20.0
    one_by_one = [cartpole.returns(lambda rows: np.ones(len(rows), np.int64), [seed])[0] for seed in STARTS]
    assert cartpole.returns(lambda rows: np.ones(len(rows), np.int64), STARTS) == one_by_one


def test_both_sides_learn_from_the_same_frames(tmp_path: Path) -> None:
    """Catches an action that means left on one side and right on the other, and episodes cut elsewhere."""
    made = cartpole.demonstrate([3, 4])
    cartpole.save(tmp_path / "made.npz", made)
    found = cartpole.load(tmp_path / "made.npz")
    dataset = ours.write(tmp_path / "dataset", found)
    np.testing.assert_array_equal(dataset.observations[ours.STATE], made.observations)
    np.testing.assert_array_equal(dataset.actions[:, 0], np.where(made.actions == 1, 10.0, -10.0))
    assert dataset.lengths == made.lengths == found.lengths
    assert np.flatnonzero(dataset.begins_stretch).tolist() == [0, made.lengths[0]]
    np.testing.assert_array_equal(made.following[0], made.observations[1])


def test_our_policy_is_as_large_as_the_peers_and_acts_as_it_learned(tmp_path: Path) -> None:
    """Catches a smaller network, or forces that are turned into the wrong actions: then an expert's clone falls."""
    ours.write(tmp_path / "dataset", cartpole.demonstrate(range(6)))
    trained = ours.train(dataclasses.replace(ORDER, demonstrations=str(tmp_path / "dataset"), epochs=8))
    assert trained.weights == (4 * 32 + 32) + (32 * 32 + 32) + (32 * 2 + 2)
    assert trained.samples == 5 * 500 * 8
    assert np.mean(cartpole.returns(trained.act, STARTS)) > 150.0
    assert torch.get_num_threads() >= 1


def test_an_order_survives_the_command_line() -> None:
    assert Order.from_json(ORDER.to_json()) == ORDER


def _answer(speed: float, score: float) -> Answer:
    return Answer(
        samples=1000,
        training_s=1000 / speed,
        processor_s=500 / speed,
        first_policy_s=1.0,
        returns=(score,) * 20,
        threads=1,
        weights=1,
    )


def _rounds(speed: float, scores: tuple[float, ...], control: float = 9.0) -> list[main.Round]:
    """The peer learns 100 samples/s, half of that with its log, and reaches 500."""
    return [
        main.Round(
            (_answer(speed, score), _answer(speed, score)), _answer(100, 500), _answer(50, 500), _answer(1, control)
        )
        for score in scores
    ]


@pytest.mark.parametrize(
    ("rounds", "missed"),
    [
        (_rounds(2500.0, (500.0,) * 5), []),
        (_rounds(1900.0, (500.0,) * 5), ["samples/s"]),
        (_rounds(2500.0, (490.0, 480.0, 470.0, 485.0, 475.0)), ["return not below"]),
        (_rounds(2500.0, (490.0, 480.0, 500.0, 500.0, 500.0)), []),
        (_rounds(2500.0, (500.0,) * 5, control=400.0), ["return of the control"]),
    ],
    ids=["all met", "too slow", "falls sooner", "within chance", "the control succeeds"],
)
def test_each_goal_can_be_missed(rounds: list[main.Round], missed: list[str]) -> None:
    """Catches a goal that nothing could miss, and a ratio to the peer that is slowed by its own log."""
    bench = Bench("train", "", arguments=["--quick"])
    found = main.report(bench, 20.0, rounds)
    failed = [goal.name for goal in bench.goals if not goal.met]
    assert len(failed) == len(missed)
    assert all(name.startswith(start) for name, start in zip(failed, missed, strict=True))
    assert found["ratio"]["imitation"]["value"] == pytest.approx(rounds[0].our_speed / 100.0)  # type: ignore[index]
    assert found["ratio"]["imitation, documented"]["value"] == pytest.approx(rounds[0].our_speed / 50.0)  # type: ignore[index]


def test_our_speed_is_that_of_both_trainings() -> None:
    """Catches a mean of speeds, which a single lucky training pulls up."""
    one = main.Round((_answer(100.0, 500.0), _answer(300.0, 500.0)), *[_answer(1.0, 1.0)] * 3)
    assert one.our_speed == pytest.approx(150.0)
    assert one.processor_ratio == pytest.approx(150.0)


def test_without_the_peer_it_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "ROOT", tmp_path)
    monkeypatch.setattr(running, "PEER", tmp_path / ".peers" / "imitation" / "bin" / "python")
    with pytest.raises(UnderstudyError) as raised:
        running.require_peer()
    assert "make peers" in raised.value.fix
