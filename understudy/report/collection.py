"""Collects from a workspace what its report shows; what is missing there is missing in the report, not an error."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from models.contract import Contract
from understudy.evaluation.goals import Verdict
from understudy.evaluation.grasps import GraspVerdict
from understudy.evaluation.trace_reader import read_trace
from understudy.evaluation.traces import Trace
from understudy.report.inputs import Goals, ReportInputs, SafetyScore, Stage, TrainingHistory
from understudy.stacks.drives import finished_episodes
from understudy.workspace import Workspace

__all__ = ["gather"]

_STAGES = ("record", "build", "train", "export", "deploy")
_LIBRARIES = ("numpy", "torch", "onnxruntime-gpu", "ros-jazzy-rclpy", "ros-jazzy-rmw-fastrtps-cpp", "pybullet")


def gather(
    workspace: Workspace,
    contract: Contract,
    verdict: Verdict | GraspVerdict,
    *,
    title: str,
    command: str,
    stages: Sequence[Stage] = (),
) -> ReportInputs:
    """Everything the report of a workspace shows.

    Args:
        workspace: the run.
        contract: the robot's.
        verdict: scores of the deployment and the goals that they are held against.
        title: heading of the page.
        command: what makes the report again.
        stages: how long each took; empty for what the workspace remembers.
    """
    demonstrations = [read_trace(bag) for bag in finished_episodes(workspace.recordings)]
    learner = _learner(_read_json(workspace.checkpoint / "checkpoint.json"))
    grasps = verdict if isinstance(verdict, GraspVerdict) else None
    noun = "scene" if grasps else "track"
    shown, driven = _track_seeds(demonstrations, noun), _track_seeds(verdict.evaluation.traces, noun)
    training = _read_json(workspace.checkpoint / "training_report.json")
    return ReportInputs(
        title=title,
        evaluation=verdict.evaluation,
        demonstrations=demonstrations,
        goals=verdict.goals if isinstance(verdict, Verdict) else Goals(),
        training=_history(_read_json(workspace.checkpoint / "learning_curve.json")),
        safety=_safety(training.get("safety") if isinstance(training, dict) else None),
        facts={"Seeds": _seeds(shown, driven, learner, noun), **_facts(workspace, contract)},
        stages=stages or _remembered_stages(workspace),
        command=command,
        chain=() if grasps else _chain(shown, driven, learner),
        camera=_front_camera(contract),
        grasps=grasps,
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def _history(curve: Any) -> TrainingHistory | None:
    """The rows that ``models.learners.TrainedPolicy.save`` writes."""
    if not isinstance(curve, list) or not curve:
        return None
    try:
        best = [index for index, record in enumerate(curve) if record["is_best"]]
        return TrainingHistory(
            train_loss=[float(record["training_loss"]) for record in curve],
            validation_loss=[float(record["validation_loss"]) for record in curve],
            best_epoch=best[-1] if best else None,
        )
    except (KeyError, TypeError, ValueError):  # damaged: the report does without
        return None


def _safety(report: Any) -> SafetyScore | None:
    if not isinstance(report, dict) or report.get("precision") is None or report.get("recall") is None:
        return None
    try:
        precision, recall = float(report["precision"]), float(report["recall"])
        return SafetyScore(
            precision,
            recall,
            float(report["threshold"]),
            float(report["unsafe_share"]),
            tau=_known(report.get("tau")),
            flagged_share=_known(report.get("flagged_share")),
        )
    except (KeyError, TypeError, ValueError):  # damaged: the report does without
        return None


def _known(value: Any) -> float | None:
    return None if value is None else float(value)


def _learner(checkpoint: Any) -> Mapping[str, Any]:
    """The options that the learner was given; empty where they are not known."""
    try:
        return dict(checkpoint["learner"]["options"])
    except (KeyError, TypeError, ValueError):
        return {}


def _track_seeds(traces: Sequence[Trace], noun: str = "track") -> str:
    """Seeds of tracks, or of scenes, as the commands take them, such as ``1-12,20``; empty unless known."""
    found = [re.fullmatch(rf"{noun}-(\d+)", trace.labels.get(noun, "")) for trace in traces]
    seeds = sorted({int(match[1]) for match in found if match})
    if not seeds or None in found:
        return ""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][1] + 1:
            ranges[-1][1] = seed
        else:
            ranges.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _seeds(shown: str, driven: str, learner: Mapping[str, Any], noun: str = "track") -> Mapping[str, object]:
    safety = learner.get("safety")
    seeds = {
        f"{noun}s demonstrated": shown,
        f"{noun}s {'driven' if noun == 'track' else 'deployed'}": driven,
        "training": learner.get("seed", ""),
        "safety classifier": safety.get("seed", "") if isinstance(safety, dict) else "",
    }
    return {name: seed for name, seed in seeds.items() if seed != ""}


def _chain(shown: str, driven: str, learner: Mapping[str, Any]) -> Sequence[str]:
    """The commands that make such a run, with the options that are known; empty without demonstrations on tracks."""
    if not shown or not driven or not {"epochs", "seed"} <= learner.keys():
        return ()
    return (
        f"understudy record --tracks {shown}",
        f"understudy train --epochs {learner['epochs']} --seed {learner['seed']}",
        "understudy export",
        f"understudy deploy --tracks {driven}",
        "understudy report",
    )


def _remembered_stages(workspace: Workspace) -> Sequence[Stage]:
    results = {name: workspace.stage_result(name).get("seconds") for name in _STAGES}
    return [Stage(name, float(seconds)) for name, seconds in results.items() if isinstance(seconds, int | float)]


def _processor() -> str:
    """The processor's model, else its kind."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        found = None
    return " ".join(found[1].split()) if found else platform.processor() or platform.machine()


def _facts(workspace: Workspace, contract: Contract) -> Mapping[str, Mapping[str, object]]:
    facts: dict[str, Mapping[str, object]] = {
        "Contract": {"robot": contract.robot_type, "rate": f"{contract.fps:g} Hz", "hash": contract.hash[:16]},
        "Machine": {
            "processor": _processor(),
            "cores": os.cpu_count() or "unknown",
            "system": platform.platform(),
            "Python": platform.python_version(),
        },
        "Versions": _versions(),
    }
    if workspace.bundle.is_file():
        from models.bundle import inspect_bundle

        metadata = inspect_bundle(workspace.bundle).metadata
        facts["Policy"] = {
            "learner": metadata.learner.get("name", "unknown"),
            "dataset": metadata.dataset_hash[:16],
            "difference to torch": f"{metadata.parity.action:.1e}",
            "calibrated to threshold": f"{metadata.unsafe_threshold_suggested:.3f}",
            "size": f"{workspace.bundle.stat().st_size / 1024:.0f} KiB",
        }
    return facts


def _versions() -> dict[str, object]:
    found: dict[str, object] = {}
    for library in ("understudy", *_LIBRARIES):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def _without_native_stderr() -> Iterator[None]:
    """Drop what C code writes to stderr; Python's own warnings go nowhere else either."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _front_camera(contract: Contract) -> Any:
    """Where the simulated car's front camera sits; None for another robot."""
    if contract.robot_type != "understudy_car":
        return None
    try:
        with _without_native_stderr():  # pybullet greets everybody who imports it
            from sim.driving.cameras import CAMERAS
    except ImportError:  # scoring a deployment needs no simulator
        return None
    return next(camera for camera in CAMERAS if camera.name == "front")
