"""What a gate is told at its start; all of it is read-only afterwards, so that nothing at run time can lift a limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from il_nodes.gate.command_guard import DISCOVERY_S
from il_nodes.gate.trust import SILENCE_S
from il_nodes.gate.unsafe_monitor import accepted_threshold
from models.contract import Contract
from models.errors import DeploymentError

__all__ = ["GateParameters"]

#: Parameters have no "not given"; this threshold stands for the contract's.
_CONTRACTS_OWN = -1.0


@dataclass(frozen=True, slots=True)
class GateParameters:
    """The gate node's parameters.

    Attributes:
        contract: path of the robot contract.
        lock_step: answer once everybody in ``wait_for`` answered a stamp.
        wait_for: who must answer.
        enable_control: false is a dry run.
        enable_policy: whether the policy may drive from the start on.
        unsafe_threshold: -1 for the contract's.
        allow_looser_threshold: accept one above the contract's.
        policy_silence_s: robot seconds.
        discovery_s: wall seconds.
        time_scale: robot seconds a wall second.
    """

    contract: str
    lock_step: bool
    wait_for: tuple[str, ...]
    enable_control: bool
    enable_policy: bool
    unsafe_threshold: float
    allow_looser_threshold: bool
    policy_silence_s: float
    discovery_s: float
    time_scale: float

    @classmethod
    def declared(cls, node: Any) -> GateParameters:
        """Declare them on ``node``, or read them again."""
        say = node.parameter
        return cls(
            contract=say("contract", "", "path of the robot contract (YAML)"),
            lock_step=say("lock_step", False, "answer once everybody in wait_for answered a stamp"),
            wait_for=tuple(say("wait_for", ["expert"], "who must answer a stamp in lock-step: expert, policy")),
            enable_control=say("enable_control", False, "false: a dry run: decide and report, but command nothing"),
            enable_policy=say("enable_policy", False, "false: the expert drives (recording)"),
            unsafe_threshold=say(
                "unsafe_threshold",
                _CONTRACTS_OWN,
                "unsafe_probability above it gives the robot to the expert; -1: the contract's",
            ),
            allow_looser_threshold=say("allow_looser_threshold", False, "accept a threshold above the contract's"),
            policy_silence_s=say(
                "policy_silence_s", SILENCE_S, "a policy silent for longer is kept away, s", minimum=0.1, maximum=10.0
            ),
            discovery_s=say(
                "discovery_s",
                DISCOVERY_S,
                "looks that long for other publishers of commands before the first command, s",
                minimum=0.0,
                maximum=30.0,
            ),
            time_scale=say(
                "time_scale",
                1.0,
                "the robot's seconds a second: a simulator's real-time factor",
                minimum=0.01,
                maximum=100.0,
            ),
        )

    def contract_path(self) -> str:
        """Path of the contract.

        Raises:
            DeploymentError: none was given.
        """
        if not self.contract:
            raise DeploymentError("the gate needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        return self.contract

    def threshold(self, contract: Contract) -> float:
        """The threshold to use.

        Raises:
            DeploymentError: see :func:`il_nodes.gate.unsafe_monitor.accepted_threshold`.
        """
        wanted = None if self.unsafe_threshold == _CONTRACTS_OWN else self.unsafe_threshold
        return accepted_threshold(contract, wanted, allow_looser=self.allow_looser_threshold)

    def answering(self, contract: Contract) -> tuple[str, ...]:
        """Who must answer a stamp in lock-step.

        Raises:
            DeploymentError: an unknown name, or an expert that the contract does not have.
        """
        names = self.wait_for
        if not names or not set(names) <= {"expert", "policy"}:
            raise DeploymentError("parameter wait_for of the gate", found=names, expected="expert, policy, or both")
        if "expert" in names and not contract.gate.expert_topics and self.lock_step:
            raise DeploymentError("the gate is to wait for an expert that the contract does not have", found=names)
        return names
