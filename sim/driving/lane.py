"""Where the car is on its road, in numbers: what policies without a camera see, on ``/lane`` of the simulator's node.

No robot measures this as exactly; it stands for what a lane detector and a map would say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sim.driving.world import DrivingWorld

__all__ = ["LOOK_AHEADS_M", "OBSERVED", "LaneNumber", "lane_numbers"]

_CURVATURES = MappingProxyType(
    {"curvature_ahead": 0.8, "curvature_2m": 2.0, "curvature_4m": 4.0, "curvature_6m": 6.0, "curvature_8m": 8.0}
)
LOOK_AHEADS_M = tuple(_CURVATURES.values())
"""Where the road's curvature is read. From 6.5 m/s the expert begins to brake 7 m before the tightest bend."""

OBSERVED = (
    "position.cross_track",
    "position.heading_error",
    "velocity.car",
    "velocity.car_yaw",
    *(f"position.{name}" for name in _CURVATURES),
)
"""What ``contracts/driving_state.yaml`` selects: m, rad, m/s, rad/s, and 1/m."""


@dataclass(frozen=True, slots=True)
class LaneNumber:
    """One of the numbers, and how fast it changes; NaN where nobody says.

    Attributes:
        position: SI units.
        velocity: SI units a second.
    """

    position: float
    velocity: float = math.nan


def lane_numbers(world: DrivingWorld) -> Mapping[str, LaneNumber]:
    """All of them, by name.

    ``cross_track`` (m, positive left of the centre line), ``heading_error`` (rad, positive turned to the left),
    ``curvature_…`` (1/m, positive in a left bend) so far ahead of the car, ``car`` (m along the centre line, and the
    car's forward speed) and ``car_yaw`` (rad on the map, and the car's yaw rate).
    """
    status, car = world.status, world.state.car
    bends = {name: world.track.curvature_at(status.arc_length_m + ahead) for name, ahead in _CURVATURES.items()}
    return {
        "cross_track": LaneNumber(status.cross_track_m),
        "heading_error": LaneNumber(status.heading_error_rad),
        **{name: LaneNumber(bend) for name, bend in bends.items()},
        "car": LaneNumber(status.arc_length_m, car.speed_m_s),
        "car_yaw": LaneNumber(car.yaw_rad, car.yaw_rate_rad_s),
    }
