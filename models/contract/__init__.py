"""The robot contract: which topics a policy sees and commands, how fast, within which limits, and who may drive.

It reads rosetta's vocabulary (``observations``, ``actions``, ``channel``, ``align``, ``select``, ``apply``) and adds
``limits``, ``max_age``, ``memory``, ``trigger`` and ``gate``. It owns no message and imports no ROS: codecs turn
messages into arrays by what stands here. Loading a contract never imports or runs what the contract names.

Units: whatever stands on a topic is in SI units, and actions stay so. ``rad2deg`` on an observation turns the stream
into degrees, as written; on an *action* it is undone at load (``Source.apply`` then holds what is left, in the units
of the wire), because limits, gate, labels and proposals are all in SI units.
"""

from __future__ import annotations

from models.contract.contract import Contract
from models.contract.load import UNUSED_SECTIONS, load_contract, parse_contract
from models.contract.model import (
    IMAGE_PREFIX,
    Align,
    Channel,
    DimensionLimits,
    GateSpec,
    HaltStop,
    Memory,
    Qos,
    Safety,
    Source,
    Strategy,
    Stream,
    Timeline,
)
from models.contract.operators import Clamp, Operator, Rad2Deg, Resize
from models.contract.problems import InvalidContract, Problem
from models.contract.units import rate_unit
from models.errors import ContractError

__all__ = [
    "IMAGE_PREFIX",
    "UNUSED_SECTIONS",
    "Align",
    "Channel",
    "Clamp",
    "Contract",
    "ContractError",
    "DimensionLimits",
    "GateSpec",
    "HaltStop",
    "InvalidContract",
    "Memory",
    "Operator",
    "Problem",
    "Qos",
    "Rad2Deg",
    "Resize",
    "Safety",
    "Source",
    "Strategy",
    "Stream",
    "Timeline",
    "load_contract",
    "parse_contract",
    "rate_unit",
]
