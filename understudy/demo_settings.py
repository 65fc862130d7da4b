"""What the demo does with each simulated robot: what is shown, how it is learned, what is then done, and the goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from understudy.evaluation.grasps import GraspGoals
from understudy.report.inputs import Goals
from understudy.stacks.drives import DriveSettings
from understudy.stacks.grasps import DISTURBANCE_M_S, DISTURBANCE_RAD_S, GraspSettings
from understudy.training.robots import learning_of

if TYPE_CHECKING:
    from models.learners import BehavioralCloningConfig

__all__ = ["DemoSettings", "DemoWords", "GraspDemoSettings"]


@dataclass(frozen=True)
class DemoWords:
    """What is said of the stages: what the expert shows, what the policy does, the scoring, and the report's title."""

    shows: str
    acts: str
    scored: str
    title: str


# Seeds from 1 are driven by the expert, those from 1001 by the policy: no track is in both.
_HELD_OUT_TRACKS = (1001, 1002, 1003)


@dataclass(frozen=True)
class DemoSettings:
    """What the demo does.

    Attributes:
        demonstrations: what the expert drives.
        epochs: of training.
        deployment: what the policy drives.
        goals: what decides about success.
        seed: of training.
    """

    demonstrations: DriveSettings = field(
        default_factory=lambda: DriveSettings(
            tracks=tuple(range(1, 13)),
            prefix="demonstration",
            laps=1,
            max_episode_s=40.0,
            disturbance_std_rad=0.08,
            start_lateral_m=0.5,
            start_heading_rad=0.1,
            lock_step=True,
        )
    )
    epochs: int = 25
    deployment: DriveSettings = field(
        default_factory=lambda: DriveSettings(tracks=_HELD_OUT_TRACKS, prefix="deployment", laps=1, max_episode_s=60.0)
    )
    goals: Goals = field(default_factory=Goals)
    seed: int = 0

    words: ClassVar[DemoWords] = DemoWords(
        "the expert drives {} tracks",
        "the policy drives {} tracks",
        "the drives are scored",
        "The simulated car learns to drive",
    )

    @classmethod
    def quick(cls) -> DemoSettings:
        """A smaller one for continuous integration: it still asks that the policy drives, not how well."""
        full = cls()
        demonstrations = asdict(full.demonstrations) | {"tracks": (1, 2, 3, 4), "max_episode_s": 25.0}
        deployment = asdict(full.deployment) | {"tracks": _HELD_OUT_TRACKS[:1], "max_episode_s": 15.0}
        return cls(
            demonstrations=DriveSettings(**demonstrations),
            epochs=8,
            deployment=DriveSettings(**deployment),
            goals=Goals(laps=0.0, off_track=2, policy_share=0.5, autonomy=0.0),
        )

    def learning(self) -> BehavioralCloningConfig:
        """How it learns."""
        from models.learners import BehavioralCloningConfig, SafetyConfig
        from models.policies import PolicyConfig

        return BehavioralCloningConfig(
            PolicyConfig(**learning_of("understudy_car").policy),
            epochs=self.epochs,
            # One flagged frame in a hundred. Each costs the policy the gate's dwell of half a second.
            safety=SafetyConfig(deployed_share=0.01, seed=self.seed),
            seed=self.seed,
        )


def _scenes(seeds: Sequence[int], prefix: str, **others: Any) -> GraspSettings:
    """Scenes of the demo: the target and up to two things beside it, none against it."""
    return GraspSettings(scenes=tuple(seeds), prefix=prefix, clutter=(0, 2), blocked=0.0, leaning=0.0, **others)


@dataclass(frozen=True)
class GraspDemoSettings:
    """What the demo does with the arm.

    Attributes:
        demonstrations: what the expert grasps.
        epochs: of training.
        deployment: what the policy grasps.
        goals: what decides about success.
        seed: of training.
    """

    demonstrations: GraspSettings = field(
        default_factory=lambda: _scenes(
            range(1, 81),
            "demonstration",
            max_episode_s=20.0,
            disturbance_std_m_s=DISTURBANCE_M_S,
            disturbance_std_rad_s=DISTURBANCE_RAD_S,
            shoves_per_s=0.1,
            lock_step=True,
        )
    )
    epochs: int = 20
    deployment: GraspSettings = field(
        default_factory=lambda: _scenes(range(1001, 1013), "deployment", max_episode_s=12.0)
    )
    goals: GraspGoals = field(default_factory=GraspGoals)
    seed: int = 0

    words: ClassVar[DemoWords] = DemoWords(
        "the expert grasps in {} scenes",
        "the policy grasps in {} scenes",
        "the grasps are scored",
        "The simulated arm learns to grasp",
    )

    @classmethod
    def quick(cls) -> GraspDemoSettings:
        """A smaller one for continuous integration: it asks that the policy moves the arm, not how well."""
        full = cls()
        return cls(
            demonstrations=replace(full.demonstrations, scenes=(1, 2, 3, 4)),
            epochs=2,
            deployment=replace(full.deployment, scenes=(1001,), max_episode_s=8.0),
            goals=GraspGoals(success=0.0, alone=0.0, policy_share=0.3),
        )

    def learning(self) -> BehavioralCloningConfig:
        """How it learns."""
        from models.learners import BehavioralCloningConfig, SafetyConfig
        from models.policies import PolicyConfig

        usual = learning_of("understudy_arm")
        return BehavioralCloningConfig(
            PolicyConfig(**usual.policy),
            epochs=self.epochs,
            batch_size=usual.learning["batch_size"],
            safety=SafetyConfig(**usual.safety, seed=self.seed),
            seed=self.seed,
        )
