"""How a robot that runs is doing, by what its nodes say: plain logic, and plain data that travels as JSON."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

__all__ = ["Lookout", "RobotSighting", "sighting_from_json", "sighting_to_json"]

#: The gate decides on every tick; after so long without a decision nobody is known to drive.
SILENT_S = 2.0
#: A sighting is due that often, and with a new driver at once, but for a driver that changes on every tick.
PERIOD_S, SHORTEST_S = 1.0, 0.5
#: Over which the rate of decisions is measured.
RATE_S = 2.0
#: What the gate's report begins with while it commands nothing.
_DRY_RUN = "dry run"
_ERROR = 2


@dataclass(frozen=True)
class RobotSighting:
    """The robot at one moment.

    Attributes:
        driver: ``policy``, ``expert`` or ``halt``; empty while no gate decides.
        reason: why that one, as on ``/gate/decision``.
        changes: how often the driver changed since the sighting before.
        rate_hz: decisions a second.
        dry_run: whether nothing is commanded; ``None`` while the gate has not said.
        episode: the one that is being recorded; empty for none, ``None`` while no recorder has said.
        finished: episodes that the recorder has closed.
        missing: topics that nobody publishes although they are needed; ``None`` while it is too early to tell.
        problems: errors on ``/diagnostics``, by name.
    """

    driver: str = ""
    reason: str = ""
    changes: int = 0
    rate_hz: float = 0.0
    dry_run: bool | None = None
    episode: str | None = None
    finished: int = 0
    missing: tuple[str, ...] | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


def sighting_to_json(sighting: RobotSighting) -> str:
    """One line."""
    return json.dumps(asdict(sighting))


def sighting_from_json(text: str) -> RobotSighting:
    """The inverse of :func:`sighting_to_json`. Raises ValueError or TypeError for anything else."""
    content = json.loads(text)
    missing = content["missing"] if isinstance(content, dict) and "missing" in content else None
    return RobotSighting(**{**content, "missing": None if missing is None else tuple(missing)})


class Lookout:
    """Takes in decisions and diagnostics, and says when there is something new to tell."""

    def __init__(self) -> None:
        self._decided_s: deque[float] = deque()
        self._driver = self._reason = ""
        self._changes = 0
        self._dry_run: bool | None = None
        self._episode: str | None = None
        self._finished = 0
        self._problems: dict[str, str] = {}
        self._told_s: float | None = None
        self._told = ("", "")

    def take_decision(self, values: Mapping[str, str], now_s: float) -> None:
        """One ``/gate/decision``."""
        driver = values.get("source", "")
        self._changes += bool(self._driver) and driver != self._driver
        self._driver = driver
        # Why the policy does not drive says more than that the expert does.
        self._reason = values.get("withheld", "") if driver == "expert" else values.get("reason", "")
        self._reason = self._reason or values.get("reason", "")
        self._decided_s.append(now_s)
        while now_s - self._decided_s[0] > RATE_S:
            self._decided_s.popleft()

    def take_status(self, name: str, level: int, message: str, values: Mapping[str, str]) -> None:
        """One status of ``/diagnostics``."""
        if name == "gate: gate":
            self._dry_run = message.startswith(_DRY_RUN)
            return  # what else it says is on /gate/decision
        if name == "recorder: recording":
            self._episode = values.get("episode", "")
            finished = values.get("finished", "")
            self._finished = int(finished) if finished.isdecimal() else self._finished
        if level >= _ERROR:
            self._problems[name] = message
        else:
            self._problems.pop(name, None)

    def is_due(self, now_s: float) -> bool:
        """Whether to tell now."""
        if self._told_s is None:
            return True
        waited_s = now_s - self._told_s
        return waited_s >= PERIOD_S or (waited_s >= SHORTEST_S and self._current(now_s) != self._told)

    def tell(self, now_s: float, missing: tuple[str, ...] | None) -> RobotSighting:
        """What is known now.

        Args:
            now_s: monotonic seconds, the clock of the other methods.
            missing: topics that nobody publishes; ``None`` while it is too early to tell.
        """
        self._told_s, self._told = now_s, self._current(now_s)
        changes, self._changes = self._changes, 0
        first_s = self._decided_s[0] if self._decided_s else now_s
        last_s = self._decided_s[-1] if self._decided_s else now_s
        rate_hz = (len(self._decided_s) - 1) / (last_s - first_s) if self._told[0] and last_s > first_s else 0.0
        return RobotSighting(
            driver=self._told[0],
            reason=self._told[1],
            changes=changes,
            rate_hz=round(rate_hz, 1),
            dry_run=self._dry_run,
            episode=self._episode,
            finished=self._finished,
            missing=missing,
            problems=dict(self._problems),
        )

    def _current(self, now_s: float) -> tuple[str, str]:
        silent = not self._decided_s or now_s - self._decided_s[-1] > SILENT_S
        return ("", "") if silent else (self._driver, self._reason)
