"""Gymnasium's classic control tasks, any number of worlds at a time: equal dynamics, in NumPy and nothing else.

``task`` says what a task is, one file a task holds its dynamics, ``batch`` steps many worlds and begins episodes anew,
``rollouts`` runs whole episodes of a policy.
"""

from sim.control.acrobot import Acrobot
from sim.control.batch import ControlBatch
from sim.control.cartpole import CartPole
from sim.control.mountain_car import MountainCar
from sim.control.pendulum import Pendulum
from sim.control.rollouts import Act, returns, roll_out
from sim.control.task import ControlTask

__all__ = ["TASKS", "Act", "ControlBatch", "ControlTask", "returns", "roll_out"]

TASKS: dict[str, ControlTask] = {task.name: task for task in (CartPole(), Acrobot(), MountainCar(), Pendulum())}
