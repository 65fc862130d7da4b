"""Runs of a simulated robot, recorded; and of the car: which tracks, how long, how disturbed, how fast."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from models.errors import DeploymentError, RecordingError, UnderstudyError
from understudy.console import Progress, counted
from understudy.stacks.episode_settings import EpisodeSettings
from understudy.stacks.options import SIMULATED, StackOptions
from understudy.stacks.running import EndedBySignalError, Overrides, StackRun, default_params_file, run_stack
from understudy.stacks.supervisor import last_lines
from understudy.stacks.unfinished import unfinished_recordings, with_kept, with_unfinished

__all__ = ["DriveSettings", "drive", "finished_episodes", "node_overrides", "parse_seeds"]


@dataclass(frozen=True, kw_only=True)
class DriveSettings(EpisodeSettings):
    """What is driven.

    Attributes:
        tracks: one episode on the track of each seed.
        laps: laps an episode; 0 for no limit.
        disturbance_std_rad: noise on the executed steering; the labels stay what the expert intended (DART).
        start_lateral_m: largest random offset of the start from the centre line.
        start_heading_rad: largest random turn of the start.
        looks: other colours, light and camera mounts in each episode (domain randomisation).
    """

    robot: ClassVar[str] = "driving"
    noun: ClassVar[str] = "track"

    prefix: str = "drive"
    max_episode_s: float = 60.0
    tracks: tuple[int, ...]
    laps: int = 1
    disturbance_std_rad: float = 0.0
    start_lateral_m: float = 0.0
    start_heading_rad: float = 0.0
    looks: bool = False

    @property
    def drawn_seeds(self) -> tuple[int, ...]:
        """The tracks."""
        return self.tracks

    def world_parameters(self) -> dict[str, object]:
        """Laps, starts and disturbance."""
        return {
            "laps": self.laps,
            "disturbance_std_rad": self.disturbance_std_rad,
            "start_lateral_m": self.start_lateral_m,
            "start_heading_rad": self.start_heading_rad,
            **({"looks": True} if self.looks else {}),
        }


def parse_seeds(text: str) -> tuple[int, ...]:
    """Track or scene seeds from ``1-4,9``: single numbers and ranges, both ends included.

    Raises:
        UnderstudyError: something else stands there.
    """
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.strip().partition("-")
            numbers = range(int(first), int(last) + 1) if dash else [int(first)]
            if not numbers or len(numbers) > 10_000:
                raise ValueError(part)
            seeds.extend(numbers)
    except ValueError:
        raise UnderstudyError("these seeds cannot be read", found=text, expected="such as 1-4,9") from None
    return tuple(seeds)


def finished_episodes(folder: Path) -> list[Path]:
    """The bags in a folder that were closed properly, by name."""
    return sorted(path.parent for path in folder.glob("*/manifest.json") if not path.parent.name.endswith(".partial"))


def drive(
    settings: EpisodeSettings,
    recordings: Path,
    log_directory: Path,
    progress: Progress,
    *,
    contract: Path,
    bundle: Path | None = None,
    provider: str = "auto",
    unsafe_threshold: float | None = None,
    params_file: Path | None = None,
    domain: int | None = None,
    overrides: Overrides | None = None,
    options: StackOptions = SIMULATED,
    terminal_output: int = 1,
) -> list[Path]:
    """Run the episodes of a simulated robot and record them; the bags that this made, in order.

    Args:
        settings: what is driven.
        recordings: folder of the bags.
        log_directory: folder of the nodes' logs.
        progress: told how many episodes are done.
        contract: the robot's contract.
        bundle: the policy that drives; without one the expert drives.
        provider: of the policy's inference: auto, cpu or cuda.
        unsafe_threshold: unsafe probability above which the expert drives; the contract's unless given.
        params_file: parameters of the nodes; the simulated robot's by default.
        domain: ROS domain; None takes a free one.
        overrides: node name to further parameters of it.
        options: who the expert is, and which nodes run beside it.
        terminal_output: descriptor on which a teleoperator's keyboard shows itself.

    Raises:
        DeploymentError: a node died, the simulator was ended in mid-run, or the options contradict each other.
        RecordingError: an episode of such a name is there already, or fewer were recorded than driven; or none at all,
            when a person drives, who may discard one or quit.
    """
    stack = "collect" if bundle is None else "deploy"
    params_file = params_file or default_params_file(settings.robot)
    nodes = options.nodes(stack, contract=contract.resolve(), params_file=params_file)
    _require_real_time(settings, [node.name for node in nodes])
    recordings.mkdir(parents=True, exist_ok=True)
    _clear_names(settings, recordings)
    before, cut_off = set(finished_episodes(recordings)), set(unfinished_recordings(recordings))
    parameters = node_overrides(settings, recordings.resolve(), contract.resolve(), bundle, provider)
    if unsafe_threshold is not None:
        # Named by the person, so it counts, looser than the contract's or not.
        parameters["gate"] |= {"unsafe_threshold": float(unsafe_threshold), "allow_looser_threshold": True}
    if any(node.name == "expert" for node in nodes):
        parameters["expert"] = {"robot": settings.robot}
    for node in nodes:
        if node.name in ("noise", "labeller"):
            parameters[node.name] = {"lock_step": settings.lock_step}
    for name, further in (overrides or {}).items():
        parameters.setdefault(name, {}).update(further)
    run = StackRun(
        stack=stack,
        log_directory=log_directory,
        params_file=params_file,
        overrides=parameters,
        domain=domain,
        timeout_s=settings.patience_s,
        nodes=nodes,
        terminal_output=terminal_output,
    )

    def show() -> None:
        done = len(set(finished_episodes(recordings)) - before)
        progress.update(done, len(settings.drawn_seeds), f"{done} of {counted(len(settings.drawn_seeds), 'episode')}")

    def left_unfinished() -> list[Path]:
        return [path for path in unfinished_recordings(recordings) if path not in cut_off]

    show()
    try:
        run_stack(run, show)
    except EndedBySignalError as error:
        made = [path for path in finished_episodes(recordings) if path not in before]
        names = _episode_names(settings)
        kept = with_kept(error, made, {name: str(seed) for name, seed in names.items()}, settings.noun)
        raise with_unfinished(kept, left_unfinished()) from error
    except DeploymentError as error:
        raise with_unfinished(error, left_unfinished()) from error
    made = [path for path in finished_episodes(recordings) if path not in before]
    if len(made) < (1 if options.is_teleoperated else len(settings.drawn_seeds)):
        log = log_directory / "recorder.log"
        words = last_lines(log, 8).replace("\n", "\n            ")
        raise RecordingError(
            "fewer episodes were recorded than driven",
            found=f"{len(made)} of {len(settings.drawn_seeds)}"
            + (f"; last words of the recorder: {words}" if words else ""),
            fix=f"read the whole log: {log}",
        )
    return made


def _require_real_time(settings: EpisodeSettings, nodes: Sequence[str]) -> None:
    if settings.lock_step and "expert" not in nodes:
        raise DeploymentError(
            "nobody but the scripted expert can answer in lock-step", fix="drive in real time: --real-time-factor 1"
        )


def _clear_names(settings: EpisodeSettings, recordings: Path) -> None:
    """See to it, before anything moves, that each episode can be recorded under its name.

    What a recorder that was killed left under such a name is kept, under another.
    """
    from il_nodes.bags.files import PARTIAL_SUFFIX

    noun, names = settings.noun, _episode_names(settings)
    taken = [name for name in names if (recordings / name).exists()]
    if taken:
        raise RecordingError(
            f"{recordings} holds recordings of these names already, and none is ever overwritten",
            found=", ".join(taken[:3]) + (", …" if len(taken) > 3 else ""),
            fix=f"give other --{noun}s, another --seed, or another folder with --workspace",
        )
    for name in names:
        partial = recordings / (name + PARTIAL_SUFFIX)
        if partial.exists():
            aside = (recordings / f"{name}.interrupted-{number}{PARTIAL_SUFFIX}" for number in itertools.count(1))
            partial.rename(next(path for path in aside if not path.exists()))


def _episode_names(settings: EpisodeSettings) -> dict[str, int]:
    """Name of each episode to the seed that it is drawn from, in order."""
    from il_nodes.simulator.episodes import episode_name

    seeds = enumerate(settings.drawn_seeds)
    return {episode_name(settings.prefix, index, settings.noun, seed): seed for index, seed in seeds}


def node_overrides(
    settings: EpisodeSettings, recordings: Path, contract: Path, bundle: Path | None, provider: str
) -> dict[str, dict[str, object]]:
    """Parameters that differ from the params file, node by node."""
    gate: dict[str, object] = {
        "contract": contract,
        "lock_step": settings.lock_step,
    }
    if settings.lock_step:
        gate["wait_for"] = ["expert", "policy"] if bundle else ["expert"]
    elif settings.real_time_factor != 1.0:
        gate["time_scale"] = float(settings.real_time_factor)
    recorder: dict[str, object] = {
        "contract": contract,
        "directory": recordings,
        "lock_step": settings.lock_step,
    }
    overrides: dict[str, dict[str, object]] = {"sim": settings.sim_parameters(), "gate": gate, "recorder": recorder}
    if bundle is not None:
        overrides["policy"] = {
            "contract": contract,
            "bundle": bundle.resolve(),
            "provider": provider,
            "lock_step": settings.lock_step,
        }
        if "time_scale" in gate:
            overrides["policy"]["time_scale"] = gate["time_scale"]
    return overrides
