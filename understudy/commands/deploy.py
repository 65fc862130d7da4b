"""``understudy deploy`` and ``understudy evaluate``: a policy drives, behind the gate, with the expert standing by."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import BundleError, RecordingError
from understudy.commands.options import (
    DEFAULT_WORKSPACE,
    ContractOption,
    DeviceOption,
    DomainOption,
    EnableControlOption,
    EnablePolicyOption,
    Expert,
    ExpertOption,
    LabelOption,
    ParamsOption,
    Robot,
    RobotOption,
    SimOption,
    WorkspaceOption,
    refuse_given,
    require_contract_of_robot,
    require_seeds,
    stack_options,
)
from understudy.console import Console, counted
from understudy.environment.domains import require_free_domain
from understudy.stacks.simulated import is_simulated, robot_option, simulated_robot
from understudy.training.policy_contract import robot_contract, simulated_contract

if TYPE_CHECKING:
    from models.contract import Contract
    from understudy.evaluation.judging import AnyGoals
    from understudy.stacks.episode_settings import EpisodeSettings
    from understudy.stages import Stages
    from understudy.workspace import Workspace

__all__ = ["add_to", "deploy_on_robot"]

BundleOption = Annotated[
    Path | None, typer.Option("--bundle", help="The policy; the workspace's policy.onnx by default.")
]
TracksOption = Annotated[
    str,
    typer.Option(
        "--tracks",
        "--scenes",
        callback=require_seeds,
        help="Seeds of the tracks, or of the arm's scenes, one episode for each. Training used 1 to 12 unless told "
        "otherwise.",
    ),
]
LapsOption = Annotated[int, typer.Option(min=0, help="Laps an episode; 0 for no limit.")]
LongestOption = Annotated[float, typer.Option("--max-episode-s", min=1, help="Longest episode, simulated seconds.")]
FactorOption = Annotated[
    float,
    typer.Option("--real-time-factor", min=0.1, help="Simulated seconds a second; the policy has less time above 1."),
]
LockStepOption = Annotated[
    bool, typer.Option("--lock-step", help="Wait for every answer: repeatable, and no judgement of the policy's speed.")
]


class Provider(StrEnum):
    """Where a policy computes."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


ProviderOption = Annotated[
    Provider, typer.Option(help="Where the policy computes: auto (CUDA where it works), cpu, or cuda (or not at all).")
]


ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--unsafe-threshold",
        min=0,
        max=1,
        help="Unsafe probability above which the expert drives.",
        show_default="gate.threshold of the contract, to which the policy was calibrated",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("deploy", short_help="Let a policy drive behind the safety gate, and record it.")(deploy)
    app.command("evaluate", short_help="Drive on tracks that training never saw, and score it.")(evaluate)


def deploy(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    bundle: BundleOption = None,
    robot: RobotOption = Robot.DRIVING,
    tracks: TracksOption = "1001",
    laps: LapsOption = 1,
    max_episode_s: LongestOption = 60.0,
    real_time_factor: FactorOption = 1.0,
    lock_step: LockStepOption = False,
    sim: SimOption = True,
    expert: ExpertOption = Expert.AUTO,
    teleop_device: DeviceOption = None,
    label: LabelOption = False,
    enable_control: EnableControlOption = None,
    enable_policy: EnablePolicyOption = None,
    provider: ProviderOption = Provider.AUTO,
    unsafe_threshold: ThresholdOption = None,
    contract: ContractOption = None,
    params_file: ParamsOption = None,
    domain: DomainOption = None,
) -> int:
    """Let a policy drive behind the safety gate, the expert standing by, and record it.

    The simulated car, or with --no-sim your own robot. Refused before anything moves when the policy was made for
    another contract.
    """
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    options = stack_options(
        sim, expert, teleop_device, label=label, enable_control=enable_control, enable_policy=enable_policy
    )
    policy = _bundle(place, bundle)
    present = 0
    if not sim:
        from understudy.stacks.drives import finished_episodes
        from understudy.stacks.robot_runs import RobotRun

        refuse_given(context, _SIMULATED, "a robot is not simulated")
        own = require_contract_of_robot(context, contract)
        run = RobotRun(place, console, own, params_file, domain, options)
        run.check()
        _warn_of_looser(console, run.contract(), unsafe_threshold)
        with place.locked():
            present = len(finished_episodes(place.deployment))
            result = run.deploy(policy, provider.value, unsafe_threshold)
            place.note("deploy", {"bundle": policy, **result})
    else:
        stages = _stages(
            place, console, robot, contract or simulated_contract(place, policy, robot.value), params_file, domain
        )
        settings = _settings(context, robot, tracks, laps, max_episode_s, real_time_factor, lock_step)
        _require_simulated("deploy", stages, policy, place, robot)
        require_free_domain(domain)
        options.nodes("deploy", contract=stages.contract_file)
        _warn_of_looser(console, stages.contract(), unsafe_threshold)
        with place.locked():
            result = stages.deploy(settings, policy, provider.value, unsafe_threshold, options)
            place.note("deploy", {"bundle": policy, **result})
    number = int(str(result["episodes"]))
    made = counted(number, "episode")
    text = f"{made} added; {present + number} in {place.deployment}" if present else f"{made} in {place.deployment}"
    console.result({"ok": True, **result}, text)
    if sim:
        drove = f" --bundle {shlex.quote(str(bundle))}" if bundle else ""
        console.next_step(f"understudy evaluate --no-drive{robot_option(robot.value)}{place.option()}{drove}")
    elif present + number:
        console.next_step(f"understudy report{place.option()}")
    return 0


def evaluate(
    context: typer.Context,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    bundle: BundleOption = None,
    robot: RobotOption = Robot.DRIVING,
    tracks: TracksOption = "1001-1003",
    laps: LapsOption = 1,
    max_episode_s: LongestOption = 60.0,
    real_time_factor: FactorOption = 1.0,
    lock_step: LockStepOption = False,
    provider: ProviderOption = Provider.AUTO,
    unsafe_threshold: ThresholdOption = None,
    drive: Annotated[
        bool, typer.Option("--drive/--no-drive", help="Drive first, or score the deployment that is recorded.")
    ] = True,
    goal_laps: Annotated[float, typer.Option(min=0, help="Goal: laps in every episode, at least.")] = 1.0,
    goal_off_track: Annotated[int, typer.Option(min=0, help="Goal: times off the road, at most.")] = 0,
    goal_policy_share: Annotated[
        float, typer.Option(min=0, max=1, help="Goal: share of ticks that the policy drives, at least.")
    ] = 0.95,
    goal_autonomy: Annotated[
        float, typer.Option(min=0, max=1, help="Goal: DAVE-2 autonomy, 1 - 6 s x interventions / time, at least.")
    ] = 0.98,
    goal_success: Annotated[
        float, typer.Option(min=0, max=1, help="Goal of grasps: share of scenes whose target is held up, at least.")
    ] = 0.5,
    goal_alone: Annotated[
        float, typer.Option(min=0, max=1, help="Goal of grasps: share of scenes that the policy did alone, at least.")
    ] = 0.5,
    contract: ContractOption = None,
    params_file: ParamsOption = None,
    domain: DomainOption = None,
) -> int:
    """Drive a policy on tracks that training never saw, and score the recordings.

    Exits with 0 when every goal is met, with 1 otherwise. The age of commands is shown and decides nothing.
    """
    from understudy.evaluation.grasps import GraspGoals
    from understudy.report.inputs import Goals
    from understudy.workspace import Workspace

    console: Console = context.obj
    place = Workspace(workspace, create=False)
    settings = _settings(context, robot, tracks, laps, max_episode_s, real_time_factor, lock_step)
    goals: AnyGoals = Goals(goal_laps, goal_off_track, goal_policy_share, goal_autonomy)
    if robot is Robot.GRASPING:
        refuse_given(context, ("goal_laps", "goal_off_track", "goal_autonomy"), "an arm drives nowhere")
        goals = GraspGoals(goal_success, goal_alone, goal_policy_share)
    else:
        refuse_given(context, ("goal_success", "goal_alone"), "a car grasps nothing")
    if drive:
        policy = _bundle(place, bundle)
        contract = contract or simulated_contract(place, policy, robot.value)
    stages = _stages(place, console, robot, contract, params_file, domain)
    if drive:
        _require_simulated("evaluate", stages, policy, place, robot)
        require_free_domain(domain)
        _warn_of_looser(console, stages.contract(), unsafe_threshold)
    else:
        refuse_given(context, _DRIVING, "nothing is driven with --no-drive")
        stages.require_deployment()
        _require_driver(stages, place, bundle, robot)
    with place.locked():
        if drive:
            stages.deploy(settings, policy, provider.value, unsafe_threshold)
        scores = stages.evaluate(goals)
        place.note("evaluate", scores.as_json())
    few = "" if scores.all_met else stages.dataset.few_demonstrations()
    console.result(scores.as_json(), scores.as_text() + (f"\n  {few}" if few else ""))
    console.next_step(f"understudy report{place.option()}")
    return 0 if scores.all_met else 1


# What decides about a simulated drive.
_SIMULATED = ("robot", "tracks", "laps", "max_episode_s", "real_time_factor", "lock_step")
# What decides about a drive, and about nothing when none takes place.
_DRIVING = (*_SIMULATED[1:], "provider", "unsafe_threshold", "contract", "params_file", "domain")


def _require_simulated(command: str, stages: Stages, policy: Path, place: Workspace, chosen: Robot) -> None:
    """Refuse a policy that was not made for the robot that is simulated; a real one's owner is told what to use."""
    from models.bundle import inspect_bundle

    robot = inspect_bundle(policy).contract.robot_type
    if not is_simulated(robot):
        raise BundleError(
            f"{command} drives a simulated robot of ours; this policy is for {robot}",
            fix=f"use {deploy_on_robot(place, robot, policy)}",
        )
    if simulated_robot(robot) != chosen.value:
        raise BundleError(
            f"the policy was made for another simulated robot than {command} is to move",
            found=f"a policy for {robot}",
            expected=f"one for the robot that --robot names, {chosen.value}",
            fix=f"add --robot {simulated_robot(robot)}",
        )
    stages.require_policy(policy)


def deploy_on_robot(place: Workspace, robot: str, policy: Path) -> str:
    """The command that lets a policy drive a robot of one's own, in a dry run."""
    contract = robot_contract(place, robot, policy)
    bundle = "" if policy == place.bundle else f" --bundle {shlex.quote(str(policy))}"
    return f"understudy deploy --no-sim --contract {shlex.quote(str(contract))}{place.option()}{bundle}"


def _warn_of_looser(console: Console, contract: Contract, unsafe_threshold: float | None) -> None:
    own = contract.gate.unsafe_threshold
    if unsafe_threshold is not None and unsafe_threshold > own:
        console.warn(
            f"--unsafe-threshold {unsafe_threshold:g} is looser than the contract's gate.threshold {own:g}, to which "
            "the policy was calibrated: it keeps the robot where it is less sure"
        )


def _require_driver(stages: Stages, place: Workspace, bundle: Path | None, robot: Robot) -> None:
    if bundle is not None:
        _bundle(place, bundle)
    other = stages.other_driver(bundle)
    if other:
        again = f"understudy evaluate{robot_option(robot.value)}{place.option()}"
        raise RecordingError(other, fix=f'drive again with "{again}", or name the policy that drove with --bundle')


def _bundle(place: Workspace, bundle: Path | None) -> Path:
    path = bundle or place.bundle
    if not path.is_file():
        raise BundleError(
            f"there is no policy {path}",
            fix='make one with "understudy train" and "understudy export", or give --bundle'
            + ("" if bundle else place.or_another("policy.onnx")),
        )
    return path


def _stages(
    place: Workspace,
    console: Console,
    robot: Robot,
    contract: Path | None,
    params_file: Path | None,
    domain: int | None,
) -> Stages:
    from understudy.stages import Stages

    return Stages(place, console, contract=contract, params_file=params_file, robot=robot.value, domain=domain)


def _settings(
    context: typer.Context,
    robot: Robot,
    tracks: str,
    laps: int,
    max_episode_s: float,
    factor: float,
    lock_step: bool,
) -> EpisodeSettings:
    from understudy.stacks.drives import DriveSettings, parse_seeds
    from understudy.stacks.grasps import GraspSettings

    seeds = parse_seeds(tracks)
    if robot is Robot.GRASPING:
        refuse_given(context, ("laps",), "an arm drives nowhere")
        return GraspSettings(
            scenes=seeds,
            prefix="deployment",
            max_episode_s=max_episode_s,
            lock_step=lock_step,
            real_time_factor=factor,
        )
    return DriveSettings(
        tracks=seeds,
        prefix="deployment",
        laps=laps,
        max_episode_s=max_episode_s,
        lock_step=lock_step,
        real_time_factor=factor,
    )
