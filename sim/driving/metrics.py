"""How well a car is driven: the numbers that ``/sim/status``, the Gymnasium environment and the reports show."""

from __future__ import annotations

from dataclasses import dataclass, replace

from models.errors import SimulationError

__all__ = ["INTERVENTION_COST_S", "INTERVENTION_OFFSET_M", "DrivingMetrics", "DrivingStatus"]

# Bojarski et al. 2016, "End to End Learning for Self-Driving Cars", section 6: a human takes over when the car is more
# than one metre off the centre line, and it costs six seconds to recentre the car and to hand it back.
INTERVENTION_OFFSET_M = 1.0
INTERVENTION_COST_S = 6.0
# An excursion ends when the car is back within this part of the limit: one that trembles on the limit counts once.
_RETURN_FRACTION = 0.8


@dataclass(frozen=True, slots=True)
class DrivingStatus:
    """All metrics since the last reset, at one control step.

    Attributes:
        elapsed_s: simulated time.
        arc_length_m: place on the track, in [0, track length).
        progress_m: driven along the centre line; backwards counts negative.
        laps: whole laps of progress.
        cross_track_m: distance to the centre line now, positive on its left.
        heading_error_rad: the car's heading minus the road's.
        mean_abs_cross_track_m: over all steps.
        max_abs_cross_track_m: over all steps.
        off_track: whether ``base_link`` is beyond the road's edge now.
        off_track_events: excursions over the edge.
        interventions: excursions more than 1 m off the centre line.
        damage: metres driven off the road (integral of speed while off track).
        distance_m: metres driven at all.
    """

    elapsed_s: float = 0.0
    arc_length_m: float = 0.0
    progress_m: float = 0.0
    laps: int = 0
    cross_track_m: float = 0.0
    heading_error_rad: float = 0.0
    mean_abs_cross_track_m: float = 0.0
    max_abs_cross_track_m: float = 0.0
    off_track: bool = False
    off_track_events: int = 0
    interventions: int = 0
    damage: float = 0.0
    distance_m: float = 0.0

    @property
    def autonomy(self) -> float:
        """``1 - 6 s * interventions / elapsed``, at least 0 (section 6 of the paper above); 1 before the first step."""
        if self.elapsed_s <= 0.0:
            return 1.0
        return max(0.0, 1.0 - INTERVENTION_COST_S * self.interventions / self.elapsed_s)


class DrivingMetrics:
    """Turns places on the track, one a control step, into a status."""

    def __init__(self, track_length_m: float, width_m: float, period_s: float) -> None:
        """Measure on a loop of this length and width, with one update every ``period_s``.

        Raises:
            SimulationError: when one of them is not positive.
        """
        for name, value in {"track_length_m": track_length_m, "width_m": width_m, "period_s": period_s}.items():
            if not value > 0.0:
                raise SimulationError(f"{name} must be positive", found=value)
        self._period_s = period_s
        self._track_length_m = track_length_m
        self._edge_m = width_m / 2.0
        self.reset(0.0, 0.0, 0.0)

    def reset(self, arc_length_m: float, cross_track_m: float, heading_error_rad: float) -> DrivingStatus:
        """Start over at a place; a start that is off centre opens no excursion of its own."""
        self._steps = 0
        self._sum_abs_m = 0.0
        self._intervening = abs(cross_track_m) > INTERVENTION_OFFSET_M
        self._off_track = abs(cross_track_m) > self._edge_m
        self.status = DrivingStatus(
            arc_length_m=arc_length_m,
            cross_track_m=cross_track_m,
            heading_error_rad=heading_error_rad,
            max_abs_cross_track_m=abs(cross_track_m),
            mean_abs_cross_track_m=abs(cross_track_m),
            off_track=self._off_track,
        )
        return self.status

    def moved(self, arc_length_m: float, cross_track_m: float, heading_error_rad: float) -> DrivingStatus:
        """The car was put somewhere by hand: no time, no distance, and no progress; open excursions are over."""
        before = self.status
        self._intervening = abs(cross_track_m) > INTERVENTION_OFFSET_M
        self._off_track = abs(cross_track_m) > self._edge_m
        self.status = replace(
            before,
            arc_length_m=arc_length_m,
            cross_track_m=cross_track_m,
            heading_error_rad=heading_error_rad,
            off_track=self._off_track,
        )
        return self.status

    def update(
        self, arc_length_m: float, cross_track_m: float, heading_error_rad: float, speed_m_s: float
    ) -> DrivingStatus:
        """Count one control step that ended here."""
        before, offset = self.status, abs(cross_track_m)
        half = self._track_length_m / 2.0
        ahead = (arc_length_m - before.arc_length_m + half) % self._track_length_m - half
        progress = before.progress_m + ahead
        was_off, was_intervening = self._off_track, self._intervening
        self._off_track = offset > (_RETURN_FRACTION * self._edge_m if was_off else self._edge_m)
        self._intervening = offset > INTERVENTION_OFFSET_M * (_RETURN_FRACTION if was_intervening else 1.0)
        self._steps += 1
        self._sum_abs_m += offset
        off_track = offset > self._edge_m
        travelled = abs(speed_m_s) * self._period_s
        self.status = DrivingStatus(
            elapsed_s=self._steps * self._period_s,
            arc_length_m=arc_length_m,
            progress_m=progress,
            laps=max(0, int(progress // self._track_length_m)),
            cross_track_m=cross_track_m,
            heading_error_rad=heading_error_rad,
            mean_abs_cross_track_m=self._sum_abs_m / self._steps,
            max_abs_cross_track_m=max(before.max_abs_cross_track_m, offset),
            off_track=off_track,
            off_track_events=before.off_track_events + int(self._off_track and not was_off),
            interventions=before.interventions + int(self._intervening and not was_intervening),
            damage=before.damage + (travelled if off_track else 0.0),
            distance_m=before.distance_m + travelled,
        )
        return self.status
