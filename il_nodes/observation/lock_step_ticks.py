"""Lock-step for whoever answers observations: which tick has been waiting although nothing more can come for it."""

from __future__ import annotations

from il_nodes.codecs import codec_for, header_stamp_ns
from models.contract import Contract
from models.errors import DeploymentError

__all__ = ["LockStepTicks"]


class LockStepTicks:
    """Finds ticks that have all their messages and gave no observation (warm-up, a gap, NaN): they need an answer too.

    Args:
        contract: every observation topic must carry a header stamp, and a message for every tick.

    Raises:
        DeploymentError: one of them carries none.
    """

    def __init__(self, contract: Contract) -> None:
        sources = [source for stream in contract.observations for source in stream.sources]
        for source in sources:
            if not codec_for(source.channel.type).has_header:
                raise DeploymentError(
                    f"{source.channel.topic} cannot take part in lock-step",
                    found=f"{source.channel.type}, which has no header",
                    expected="a header stamp in every observed message",
                )
        self._trigger = contract.observation(contract.trigger).sources[0].channel.topic
        self._newest_ns: dict[str, int | None] = {source.channel.topic: None for source in sources}
        self._open_ns: int | None = None

    def received(self, topic: str, cdr: bytes) -> int:
        """A message came; its stamp, which is the only time that lock-step knows."""
        stamp_ns = header_stamp_ns(cdr)
        self._newest_ns[topic] = stamp_ns
        if topic == self._trigger:
            self._open_ns = stamp_ns
        return stamp_ns

    def answered(self, stamp_ns: int) -> None:
        """A proposal for this stamp went out."""
        if stamp_ns == self._open_ns:
            self._open_ns = None

    def unanswerable(self) -> int | None:
        """Stamp of the open tick if every topic has sent its message for it; call when no observation came of it."""
        open_ns = self._open_ns
        if open_ns is None or any(newest is None or newest < open_ns for newest in self._newest_ns.values()):
            return None
        return open_ns
