"""The action vector on its way to and from several topics: one part a command channel, in the contract's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from il_nodes.codecs import codec_for, decode_raw, encode, encode_outgoing, header_stamp_ns
from models.contract import Contract
from models.data import Action, FloatArray

__all__ = ["ActionChannels"]


class ActionChannels:
    """Splits commands into messages, and joins the expert's messages into commands.

    Args:
        contract: its ``action_sources`` say which part of the vector goes where.

    Raises:
        CodecError: a command channel has a type that cannot be written.
    """

    def __init__(self, contract: Contract) -> None:
        self.sources = contract.action_sources
        ends = np.cumsum([len(source.names) for source in self.sources]).tolist()
        self._slices = [slice(end - len(source.names), end) for source, end in zip(self.sources, ends, strict=True)]
        self._parts: list[tuple[int, FloatArray] | None] = [None] * len(self.sources)
        self._now_ns = 0
        self._period_ns = round(contract.period_s * 1e9)
        # Better now than at the first command.
        self.messages(contract.action_stop, 0)

    def messages(self, command: FloatArray, stamp_ns: int, now_ns: int | None = None) -> list[Any]:
        """One message for each command channel, in order.

        Trajectories say by when they are to be reached: one period from now, which is the next command's time. They say
        it counted from their stamp, which is that of what they answer and lies in the past.

        Args:
            command: ``(dims,)`` in SI units.
            stamp_ns: header stamp, where the type has a header.
            now_ns: now on the clock of the stamps; ``None``: the stamp itself.
        """
        return self._encoded(encode, command, stamp_ns, now_ns)

    def outgoing(self, command: FloatArray, stamp_ns: int, now_ns: int | None = None) -> list[Any]:
        """The same as publishers take it: bytes where they are laid out by this package, messages elsewhere."""
        return self._encoded(encode_outgoing, command, stamp_ns, now_ns)

    def _encoded(
        self, encoder: Callable[..., Any], command: FloatArray, stamp_ns: int, now_ns: int | None
    ) -> list[Any]:
        age_ns = 0 if now_ns is None else max(0, now_ns - stamp_ns)
        messages = []
        for source, part in zip(self.sources, self._slices, strict=True):
            message = encoder(command[part], source, stamp_ns)
            codec_for(source.channel.type).set_reach_time(message, age_ns + self._period_ns)
            messages.append(message)
        return messages

    def forget(self) -> None:
        """What has come so far belongs to no command."""
        self._parts = [None] * len(self.sources)

    def join(self, index: int, cdr: bytes, now_ns: int) -> Action | None:
        """Take the expert's message for channel ``index``; the whole command once every channel has sent.

        A command is as old as its oldest part. A message without a header counts as stamped ``now_ns``.

        Raises:
            CodecError: the bytes are not what the contract says.
        """
        if now_ns < self._now_ns:  # the clock went back: a part of before would look fresh for ever
            self.forget()
        self._now_ns = now_ns
        source = self.sources[index]
        stamp_ns = header_stamp_ns(cdr) if codec_for(source.channel.type).has_header else now_ns
        self._parts[index] = (stamp_ns, np.atleast_1d(decode_raw(cdr, source)).astype(np.float32))
        parts = [part for part in self._parts if part is not None]
        if len(parts) < len(self._parts):
            return None
        return Action(min(stamp for stamp, _ in parts), np.concatenate([values for _, values in parts]))
