"""How a vehicle beside its path steers to be back on it, along it, after a given distance. Geometry only.

In the path's own frame (arc length ``x``, offset ``d`` to the left, heading error ``psi``) the return is the cubic that
starts at the vehicle's offset and heading and ends, a distance ``L`` on, with neither::

    d(x) = d0 (1 - 3 u^2 + 2 u^3) + d0' L (u - 2 u^2 + u^3),    u = x / L,    d0' = (1 - k d0) tan(psi0)

and the curvature that drives it on a path of curvature ``k`` follows from Werling et al. 2010, "Optimal Trajectory
Generation for Dynamic Street Scenarios in a Frenet Frame", appendix A, for a ``k`` that changes slowly::

    (((d'' + k d' tan(psi)) cos(psi)^2 / (1 - k d)) + k) cos(psi) / (1 - k d),    tan(psi) = d' / (1 - k d)

A vehicle that drives this plan to its end is back after ``L``. A policy is asked anew at every frame, and so always
begins another return: then ``d'' + 4 d'/L + 6 d/L^2 = 0``, of which a fifth is left after ``L`` and a hundredth after
``2 L``. A label that shall bring a vehicle back within a distance is therefore the beginning of a plan of half of it
(``PLANNED_SHARE``). ALVINN steered by an arc to a point on the road ahead (pure pursuit; Pomerleau 1991), which brings
the vehicle back but across the road; DAVE-2 asks for "location and orientation" (Bojarski et al. 2016, section 2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["PLANNED_SHARE", "return_path", "steering_curvature"]

Float64Array = npt.NDArray[np.float64]

PLANNED_SHARE = 0.5
"""Length of the plan that a label is the beginning of, as a share of the distance after which the vehicle is back."""

# 1 - k d at least this: beyond the centre of the path's bend there is no way of following it.
_LEAST_STRETCH = 0.2


def return_path(
    left_m: npt.ArrayLike,
    turn_rad: npt.ArrayLike,
    road_per_m: npt.ArrayLike,
    distance_m: npt.ArrayLike,
    travelled_m: npt.ArrayLike = 0.0,
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """The cubic return, where it has come after ``travelled_m`` of the path; arrays broadcast against each other.

    Args:
        left_m: offset of the vehicle to the left of the path, at the start.
        turn_rad: its heading minus the path's there, positive to the left.
        road_per_m: curvature of the path, positive in a left bend.
        distance_m: L, along the path, positive.
        travelled_m: x, along the path; from L on the vehicle is back.

    Returns:
        Offset (m), its slope (1) and its second derivative (1/m) along the path.
    """
    distance = np.asarray(distance_m, np.float64)
    slope = _stretch(np.asarray(left_m, np.float64), road_per_m) * np.tan(turn_rad) * distance
    left = np.asarray(left_m, np.float64)
    part = np.clip(np.asarray(travelled_m, np.float64) / distance, 0.0, 1.0)
    offset = left * (1.0 - 3.0 * part**2 + 2.0 * part**3) + slope * (part - 2.0 * part**2 + part**3)
    first = left * (-6.0 * part + 6.0 * part**2) + slope * (1.0 - 4.0 * part + 3.0 * part**2)
    second = left * (-6.0 + 12.0 * part) + slope * (-4.0 + 6.0 * part)
    second = np.where(part < 1.0, second, 0.0)
    return offset, first / distance, second / distance**2


def steering_curvature(
    offset_m: Float64Array, slope: Float64Array, bend_per_m: Float64Array, road_per_m: npt.ArrayLike
) -> Float64Array:
    """Curvature (1/m, positive to the left) to drive for an offset that changes like this beside a curved path.

    Args:
        offset_m: d, to the left of the path.
        slope: d', per metre of the path.
        bend_per_m: d''.
        road_per_m: k, the path's curvature.
    """
    road = np.asarray(road_per_m, np.float64)
    stretch = _stretch(offset_m, road)
    tangent = slope / stretch
    cos = 1.0 / np.sqrt(1.0 + tangent**2)
    found: Float64Array = ((bend_per_m + road * slope * tangent) * cos**2 / stretch + road) * cos / stretch
    return found


def _stretch(offset_m: Float64Array, road_per_m: npt.ArrayLike) -> Float64Array:
    """``1 - k d``: how much longer the path is than what the vehicle drives beside it, in the bend's inside."""
    found: Float64Array = np.maximum(1.0 - np.asarray(road_per_m, np.float64) * offset_m, _LEAST_STRETCH)
    return found
