"""Rounds of a robot that runs by itself: its recorded episodes, from the one on that a new policy has driven whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.contract import Contract
from models.errors import DeploymentError, RecordingError
from models.interactive import Actor, Assignment, Collector, Drive, Measure, Rule
from models.interactive.ports import Notice
from understudy.learning.director import Director
from understudy.learning.recorded_drives import recorded_drive
from understudy.stacks.drives import finished_episodes
from understudy.stacks.unfinished import unfinished_recordings

__all__ = ["LiveCollector", "LiveRound"]

_POLL_S = 0.1
#: An episode in real time takes its own length; on a busy machine simulated time falls behind.
_SLOWEST_FACTOR, _START_S = 0.25, 90.0
#: So many unusable recordings in a row are no accident.
_MOST_UNUSABLE = 5


@dataclass(frozen=True)
class LiveRound:
    """What a round was made of, for the log ``live.jsonl``.

    Attributes:
        round: from 1.
        bundle: the policy that drove; empty where the expert did.
        swapped: whether it took another one's place while the robot drove.
        swap_s: from the wish until it drove.
        passed_over: episodes recorded since the round before, while its policy trained and was put in.
        episodes: recordings that the round is made of.
        left_out: recordings that could not be used, and why.
    """

    round: int
    bundle: str
    swapped: bool
    swap_s: float
    passed_over: tuple[str, ...]
    episodes: tuple[str, ...]
    left_out: Mapping[str, str]


class LiveCollector:
    """See :class:`models.interactive.ports.Collector`: rounds over ROS 2, validation in process.

    The robot goes on driving, and being recorded, while a policy trains. Those episodes belong to no round: a round is
    what one policy drives. It begins with the first episode that starts after its policy was let in.

    Args:
        recordings: folder of the bags.
        prefix: how the names of this run's episodes start.
        episode_s: the longest one, in seconds.
        judge: lets policies drive alone, the same starts for all.
        director: puts policies in; ``None`` where the expert drives all rounds.
        bundle_of: writes a policy as a bundle, for a round's number; the file.
        log: JSON lines, a :class:`LiveRound` each.
        check: called while the collector waits; what it raises ends the round.
        say: told about recordings that are left out.
    """

    def __init__(
        self,
        recordings: Path,
        prefix: str,
        episode_s: float,
        *,
        judge: Collector,
        director: Director | None,
        bundle_of: Callable[[Actor, int], Path],
        log: Path,
        check: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._recordings, self._prefix, self._episode_s = recordings, prefix, episode_s
        self._judge, self._director, self._bundle_of = judge, director, bundle_of
        self._log, self._check, self._say = log, check, say
        self._seen = -1

    @property
    def contract(self) -> Contract:
        """Of the robot."""
        return self._judge.contract

    @property
    def measure(self) -> Measure:
        """What deviations are."""
        return self._judge.measure

    def score(self, actor: Actor, seeds: Sequence[int], notice: Notice | None = None) -> Mapping[str, float]:
        """Of drives alone in process, beside the robot that drives on."""
        return self._judge.score(actor, seeds, notice)

    def collect(self, rule: Rule, assignment: Assignment) -> Iterator[Drive]:
        """Put the assignment's policy in, and take what the robot drives from then on.

        Raises:
            DeploymentError: the policy was refused, or no episode ends any more.
            RecordingError: several recordings in a row cannot be used.
        """
        round_ = self._let_drive(assignment)
        left, episodes, left_out = assignment.ticks, list[str](), dict[str, str]()
        unusable = 0
        while left > 0:
            bag = self._next_episode()
            try:
                drive = recorded_drive(bag, self.contract, self.measure, rule, replace(assignment, ticks=left))
            except RecordingError as error:
                left_out[bag.name] = error.problem
                self._say(f"  left out: {bag.name}: {error.problem}: {error.found}")
                unusable += 1
                if unusable == _MOST_UNUSABLE:
                    raise
                continue
            unusable = 0
            episodes.append(bag.name)
            left -= drive.tally.ticks
            yield drive
        self._note(replace(round_, episodes=tuple(episodes), left_out=left_out))

    def _let_drive(self, assignment: Assignment) -> LiveRound:
        """From now on the assignment's policy drives; episodes that began before are none of this round's."""
        before, number = self._seen, assignment.number
        if assignment.actor is None or self._director is None:
            return LiveRound(number + 1, "", False, 0.0, (), (), {})
        bundle = self._bundle_of(assignment.actor, number)
        told = self._director.put_in(bundle, self._check)
        begun = [path.name for path in (*finished_episodes(self._recordings), *unfinished_recordings(self._recordings))]
        numbers = {self._number(name) for name in (*begun, told.episode)}
        self._seen = max(self._seen, *numbers)
        passed = [name for name in self._finished_names() if before < self._number(name) <= self._seen]
        return LiveRound(number + 1, bundle.name, told.swapped, round(told.seconds, 3), tuple(passed), (), {})

    def _next_episode(self) -> Path:
        """The next recording of this run that is closed; waits for it."""
        patience_s = _START_S + self._episode_s / _SLOWEST_FACTOR
        begun_s = time.monotonic()
        while True:
            self._check()
            following = [name for name in self._finished_names() if self._number(name) > self._seen]
            if following:
                name = min(following, key=self._number)
                self._seen = self._number(name)
                return self._recordings / name
            if time.monotonic() - begun_s > patience_s:
                raise DeploymentError(
                    "the robot drives, but no episode ends any more",
                    found=f"nothing new in {self._recordings} for {patience_s:.0f} s",
                    fix="read the nodes' logs; is the machine busy with something else?",
                )
            time.sleep(_POLL_S)

    def _finished_names(self) -> list[str]:
        return [path.name for path in finished_episodes(self._recordings) if self._number(path.name) >= 0]

    def _number(self, name: str) -> int:
        """Of an episode of this run; -1 for any other."""
        first, _, _ = name.removeprefix(f"{self._prefix}-").partition("-")
        return int(first) if name.startswith(f"{self._prefix}-") and first.isdecimal() else -1

    def _note(self, round_: LiveRound) -> None:
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(round_)) + "\n")
