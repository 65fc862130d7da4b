"""DART against cloning (Laskey et al. 2017, section 5.3): how often the arm takes the thing, at equal demonstrations.

All sides get the same scenes and equally many demonstrations, in rounds. *Cloning* watches the expert as it is. *DART*
pushes it in those directions in which the policy of the round before errs on held-out demonstrations, as hard as
``SIZE`` says. *Isotropic* noise is as large, and alike in all dimensions: both are measured in shares of what the arm
can do, for speeds of the hand, of its turn and of the fingers have no common unit. Counted beside the policies' grasps
are the expert's own while it is pushed. Negative control: the same network before it has learned.

The policy sees eleven exact numbers and no picture (``bench.interactive.tabletop``). The number of demonstrations and
the noise were chosen on seeds 100 to 102, which are not measured, and where cloning looked nearer to one half.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, Interval, bootstrap_interval, wilson_interval
from bench.interactive.pictures import Curve, draw_bars, draw_rounds, new_axes, save
from bench.interactive.tabletop import CONTRACT, Demonstrations, open_table
from bench.units import kept_units
from models.contract import Contract
from models.interactive import Plan, RoundRecord, RoundStore, Rule, learn
from models.interactive.in_process import episode_seed
from models.interactive.rule import HeldOut
from models.interactive.rules import BehavioralCloningRule, Dart
from models.noise_file import NoiseFile, write_noise

if TYPE_CHECKING:
    from models.learners import BehavioralCloningConfig

__all__ = ["Isotropic", "Scaled", "dart", "noise_size"]

Table = npt.NDArray[np.float64]
#: Seeds of measured tries, apart from those of demonstrations.
MEASURED = 2_000_000
#: What the arm can do in each dimension: noise is measured in shares of it.
LARGEST = np.asarray(CONTRACT.action_maximum, np.float64)
#: ``α / T``: what the variances of the noise add up to, in such shares; and how long a push lasts, 0 for one tick.
SIZE, TIME_CONSTANT_S = 0.3, 0.0


@dataclass(frozen=True)
class Scaled(Dart):
    """DART whose α counts every dimension in shares of its limit (section 4.3 of the paper).

    Attributes:
        size: ``α / T``: what the variances, in such shares, add up to.
    """

    size: float = SIZE

    def fit_noise(self, path: Path, contract: Contract, seed: int, held_out: HeldOut) -> NoiseFile | None:
        """``Σ̂`` as DART fits it, and then its size."""
        fitted = super().fit_noise(path, contract, seed, held_out)
        assert fitted is not None
        shape = self.shape(fitted.covariance)
        scaled = replace(fitted, covariance=shape * (self.size / noise_size(shape)))
        write_noise(path, scaled, contract)
        return scaled

    def shape(self, covariance: Table) -> Table:
        """In which directions."""
        return covariance


@dataclass(frozen=True)
class Isotropic(Scaled):
    """As large, and alike in every dimension."""

    name = "isotropic"

    def shape(self, covariance: Table) -> Table:
        """None."""
        return np.diag(LARGEST**2)


def noise_size(covariance: npt.ArrayLike) -> float:
    """Sum of the variances, each dimension in shares of its limit."""
    return float((np.diag(np.asarray(covariance, np.float64)) / LARGEST**2).sum())


SIDES: Mapping[str, Rule] = {
    "bc": BehavioralCloningRule(),
    "dart": Scaled(time_constant_s=TIME_CONSTANT_S),
    "isotropic": Isotropic(time_constant_s=TIME_CONSTANT_S),
}
LABELS = {
    "bc": ("cloning", "bad"),
    "isotropic": ("isotropic noise", "expert"),
    "dart": ("DART", "policy"),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How much is learned and measured.

    Attributes:
        rounds: of demonstrations and training.
        tries: of the expert in each.
        epochs: of a training.
        measured: rounds after which the policy tries alone; the last one is the comparison.
        scenes: that it tries then.
    """

    rounds: int = 3
    tries: int = 3
    epochs: int = 80
    measured: tuple[int, ...] = (2, 3)
    scenes: int = 40


QUICK = Size(rounds=2, tries=2, epochs=5, measured=(2,), scenes=2)


def dart(bench: Bench, quick: bool) -> dict[str, object]:
    """Learn, grasp, compare, draw."""
    import torch

    torch.set_num_threads(1)  # such a network is too small to share
    size, units = QUICK if quick else Size(), kept_units(bench, "dart")
    seeds = bench.seeds[:1] if quick else bench.seeds
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    untrained: list[float] = []
    for seed in seeds:
        for name, rule in SIDES.items():
            settings = {"size": asdict(size), "rule": repr(rule), "seed": seed}
            runs[name].append(units.get(f"{name}-{seed}", settings, partial(learned, rule, seed, size)))
            print(f"dart, seed {seed}, {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
        settings = {"size": asdict(size), "seed": seed}
        untrained.append(units.get(f"untrained-{seed}", settings, partial(_untrained, seed, size))["success"])
    success = {name: np.array([run["success"] for run in found], np.float64) for name, found in runs.items()}
    expert = {name: _expert_success(found) for name, found in runs.items()}
    figures = _figures(success, expert)
    if not quick:
        _hold(bench, success, figures, untrained)
    _draw(success, size, quick)
    return {
        "size": asdict(size),
        "noise": {"size": SIZE, "time_constant_s": TIME_CONSTANT_S},
        "success": {name: rates.tolist() for name, rates in success.items()},
        "mean": {name: [asdict(bootstrap_interval(column)) for column in rates.T] for name, rates in success.items()},
        "untrained": asdict(bootstrap_interval(untrained)),
        "expert": {name: asdict(interval) for name, interval in expert.items()},
        **{name: asdict(interval) for name, interval in figures.items()},
        "runs": runs,
        "units": units.account,
    }


def learned(rule: Rule, seed: int, size: Size) -> dict[str, Any]:
    """Success of the policy alone after each of the measured rounds, and how the expert did while it was pushed."""
    from models.learners.interactive import CloningLearner

    learner = CloningLearner(configuration(seed, size.epochs))
    with open_table() as collector, tempfile.TemporaryDirectory() as folder:
        store = RoundStore(Path(folder), {})
        plan = Plan(size.rounds, ticks=size.tries, validation=0, seed=seed)
        records = learn(rule, Demonstrations(collector, size.tries), learner, store, plan).records
        found = []
        for rounds in size.measured:
            outcome = collector.score(learner.load(store.policy(rounds - 1)), _scenes(seed, size))
            found.append(1.0 - outcome["failures"] / outcome["tries"])
    return {"success": found, **_told(records)}


def _told(records: tuple[RoundRecord, ...]) -> dict[str, Any]:
    """Of the demonstrations: tries and failures of the expert, clean and pushed; ticks; the noise of every round."""
    told: dict[str, Any] = {"ticks": sum(record.collected.ticks for record in records)}
    for name, pushed in (("clean", False), ("pushed", True)):
        outcomes = [record.collected.outcome for record in records if (record.noise is not None) == pushed]
        told[name] = {key: sum(outcome[key] for outcome in outcomes) for key in ("tries", "failures")}
    covariances = [record.noise for record in records if record.noise is not None]
    told["noise_size"] = [noise_size(covariance) for covariance in covariances]
    told["noise_std"] = [np.sqrt(np.diag(np.array(covariance))).round(4).tolist() for covariance in covariances]
    return told


def _untrained(seed: int, size: Size) -> dict[str, Any]:
    """Success of a network that has seen one demonstration and was hardly trained on it."""
    from models.learners.interactive import CloningLearner

    config = replace(configuration(seed, 1), learning_rate=1e-9)
    with open_table() as collector, tempfile.TemporaryDirectory() as folder:
        store = RoundStore(Path(folder), {})
        plan = Plan(1, ticks=2, validation=0, seed=seed)
        learning = learn(BehavioralCloningRule(), Demonstrations(collector, 2), CloningLearner(config), store, plan)
        outcome = collector.score(learning.actor, _scenes(seed, size))
    return {"success": 1.0 - outcome["failures"] / outcome["tries"]}


def configuration(seed: int, epochs: int) -> BehavioralCloningConfig:
    """Two layers of 64 units and a squared error, the learner of DART's own analysis; no safety classifier."""
    from models.learners import BehavioralCloningConfig
    from models.policies import PolicyConfig
    from models.policies.heads import PointOptions

    policy = PolicyConfig(
        head=PointOptions(loss="mse"), features=64, state_features=64, state_layers=2, state_dropout=0.0
    )
    return BehavioralCloningConfig(policy, epochs=epochs, batch_size=64, safety=None, seed=seed)


def _scenes(seed: int, size: Size) -> list[int]:
    return [episode_seed(seed, MEASURED, index) for index in range(size.scenes)]


def _expert_success(runs: list[dict[str, Any]]) -> Interval:
    """Of one side's demonstrations, the pushed ones where there are any."""
    kind = "pushed" if any(run["pushed"]["tries"] for run in runs) else "clean"
    tries, failures = (int(sum(run[kind][key] for run in runs)) for key in ("tries", "failures"))
    return wilson_interval(tries - failures, tries)


def _figures(success: Mapping[str, Table], expert: Mapping[str, Interval]) -> dict[str, Interval]:
    """What the goals are about, with intervals over seeds."""
    last = {name: rates[:, -1] for name, rates in success.items()}

    def ratio(picked: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
        chosen = picked.astype(np.int64)
        found: Table = last["dart"][chosen].mean(axis=axis) / np.maximum(last["bc"][chosen].mean(axis=axis), 1e-9)
        return found

    clean = expert["bc"].value
    pushed = expert["dart"]
    return {
        "dart_over_bc": bootstrap_interval(np.arange(len(last["bc"])), ratio),
        "dart_less_isotropic": bootstrap_interval(last["dart"] - last["isotropic"]),
        "pushed_over_clean": Interval(pushed.value / clean, pushed.low / clean, pushed.high / clean),
    }


def _hold(bench: Bench, success: Mapping[str, Table], figures: Mapping[str, Interval], untrained: list[float]) -> None:
    cloned = float(success["bc"][:, -1].mean())
    bench.goal("dart: success of cloning, near one half", cloned, ">=", 0.4)
    bench.goal("dart: success of cloning, near one half", cloned, "<=", 0.6)
    bench.goal("dart: success of DART over that of cloning", figures["dart_over_bc"].value, ">=", 1.62)
    bench.goal("dart: DART - isotropic noise of the same size, mean", figures["dart_less_isotropic"].value, ">=", 0.0)
    bench.goal("dart: the expert's success, pushed over clean", figures["pushed_over_clean"].value, ">=", 0.95)
    bench.goal("dart: success of a network that has not learned", max(untrained), "<=", 0.05)


def _draw(success: Mapping[str, Table], size: Size, quick: bool) -> None:
    figure, axes = new_axes(2, (10.0, 4.0))
    shown = [rounds * size.tries for rounds in size.measured]
    draw_rounds(axes[0], [Curve(*LABELS[name], 100.0 * success[name]) for name in LABELS], "success (%)", shown)
    axes[0].set(xlabel="demonstrations", xticks=shown, ylim=(0, 100))
    axes[0].legend(frameon=False, loc="lower right")
    last = {f"{shown[-1]} demonstrations": {name: 100.0 * success[name][:, -1] for name in LABELS}}
    draw_bars(axes[1], LABELS, last, "success (%)")
    axes[1].set_ylim(0, 100)
    save(figure, "interactive.dart", quick=quick)
