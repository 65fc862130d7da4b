"""The policy node as somebody else's client sees it: brought up with a bundle, or told to swap another one in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node

from models.errors import DeploymentError

__all__ = ["Caller", "PolicyNodeClient"]

#: A service answers within milliseconds; configuring loads and warms up a bundle, on a busy machine for long.
ANSWER_S, CONFIGURE_S = 10.0, 60.0
#: A swap is verified in a child at low priority for at most 60 s, and a recurrent policy warms up for 10 s.
SWAP_S = 90.0

Caller = Callable[[Any, Any, float], Any]
"""Client, request, seconds: the answer, once it is there; raises ``DeploymentError`` when it is not."""


class PolicyNodeClient:
    """Puts bundles into a policy node.

    Args:
        node: makes the clients.
        call: asks a service and waits.
        wait: waits until something is so, for at most so many seconds; whether it came to be.
    """

    def __init__(self, node: Node, call: Caller, wait: Callable[[Callable[[], bool], float], bool]) -> None:
        self._call, self._wait = call, wait
        self._state = node.create_client(GetState, "/policy/get_state")
        self._change = node.create_client(ChangeState, "/policy/change_state")
        self._set = node.create_client(SetParameters, "/policy/set_parameters")
        self._report: Mapping[str, str] = {}

    def take_report(self, values: Mapping[str, str]) -> None:
        """What the node says of its bundle on ``/diagnostics``."""
        self._report = values

    def put_in(self, bundle: Path) -> bool:
        """Have a bundle run; whether it took another one's place. Raises ``DeploymentError``: it does not run."""
        state = self._call(self._state, GetState.Request(), ANSWER_S).current_state.id
        self._name(bundle)
        if state == State.PRIMARY_STATE_UNCONFIGURED:
            self._transition(Transition.TRANSITION_CONFIGURE, "configured", CONFIGURE_S)
            self._transition(Transition.TRANSITION_ACTIVATE, "activated", ANSWER_S)
            return False
        if state != State.PRIMARY_STATE_ACTIVE:
            self._transition(Transition.TRANSITION_ACTIVATE, "activated", ANSWER_S)
        self._follow_swap(bundle)
        return True

    def _name(self, bundle: Path) -> None:
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(bundle))
        request = SetParameters.Request(parameters=[Parameter(name="bundle", value=value)])
        self._report = {}
        result = self._call(self._set, request, ANSWER_S).results[0]
        if not result.successful:
            raise DeploymentError(f"the policy node refuses {bundle}", found=result.reason)

    def _transition(self, number: int, what: str, seconds: float) -> None:
        request = ChangeState.Request(transition=Transition(id=number))
        if not self._call(self._change, request, seconds).success:
            raise DeploymentError(f"the policy node could not be {what}", fix="read its log")

    def _follow_swap(self, bundle: Path) -> None:
        """Until the node says that the bundle runs, or why not; it says so at once, and once a second."""
        begun_s = time.monotonic()

        def is_over() -> bool:
            return bool(self._report) and not self._report.get("bundle_pending")

        def runs() -> bool:
            return is_over() and self._report.get("file") == str(bundle)

        def refused() -> bool:
            return is_over() and str(bundle) in self._report.get("bundle_refused", "")

        if not self._wait(lambda: runs() or refused(), SWAP_S):
            seconds = time.monotonic() - begun_s
            found = self._report.get("bundle_pending") or "nothing on /diagnostics"
            raise DeploymentError(f"{bundle.name} does not run after {seconds:.0f} s", found=found)
        if refused():
            raise DeploymentError(f"{bundle.name} was refused", found=self._report["bundle_refused"])
