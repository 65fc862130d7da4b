"""Which tick is answered next, and when the policy node has to say of its own accord that it cannot answer.

Pure logic; ``now_s`` is monotonic, stamps are on the robot's clock.
"""

from __future__ import annotations

from il_nodes.observation.observed_tick import ObservedTick

__all__ = ["SILENT_PERIODS", "TickAnswers"]

#: Periods without an answer after which the node says that it has none. Half a period of grace for a late frame, as the
#: gate gives it.
SILENT_PERIODS = 1.5


class TickAnswers:
    """The newest tick waits for its answer; older ones were overtaken by it.

    The node abstains by itself when what it last said is used up: after :data:`SILENT_PERIODS`, or, behind a proposal
    of several steps, when its last step is over or the gate takes it for too old. Earlier, it would withdraw a
    proposal that still bridges a late frame.

    Args:
        period_s: of the contract, in wall seconds.
        proposal_max_age_s: the gate's, in wall seconds.
    """

    def __init__(self, period_s: float, proposal_max_age_s: float) -> None:
        self._period_s, self._max_age_s = period_s, proposal_max_age_s
        self._waiting: list[ObservedTick] = []
        self._abstained_ns: int | None = None
        self._answered_ns: int | None = None
        self._quiet_until_s = 0.0
        self.overtaken = 0

    def restart(self, now_s: float) -> None:
        """An episode, or activity, begins: what waits belongs to the past, and the first frame gets its time."""
        self._waiting.clear()
        self._quiet_until_s = now_s + SILENT_PERIODS * self._period_s

    def offer(self, tick: ObservedTick) -> None:
        """A tick came, in order."""
        self.overtaken += bool(self._waiting)
        self._waiting.append(tick)

    def take(self) -> list[ObservedTick]:
        """What came since the last call, oldest first; the last one is to be answered."""
        taken, self._waiting = self._waiting, []
        return taken

    def proposed(self, stamp_ns: int, steps: int, now_s: float) -> None:
        """A proposal of that many steps went out."""
        self._answered_ns = stamp_ns
        bridged_s = min(steps * self._period_s, self._max_age_s)
        self._quiet_until_s = now_s + max(SILENT_PERIODS * self._period_s, bridged_s)

    def abstained(self, stamp_ns: int, now_s: float) -> None:
        """An abstention went out."""
        self._abstained_ns = stamp_ns
        self._quiet_until_s = now_s + SILENT_PERIODS * self._period_s

    def is_silent(self, now_s: float) -> bool:
        """Whether it is time to abstain although there is no tick to abstain from."""
        return not self._waiting and now_s >= self._quiet_until_s

    def silence_stamp_ns(self, clock_ns: int) -> int:
        """Stamp of such an abstention: the robot's clock, and later than every answer where that clock stands still."""
        said = [stamp for stamp in (self._answered_ns, self._abstained_ns) if stamp is not None]
        newest_ns = max(said, default=clock_ns - 1)
        stands_still = 0 <= newest_ns - clock_ns < SILENT_PERIODS * self._period_s * 1e9
        return newest_ns + 1 if stands_still else clock_ns
