"""How well something is grasped: the numbers that the status topic, the Gymnasium environment and reports show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.errors import SimulationError

__all__ = ["HOLD_S", "LIFT_M", "Contacts", "GraspingMetrics", "GraspingStatus"]

#: Success: the target is this much higher than it lay at the start, for this long without a break.
LIFT_M = 0.10
HOLD_S = 1.0
# A target above the first has been picked up; once below the second it has been dropped.
_PICKED_M, _DROPPED_M = 0.03, 0.015


@dataclass(frozen=True, slots=True)
class Contacts:
    """What touched what at the end of a control step.

    Attributes:
        pushing: the gripper touches clutter.
        colliding: the arm presses against the table, or something other than the fingers touches anything.
    """

    pushing: bool = False
    colliding: bool = False


@dataclass(frozen=True, slots=True)
class GraspingStatus:
    """All metrics since the last reset, at one control step.

    Attributes:
        elapsed_s: simulated time.
        lift_m: how much higher the target is than it was at the start.
        held_s: for how long, without a break, it has been lifted far enough.
        success: whether it ever was for long enough.
        success_s: when that was; 0 before.
        lost: the target is no longer over the table.
        pick_ups: times it was picked up.
        drops: times it was dropped.
        pushes: times the gripper began to touch clutter.
        collisions: times something began to touch that should not.
        clutter_moved_m: how far clutter lies from where it lay, all objects together, seen from above.
    """

    elapsed_s: float = 0.0
    lift_m: float = 0.0
    held_s: float = 0.0
    success: bool = False
    success_s: float = 0.0
    lost: bool = False
    pick_ups: int = 0
    drops: int = 0
    pushes: int = 0
    collisions: int = 0
    clutter_moved_m: float = 0.0


class GraspingMetrics:
    """Turns what happened on the table, one control step after the other, into a status."""

    def __init__(self, rest_height_m: float, period_s: float) -> None:
        """Measure a target that lies at ``rest_height_m``, with one update every ``period_s``.

        Raises:
            SimulationError: when the period is not positive.
        """
        if not period_s > 0.0:
            raise SimulationError("period_s must be positive", found=period_s)
        self._rest_height_m = rest_height_m
        self._period_s = period_s
        self._steps = self._held_steps = 0
        self._picked = False
        self._before = Contacts()
        self.status = GraspingStatus()

    def update(self, height_m: float, contacts: Contacts, clutter_moved_m: float, *, lost: bool) -> GraspingStatus:
        """Count one control step.

        Args:
            height_m: of the target's centre at its end.
            contacts: at its end.
            clutter_moved_m: see ``GraspingStatus``.
            lost: whether the target has left the table.
        """
        before, lift = self.status, height_m - self._rest_height_m
        self._steps += 1
        self._held_steps = self._held_steps + 1 if lift >= LIFT_M and not lost else 0
        elapsed, held = self._steps * self._period_s, self._held_steps * self._period_s
        was_picked = self._picked
        self._picked = lift > (_DROPPED_M if was_picked else _PICKED_M) and not lost
        # Half a period of tolerance: one second in steps of 50 ms is not exactly 20 of them.
        succeeds = not before.success and held >= HOLD_S - self._period_s / 2.0
        self.status = replace(
            before,
            elapsed_s=elapsed,
            lift_m=lift,
            held_s=held,
            success=before.success or succeeds,
            success_s=elapsed if succeeds else before.success_s,
            lost=lost,
            pick_ups=before.pick_ups + int(self._picked and not was_picked),
            drops=before.drops + int(was_picked and not self._picked),
            pushes=before.pushes + int(contacts.pushing and not self._before.pushing),
            collisions=before.collisions + int(contacts.colliding and not self._before.colliding),
            clutter_moved_m=clutter_moved_m,
        )
        self._before = contacts
        return self.status
