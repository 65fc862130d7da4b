"""Under which contract a trained policy runs, where nobody names one.

A policy runs under the contract that it was trained for. Mostly that is the robot's; where ``understudy train`` gave it
another memory, or the robot of a contract with fewer cameras, it lies beside the checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from understudy.workspace import Workspace

__all__ = ["robot_contract", "simulated_contract"]


def simulated_contract(place: Workspace, policy: Path, robot: str) -> Path | None:
    """The contract to simulate under: the policy's own where it only remembers otherwise, else ``None``.

    In everything else the simulated robot's own contract counts, and refuses a policy that was made for another.

    Args:
        place: the workspace.
        policy: the bundle.
        robot: name of the simulated robot.
    """
    from models.bundle import inspect_bundle
    from models.contract import load_contract
    from models.contract.memory_section import differ_in_memory_only
    from understudy.stages import default_contract

    if not place.policy_contract.is_file():
        return None
    own, simulated = load_contract(place.policy_contract), load_contract(default_contract(robot))
    if own.hash == simulated.hash or own.hash != inspect_bundle(policy).contract.hash:
        return None
    return place.policy_contract if differ_in_memory_only(own, simulated) else None


def robot_contract(place: Workspace, robot_type: str, policy: Path) -> Path:
    """The contract to name to a robot's owner: that of the recordings, or the policy's own if it asks for another.

    Args:
        place: the workspace.
        robot_type: the robot's name.
        policy: the bundle.
    """
    from models.bundle import inspect_bundle
    from models.contract import load_contract

    recorded, own = place.contract_of(robot_type), place.policy_contract
    wanted = inspect_bundle(policy).contract.hash
    if recorded is not None and load_contract(recorded).hash == wanted:
        return recorded
    if own.is_file() and load_contract(own).hash == wanted:
        return own
    return recorded or Path(f"{robot_type}.yaml")
