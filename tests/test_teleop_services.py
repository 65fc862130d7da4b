"""What a teleoperator asked for and was not answered yet: it ends with them, and leads to nothing later."""

from __future__ import annotations

from typing import Any

import pytest
from ros_processes import RosEnvironment

from il_nodes.teleop.buttons import Press
from il_nodes.teleop.watch import RecorderWatch

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("answered", [True, False])
def test_a_hand_back_that_was_cut_off_does_not_enable_the_policy_later(
    ros_environment: RosEnvironment, answered: bool
) -> None:
    """Somebody hands back and the node is deactivated; an hour later it is activated, and the policy must not drive."""
    from std_srvs.srv import SetBool

    from il_nodes.teleop.services import ServiceCalls

    ros, asked = ros_environment, list[tuple[str, bool]]()

    def answer(name: str) -> Any:
        def callback(request: Any, response: Any) -> Any:
            asked.append((name, request.data))
            response.success = True
            return response

        return callback

    for name in ("takeover", "enable_policy"):
        ros.probe.create_service(SetBool, f"/gate/{name}", answer(name))
    calls = ServiceCalls(ros.probe, lambda _level, _text: None, RecorderWatch())
    for client in ("/gate/takeover", "/gate/enable_policy"):
        ros.wait_until(ros.probe.create_client(SetBool, client).service_is_ready, 10.0, client)

    calls.ask(Press.HAND_BACK, 0.0)
    if answered:
        [call] = calls._calls
        ros.wait_until(call.future.done, 10.0, "the gate's answer")
    calls.abandon()
    calls.poll(3600.0)
    assert calls.status().values["waiting"] == 0
    assert calls.answered == 0

    calls.ask(Press.TAKEOVER, 3600.0)

    def taken_over() -> bool:
        calls.poll(3600.0)
        return calls.answered == 1

    ros.wait_until(taken_over, 10.0, "the next takeover")
    assert asked == [("takeover", False), ("takeover", True)]
    assert not calls.unconfirmed
