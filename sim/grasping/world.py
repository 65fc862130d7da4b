"""An arm over a cluttered table: the one simulated world behind the Gymnasium environment and the ROS 2 node.

Physics runs at 240 Hz, control at 20 Hz. Everything follows from the configuration and the seed: worlds that got the
same ones and the same commands have identical states and frames, bit for bit. Every world owns a PyBullet client of
its own (``DIRECT``, no window), so several can live at once.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from types import TracebackType

import pybullet

from models.errors import SimulationError
from sim.grasping.arm import Arm
from sim.grasping.cameras import WRIST, Camera, Image, draw_cameras, palm_pose
from sim.grasping.config import GraspingConfig
from sim.grasping.disturbances import Disturbances
from sim.grasping.gripper import WIDEST_M, Gripper
from sim.grasping.kinematics import HOME_RAD
from sim.grasping.metrics import Contacts, GraspingMetrics, GraspingStatus
from sim.grasping.objects import SceneObject
from sim.grasping.scene import draw_scene
from sim.grasping.state import ACTION_NAMES, Command, GraspingState
from sim.grasping.table import Table

__all__ = ["CONTROL_HZ", "PERIOD_S", "PHYSICS_STEPS", "STOP", "GraspingConfig", "GraspingWorld"]

CONTROL_HZ = 20
# Physics steps of a control step: 240 Hz, PyBullet's own default, which its contact parameters are tuned for.
PHYSICS_STEPS = 12
PERIOD_S = 1.0 / CONTROL_HZ
_PERIOD_NS = 1_000_000_000 // CONTROL_HZ
_GRAVITY_M_S2 = -9.81
# Against PyBullet's 50, this halves a step's time; grips hold as well.
_SOLVER_ITERATIONS = 20
# A second for things that lean to fall; the arm stands still meanwhile.
_SETTLING_STEPS = 240
# How far beyond the tool's range something can still be taken hold of.
_REACH_M = 0.015
#: The command that holds everything where it is, a grip included: what a watchdog sends when no command comes.
STOP: Command = (0.0, 0.0, 0.0, 0.0, 0.0)
_BASE_POSITION = (0.0, 0.0, 0.0)
_BASE_ROTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


class GraspingWorld:
    """An arm over a table. Use it as a context manager, or call ``close``."""

    def __init__(self, config: GraspingConfig | None = None, seed: int = 0) -> None:
        """Open a world and reset it with ``seed``.

        Raises:
            SimulationError: when PyBullet gives no client.
        """
        self.config = config or GraspingConfig()
        self._client = int(pybullet.connect(pybullet.DIRECT))
        if self._client < 0:
            raise SimulationError("PyBullet gave no physics client", fix="close worlds that are no longer used")
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
        client = self._open_client()
        if seed < 0:
            raise SimulationError("a world's seed must not be negative", found=seed)
        scene_seed = seed if self.config.scene_seed is None else self.config.scene_seed
        placed = draw_scene(scene_seed, self.config.scene) if scene is None else tuple(scene)
        if not placed:
            raise SimulationError("a scene needs a target", found="no objects")
        # Rebuilt from nothing: a solver that kept its contacts would make an episode depend on the one before.
        pybullet.resetSimulation(physicsClientId=client)
        pybullet.setGravity(0.0, 0.0, _GRAVITY_M_S2, physicsClientId=client)
        pybullet.setPhysicsEngineParameter(
            fixedTimeStep=PERIOD_S / PHYSICS_STEPS,
            numSolverIterations=_SOLVER_ITERATIONS,
            deterministicOverlappingPairs=1,
            physicsClientId=client,
        )
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
        client = self._open_client()
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
        for _ in range(PHYSICS_STEPS):
            pybullet.stepSimulation(physicsClientId=client)
        self._tick += 1
        self._read(disturbance)
        self._measure()
        return self.state

    def render(self, camera: str = "overhead") -> Image:
        """Draw what a camera sees now: ``(height, width, 3)`` uint8 RGB.

        Raises:
            SimulationError: when the world is closed or has no such camera.
        """
        self._open_client()
        return self.camera(camera).render(*self.mount(camera), self.look.background)

    def camera(self, name: str) -> Camera:
        """Return a camera by its name.

        Raises:
            SimulationError: when the world has no such camera.
        """
        if name not in self._cameras:
            nearest = difflib.get_close_matches(name, self._cameras, n=1)
            raise SimulationError(
                f"the arm has no camera {name!r}",
                expected=", ".join(self._cameras),
                fix=f"did you mean {nearest[0]!r}?" if nearest else "",
            )
        return self._cameras[name]

    def mount(self, camera: str) -> tuple[Sequence[float], Sequence[float]]:
        """Position (metres) and rotation (row by row) of a camera's mount in the base frame, now."""
        if camera == WRIST.name:
            return palm_pose(self.state.tool.position_m, self.state.tool.rotation)
        return _BASE_POSITION, _BASE_ROTATION

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

    @property
    def client(self) -> int:
        """PyBullet's id of this world, for measurements."""
        return self._open_client()

    @property
    def camera_names(self) -> Sequence[str]:
        """What ``render`` accepts."""
        return tuple(self._cameras)

    def close(self) -> None:
        """Release the PyBullet client. Closing twice is fine."""
        client, self._client = self._client, -1
        if client >= 0 and pybullet.isConnected(client):
            pybullet.disconnect(client)

    def __enter__(self) -> GraspingWorld:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_client(self) -> int:
        if self._client < 0:
            raise SimulationError("this world is closed", fix="open another GraspingWorld")
        return self._client

    def _settle(self) -> None:
        """Let everything come to rest, and then the arm start from where it should be."""
        self.arm.drive([0.0] * len(self.arm.joints))
        self.gripper.drive(self.gripper.target(0.0, PERIOD_S))
        for _ in range(_SETTLING_STEPS):
            pybullet.stepSimulation(physicsClientId=self._client)
        self.arm.place(HOME_RAD)
        self.gripper.place(WIDEST_M)

    def _read(self, disturbance: Command) -> None:
        self.gripper.read()
        self._state = GraspingState(
            tick=self._tick,
            stamp_ns=self._tick * _PERIOD_NS,
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
