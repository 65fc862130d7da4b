"""What a person may choose about a stack; the same for the command line and for the launch files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import DeploymentError
from understudy.stacks.nodes import StackNode, stack_nodes, with_values
from understudy.stacks.params_file import ParamsFile

__all__ = ["SIMULATED", "StackOptions"]


@dataclass(frozen=True)
class StackOptions:
    """The choices.

    Attributes:
        sim: drive the simulated car; without it the robot brings its own topics.
        expert: one of ``understudy.stacks.nodes.EXPERTS``.
        noise: noise file (YAML) of the disturbed demonstrations; ``None`` for no noise.
        labeller: record the expert's answer to every tick.
        teleop_device: one of ``understudy.stacks.nodes.DEVICES``.
        enable_control: whether the gate commands the robot, or only decides and reports; ``None`` leaves it to the
            parameter file.
        enable_policy: whether a deployed policy may drive from the start; ``None``: yes with the simulated car; without
            it the parameter file decides.
    """

    sim: bool = True
    expert: str = "auto"
    noise: Path | None = None
    labeller: bool = False
    teleop_device: str = "joy"
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
            params_file: parameters of the nodes, if known: its ``reaction_s`` of the labeller goes before ours.

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
            teleop_device=self.teleop_device,
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

    @property
    def uses_terminal(self) -> bool:
        """Whether a node reads the keyboard and draws on the terminal."""
        return self.is_teleoperated and self.teleop_device == "keyboard"

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
