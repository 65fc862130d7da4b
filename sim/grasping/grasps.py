"""Ways to take hold of the target from above, and which of them clutter leaves room for. Plain NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.grasping.footprints import Footprints, gaps_m, rectangle_reach
from sim.grasping.kinematics import Array
from sim.grasping.objects import SceneObject, extents

__all__ = ["Grasps", "closing_axes", "target_width_m"]

# The gripper, as in arm.urdf: how wide it opens, how thick its fingers are along that way, and half of their breadth.
OPEN_M, FINGER_M, HALF_BREADTH_M = 0.08, 0.01, 0.01
# Wider things would touch the fingers on their way down.
_WIDEST_TARGET_M = 0.068
# A body's axis whose height component is below this counts as lying flat (45 degrees).
_FLAT = 0.71
_ALL_ROUND: Array = np.linspace(0.0, math.pi, 12, endpoint=False)


def closing_axes(yaws_rad: Array) -> Array:
    """``(yaws, 2)`` unit vectors along which the fingers close, for a hand that points down."""
    return np.stack([np.sin(yaws_rad), -np.cos(yaws_rad)], axis=-1)


def target_width_m(target: SceneObject, yaws_rad: Array) -> Array:
    """``(yaws,)`` how wide the target is along the way the fingers close."""
    axes = closing_axes(yaws_rad)
    found: Array = 2.0 * extents([target], np.concatenate([axes, np.zeros((len(axes), 1))], axis=1))[0]
    return found


def _sensible_yaws(target: SceneObject) -> Array:
    """Yaws, modulo half a turn, at which pads lie flat against the target."""
    axes = target.pose.rotation().T
    if target.shape.kind == "cylinder":
        if abs(axes[2, 2]) > _FLAT:
            return _ALL_ROUND
        # Lying: across its axis, which then runs along the hand's x axis.
        axes = axes[2:]
    else:
        axes = axes[np.abs(axes[:, 2]) < _FLAT]
    found: Array = np.arctan2(axes[:, 1], axes[:, 0])
    return found


@dataclass(frozen=True, slots=True)
class Grasps:
    """Candidates, the fingers wide open in each.

    Attributes:
        yaws_rad: ``(grasps,)`` in the arm's range, each the one of the two equal ones that is nearer to the tool's.
        room_m: ``(grasps, clutter)`` free ground between an object and what the fingers need; negative in the way.
        centres_m: ``(grasps, 2, 2)`` the middles of what the two fingers need.
        reach_m: ``(grasps, 32)`` how far that reaches along the headings.
    """

    yaws_rad: Array
    room_m: Array
    centres_m: Array
    reach_m: Array

    @classmethod
    def around(
        cls, target: SceneObject, footprints: Footprints, tool_yaw_rad: float, yaw_range_rad: tuple[float, float]
    ) -> Grasps:
        """All ways to take hold of the target.

        Args:
            target: what to grasp.
            footprints: of the target, then of the clutter.
            tool_yaw_rad: where the hand is turned to now.
            yaw_range_rad: what the arm can do; at least half a turn.
        """
        yaws = _sensible_yaws(target)
        widths = target_width_m(target, yaws)
        fitting = widths < _WIDEST_TARGET_M
        if not fitting.any():  # tilted on something: any way in which it fits, else the narrowest
            yaws, widths = _ALL_ROUND, target_width_m(target, _ALL_ROUND)
            fitting = widths <= max(_WIDEST_TARGET_M, float(widths.min()))
        yaws, widths = yaws[fitting], widths[fitting]
        low, high = yaw_range_rad
        turned = yaws[:, None] + math.pi * np.arange(-3, 4)
        reachable = np.where((turned >= low) & (turned <= high), np.abs(turned - tool_yaw_rad), np.inf)
        yaws = turned[np.arange(len(yaws)), reachable.argmin(axis=1)]
        axes = closing_axes(yaws)
        # From the target's side to the outside of an open finger: where the fingers come down, and where they close.
        inner = np.minimum(widths / 2.0, OPEN_M / 2.0)
        outer = OPEN_M / 2.0 + FINGER_M
        middle = (inner + outer) / 2.0
        reach = rectangle_reach(axes, (outer - inner) / 2.0, np.full(len(axes), HALF_BREADTH_M))
        sides = np.array([1.0, -1.0])[:, None]
        centres = footprints.centres_m[0] + (middle[:, None] * axes)[:, None, :] * sides
        offsets = footprints.centres_m[1:] - centres[:, :, None, :]
        room = gaps_m(offsets, reach[:, None, None, :] + footprints.reach_m[1:]).min(axis=1)
        return cls(yaws, room, centres, reach)

    def turn_rad(self, tool_yaw_rad: float) -> Array:
        """``(grasps,)`` how far the hand has to turn for each."""
        return np.abs(self.yaws_rad - tool_yaw_rad)

    def free_m(self) -> Array:
        """``(grasps,)`` the least room of each; infinite without clutter."""
        found: Array = self.room_m.min(axis=1, initial=np.inf)
        return found
