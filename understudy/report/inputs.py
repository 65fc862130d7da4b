"""What a report is made from. Every part but the evaluation may be missing; the page then says so in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from understudy.evaluation.grasps import GraspVerdict
from understudy.evaluation.scores import Evaluation
from understudy.evaluation.traces import Trace
from understudy.report.road_view import RoadCamera

__all__ = ["Goals", "ReportInputs", "SafetyScore", "Stage", "TrainingHistory"]


@dataclass(frozen=True, slots=True)
class Goals:
    """What the headline figures are held against.

    Attributes:
        laps: complete laps in every episode, at least.
        off_track: times off the road over all episodes, at most.
        policy_share: share of ticks that the policy drives, at least.
        autonomy: DAVE-2's autonomy, at least; 0.98 is what its authors report on the road.
        command_age_p99_ms: 99th percentile of the command's age, at most; ``None`` shows it without a goal.
    """

    laps: float = 1.0
    off_track: int = 0
    policy_share: float = 0.95
    autonomy: float = 0.98
    command_age_p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingHistory:
    """How the policy learned.

    Attributes:
        train_loss: one value an epoch.
        validation_loss: one value an epoch, on episodes that training never saw; may be empty.
        best_epoch: index of the epoch whose weights were kept, from zero; ``None`` when not known.
        samples_per_s: training speed; ``None`` when not measured.
        loss_name: what is on the vertical axis.
    """

    train_loss: Sequence[float]
    validation_loss: Sequence[float] = ()
    best_epoch: int | None = None
    samples_per_s: float | None = None
    loss_name: str = "loss"


@dataclass(frozen=True, slots=True)
class SafetyScore:
    """How well the safety classifier finds the frames on which policy and expert would differ too much.

    Attributes:
        precision: of the frames called unsafe, the share that was.
        recall: of the unsafe frames, the share that was called so.
        threshold: the unsafe probability from which the gate hands over.
        unsafe_share: share of unsafe frames in the validation data.
        curve: rows ``(threshold, precision, recall)`` for other thresholds; may be empty.
        tau: the largest squared difference from the expert (normalised actions) that counts as safe.
        flagged_share: share of the validation frames that it calls unsafe.
    """

    precision: float
    recall: float
    threshold: float
    unsafe_share: float | None = None
    curve: Sequence[tuple[float, float, float]] = ()
    tau: float | None = None
    flagged_share: float | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the run, such as 'train', and the wall-clock seconds that it took."""

    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """Everything that a report shows.

    Attributes:
        title: what the run is called.
        evaluation: the deployment's scores and traces.
        demonstrations: traces of the recordings that the policy learned from.
        goals: for the headline figures.
        training: learning curve.
        safety: the safety classifier's scores on validation data.
        facts: heading to label to value, such as ``{"Dataset": {"hash": "…"}}``; shown as they are.
        stages: durations, in order.
        command: the command line that makes this report again.
        chain: the commands that make such a run step by step, in order.
        unsafe_threshold: the gate's in this deployment; ``None`` for what the recording says.
        film: whether to make the film (it takes some seconds and up to 2.5 MB).
        camera: where the film's camera sits; with it the paths ahead are drawn onto the road.
        grasps: of a robot that grasps, whose page is another one; ``None`` for one that drives.
    """

    title: str
    evaluation: Evaluation
    demonstrations: Sequence[Trace] = ()
    goals: Goals = field(default_factory=Goals)
    training: TrainingHistory | None = None
    safety: SafetyScore | None = None
    facts: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    stages: Sequence[Stage] = ()
    command: str = ""
    chain: Sequence[str] = ()
    unsafe_threshold: float | None = None
    film: bool = True
    camera: RoadCamera | None = None
    grasps: GraspVerdict | None = None
