"""How somebody asks a node for another bundle: the parameter ``bundle`` and the service ``~/reload``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_srvs.srv import Trigger

from il_nodes.policy.bundle_swap import BundleSwap, cheap_objection
from il_nodes.ros.node import UnderstudyNode

__all__ = ["BundleRequests"]

#: How often a swap that is under way is looked at, between two ticks. It lasts seconds.
POLL_S = 0.05


class BundleRequests:
    """Part of a node; the service and the callbacks live as long as the node does, so that every caller is answered.

    A path that cannot be a bundle's is refused at once, to whoever sets it. Taking any other says only that it will be
    verified, and :meth:`words` tell whoever set it so. What the verification finds out is logged, stands in the
    diagnostics, and the parameter goes back to the bundle that runs.

    Args:
        node: has declared ``bundle``.
    """

    def __init__(self, node: UnderstudyNode) -> None:
        self._node = node
        self._swap: BundleSwap | None = None
        node.add_on_set_parameters_callback(self._judge)
        node.add_post_set_parameters_callback(self._follow)
        node.create_service(Trigger, "~/reload", self._reload)

    def serve(self, swap: BundleSwap) -> None:
        """The node is configured: wishes are granted from now on."""
        self._swap = swap
        self._timer = self._node.steady_timer(POLL_S, self._poll, while_inactive=True)
        self._timer.cancel()

    def close(self) -> None:
        """The node lets go of its policy."""
        if self._swap is not None:
            self._swap.abandon("the policy node was cleaned up")
        self._swap = None

    # -- wishes ---------------------------------------------------------------------------------------------------

    def _judge(self, parameters: list[Any]) -> Any:
        wanted = [one.value for one in parameters if one.name == "bundle"]
        objection = "one bundle at a time" if len(wanted) > 1 else "".join(map(self._objection, wanted))
        return SetParametersResult(successful=not objection, reason=objection)

    def _objection(self, path: object) -> str:
        if self._swap is None:
            return cheap_objection(path)
        if path == self._swap.path and self._swap.phase == "idle":
            return ""
        return self._swap.objection(path)

    def words(self) -> str:
        """For whoever has just set ``bundle``, and was not refused: what that means; empty if it runs already."""
        if self._swap is None:
            return "taken; it is verified when the node is configured"
        if not self._swap.wish:
            return ""
        running = Path(self._swap.path).name
        return (
            f"not running yet: it is being verified, and {running} runs on. How that ends stands in the log and on "
            "/diagnostics under 'policy: bundle': bundle_pending until then, bundle_refused with the reason, or file"
        )

    def _follow(self, parameters: list[Any]) -> None:
        for one in parameters:
            if one.name == "bundle" and self._swap is not None and one.value != self._swap.path:
                self._begin(one.value, None)

    async def _reload(self, request: Any, response: Any) -> Any:
        """Swap in the file that ``bundle`` names; the answer comes when that is done."""
        path = str(self._node.get_parameter("bundle").value)
        problem = "the policy node is not configured" if self._swap is None else self._swap.objection(path)
        if not problem:
            answer = Future()
            self._begin(path, answer)
            problem = await answer
        response.success, response.message = not problem, problem or f"{path} runs"
        return response

    # -- what becomes of them -------------------------------------------------------------------------------------

    def _begin(self, path: str, answer: Future | None) -> None:
        assert self._swap is not None
        self._node.get_logger().info(f"verifying {path}; the present policy goes on")

        def done(problem: str) -> None:
            self._tell(path, problem)
            if answer is not None:
                answer.set_result(problem)

        self._swap.begin(path, time.monotonic(), done)
        self._timer.reset()
        self._node.diagnostics.publish()

    def _tell(self, path: str, problem: str) -> None:
        assert self._swap is not None
        if not problem:
            self._node.get_logger().info(f"{path} runs, {self._swap.last_duration_s:.1f} s after it was wished for")
            self._node.diagnostics.publish()
            return
        kept = self._swap.path
        self._node.get_logger().error(f"{path} is refused, and {Path(kept).name} runs on: {problem}")
        if self._node.get_parameter("bundle").value != kept:
            self._node.set_parameters([Parameter("bundle", value=kept)])
        self._node.diagnostics.publish()

    def _poll(self) -> None:
        swap = self._swap
        if swap is not None:
            swap.poll(time.monotonic(), at_once=not self._node.is_active)
        if swap is None or swap.phase == "idle":
            self._timer.cancel()
