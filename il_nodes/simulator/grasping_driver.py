"""When the simulated arm's expert may answer, and what: plain logic around ``sim.grasping.expert``, without rclpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.errors import SimulationError
from sim.grasping.expert import Expert, ExpertConfig
from sim.grasping.kinematics import forward_kinematics, tool_yaw
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject
from sim.grasping.state import Command, GraspingState, ToolState

__all__ = ["GraspingDriver", "parse_shape"]

_UNDISTURBED: Command = (0.0, 0.0, 0.0, 0.0, 0.0)


def parse_shape(values: Mapping[str, str]) -> ObjectShape:
    """A shape from the texts of one status of ``/sim/shapes``.

    Raises:
        SimulationError: it is none.
    """
    kind = values.get("kind", "")
    try:
        x, y, z = (float(values[f"size_{axis}_m"]) for axis in "xyz")
    except (KeyError, ValueError) as error:
        raise SimulationError("an object without its sizes", found=dict(values)) from error
    if kind == "box":
        return ObjectShape("box", (x, y, z))
    if kind == "cylinder":
        return ObjectShape("cylinder", (x, y, z))
    raise SimulationError("an object of unknown kind", found=kind, expected="box or cylinder")


class GraspingDriver:
    """Answers a state once joints and objects of one stamp are here, and only in the scene of the episode that runs.

    Shapes and episode belong together by their stamp and may come in either order, and so may joints and objects.
    """

    def __init__(self, config: ExpertConfig | None = None) -> None:
        self._expert = Expert(config)
        self._shapes: tuple[ObjectShape, ...] = ()
        self._shapes_ns: int | None = None
        self._episode_ns: int | None = None
        self._joints: tuple[int, Sequence[float], Sequence[float]] = (-1, (), ())
        self._poses: tuple[int, Sequence[ObjectPose]] = (-1, ())
        self.episode_id = ""
        self.answered = 0
        self.unanswered = 0

    @property
    def is_ready(self) -> bool:
        """Whether an episode runs and its shapes are here."""
        return bool(self.episode_id) and bool(self._shapes) and self._shapes_ns == self._episode_ns

    def start_episode(self, episode_id: str, stamp_ns: int) -> None:
        """An episode starts, or starts anew; an empty id ends it."""
        self.episode_id = episode_id
        self._episode_ns = stamp_ns

    def take_shapes(self, stamp_ns: int, shapes: Sequence[ObjectShape]) -> None:
        """What lies on the table, the target first."""
        self._shapes, self._shapes_ns = tuple(shapes), stamp_ns

    def take_joints(self, stamp_ns: int, joints_rad: Sequence[float], fingers_m: Sequence[float]) -> Command | None:
        """Seven joints and two fingers; the answer if the objects of this stamp are here already."""
        self._joints = (stamp_ns, joints_rad, fingers_m)
        return self._answer(stamp_ns)

    def take_objects(self, stamp_ns: int, poses: Sequence[ObjectPose]) -> Command | None:
        """Where everything is; the answer if the joints of this stamp are here already."""
        self._poses = (stamp_ns, poses)
        return self._answer(stamp_ns)

    def _answer(self, stamp_ns: int) -> Command | None:
        """``None`` while a part is missing, and for a state that is not answerable: silence makes the gate halt."""
        if self._joints[0] != self._poses[0]:
            return None
        state = self._state()
        if state is None or self._episode_ns is None or stamp_ns < self._episode_ns or not self.is_ready:
            self.unanswered += 1
            return None
        self.answered += 1
        return self._expert.command(state)

    def _state(self) -> GraspingState | None:
        """The same numbers, to the last bit, as in the world that published them; ``None`` for what is no state."""
        _, joints_rad, fingers_m = self._joints
        _, poses = self._poses
        numbers = [*joints_rad, *fingers_m, *(n for pose in poses for n in (*pose.position_m, *pose.quaternion))]
        sizes = (len(joints_rad), len(fingers_m), len(poses))
        if sizes != (7, 2, len(self._shapes)) or not np.isfinite(numbers).all():
            return None
        joints = np.array(joints_rad)
        position, rotation, _ = forward_kinematics(joints)
        objects = tuple(SceneObject(shape, pose) for shape, pose in zip(self._shapes, poses, strict=True))
        left, right = fingers_m
        tool = ToolState(joints, position, rotation, tool_yaw(rotation))
        return GraspingState(0, 0, tool, (left, right), objects, _UNDISTURBED)
