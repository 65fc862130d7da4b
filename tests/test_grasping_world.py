"""The world: an arm that goes where it is told, a grip that holds, the same every time."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.errors import SimulationError
from sim.grasping.arm import ArmConfig
from sim.grasping.cameras import OVERHEAD, WRIST, CameraConfig
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.expert import Expert
from sim.grasping.look import HELD_OUT_LOOK, LookConfig
from sim.grasping.objects import ObjectPose, ObjectShape, SceneObject
from sim.grasping.state import Command, GraspingState
from sim.grasping.world import PERIOD_S, STOP, GraspingConfig, GraspingWorld

pytestmark = pytest.mark.sim

CUBE = ObjectShape("box", (0.04, 0.04, 0.04))
LONELY = (SceneObject(CUBE, ObjectPose((0.5, 0.05, 0.02))),)


def move(world: GraspingWorld, command: Command, seconds: float) -> GraspingState:
    """Hold a command; the state after it."""
    for _ in range(round(seconds / PERIOD_S)):
        world.step(command)
    return world.state


def grasp(world: GraspingWorld, seconds: float = 15.0) -> None:
    """Let the expert take the target and hold it up."""
    expert = Expert()
    while not world.status.success:
        assert world.status.elapsed_s < seconds
        world.step(expert.command(world.state))


def fingerprint(state: GraspingState) -> bytes:
    """Everything exact in a state."""
    poses = [number for item in state.objects for number in (*item.pose.position_m, *item.pose.quaternion)]
    return np.array([*state.tool.joints_rad, *state.fingers_m, *state.disturbance, *poses]).tobytes()


def scripted(world: GraspingWorld, ticks: int = 50) -> list[bytes]:
    """A fixed pattern down into the clutter; every state and some frames as bytes."""
    seen = []
    for tick in range(ticks):
        state = world.step((0.1 * math.sin(tick / 5.0), 0.1 * math.cos(tick / 7.0), -0.2, 0.5, -0.05))
        seen.append(fingerprint(state))
        if tick % 25 == 0:
            seen += [world.render(camera).tobytes() for camera in ("overhead", "wrist")]
    return seen


@pytest.mark.parametrize("command", [(0.2, 0.0, 0.0, 0.0), (0.0, -0.2, 0.0, 1.0), (-0.1, 0.1, -0.15, -0.5)])
def test_the_tool_moves_as_commanded(command: tuple[float, float, float, float]) -> None:
    """Catches mirrored axes, a speed in other units, a hand that tilts, and an arm that lags behind."""
    with GraspingWorld(seed=1) as world:
        before = world.reset(1, scene=LONELY).tool
        after = move(world, (*command, 0.0), 0.8).tool
        assert after.position_m - before.position_m == pytest.approx(0.8 * np.array(command[:3]), abs=4e-3)
        assert after.yaw_rad - before.yaw_rad == pytest.approx(0.8 * command[3], abs=2e-2)
        assert after.rotation[2, 2] < -0.999


def test_the_arm_follows_everywhere() -> None:
    """Catches joints that run away from their commands where two of them turn about nearly the same axis."""
    rng = np.random.default_rng(0)
    with GraspingWorld() as world:
        world.reset(1, scene=LONELY)
        for _ in range(60):
            command = rng.uniform(-1.0, 1.0, 5) * (0.25, 0.25, 0.25, 1.5, 0.0)
            # Above everything: what touches nothing has no excuse.
            command[2] = abs(command[2]) if world.state.tool.position_m[2] < 0.15 else command[2]
            before = world.state.tool
            after = move(world, tuple(command.tolist()), 0.4).tool
            inside = (np.abs(after.position_m - (0.48, 0.0, 0.2)) < (0.17, 0.29, 0.17)).all()
            if inside:
                assert after.position_m - before.position_m == pytest.approx(0.4 * command[:3], abs=1.2e-2)


def test_no_command_holds_still() -> None:
    """Catches an arm that sags or drifts while nobody commands it."""
    with GraspingWorld() as world:
        before = world.reset(1, scene=LONELY).tool
        after = move(world, STOP, 5.0).tool
        assert after.position_m == pytest.approx(before.position_m, abs=1e-3)
        assert after.yaw_rad == pytest.approx(before.yaw_rad, abs=2e-3)


def test_speeds_and_ranges_are_limited() -> None:
    """Catches commands that the contract forbids but the arm would carry out."""
    arm = ArmConfig()
    with GraspingWorld() as world:
        start = world.reset(1, scene=LONELY).tool.position_m
        assert move(world, (5.0, 0.0, 0.0, 9.0, 0.0), 0.4).tool.position_m[0] - start[0] < 0.11
        assert world.state.tool.yaw_rad < 0.65
        for command, place in {
            (5.0, 5.0, 5.0, 9.0, 0.0): (arm.x_m[1], arm.y_m[1], arm.z_m[1], arm.yaw_rad[1]),
            (-5.0, -5.0, -5.0, -9.0, 0.0): (arm.x_m[0], arm.y_m[0], arm.z_m[0], arm.yaw_rad[0]),
        }.items():
            tool = move(world, command, 6.0).tool
            assert [*tool.position_m, tool.yaw_rad] == pytest.approx(place, abs=2e-2)


def test_the_gripper_opens_and_closes_at_its_speed() -> None:
    """Catches fingers that jump, move one by one, or go beyond their stops."""
    with GraspingWorld() as world:
        world.reset(1, scene=LONELY)
        assert move(world, (0.0, 0.0, 0.0, 0.0, -0.1), 0.5).gap_m == pytest.approx(0.03, abs=6e-3)
        assert move(world, (0.0, 0.0, 0.0, 0.0, -0.1), 0.6).gap_m == pytest.approx(0.0, abs=1e-3)
        state = move(world, (0.0, 0.0, 0.0, 0.0, 0.5), 0.4)
        assert state.gap_m == pytest.approx(0.04, abs=6e-3)
        assert state.fingers_m[0] == pytest.approx(state.fingers_m[1], abs=1e-3)
        assert move(world, (0.0, 0.0, 0.0, 0.0, 0.1), 1.0).gap_m == pytest.approx(0.08, abs=1e-3)


def test_an_obstacle_stops_the_arm_and_not_the_world() -> None:
    """Catches an arm that crushes what is under it, and a setpoint that runs away meanwhile."""
    block = SceneObject(ObjectShape("box", (0.06, 0.06, 0.06)), ObjectPose((0.45, 0.0, 0.03)))
    with GraspingWorld() as world:
        world.reset(1, scene=(block,))
        move(world, (0.0, 0.0, 0.0, 0.0, -0.1), 1.0)
        pressed = move(world, (0.0, 0.0, -0.25, 0.0, -0.1), 3.0)
        assert pressed.tool.position_m[2] == pytest.approx(0.07, abs=6e-3)
        assert pressed.target.pose.position_m[2] == pytest.approx(0.03, abs=4e-3)
        # Two ticks up suffice to leave it: the setpoint waited.
        assert move(world, (0.0, 0.0, 0.25, 0.0, 0.0), 0.2).tool.position_m[2] > 0.08


def test_a_grip_outlives_silence_and_ends_when_told() -> None:
    """Catches a halt that drops what is held, and fingers that squeeze their way into it or never let go."""
    with GraspingWorld() as world:
        world.reset(1, scene=LONELY)
        grasp(world)
        held = move(world, STOP, 4.0)
        assert world.status.lift_m > 0.1
        assert world.status.drops == 0
        assert held.gap_m == pytest.approx(0.04, abs=3e-3)
        move(world, (0.0, 0.0, 0.0, 0.0, 0.1), 0.8)
        assert world.status.lift_m < 0.02
        assert world.status.drops == 1
        assert world.status.success


def test_equal_worlds_are_equal_bit_for_bit() -> None:
    """Catches shared state between worlds, an episode that depends on the one before, and an unseeded draw."""
    config = GraspingConfig(
        disturbances=DisturbanceConfig(0.05, 0.3, shoves_per_s=1.0, knocks_per_s=1.0),
        look=LookConfig(color_spread=0.1, light_spread=0.1, camera_shift_m=0.01, camera_turn_rad=0.02),
    )
    with GraspingWorld(config, 3) as one, GraspingWorld(config, 9) as other:
        first = scripted(one)
        assert scripted(other) != first
        other.reset(3)
        assert scripted(other) == first
        one.reset(3)
        assert scripted(one) == first


def test_scenes_come_to_rest_before_they_start() -> None:
    """Catches things that still fall, slide or stick in each other when an episode begins."""
    with GraspingWorld() as world:
        for seed in range(8):
            before = world.reset(seed).objects
            after = move(world, STOP, 0.5).objects
            for earlier, later in zip(before, after, strict=True):
                assert math.dist(earlier.pose.position_m, later.pose.position_m) < 2e-3
            assert (world.status.pushes, world.status.collisions, world.status.lost) == (0, 0, False)


def test_cameras_see_the_target_and_the_fingers() -> None:
    """Catches a camera that looks elsewhere, too few pixels to learn from, and a wrist camera that does not move."""
    with GraspingWorld() as world:
        for seed in range(5):
            world.reset(seed)
            for name, shape, fewest in (("overhead", (96, 128, 3), 20), ("wrist", (64, 64, 3), 8)):
                image = world.render(name).astype(int)
                assert image.shape == shape
                red = (image[..., 0] > 100) & (image[..., 1:].max(axis=2) < 60)
                assert red.sum() >= fewest
            fingers = world.render("wrist").max(axis=2)[44:] < 40
            assert fingers[:, :32].sum() > 20
            assert fingers[:, 32:].sum() > 20
        still = world.render("wrist")
        move(world, (0.0, 0.0, -0.2, 0.0, 0.0), 0.5)
        assert (world.render("wrist") != still).mean() > 0.05


def test_looks_change_frames_and_nothing_else() -> None:
    """Catches a held-out look that looks the same, and colours that move the physics."""
    with (
        GraspingWorld(seed=2) as plain,
        GraspingWorld(GraspingConfig(look=LookConfig(HELD_OUT_LOOK)), 2) as held_out,
        GraspingWorld(GraspingConfig(look=LookConfig(camera_shift_m=0.03, camera_turn_rad=0.05)), 2) as shaken,
    ):
        assert fingerprint(plain.state) == fingerprint(held_out.state) == fingerprint(shaken.state)
        assert (plain.render() != held_out.render()).any(axis=2).mean() > 0.9
        assert 0.01 < (plain.render() != shaken.render()).any(axis=2).mean() < 0.5


def test_disturbances_are_what_they_say() -> None:
    """Catches noise of another strength, shoves and knocks that never come."""
    with GraspingWorld(
        GraspingConfig(disturbances=DisturbanceConfig(velocity_std_m_s=0.04, noise_time_s=0.1))
    ) as world:
        noise = np.array([world.step(STOP).disturbance for _ in range(400)])
        assert noise[:, :3].std() == pytest.approx(0.04, rel=0.15)
        assert not noise[:, 3:].any()
    with GraspingWorld(GraspingConfig(disturbances=DisturbanceConfig(shoves_per_s=2.0, shove_m_s=0.2))) as world:
        speeds = [float(np.hypot(*world.step(STOP).disturbance[:2])) for _ in range(100)]
        assert {round(speed, 6) for speed in speeds} == {0.0, 0.2}
    with GraspingWorld(GraspingConfig(disturbances=DisturbanceConfig(knocks_per_s=2.0))) as world:
        before = world.state.target.pose.position_m
        move(world, STOP, 3.0)
        assert math.dist(before, world.state.target.pose.position_m) > 0.01


def test_mistakes_are_named() -> None:
    """Catches NaN commands that reach the motors, closed worlds that crash, and misspelt cameras."""
    with GraspingWorld() as world:
        for command in ((math.nan, 0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0)):
            with pytest.raises(SimulationError, match="five finite numbers"):
                world.step(command)
        assert world.state.tick == 0
        with pytest.raises(SimulationError, match="did you mean 'wrist'"):
            world.render("wrst")
        with pytest.raises(SimulationError, match="negative"):
            world.reset(-1)
        with pytest.raises(SimulationError, match="needs a target"):
            world.reset(0, scene=())
    world.close()
    with pytest.raises(SimulationError, match="closed"):
        world.step(STOP)
    with pytest.raises(SimulationError, match="share a name"):
        GraspingConfig(cameras=(OVERHEAD, replace(WRIST, name="overhead")))
    with pytest.raises(SimulationError, match="no pixels"):
        CameraConfig("none", (0.0, 0.0, 0.0), width=0)
    with pytest.raises(SimulationError, match="empty range"):
        ArmConfig(x_m=(0.5, 0.5))
    with pytest.raises(SimulationError, match="must be positive"):
        ArmConfig(top_speed_m_s=0.0)
