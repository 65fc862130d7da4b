"""What a person may choose about a stack; the same for the command line and for the launch files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import DeploymentError
from understudy.stacks.nodes import StackNode, stack_nodes, with_values
from understudy.stacks.params_file import ParamsFile

__all__ = ["SIMULATED", "StackOptions"]

#: The node's own default.
_DEVICE = "joy"


@dataclass(frozen=True)
class StackOptions:
    """The choices.

    Attributes:
        sim: drive the simulated car; without it the robot brings its own topics.
        expert: one of ``understudy.stacks.nodes.EXPERTS``.
        noise: noise file (YAML) of the disturbed demonstrations; ``None`` for no noise.
        labeller: record the expert's answer to every tick.
        teleop_device: one of ``understudy.stacks.nodes.DEVICES``; ``None``: what the parameter file says, else ``joy``.
        enable_control: whether the gate commands the robot, or only decides and reports; ``None`` leaves it to the
            parameter file.
        enable_policy: whether a deployed policy may drive from the start; ``None``: yes with the simulated car; without
            it the parameter file decides.
    """

    sim: bool = True
    expert: str = "auto"
    noise: Path | None = None
    labeller: bool = False
    teleop_device: str | None = None
    enable_control: bool | None = None
    enable_policy: bool | None = None

    def nodes(
        self,
        stack: str,
        *,
        contract: Path,
        directory: Path | None = None,
        bundle: Path | None = None,
        autostart: bool | None = None,
        params_file: Path | None = None,
    ) -> tuple[StackNode, ...]:
        """The nodes of a stack with these choices.

        Args:
            stack: ``collect`` or ``deploy``.
            contract: the robot's, which names the expert's topics.
            directory: folder of the bags; ``None`` leaves it to the parameter file.
            bundle: the policy.
            autostart: whether nodes configure and activate themselves; ``None`` leaves it to the parameter file.
            params_file: parameters of the nodes, if known: its ``reaction_s`` of the labeller goes before ours, and its
                ``device`` of the teleoperator counts where none is chosen.

        Raises:
            ContractError: the contract cannot be read.
            DeploymentError: the choices contradict each other, or a file is missing or cannot be read.
        """
        from models.contract import load_contract

        if self.noise is not None and not self.noise.is_file():
            raise DeploymentError(f"there is no noise file {self.noise}")
        nodes = stack_nodes(
            stack,
            sim=self.sim,
            expert=self.expert,
            noise=self.noise is not None,
            labeller=self.labeller,
            teleop_device=self.device(params_file),
            expert_topics=load_contract(contract).gate.expert_topics,
        )
        if self.labeller and self.is_teleoperated and params_file is not None:
            nodes = _with_reaction_of(params_file, nodes)
        return with_values(
            nodes,
            autostart=autostart,
            contract=contract,
            directory=directory,
            bundle=bundle,
            noise=None if self.noise is None else self.noise.resolve(),
            teleop_device=self.teleop_device,
            enable_control=self.enable_control,
            enable_policy=self.enable_policy if stack == "deploy" else None,
        )

    def uses_terminal(self, params_file: Path | None = None) -> bool:
        """Whether a node reads the keyboard and draws on the terminal.

        Args:
            params_file: as of :meth:`nodes`.

        Raises:
            DeploymentError: the parameter file is needed, and cannot be read.
        """
        return self.is_teleoperated and self.device(params_file) == "keyboard"

    def device(self, params_file: Path | None) -> str:
        """What a teleoperator holds; nobody asks the file where nobody teleoperates."""
        if self.teleop_device is None and self.is_teleoperated and params_file is not None:
            return str(ParamsFile(params_file).value("teleop", "device") or _DEVICE)
        return self.teleop_device or _DEVICE

    @property
    def is_teleoperated(self) -> bool:
        """Whether the expert is a person at a device of ours, who may discard an episode, or quit."""
        return self.expert == "teleop" or (self.expert == "auto" and not self.sim)


def _with_reaction_of(params_file: Path, nodes: Iterable[StackNode]) -> tuple[StackNode, ...]:
    """The nodes, the labeller without a reaction time of our own where the file has one."""
    if ParamsFile(params_file).value("labeller", "reaction_s") is None:
        return tuple(nodes)
    return tuple(replace(node, parameters={}) if node.name == "labeller" else node for node in nodes)


#: The simulated car and its scripted expert, nothing else.
SIMULATED = StackOptions()
