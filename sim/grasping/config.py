"""What a grasping world is like: scene, arm, cameras, looks, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from models.errors import SimulationError
from sim.grasping.arm import ArmConfig
from sim.grasping.cameras import CAMERAS, CameraConfig
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.look import LookConfig
from sim.grasping.scene import SceneConfig

__all__ = ["GraspingConfig"]


@dataclass(frozen=True, slots=True)
class GraspingConfig:
    """What a world is like.

    Attributes:
        scene: what scenes are like.
        scene_seed: draws the scene; ``None`` draws another one for every reset's seed.
        arm: speeds and ranges.
        cameras: over the table and at the wrist.
        look: colours, light, and how both and the cameras' poses vary.
        disturbances: what goes wrong on purpose.
    """

    scene: SceneConfig = field(default_factory=SceneConfig)
    scene_seed: int | None = None
    arm: ArmConfig = field(default_factory=ArmConfig)
    cameras: tuple[CameraConfig, ...] = CAMERAS
    look: LookConfig = field(default_factory=LookConfig)
    disturbances: DisturbanceConfig = field(default_factory=DisturbanceConfig)

    def __post_init__(self) -> None:
        """Reject contradictions.

        Raises:
            SimulationError: when two cameras share a name.
        """
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise SimulationError("two cameras share a name", found=names)
