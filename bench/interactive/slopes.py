"""How a total cost grows with the horizon: its slope on logarithmic axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.harness import Bench, Interval, bootstrap_interval

__all__ = ["hold_slopes", "log_log_slope"]


def log_log_slope(horizons: Sequence[int], costs: npt.ArrayLike) -> float:
    """Exponent ``p`` of ``cost = c T^p``, by least squares of the logarithms; NaN where a cost is 0."""
    values = np.asarray(costs, np.float64)
    if not (values > 0.0).all():
        return float("nan")
    return float(np.polyfit(np.log(np.asarray(horizons, np.float64)), np.log(values), 1)[0])


def hold_slopes(bench: Bench, name: str, cloned: Sequence[float], dagger: Sequence[float]) -> dict[str, Interval]:
    """Intervals over seeds, held against the claim: about 2 and about 1, and neither may hold the other."""
    intervals = {"bc": bootstrap_interval(cloned), "dagger": bootstrap_interval(dagger)}
    bench.goal(f"{name}: slope of behavioural cloning, lower bound", intervals["bc"].low, ">=", 1.6)
    bench.goal(f"{name}: slope of behavioural cloning, upper bound", intervals["bc"].high, "<=", 2.4)
    bench.goal(f"{name}: slope of DAgger, lower bound", intervals["dagger"].low, ">=", 0.7)
    bench.goal(f"{name}: slope of DAgger, upper bound", intervals["dagger"].high, "<=", 1.3)
    gap = intervals["bc"].low - intervals["dagger"].high
    bench.goal(f"{name}: distance between the intervals", gap, ">=", 0.0)
    return intervals
