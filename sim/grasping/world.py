"""An arm over a cluttered table: the one simulated world behind the Gymnasium environment and the ROS 2 node.

Physics runs at 240 Hz, control at 20 Hz. Everything follows from the configuration and the seed: worlds that got the
same ones and the same commands have identical states and frames, bit for bit. Every world owns a PyBullet client of
its own (``DIRECT``, no window), so several can live at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pybullet

from models.errors import SimulationError
from sim.camera import Color
from sim.grasping.arm import Arm
from sim.grasping.cameras import WRIST, draw_cameras, palm_pose
from sim.grasping.config import GraspingConfig
from sim.grasping.disturbances import Disturbances
from sim.grasping.gripper import WIDEST_M, Gripper
from sim.grasping.kinematics import HOME_RAD
from sim.grasping.metrics import Contacts, GraspingMetrics, GraspingStatus
from sim.grasping.objects import SceneObject
from sim.grasping.scene import draw_scene
from sim.grasping.state import ACTION_NAMES, Command, GraspingState
from sim.grasping.table import Table
from sim.simulated_world import CONTROL_HZ, PERIOD_NS, PERIOD_S, PHYSICS_STEPS, SimulatedWorld

__all__ = ["CONTROL_HZ", "PERIOD_S", "PHYSICS_STEPS", "STOP", "GraspingConfig", "GraspingWorld"]

# A second for things that lean to fall; the arm stands still meanwhile.
_SETTLING_PERIODS = 20
# How far beyond the tool's range something can still be taken hold of.
_REACH_M = 0.015
#: The command that holds everything where it is, a grip included: what a watchdog sends when no command comes.
STOP: Command = (0.0, 0.0, 0.0, 0.0, 0.0)
_BASE_POSITION = (0.0, 0.0, 0.0)
_BASE_ROTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class GraspingWorld(SimulatedWorld):
    """An arm over a table."""

    def __init__(self, config: GraspingConfig | None = None, seed: int = 0) -> None:
        """Open a world and reset it with ``seed``.

        Raises:
            SimulationError: when PyBullet gives no client.
        """
        super().__init__()
        self.config = config or GraspingConfig()
        try:
            self.reset(seed)
        except BaseException:
            self.close()
            raise

    def reset(self, seed: int, *, scene: Sequence[SceneObject] | None = None) -> GraspingState:
        """Build the world anew, with the arm at home, the gripper open, and everything on the table at rest.

        Args:
            seed: draws whatever the configuration leaves to chance.
            scene: the target, then the clutter, instead of a drawn scene.

        Raises:
            SimulationError: when the world is closed, the seed is negative or the scene is empty.
        """
        self._check_reset(seed)
        scene_seed = seed if self.config.scene_seed is None else self.config.scene_seed
        placed = draw_scene(scene_seed, self.config.scene) if scene is None else tuple(scene)
        if not placed:
            raise SimulationError("a scene needs a target", found="no objects")
        client = self._empty()
        self.look, cameras_rng = self.config.look.draw(seed)
        self._cameras = draw_cameras(self.config.cameras, client, self.look, self.config.look, cameras_rng)
        self.table = Table(client, placed, self.look)
        self.arm = Arm(client, self.config.arm)
        self.gripper = Gripper(client, self.arm.body, self.arm.links)
        self._disturbances = Disturbances(seed, self.config.disturbances, PERIOD_S)
        self._tick = 0
        self._settle()
        self._read(STOP)
        self._start = self.state.objects
        self.metrics = GraspingMetrics(self.state.target.pose.position_m[2], PERIOD_S)
        return self.state

    def step(self, command: Command) -> GraspingState:
        """Move for one control step (50 ms) and return where that led.

        Args:
            command: linear x, y, z (m/s, base frame), yaw rate (rad/s, counter-clockwise from above) and speed of the
                gap between the fingers (m/s, negative closes); what the arm cannot do is cut.

        Raises:
            SimulationError: when the world is closed, or the command is not five finite numbers (everything keeps its
                last one).
        """
        self._open_client()
        if len(command) != len(STOP) or not all(map(math.isfinite, command)):
            raise SimulationError(
                "a command is five finite numbers",
                found=tuple(command),
                expected=", ".join(ACTION_NAMES),
                fix="reject NaN and Inf before they reach the arm; this step was not taken",
            )
        disturbance = self._disturbances.next_command_error()
        x, y, z, yaw_rate, opening = (wanted + error for wanted, error in zip(command, disturbance, strict=True))
        self.arm.drive(self.arm.joint_speeds((x, y, z), yaw_rate, PERIOD_S))
        self.gripper.drive(self.gripper.target(opening, PERIOD_S))
        knock = self._disturbances.next_knock(len(self.table.objects))
        if knock is not None:
            self.table.knock(*knock)
        self._advance()
        self._tick += 1
        self._read(disturbance)
        self._measure()
        return self.state

    def mount(self, camera: str) -> tuple[Sequence[float], Sequence[float]]:
        """Position (metres) and rotation (row by row) of a camera's mount in the base frame, now."""
        if camera == WRIST.name:
            return palm_pose(self.state.tool.position_m, self.state.tool.rotation)
        return _BASE_POSITION, _BASE_ROTATION

    @property
    def background(self) -> Color:
        """What is neither table, arm nor object."""
        return self.look.background

    def refresh(self) -> GraspingState:
        """Read the state anew, for measurements that step PyBullet themselves; takes no time and counts for nothing."""
        self._open_client()
        self._read(self.state.disturbance)
        return self.state

    @property
    def state(self) -> GraspingState:
        """Arm and table after the last step."""
        return self._state

    @property
    def status(self) -> GraspingStatus:
        """The metrics after the last step."""
        return self.metrics.status

    def _settle(self) -> None:
        """Let everything come to rest, and then the arm start from where it should be."""
        self.arm.drive([0.0] * len(self.arm.joints))
        self.gripper.drive(self.gripper.target(0.0, PERIOD_S))
        for _ in range(_SETTLING_PERIODS):
            self._advance()
        self.arm.place(HOME_RAD)
        self.gripper.place(WIDEST_M)

    def _read(self, disturbance: Command) -> None:
        self.gripper.read()
        self._state = GraspingState(
            tick=self._tick,
            stamp_ns=self._tick * PERIOD_NS,
            tool=self.arm.read(),
            fingers_m=self.gripper.positions_m,
            objects=self.table.read(),
            disturbance=disturbance,
        )

    def _measure(self) -> None:
        objects = self.state.objects
        moved = sum(
            math.dist(now.pose.position_m[:2], before.pose.position_m[:2])
            for now, before in zip(objects[1:], self._start[1:], strict=True)
        )
        x, y, height = objects[0].pose.position_m
        # Below the table's top, or beyond what the fingers can reach.
        (near, far), (right, left) = self.config.arm.x_m, self.config.arm.y_m
        reachable = near - _REACH_M <= x <= far + _REACH_M and right - _REACH_M <= y <= left + _REACH_M
        lost = height < -0.01 or not reachable
        self.metrics.update(height, self._contacts(), moved, lost=lost)

    def _contacts(self) -> Contacts:
        pushing = colliding = False
        fingers, target = self.gripper.joints, self.table.objects[0]
        for contact in pybullet.getContactPoints(bodyA=self.arm.body, physicsClientId=self._client):
            body, link = contact[2], contact[3]
            colliding |= body == self.table.body or link not in fingers
            pushing |= body not in (self.table.body, self.arm.body, target)
        return Contacts(pushing=pushing, colliding=colliding)
