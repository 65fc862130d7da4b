"""What the teleop node says about itself: once a second on ``/diagnostics``, and on one line of the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from il_nodes.ros.diagnostics import Level, Status
from il_nodes.teleop.shaping import State
from models.contract import Contract
from models.data import FloatArray

__all__ = ["TeleopView", "input_status", "status_line"]


@dataclass(frozen=True)
class TeleopView:
    """Everything that is worth telling of one moment.

    Attributes:
        device: joy, keyboard or leader.
        state: what the device has to say.
        problem: what keeps it from being used; empty if nothing does.
        waiting: what is being waited for while nothing is published; empty if something is.
        age_s: of the newest input; infinite before the first.
        command: the newest command, SI units; ``None`` while nothing is published.
        slow_motion: whether it is on.
        driver: of the gate's newest decision; empty when nothing is known.
        reason: why that one.
        episode: that is being recorded, empty for none; ``None`` when nothing is known.
        values: what is particular to the device: dead-man button, what was pressed last.
        rivals: expert topics that somebody else publishes as well.
    """

    device: str
    state: State
    problem: str = ""
    waiting: str = ""
    age_s: float = float("inf")
    command: FloatArray | None = None
    slow_motion: bool = False
    driver: str = ""
    reason: str = ""
    episode: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    rivals: Sequence[str] = ()


def input_status(view: TeleopView, input_hz: float, published_hz: float) -> Status:
    """The status ``input``: an error while the human cannot reach the robot."""
    values: dict[str, object] = {
        "device": view.device,
        "state": view.state,
        "input_hz": input_hz,
        "input_age_ms": view.age_s * 1e3,
        "published_hz": published_hz,
        "slow_motion": view.slow_motion,
        "driver": view.driver or "unknown",
        "recording": "unknown" if view.episode is None else view.episode,
        **view.values,
    }
    level, message = _summary(view)
    return Status(level, message, values)


def _summary(view: TeleopView) -> tuple[Level, str]:
    if view.problem:
        return "error", view.problem
    if view.rivals:
        return "error", f"somebody else publishes {', '.join(view.rivals)} too"
    if view.waiting:
        return "warn", f"nothing is published: {view.waiting}"
    if view.state is State.STOP:
        return "ok", "the human holds the robot still"
    return "ok", "the human's commands are published"


def status_line(view: TeleopView, contract: Contract, pair: int, pairs: int, last: str) -> str:
    """One compact line for the terminal; what matters most stands first, since a narrow one cuts its end."""
    chosen = range(2 * pair, min(2 * pair + 2, len(contract.limits)))
    numbers = []
    for index in chosen:
        limit = contract.limits[index]
        value = "--" if view.command is None else f"{float(view.command[index]):+.2f}"
        numbers.append(f"{limit.name.removeprefix('twist.')} {value}{' ' + limit.unit if limit.unit else ''}")
    parts = [("" if pairs == 1 else f"[{pair + 1}/{pairs}] ") + "  ".join(numbers)]
    if view.waiting or view.problem:
        parts.append(view.problem or view.waiting)
    parts.append(f"drives: {view.driver} ({view.reason})" if view.driver else "drives: no gate heard")
    parts.append("rec: ?" if view.episode is None else f"rec: {view.episode or 'off'}")
    if view.slow_motion:
        parts.append("slow")
    parts += [last] if last else []
    return " | ".join(parts)
