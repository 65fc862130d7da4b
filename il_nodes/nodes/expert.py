"""The simulated robot's expert: exact state in, the intended command out. Which robot's, a parameter says."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.run import run_node
from il_nodes.simulator.robots import scripted_expert_of

__all__ = ["ExpertNode", "main"]


class ExpertNode(UnderstudyNode):
    """Answers every tick of the running episode with one command of the same stamp on the expert's topics."""

    def __init__(self) -> None:
        super().__init__("expert")
        self._expert = scripted_expert_of(self)

    def configure(self) -> None:
        """Make the topics; nothing is known of any episode yet."""
        self._expert = scripted_expert_of(self)
        self._expert.open(self)
        self.diagnostics.add("expert", self._expert.status)

    def introduction(self) -> str:
        """Of which robot, and where its commands go."""
        robot, topics = self.get_parameter("robot").value, ", ".join(sorted(self.connections.reaches))
        return f"scripted expert of the simulated robot {robot}, commands on {topics}"


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(ExpertNode, args, "expert", images=False)


if __name__ == "__main__":
    sys.exit(main())
