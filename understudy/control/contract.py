"""The robot contract of a control task: one vector of states in, a command out."""

from __future__ import annotations

from models.contract import Contract, load_contract, parse_contract
from sim.control import ControlTask
from understudy.environment.ros_environment import shared_folder

__all__ = ["DRIVING_CONTRACT", "STREAM", "control_contract"]

DRIVING_CONTRACT = shared_folder() / "contracts" / "driving_state.yaml"

STREAM = "observation.state"

# Ticks a second. Mountain car counts in steps and knows no seconds.
_RATES_HZ = {"cartpole": 50, "acrobot": 5, "mountain-car": 20, "pendulum": 20}
# What is commanded, and its unit. The mountain car has neither mass nor seconds: its motor pushes with "1 N".
_COMMANDS = {
    "cartpole": ("effort.cart", "N"),
    "acrobot": ("effort.joint_2", "Nm"),
    "mountain-car": ("effort.car", "N"),
    "pendulum": ("effort.joint", "Nm"),
}

_TEXT = """\
# {gymnasium_id}. Nothing publishes these topics yet: policies for this contract run in process.
robot_type: {name}
robot_interface: ros2
fps: {rate}
observations:
  {stream}:
    channel: {{topic: /{topic}/joint_states, type: sensor_msgs/msg/JointState}}
    align: {{strategy: hold, timeline: header}}
    select: [{observations}]
actions:
  action:
    channel: {{topic: /{topic}/command, type: sensor_msgs/msg/JointState}}
    align: {{strategy: hold, timeline: header}}
    select: [{command}]
limits:
  action:
    # Gymnasium's worlds jump from any action to any other.
    {command}: {{min: {low}, max: {high}, rate: 100000, unit: "{unit}", stop: 0}}
memory: {{frames: 1, stride: 1, recurrent: false}}
"""


def control_contract(task: ControlTask) -> Contract:
    """What a policy of this task sees and commands, in SI units; of the car the one that its nodes are started with."""
    if task.name == "driving":
        return load_contract(DRIVING_CONTRACT)
    values = [value for row in task.action_values for value in row]
    command, unit = _COMMANDS[task.name]
    text = _TEXT.format(
        gymnasium_id=task.gymnasium_id,
        name=task.name.replace("-", "_"),
        topic=task.name.replace("-", "_"),
        rate=_RATES_HZ[task.name],
        stream=STREAM,
        observations=", ".join(task.observation_names),
        command=command,
        unit=unit,
        low=min(values, default=min(task.action_low, default=0.0)),
        high=max(values, default=max(task.action_high, default=0.0)),
    )
    return parse_contract(text, f"{task.name}.yaml")
