"""Robots for the teleoperation tests: the simulated car, and an arm whose halt holds its position."""

from __future__ import annotations

from gated_robot import CONTRACT as CAR
from gated_robot import REPOSITORY

from models.contract import parse_contract

__all__ = ["ARM", "ARM_TEXT", "CAR", "REPOSITORY"]

ARM_TEXT = """
robot_type: small_arm
fps: 50
observations:
  observation.state:
    channel: {topic: /joint_states, type: sensor_msgs/msg/JointState}
    align: {strategy: hold, timeline: header}
    select: [position.lift, position.elbow]
    apply: [rad2deg]
actions:
  action:
    channel: {topic: /arm/command, type: trajectory_msgs/msg/JointTrajectory}
    align: {strategy: hold, timeline: header}
    select: [positions.elbow, positions.lift]
  action.gripper:
    channel: {topic: /gripper/command, type: std_msgs/msg/Float64}
    align: {strategy: hold, timeline: receive}
limits:
  action:
    positions.elbow: {min: -2, max: 2, rate: 2, unit: rad}
    positions.lift: {min: 0, max: 0.5, rate: 0.2, unit: m}
  action.gripper:
    data: {min: 0, max: 1, rate: 4, unit: 1}
gate:
  expert: {topic: [/expert/arm, /expert/gripper], max_age: 100 ms}
  halt: {stop: hold}
"""
ARM = parse_contract(ARM_TEXT)
