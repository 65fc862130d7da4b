"""What somebody asked of a training, and what that comes to for one robot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.contract import Contract
from models.contract.memory_section import with_memory
from models.errors import TrainingError
from understudy.training.augmentations import GEOMETRIC, Recipe, build_augmentation
from understudy.training.robots import RobotLearning, learning_of

if TYPE_CHECKING:
    from models.augment import Augmentation
    from models.learners import BehavioralCloningConfig

__all__ = ["Plan", "TrainingSettings"]

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is trained, with nothing left open.

    Attributes:
        config: of the learner.
        contract: of the robot that the policy is for; the recordings' own unless something else was asked for.
    """

    config: BehavioralCloningConfig
    contract: Contract


@dataclass(frozen=True)
class TrainingSettings:
    """What was asked for; what it leaves out is usual for the robot.

    Attributes:
        policy: options of ``PolicyConfig``; of the head a mapping with its ``kind``.
        learning: options of ``BehavioralCloningConfig``.
        safety: options of ``SafetyConfig``.
        has_safety: whether there is a safety classifier at all; ``None`` for nothing said.
        augment: names of recipes, or augmentations; ``None`` for nothing said.
        memory_frames: of the stack; ``None`` for the contract's.
        contract: file of the robot's contract; ``None`` for that of the recordings.
    """

    policy: Options = field(default_factory=dict)
    learning: Options = field(default_factory=dict)
    safety: Options = field(default_factory=dict)
    has_safety: bool | None = None
    augment: tuple[Recipe | Augmentation, ...] | None = None
    memory_frames: int | None = None
    contract: Path | None = None

    def over(self, base: TrainingSettings) -> TrainingSettings:
        """These settings, and where they say nothing those of ``base``."""
        return TrainingSettings(
            policy={**base.policy, **self.policy},
            learning={**base.learning, **self.learning},
            safety={**base.safety, **self.safety},
            has_safety=base.has_safety if self.has_safety is None else self.has_safety,
            augment=base.augment if self.augment is None else self.augment,
            memory_frames=base.memory_frames if self.memory_frames is None else self.memory_frames,
            contract=self.contract or base.contract,
        )

    def require_sense(self) -> None:
        """Refuse, before anything is read or made, options that contradict each other for every robot.

        Raises:
            TrainingError: with what to leave out.
        """
        from models.augment import Photometric

        self._require_recipes()
        # What it does is decided with the recordings; here it counts that there is one.
        some = Photometric(("a picture",)) if self.augment else None
        # A memory that nobody named may turn out to have a state.
        memories = [self.policy["memory"]] if "memory" in self.policy else ["stack", "gru"]
        refused: list[TrainingError] = []
        for memory in memories:
            try:
                self._config(RobotLearning(), memory, some)
            except TrainingError as error:
                refused.append(error)
        if len(refused) == len(memories):
            raise refused[0]

    def _require_recipes(self) -> None:
        names = [one for one in self.augment or () if isinstance(one, str)]
        geometric = [name for name in names if name in GEOMETRIC]
        if len(set(names)) < len(names) or len(geometric) > 1:
            raise TrainingError(
                "these augmentations do not go together",
                found=", ".join(names),
                expected=f"at most one of {', '.join(GEOMETRIC)}: each says where the car stands, and what is to be "
                "done there",
            )
        head = self._head(RobotLearning())["kind"]
        if "trail" in geometric and head != "trail":
            raise TrainingError(
                "trail cameras say only left, straight or right, which takes a head of such classes",
                found=f"augment trail, head {head}",
                fix="choose the head trail, or augment with side_cameras",
            )

    def plan(self, recorded: Contract) -> Plan:
        """What is to be trained.

        Args:
            recorded: the contract of the recordings.

        Raises:
            TrainingError: options that contradict each other, or the recordings.
            DatasetError: recordings of another robot than its contract's.
            ContractError: the robot's contract cannot be read, or cannot be given another memory.
        """
        from models.contract import load_contract
        from models.episodes.robots import require_robot

        robot = recorded if self.contract is None else load_contract(self.contract)
        require_robot(recorded, robot, [stream.key for stream in recorded.observations])
        usual = learning_of(robot.robot_type)
        memory = self.policy.get("memory", "gru" if robot.memory.recurrent else "stack")
        frames = self.memory_frames or robot.memory.frames
        remembered = with_memory(robot, replace(robot.memory, frames=frames, recurrent=memory != "stack"))
        turn = float(self._head(usual).get("turn", 1.0))
        augmentation = build_augmentation(self.augment or (), recorded, remembered, turn)
        return Plan(self._config(usual, memory, augmentation), remembered)

    def _head(self, usual: RobotLearning) -> dict[str, Any]:
        asked = dict(self.policy.get("head", {"kind": "point"}))
        return {**usual.heads.get(asked["kind"], {}), **asked}

    def _config(self, usual: RobotLearning, memory: str, augmentation: Augmentation | None) -> BehavioralCloningConfig:
        from models.learners import BehavioralCloningConfig, SafetyConfig
        from models.policies import PolicyConfig
        from models.policies.heads import head_options

        head = self._head(usual)
        policy = {**usual.policy, **self.policy, "memory": memory, "head": head_options(head.pop("kind"), head)}
        learning = {**usual.learning, **self.learning}
        safety = None
        if self.has_safety is not False:
            safety = SafetyConfig(**{"seed": learning.get("seed", 0), **usual.safety, **self.safety})
        return BehavioralCloningConfig(
            policy=PolicyConfig(**policy), safety=safety, augmentation=augmentation, **learning
        )
