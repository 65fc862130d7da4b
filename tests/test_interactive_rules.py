"""The table of rules: who acts, who labels, what is kept, how policies combine; as published, not as on the slides."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import TrainingError
from models.interactive import RULES, Answer, Moment, Tolerance, make_rule
from models.interactive.rules import Dagger, Dart, HumanGated, SafeDagger, Searn, Smile

ACTION = np.zeros(1, np.float32)


def _moment(number: int, **changes: Any) -> Moment:
    values: dict[str, Any] = {"draw": 0.5, "episode_draw": 0.5, "answer": Answer(ACTION)}
    return Moment(number, **(values | changes))


def test_the_table_is_complete() -> None:
    """Catches an algorithm that exists and cannot be asked for."""
    assert set(RULES) == {"bc", "dagger", "smile", "searn", "safedagger", "dart", "human-gated"}
    assert all(rule.source and (rule.__doc__ or "").strip() for rule in RULES.values())


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("learned", [1, 2, 7])
def test_weights_add_up(name: str, learned: int) -> None:
    """Catches a mixture that is no distribution."""
    weights = make_rule(name).weights(learned)
    assert len(weights) == learned
    assert math.fsum(weights) == pytest.approx(1.0)


def test_smile_weighs_the_oldest_most_and_searn_the_newest() -> None:
    """Catches one update for both, as deck error 6 has it (ALGORITHMS.md, section 6)."""
    smile, searn = Smile(alpha=0.3).weights(4), Searn(beta=0.3).weights(4)
    assert list(smile) == sorted(smile, reverse=True)
    assert list(searn) == sorted(searn)
    np.testing.assert_allclose(smile, searn[::-1])
    whole = 1.0 - 0.7**4
    np.testing.assert_allclose(smile, [0.3 * 0.7**j / whole for j in range(4)])


def test_searn_is_its_own_recursion() -> None:
    """Catches a closed form that is not ``π <- β π' + (1-β) π``, expert included."""
    rule, shares = Searn(beta=0.4), {"expert": 1.0}
    for number in range(5):
        shares = {name: 0.6 * share for name, share in shares.items()} | {f"{number}": 0.4}
        learned = number + 1
        assert shares["expert"] == pytest.approx(rule.expert_share(learned))
        expected = [shares[f"{j}"] / (1.0 - shares["expert"]) for j in range(learned)]
        np.testing.assert_allclose(rule.weights(learned), expected)


def test_smile_is_its_own_recursion() -> None:
    """Catches weights that are not ``π^k = π^(k-1) + α (1-α)^(k-1) (π̂_k - π*)``, which is how the paper builds it."""
    rule, alpha = Smile(alpha=0.25), 0.25
    expert, members = 1.0, []
    for k in range(1, 6):
        step = alpha * (1.0 - alpha) ** (k - 1)
        expert, members = expert - step, [*members, step]
        assert expert == pytest.approx(rule.expert_share(k))
        np.testing.assert_allclose(rule.weights(k), np.array(members) / (1.0 - expert))


def test_smiles_second_round_is_not_the_experts_alone() -> None:
    """Catches ``(1-β)^(k-1)`` of deck error 5, which drives a pure expert round twice."""
    rule = Smile(alpha=0.1)
    assert rule.expert_share(0) == 1.0
    assert rule.expert_share(1) == pytest.approx(0.9)
    assert rule.expert_share(2) == pytest.approx(0.81)
    assert not rule.expert_acts(_moment(1, draw=0.95))
    assert rule.expert_acts(_moment(1, draw=0.85))


def test_the_first_round_of_a_mixture_is_the_experts() -> None:
    for rule in (Smile(), Searn(), Dagger(beta=0.5), Dagger()):
        assert rule.expert_share(0) == 1.0


def test_daggers_schedules() -> None:
    """Catches a schedule that is off by a round, and 0^0."""
    assert [Dagger(beta=0.5).expert_share(i) for i in range(4)] == [1.0, 0.5, 0.25, 0.125]
    assert [Dagger().expert_share(i) for i in range(3)] == [1.0, 0.0, 0.0]
    assert [Dagger(beta=1.0).expert_share(i) for i in range(3)] == [1.0, 1.0, 1.0]
    step, episode = Dagger(beta=0.5), Dagger(beta=0.5, per="episode")
    moment = _moment(1, draw=0.9, episode_draw=0.1)
    assert not step.expert_acts(moment)
    assert episode.expert_acts(moment)


def test_mixtures_learn_from_one_round_and_the_others_from_all() -> None:
    """Catches aggregation where there should be none, and the other way round."""
    assert {name for name in RULES if list(make_rule(name).learns_from(3)) == [3]} == {"smile", "searn"}
    assert {name for name in RULES if list(make_rule(name).learns_from(3)) == [0, 1, 2, 3]} == set(RULES) - {
        "smile",
        "searn",
    }
    assert {name for name, rule in RULES.items() if rule.is_mixture} == {"smile", "searn"}


def test_safedagger_asks_where_it_is_unsafe_and_keeps_nothing_else() -> None:
    rule = SafeDagger(threshold=0.5)
    for unsafe, expert in ((0.2, False), (0.5, False), (0.6, True), (math.nan, True)):
        moment = _moment(1, answer=Answer(ACTION, unsafe))
        assert rule.expert_acts(moment) is expert
        assert rule.keeps(moment, expert) is expert
    assert rule.tolerance([]) is None
    assert rule.tolerance([{"tau": None, "units": None}]) is None
    later = {"tau": 0.1, "units": [1.0, 1.0]}
    assert rule.tolerance([{"tau": 0.3, "units": [0.2, 0.7]}, later]) == Tolerance(0.3, (0.2, 0.7))


def test_human_gated_keeps_what_the_human_did() -> None:
    rule = HumanGated()
    for taken_over in (False, True):
        moment = _moment(2, taken_over=taken_over)
        assert rule.expert_acts(moment) is taken_over
        assert rule.keeps(moment, taken_over) is taken_over


def test_searns_targets_cost_what_a_mistake_costs() -> None:
    """Catches labels that forget the costs: the cheapest alternative, and as much weight as the others cost more."""

    class Costs:
        def alternatives(self, expert: Any) -> Any:
            return np.array([[-1.0], [0.0], [1.0]], np.float32), np.array([5.0, 3.0, 1.0], np.float32)

    label, weight = Searn().target(np.zeros(1, np.float32), Costs())
    assert label.tolist() == [1.0]
    assert weight == pytest.approx(2.0)
    assert Searn().target(ACTION, None) == (ACTION, 1.0)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dager", {}, "no interactive algorithm 'dager'"),
        ("dagger", {"betta": 0.5}, "no option 'betta'"),
        ("human-gated", {"beta": 0.5}, "no option 'beta'"),
        ("dagger", {"beta": -0.1}, "beta is no share"),
        ("dagger", {"beta": math.nan}, "beta is no share"),
        ("dagger", {"per": "lap"}, "per step or per episode"),
        ("smile", {"alpha": 0.0}, "alpha is no share"),
        ("searn", {"beta": 1.5}, "beta is no share"),
        ("safedagger", {"threshold": 2.0}, "threshold is no share"),
        ("dart", {"alpha": 3.0}, "belong together"),
    ],
)
def test_contradictions_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        make_rule(name, options)


def test_dart_writes_the_noise_nodes_file(tmp_path: Path) -> None:
    """Catches a covariance around the mean, which forgets a constant error, and a file that the node refuses."""
    from models.noise_file import load_noise
    from sim.chain import Chain

    contract = Chain(2, 0.1).contract
    expert, learner = np.zeros((4, 1), np.float32), np.full((4, 1), 0.5, np.float32)
    path = tmp_path / "noise.yaml"
    fitted = Dart().fit_noise(path, contract, 9, lambda: (expert, learner))
    assert fitted is not None
    found = load_noise(path, contract)
    np.testing.assert_allclose(found.covariance, [[0.25]])
    assert found.seed == 9
    scaled = Dart(alpha=8.0, horizon=4).fit_noise(path, contract, 9, lambda: (expert, learner))
    assert scaled is not None
    np.testing.assert_allclose(scaled.covariance, [[2.0]])  # alpha / T, whatever the trace was
