"""The arm's kinematics: three descriptions of one arm, and an inverse that finds its way."""

from __future__ import annotations

import math
from collections.abc import Iterator
from importlib import resources

import numpy as np
import pybullet
import pytest

from sim.grasping.arm import ArmConfig
from sim.grasping.gripper import FINGER_JOINTS, WIDEST_M
from sim.grasping.inverse_kinematics import downward_rotation, solve
from sim.grasping.kinematics import (
    ARM_JOINTS,
    HIGHEST_RAD,
    HOME_RAD,
    LOWEST_RAD,
    TOOL_OFFSET_M,
    TOP_SPEED_RAD_S,
    forward_kinematics,
    tool_yaw,
)

pytestmark = pytest.mark.sim


@pytest.fixture
def loaded() -> Iterator[tuple[int, int]]:
    """A PyBullet client and the arm's body in it."""
    client = pybullet.connect(pybullet.DIRECT)
    with resources.as_file(resources.files("sim.grasping") / "arm.urdf") as urdf:
        body = pybullet.loadURDF(str(urdf), useFixedBase=1, physicsClientId=client)
    yield client, body
    pybullet.disconnect(client)


def joint_infos(client: int, body: int) -> dict[str, tuple]:
    """PyBullet's account of each joint, by name."""
    infos = [
        pybullet.getJointInfo(body, index, physicsClientId=client)
        for index in range(pybullet.getNumJoints(body, physicsClientId=client))
    ]
    return {info[1].decode(): info for info in infos}


def test_the_description_and_the_parameters_agree(loaded: tuple[int, int]) -> None:
    """Catches an arm.urdf that was changed without kinematics.py: the inverse would aim beside the target."""
    client, body = loaded
    infos = joint_infos(client, body)
    hand = infos["hand_joint"][0]
    rng = np.random.default_rng(0)
    for _ in range(20):
        joints = rng.uniform(LOWEST_RAD, HIGHEST_RAD)
        for name, angle in zip(ARM_JOINTS, joints, strict=True):
            pybullet.resetJointState(body, infos[name][0], angle, physicsClientId=client)
        link = pybullet.getLinkState(body, hand, computeForwardKinematics=1, physicsClientId=client)
        rotation = np.array(pybullet.getMatrixFromQuaternion(link[5])).reshape(3, 3)
        position, turned, _ = forward_kinematics(joints)
        assert turned == pytest.approx(rotation, abs=1e-6)
        assert position == pytest.approx(np.array(link[4]) + TOOL_OFFSET_M * rotation[:, 2], abs=1e-6)


def test_limits_are_those_of_the_description(loaded: tuple[int, int]) -> None:
    """Catches joint angles that the arm cannot take, and a gripper that opens wider than its fingers go."""
    infos = joint_infos(*loaded)
    assert [infos[name][8] for name in ARM_JOINTS] == pytest.approx(LOWEST_RAD.tolist())
    assert [infos[name][9] for name in ARM_JOINTS] == pytest.approx(HIGHEST_RAD.tolist())
    assert [infos[name][11] for name in ARM_JOINTS] == pytest.approx(TOP_SPEED_RAD_S.tolist())
    assert sum(infos[name][9] for name in FINGER_JOINTS) == pytest.approx(WIDEST_M)
    assert set(ARM_JOINTS) | set(FINGER_JOINTS) | {"hand_joint"} == set(infos)


def test_the_jacobian_is_the_derivative() -> None:
    """Catches a wrong axis or lever arm, with which the tool would move another way than it was told."""
    rng = np.random.default_rng(1)
    step = 1e-6
    for _ in range(10):
        joints = rng.uniform(LOWEST_RAD, HIGHEST_RAD)
        position, rotation, jacobian = forward_kinematics(joints)
        for index in range(7):
            nudged, turned, _ = forward_kinematics(joints + step * np.eye(7)[index])
            assert (nudged - position) / step == pytest.approx(jacobian[:3, index], abs=1e-5)
            spin = (turned - rotation) @ rotation.T / step
            assert [spin[2, 1], spin[0, 2], spin[1, 0]] == pytest.approx(jacobian[3:, index], abs=1e-5)


def test_the_inverse_reaches_the_whole_workspace() -> None:
    """Catches a corner where a joint's stop or a singular pose keeps the tool from where the contract sends it."""
    arm = ArmConfig()
    start, _, _ = forward_kinematics(HOME_RAD)
    for x in arm.x_m:
        for y in arm.y_m:
            for z in (arm.z_m[0], 0.25):
                for yaw in arm.yaw_rad:
                    goal, joints = np.array([x, y, z]), HOME_RAD
                    for part in np.linspace(0.0, 1.0, 60).tolist() + [1.0] * 20:
                        joints = solve(joints, start + part * (goal - start), part * yaw)
                    position, rotation, _ = forward_kinematics(joints)
                    # Half a millimetre: what the drift to the rest posture costs where the arm is stretched.
                    assert position == pytest.approx(goal, abs=1e-3)
                    assert tool_yaw(rotation) == pytest.approx(yaw, abs=2e-2)
                    assert rotation[2, 2] < -0.999
                    assert (joints > LOWEST_RAD).all()
                    assert (joints < HIGHEST_RAD).all()


def test_a_pose_out_of_reach_is_approached() -> None:
    """Catches joints that spin where the arm is stretched out, which undamped least squares do."""
    joints = solve(HOME_RAD, np.array([1.5, 0.0, 0.3]), 0.0, iterations=200)
    assert np.abs(solve(joints, np.array([1.5, 0.0, 0.3]), 0.0) - joints).max() < 0.4
    position, _, _ = forward_kinematics(joints)
    assert position[0] > 0.65
    assert position[1] == pytest.approx(0.0, abs=1e-6)


def test_home_points_straight_down() -> None:
    """Catches a home pose from which every episode would start with a tilted hand."""
    position, rotation, _ = forward_kinematics(HOME_RAD)
    assert rotation == pytest.approx(downward_rotation(0.0), abs=1e-3)
    assert position == pytest.approx([0.45, 0.0, 0.306], abs=2e-3)
    assert tool_yaw(downward_rotation(0.7)) == pytest.approx(0.7)
    assert math.isclose(np.linalg.det(downward_rotation(0.7)), 1.0)
