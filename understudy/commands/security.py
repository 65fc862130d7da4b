"""``understudy security policy``: the SROS2 policy file of a robot."""

from __future__ import annotations

from typing import Annotated

import typer

from understudy.commands.options import ContractOption, ParamsOption
from understudy.console import Console

__all__ = ["app"]

app = typer.Typer()


@app.callback(short_help="DDS security (SROS2): who may say what.")
def _group() -> None:
    """DDS security (SROS2): who may say what."""


@app.command("policy")
def policy(
    context: typer.Context,
    contract: ContractOption = None,
    params_file: ParamsOption = None,
    sim: Annotated[
        bool,
        typer.Option("--sim/--no-sim", help="With the simulated car's nodes, or with an enclave for your own drivers."),
    ] = True,
) -> int:
    """Print the SROS2 policy file of a robot contract: one enclave a node, and only the gate may command the robot.

    Redirect it into a file, and make a keystore of it as docs/security.md says. Needs no ROS.
    """
    from models.contract import load_contract
    from understudy.security_policy import enclaves, policy_xml
    from understudy.stacks.params_file import ParamsFile
    from understudy.stacks.running import default_params_file, require_params_file
    from understudy.stages import default_contract

    console: Console = context.obj
    path = params_file or default_params_file("driving" if sim else "robot")
    require_params_file(path)
    params, robot = ParamsFile(path), load_contract(contract or default_contract())
    recorded, leader = params.texts("recorder", "extra_topics"), params.texts("teleop", "leader_topics")
    found = enclaves(robot, sim=sim, recorded=recorded, leader=leader)
    text = policy_xml(robot.robot_type, found)
    console.result({"ok": True, "enclaves": [f"/{enclave.node}" for enclave in found], "policy": text}, text.rstrip())
    return 0
