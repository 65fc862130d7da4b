"""Stands for the person beside a simulated robot, where nobody is: plain logic."""

from __future__ import annotations

from models.errors import DeploymentError

__all__ = ["StandIn"]


class StandIn:
    """Takes over far from where the robot should be, hands back close to it.

    Args:
        takes_over: deviation beyond which it does, in the simulator's unit: metres from the centre line.
        hands_back: deviation up to which it lets go.

    Attributes:
        in_control: whether it has the robot.
    """

    def __init__(self, takes_over: float, hands_back: float) -> None:
        if not 0.0 <= hands_back < takes_over:
            raise DeploymentError(
                "a person hands back closer to the centre line than they take over",
                found=f"takes over at {takes_over} m, hands back at {hands_back} m",
            )
        self._takes_over, self._hands_back = takes_over, hands_back
        self.in_control = False

    def sees(self, deviation: float) -> bool:
        """Whether what it does changes now that the robot is so far off."""
        before = self.in_control
        self.in_control = abs(deviation) > (self._hands_back if before else self._takes_over)
        return self.in_control is not before

    def lets_go(self) -> None:
        """An episode begins: hands off."""
        self.in_control = False
