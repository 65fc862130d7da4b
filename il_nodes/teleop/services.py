"""The services that a teleoperator's buttons call: asked and forgotten, with an answer that is never waited for.

Only ``takeover`` insists: a human who wants the robot asks again until the gate has answered, or until they hand back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from std_srvs.srv import SetBool, Trigger

from il_nodes.ros.diagnostics import Level, Status
from il_nodes.teleop.buttons import Press
from il_nodes.teleop.watch import RecorderWatch

__all__ = ["ServiceCalls"]

#: An answer that takes longer is none: the gate and the recorder answer within milliseconds.
ANSWER_S = 2.0
#: How often a takeover without an answer is asked for again.
INSIST_S = 0.5

_SERVICES: Mapping[str, Any] = MappingProxyType(
    {
        "/gate/takeover": SetBool,
        "/gate/enable_policy": SetBool,
        "/recorder/start": Trigger,
        "/recorder/stop": Trigger,
        "/recorder/discard": Trigger,
        "/recorder/success": Trigger,
        "/recorder/failure": Trigger,
    }
)
_TRIGGERS = {Press.DISCARD: "/recorder/discard", Press.SUCCESS: "/recorder/success", Press.FAILURE: "/recorder/failure"}


@dataclass(frozen=True)
class _Call:
    """A request whose answer is still to come."""

    press: Press
    service: str
    future: Any
    since_s: float
    then: Callable[[float], None] | None
    otherwise: Callable[[float], None] | None


class ServiceCalls:
    """Calls of the gate's and the recorder's services.

    Args:
        node: makes the clients.
        say: called with a level and one line about each outcome.
        recorder: knows whether an episode is being recorded, and is told what came of it.

    Attributes:
        last: what was asked for last, and what became of it.
        failures: by service.
    """

    def __init__(self, node: Any, say: Callable[[Level, str], None], recorder: RecorderWatch) -> None:
        self._clients = {name: node.create_client(kind, name) for name, kind in _SERVICES.items()}
        self._say = say
        self._recorder = recorder
        self._calls: list[_Call] = []
        self._insist_at_s: float | None = None
        #: Changes with every wish about who drives: the second half of a hand-back that was overtaken is dropped.
        self._wish = 0
        self.last = "nothing yet"
        self.answered = 0
        self.failures: Counter[str] = Counter()

    @property
    def unconfirmed(self) -> bool:
        """Whether a takeover was asked for that the gate has not confirmed."""
        return self._insist_at_s is not None

    def ask(self, press: Press, now_s: float) -> None:
        """Ask for what a button means; slow motion is nobody else's business."""
        if press is Press.TAKEOVER:
            self._wish += 1
            self._take_over(now_s, quiet=False)
        elif press is Press.HAND_BACK:
            self._wish += 1
            self._insist_at_s = None
            wish = self._wish
            self._call(press, "/gate/takeover", now_s, False, then=lambda at_s: self._enable_policy(wish, at_s))
        elif press is Press.RECORD:
            self._start_or_stop(now_s)
        elif press in _TRIGGERS:
            self._call(press, _TRIGGERS[press], now_s)

    def poll(self, now_s: float) -> None:
        """Take in answers, give up on what got none, and insist on a takeover; call it every tick."""
        calls, self._calls = self._calls, []
        for call in calls:
            if call.future.done():
                self._take_answer(call, now_s)
            elif now_s - call.since_s > ANSWER_S:
                self._clients[call.service].remove_pending_request(call.future)
                self._fail(call.press, call.service, f"no answer within {ANSWER_S:.0f} s", quiet=False)
            else:
                self._calls.append(call)
        if self._insist_at_s is not None and now_s >= self._insist_at_s:
            self._take_over(now_s, quiet=True)

    def abandon(self) -> None:
        """Nobody is at the controls any more: no answer that is still to come leads to anything."""
        self._insist_at_s = None
        self._wish += 1
        calls, self._calls = self._calls, []
        for call in calls:
            self._clients[call.service].remove_pending_request(call.future)

    def _start_or_stop(self, now_s: float) -> None:
        recording = self._recorder.is_recording(now_s)

        def stop(at_s: float) -> None:
            self._call(Press.RECORD, "/recorder/stop", at_s, then=lambda t: self._recorder.note(False, t))

        if recording:
            stop(now_s)
            return
        # Where nobody knows: a recorder that records already refuses to start, and is then told to stop.
        otherwise = stop if recording is None else None
        self._call(
            Press.RECORD,
            "/recorder/start",
            now_s,
            then=lambda at_s: self._recorder.note(True, at_s),
            otherwise=otherwise,
        )

    def _take_over(self, now_s: float, *, quiet: bool) -> None:
        self._insist_at_s = now_s + INSIST_S
        self._call(Press.TAKEOVER, "/gate/takeover", now_s, True, then=self._taken_over, quiet=quiet)

    def _taken_over(self, _now_s: float) -> None:
        self._insist_at_s = None

    def _enable_policy(self, wish: int, now_s: float) -> None:
        if wish == self._wish:
            self._call(Press.HAND_BACK, "/gate/enable_policy", now_s, True)

    def _call(
        self,
        press: Press,
        service: str,
        now_s: float,
        data: bool | None = None,
        *,
        then: Callable[[float], None] | None = None,
        otherwise: Callable[[float], None] | None = None,
        quiet: bool = False,
    ) -> None:
        client = self._clients[service]
        if not client.service_is_ready():
            self._fail(press, service, "nobody offers this service", quiet=quiet)
            return
        request = Trigger.Request() if data is None else SetBool.Request(data=data)
        self._calls.append(_Call(press, service, client.call_async(request), now_s, then, otherwise))

    def _take_answer(self, call: _Call, now_s: float) -> None:
        if call.future.exception() is not None:
            self._fail(call.press, call.service, str(call.future.exception()), quiet=False)
            return
        answer = call.future.result()
        self.answered += 1
        if answer.success:
            self._report("ok", f"{call.press}: {answer.message or call.service}")
            if call.then is not None:
                call.then(now_s)
        elif call.otherwise is not None:
            call.otherwise(now_s)
        else:
            self._fail(call.press, call.service, answer.message or "refused", quiet=False)

    def _fail(self, press: Press, service: str, reason: str, *, quiet: bool) -> None:
        self.failures[service] += 1
        text = f"{press}: {service}: {reason}"
        if quiet:
            self.last = text
        else:
            self._report("warn", text)

    def _report(self, level: Level, text: str) -> None:
        self.last = text
        self._say(level, text)

    def status(self) -> Status:
        """For /diagnostics: failures since the start, and the last outcome."""
        values = {"last": self.last, "answered": self.answered, "waiting": len(self._calls)}
        counts = {f"failed {service}": count for service, count in sorted(self.failures.items())}
        if self.unconfirmed:
            return Status("error", "the gate has not confirmed the takeover", {**values, **counts})
        return Status("warn" if counts else "ok", self.last, {**values, **counts})
