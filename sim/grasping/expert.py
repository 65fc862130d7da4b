"""The one to learn from: it knows where everything lies. Plain NumPy, no PyBullet, no ROS.

What it does follows from the state alone, so that it can say of any state that a learner gets into what should be done
there (Ross et al. 2011; Laskey et al. 2017): nothing is counted, and nothing is remembered between calls.

1. The target is between the fingers and they are shut on it: lift it, and hold it up.
2. It is between them: close.
3. There is room for the fingers around it: come down over it, wide open. How low the hand may be depends on how far it
   is from its place, so that it comes down as through a funnel, and up first where something is in between.
4. There is none: come down behind what is in the way, fingers closed, and push it aside (``pushes``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.errors import SimulationError
from sim.grasping.footprints import Footprints
from sim.grasping.grasps import OPEN_M, Grasps, target_width_m
from sim.grasping.kinematics import Array
from sim.grasping.pushes import Push, best_push, standing_behind
from sim.grasping.state import Command, GraspingState

__all__ = ["Expert", "ExpertConfig"]

# What is held up is kept this far from the ends of the tool's range.
_BORDER_M = 0.04


@dataclass(frozen=True, slots=True)
class ExpertConfig:
    """How the expert moves, within the contract's limits. Lengths in metres, heights of the tool above the table.

    Attributes:
        top_speed_m_s: of the tool.
        top_yaw_rate_rad_s: of the hand.
        gap_speed_m_s: of opening and closing.
        push_speed_m_s: while pushing.
        gain_per_s: speed over distance to go.
        travel_m: height at which the hand moves over things.
        lift_m: height at which it holds the target up.
        lowest_m: the arm's lowest height.
        x_m: range of the tool.
        y_m: range of the tool.
        yaw_rad: range of the tool.
        room_m: free ground that the fingers need.
        more_room_m: and while clutter is being pushed, so that a push is not broken off too soon.
    """

    top_speed_m_s: float = 0.25
    top_yaw_rate_rad_s: float = 1.5
    gap_speed_m_s: float = 0.1
    push_speed_m_s: float = 0.12
    gain_per_s: float = 7.0
    travel_m: float = 0.14
    lift_m: float = 0.20
    lowest_m: float = 0.012
    x_m: tuple[float, float] = (0.28, 0.68)
    y_m: tuple[float, float] = (-0.32, 0.32)
    yaw_rad: tuple[float, float] = (-1.0, 2.3)
    room_m: float = 0.003
    more_room_m: float = 0.008


class Expert:
    """Commands from exact state. Equal states give equal commands."""

    def __init__(self, config: ExpertConfig | None = None) -> None:
        self.config = config or ExpertConfig()

    def command(self, state: GraspingState) -> Command:
        """The intended command: linear x, y, z (m/s), yaw rate (rad/s), speed of the gap (m/s).

        Raises:
            SimulationError: when the state is not finite.
        """
        tool = state.tool
        places = np.array([item.pose.position_m for item in state.objects])
        if not (np.isfinite(places).all() and np.isfinite(tool.position_m).all() and math.isfinite(state.gap_m)):
            raise SimulationError("the expert needs a finite state", found=f"tool {tool.position_m}, {places.tolist()}")
        footprints = Footprints(state.objects)
        grasps = Grasps.around(state.target, footprints, tool.yaw_rad, self.config.yaw_rad)
        grip = self._grip(state, grasps)
        if grip is not None:
            return grip
        free = grasps.free_m()
        pushing = state.gap_m < 0.02 and tool.position_m[2] < 0.07
        needed = self.config.more_room_m if pushing else self.config.room_m
        if (free < needed).all():
            x, y = np.array(self.config.x_m), np.array(self.config.y_m)
            push = best_push(footprints, grasps, tool.position_m[:2], x, y)
            if push is not None:
                return self._push(state, footprints, push)
        # The nearest yaw, unless it leaves the fingers only just enough room.
        tight = 20.0 * np.clip(0.01 - free, 0.0, None) + 100.0 * (free < needed)
        return self._approach(state, float(grasps.yaws_rad[(grasps.turn_rad(tool.yaw_rad) + tight).argmin()]))

    def _grip(self, state: GraspingState, grasps: Grasps) -> Command | None:
        """Close on, or lift, what is between the fingers; ``None`` where the target is not."""
        tool, config = state.tool, self.config
        offset = tool.rotation.T @ (np.array(state.target.pose.position_m) - tool.position_m)
        width = float(target_width_m(state.target, np.array([tool.yaw_rad]))[0])
        between = abs(offset[0]) < 0.012 and abs(offset[1]) + width / 2.0 < state.gap_m / 2.0 + 0.004
        if between and abs(offset[2]) < 0.03 and state.gap_m < width + 0.004:
            up = config.gain_per_s * (config.lift_m - float(tool.position_m[2]))
            up = max(-config.top_speed_m_s, min(config.top_speed_m_s, up))
            low, high = np.array([config.x_m, config.y_m]).T
            inwards = np.clip(tool.position_m[:2], low + _BORDER_M, high - _BORDER_M) - tool.position_m[:2]
            x, y = config.gain_per_s * inwards
            return float(x), float(y), up, 0.0, -config.gap_speed_m_s
        aligned = float(grasps.turn_rad(tool.yaw_rad).min()) < 0.2
        deep = abs(float(tool.position_m[2]) - self._grasp_height_m(state)) < 0.012
        if between and aligned and deep:
            # Staying over the target, so that what pushes the arm aside does not take it out of the grasp.
            x, y, _ = config.gain_per_s * (tool.rotation @ np.array([offset[0], offset[1], 0.0]))
            down = config.gain_per_s * (self._grasp_height_m(state) - float(tool.position_m[2]))
            return float(x), float(y), down, 0.0, -config.gap_speed_m_s
        return None

    def _grasp_height_m(self, state: GraspingState) -> float:
        return max(self.config.lowest_m, state.target.pose.position_m[2])

    def _approach(self, state: GraspingState, yaw_rad: float) -> Command:
        """Come down over the target, fingers open."""
        # Shut fingers that stand between things stay shut until they are out.
        shut = state.gap_m < 0.01 and float(state.tool.position_m[2]) < 0.09
        opening = 0.0 if shut else self.config.gap_speed_m_s
        turn = yaw_rad - state.tool.yaw_rad
        error = max(0.03 * abs(turn), 0.5 * (OPEN_M - 0.004 - state.gap_m))
        goal = np.array([*state.target.pose.position_m[:2], self._grasp_height_m(state)])
        return self._funnel(state, goal, error, turn, opening)

    def _push(self, state: GraspingState, footprints: Footprints, push: Push) -> Command:
        """Come down behind an object, fingers closed, and push."""
        config, tool = self.config, state.tool
        centre = footprints.centres_m[push.index]
        height = float(np.clip(state.objects[push.index].pose.position_m[2] - 0.005, 0.018, 0.10))
        offset = tool.position_m[:2] - centre
        low = float(tool.position_m[2]) < height + 0.012
        if low and state.gap_m < 0.01 and standing_behind(offset, push.direction, push.behind_m) > 0.0:
            aside = offset - (offset @ push.direction) * push.direction
            x, y = config.push_speed_m_s * push.direction - config.gain_per_s * aside
            z = config.gain_per_s * (height - float(tool.position_m[2]))
            return float(x), float(y), z, 0.0, -config.gap_speed_m_s
        goal = np.array([*(centre - push.behind_m * push.direction), height])
        return self._funnel(state, goal, 0.5 * max(0.0, state.gap_m - 0.005), 0.0, -config.gap_speed_m_s)

    def _funnel(self, state: GraspingState, goal_m: Array, error_m: float, turn_rad: float, opening: float) -> Command:
        """Move towards a place, high above things until everything is in order there.

        Args:
            state: of the arm.
            goal_m: ``(3,)`` the place.
            error_m: of what else has to be in order, as if it were distance.
            turn_rad: to go.
            opening: speed of the gap, m/s.
        """
        config, position = self.config, state.tool.position_m
        to_go = goal_m[:2] - position[:2]
        distance = float(np.hypot(*to_go))
        error = max(distance, error_m)
        height = float(np.clip(goal_m[2] + 6.0 * (error - 0.010), goal_m[2], config.travel_m))
        climb = height - float(position[2])
        # Below the funnel it goes up before it goes anywhere.
        sideways = config.gain_per_s * min(1.0, max(0.0, 1.0 - (climb - 0.01) / 0.03))
        x, y = to_go * min(sideways, config.top_speed_m_s / max(distance, 1e-9))
        z = max(-config.top_speed_m_s, min(config.top_speed_m_s, config.gain_per_s * climb))
        turn = max(-config.top_yaw_rate_rad_s, min(config.top_yaw_rate_rad_s, config.gain_per_s * turn_rad))
        return float(x), float(y), z, turn, opening
