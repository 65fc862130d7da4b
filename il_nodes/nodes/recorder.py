"""The recorder: one bag an episode, the bytes as they were received. It watches; it never sits in the loop.

An episode runs from ``/episode`` with an id to ``/episode`` without one, or from ``/recorder/start`` to
``/recorder/stop``; one that was started so is announced on ``/episode`` where nobody else speaks there. In lock-step it
also tells the simulator on ``/recorder/ack`` what it has, so that nothing is lost however slow the disk.
``docs/recording.md`` describes it for people.
"""

from __future__ import annotations

import contextlib
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.task import Future
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from il_nodes.codecs import CdrCursor, header_stamp_ns, import_message_class
from il_nodes.expert.sole_expert import SoleExpert
from il_nodes.gate.pacing import Rate
from il_nodes.recorder.disk_answers import DiskAnswers
from il_nodes.recorder.episode_window import EpisodeNames, EpisodeWindow
from il_nodes.recorder.message_accounts import MessageAccounts
from il_nodes.recorder.ordering import LockStepOrder, Stamped
from il_nodes.recorder.settings import RecorderSettings
from il_nodes.recorder.thread import DISCARDED, RecordingEvent, RecordingThread
from il_nodes.recorder.topics import EPISODE_TOPIC, NOISE_PREFIX, behind, recorded_topics
from il_nodes.ros.diagnostics import Status
from il_nodes.ros.episode_announcer import EpisodeAnnouncer
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import RELIABLE, qos_profile
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import ns_to_stamp
from models.contract import load_contract
from models.errors import CodecError, DeploymentError, RecordingError

__all__ = ["RecorderNode", "main"]

#: Stamped with wall time: in a lock-step recording nothing may depend on that.
WALL_TIME_TOPIC = "/diagnostics"
#: A stream that is still silent so long after an episode's begin is worth a warning while somebody demonstrates.
FIRST_MESSAGE_S = 2.0
#: How often the graph is looked at for a second expert.
GRAPH_POLL_S = 0.1
NOT_CONFIGURED = "the recorder is not configured"


def _has_stamp(message_class: Any) -> bool:
    """Whether a message starts with a header, or is one."""
    fields = message_class.get_fields_and_field_types()
    return message_class is Header or next(iter(fields.values()), "") == "std_msgs/Header"


class RecorderNode(UnderstudyNode):
    """Subscriptions, episodes, services and diagnostics around a :class:`RecordingThread`."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._settings = RecorderSettings.declare(self.parameter)
        # Outlives a clean-up, as the recordings do.
        self._names = EpisodeNames(self._settings.directory)
        # As long as the node lives: whoever asks gets an answer, and one that waits for the disk can still be sent
        # when the node is cleaned up meanwhile.
        services: Mapping[str, Callable[..., Any]] = {
            "start": self._on_start,
            "stop": partial(self._on_stop, "complete"),
            "discard": partial(self._on_stop, DISCARDED),
            "success": partial(self._on_mark, "success"),
            "failure": partial(self._on_mark, "failure"),
        }
        for name, callback in services.items():
            self.create_service(Trigger, f"/recorder/{name}", callback)

    # -- life -----------------------------------------------------------------------------------------------------

    def configure(self) -> None:
        """Read the contract, make the folder, subscribe; what is latched is kept from now on."""
        settings = self._settings
        self._contract = load_contract(settings.require_contract())
        settings.require_prefix()
        settings.make_directory()
        found = recorded_topics(self._contract, settings.extra_topics)
        self._topics = {t: item for t, item in found.items() if not (settings.lock_step and t == WALL_TIME_TOPIC)}
        trigger = self._contract.observation(self._contract.trigger).sources[0].channel.topic
        secondary = [topic for topic, item in found.items() if item.is_latched and topic != EPISODE_TOPIC]
        observed = [source.channel.topic for stream in self._contract.observations for source in stream.sources]
        self._accounts = MessageAccounts(trigger, self._contract.fps, self.publisher_count, secondary, observed)
        self._latched: dict[str, tuple[int, bytes]] = {}
        self._announced = ("", 0, b"")
        self._announcer = EpisodeAnnouncer(self)
        self._window: EpisodeWindow | None = None
        self._ended: tuple[str, float] | None = None
        self._order: LockStepOrder | None = None
        self._error, self._finished, self._discarded = "", 0, 0
        self._rate = Rate(time.monotonic())
        self._answers = DiskAnswers(lambda: Future(executor=self.executor))
        self._wake = self.create_guard_condition(self._on_events)
        self._acknowledge = self.advertise("/recorder/ack", Header, RELIABLE)
        self._subscribe()
        # Whoever is labelled by, and whoever is executed while commands are disturbed on their way.
        topics = self._contract.gate.expert_topics
        self._expert_topics = (*topics, *(behind(NOISE_PREFIX, topic) for topic in topics))
        self._experts = SoleExpert(self, self._expert_topics)
        self.steady_timer(GRAPH_POLL_S, self._watch_experts)
        self.diagnostics.add("recording", self._status)
        self.steady_timer(0.05, self._end_after_grace, while_inactive=True)
        # Last: whatever fails before it must leave no thread behind.
        self._thread = RecordingThread(
            partial(settings.open_bag, contract=self._contract, topics=self._topics),
            self._notify,
            settings.queue_size,
            round(settings.queue_mb * 1e6),
            None if settings.lock_step else settings.flush_s,
        )

    def activate(self) -> None:
        """Record; an episode that is running already from here on."""
        self._rate.restart(time.monotonic())
        episode_id, stamp_ns, cdr = self._announced
        if self._settings.auto and episode_id:
            self._follow(episode_id, stamp_ns, cdr)

    def introduction(self) -> str:
        """The robot, where bags go, what is in them, and what begins one."""
        contract, settings = self._contract, self._settings
        keys = ", ".join(stream.key for stream in (*contract.observations, *contract.actions))
        begins = "episodes as announced on /episode" if settings.auto else "episodes by /recorder/start only"
        count = len(self._topics)
        return f"{contract.robot_type}, into {settings.directory}, {begins}: {keys}; {count} topics in all"

    def deactivate(self) -> None:
        """An episode that was cut off is kept, and says so."""
        self._finish("aborted", 0)

    def cleanup(self) -> None:
        """Close what is open, however long the disk takes within its limit."""
        self._finish("aborted", 0)
        if not self._thread.stop(self._settings.close_timeout_s):
            self.get_logger().error("the disk is too slow: the open episode stays partial")
        self._on_events()
        self._answers.abandon("the recorder was cleaned up before the disk had answered")

    def shutdown_gracefully(self) -> None:
        """The same: normally a matter of milliseconds, and longer rather than to lose an episode to a slow disk."""
        self.cleanup()

    def _notify(self) -> None:
        """From the recording thread."""
        with contextlib.suppress(InvalidHandle):  # the node was cleaned up while a slow disk still had its say
            self._wake.trigger()

    def _subscribe(self) -> None:
        self._stamped: set[str] = set()
        sources = [source for stream in self._contract.observations for source in stream.sources]
        # Stamps that the contract does not go by mean nothing; in lock-step it is the simulator that makes them.
        doubted = {source.channel.topic for source in sources if source.align.timeline == "receive"}
        doubted = set() if self._settings.lock_step else doubted
        for topic, item in self._topics.items():
            message_class = import_message_class(item.type)
            if _has_stamp(message_class):
                self._stamped |= {topic} - doubted
            elif self._settings.lock_step:
                raise DeploymentError(f"{topic} has no header, so lock-step cannot put it in order", found=item.type)
            self.subscribe(
                topic,
                message_class,
                self._on_episode if topic == EPISODE_TOPIC else partial(self._on_message, topic),
                qos_profile(item.qos, reliable=self._settings.lock_step),
                raw=True,
                on_lost=partial(self._accounts.report_lost, topic),
            )

    # -- episodes -------------------------------------------------------------------------------------------------

    def _on_episode(self, cdr: bytes, info: Mapping[str, Any]) -> None:
        try:
            cursor = CdrCursor(cdr)
            stamp_ns, episode_id = cursor.time_ns(), cursor.string()
        except (CodecError, struct.error, ValueError, IndexError):
            self._accounts.note_unreadable(EPISODE_TOPIC)
            return
        if self._announcer.is_own(episode_id, stamp_ns):
            return  # recorded when it was said
        if not self._settings.auto:
            self._on_message(EPISODE_TOPIC, cdr, info)
            return
        self._accounts.number(EPISODE_TOPIC, info["publication_sequence_number"])
        self._announced = episode_id, stamp_ns, cdr
        if self.is_active:
            self._follow(*self._announced)

    def _follow(self, episode_id: str, stamp_ns: int, cdr: bytes) -> None:
        """An episode begins, goes on elsewhere, or ends."""
        if episode_id and self._names.is_new(episode_id, self._window):
            self._finish("complete", stamp_ns)
            self._begin(episode_id, stamp_ns)
        if episode_id:
            self._accounts.restart()
        self._take(EPISODE_TOPIC, stamp_ns, cdr)
        if not episode_id:
            self._names.forget_stopped()
            if self._window is not None:
                self._window.end(stamp_ns, time.monotonic() + self._settings.grace_s)
                if self._settings.lock_step:
                    self._finish("complete", stamp_ns)

    def _begin(self, announced_id: str, since_ns: int, *, by_hand: bool = False) -> None:
        """Open an episode; latched messages from ``since_ns`` on belong to it although they came before."""
        self._window = EpisodeWindow(self._names.choose(announced_id, by_hand=by_hand), announced_id, since_ns)
        self._error, self._begun_s = "", time.monotonic()
        self._accounts.begin()
        self._watch_experts()
        self._thread.open(self._window.name)
        if self._settings.lock_step:
            ticking = [t for t, item in self._topics.items() if not item.is_latched and self.publisher_count(t)]
            self._order = LockStepOrder(ticking)
        for topic, (stamp_ns, cdr) in self._latched.items():
            self._take(topic, stamp_ns, cdr)

    def _finish(self, outcome: str, end_ns: int) -> None:
        """End the episode that runs, if one does; a person's mark counts more than how it ended."""
        if self._window is not None:
            self._announce(self._announcer.end)
        window, self._window = self._window, None
        if window is None:
            return
        order, self._order = self._order, None
        if order is not None:
            self._write(order.flush())
        if window.until_ns is not None:
            self._accounts.end(window.until_ns)
        losses = self._accounts.losses(order.late if order else {}, order.repeated if order else {})
        if outcome != DISCARDED:
            outcome = window.mark or outcome
        self._thread.close(outcome, end_ns, losses)
        self._ended = None if outcome == DISCARDED else (window.name, time.monotonic())

    def _watch_experts(self) -> None:
        """Two who command at once spoil an episode, however soon one of them goes again."""
        if self._experts.look() and self._experts.problem:
            self.get_logger().error(f"{self._experts.problem}; what is recorded meanwhile is not for training")
        self._accounts.note_experts(self._experts.crowds if self._window is not None else {})

    def _announce(self, say: Callable[[int], bytes]) -> None:
        """Start or end on ``/episode``, and in the recording; nothing where others announce episodes."""
        stamp_ns = self.clock_ns()
        cdr = say(stamp_ns)
        if cdr:
            self._take(EPISODE_TOPIC, stamp_ns, cdr)

    def _end_after_grace(self) -> None:
        now_s = time.monotonic()
        if self._window is not None and self._window.is_over(now_s):
            self._finish("complete", self._window.until_ns or 0)
        self._answers.poll(now_s)

    # -- messages -------------------------------------------------------------------------------------------------

    def _on_message(self, topic: str, cdr: bytes, info: Mapping[str, Any]) -> None:
        number = info["publication_sequence_number"]
        self._accounts.number(topic, number)
        if topic in self._expert_topics and self._experts.surprises(self._expert_topics.index(topic), number):
            self._watch_experts()
        try:
            stamp_ns = header_stamp_ns(cdr) if topic in self._stamped else 0
        except CodecError:
            self._accounts.note_unreadable(topic)
            return
        if self._topics[topic].is_latched:
            self._latched[topic] = stamp_ns, cdr
        self._take(topic, stamp_ns, cdr)

    def _take(self, topic: str, stamp_ns: int, cdr: bytes) -> None:
        """One message of the running episode; one that is stamped before its start or after its end is not."""
        if self._window is None:
            return
        if topic in self._stamped and not self._window.holds(stamp_ns):
            self._accounts.refuse(topic, self._window.since_ns - stamp_ns)
            return
        received_ns = self.clock_ns()
        self._accounts.take(topic, stamp_ns if topic in self._stamped else None, received_ns)
        if self._order is None:
            self._write([Stamped(received_ns, topic, cdr)])
            return
        ready = self._order.add(topic, stamp_ns, cdr)
        if ready:
            self._write(ready)
            self._acknowledge.publish(
                Header(stamp=ns_to_stamp(ready[-1].log_time_ns), frame_id=self._window.announced_id)
            )

    def _write(self, messages: Sequence[Stamped]) -> None:
        for message in messages:
            self._thread.write(message, wait=self._settings.lock_step)
            self._rate.add()

    # -- from the recording thread --------------------------------------------------------------------------------

    def _on_events(self) -> None:
        for event in self._thread.take_events():
            self._report(event)

    def _report(self, event: RecordingEvent) -> None:
        self._answers.take(event)
        if event.kind == "failed":
            self._error = event.message
            if self._window is not None and event.episode_id == self._window.name:
                self._window.failed = event.message
            self.get_logger().error(event.message)
        else:
            self.get_logger().info(event.message)
        self._finished += event.kind == "closed"
        self._discarded += event.kind == "discarded"
        if event.end_ns:
            self._acknowledge.publish(Header(stamp=ns_to_stamp(event.end_ns), frame_id=""))

    # -- services -------------------------------------------------------------------------------------------------

    def _on_start(self, _request: Any, response: Any) -> Any:
        if not self.is_active:
            response.message = "the recorder is not active"
        elif self._window is not None:
            response.message = f"{self._window.name} is being recorded already"
        else:
            response.success, response.message = self._start_by_hand()
        return response

    def _start_by_hand(self) -> tuple[bool, str]:
        """Whether an episode begins, and its name, or why not: a person would go on demonstrating for nothing."""
        try:
            self._settings.require_room()
        except RecordingError as error:
            self._error = str(error)
            self.get_logger().error(self._error)
            return False, self._error
        name = self._settings.episode_name()
        self._begin(name, 0, by_hand=True)
        self._announce(partial(self._announcer.begin, name))
        return True, name

    async def _on_stop(self, outcome: str, _request: Any, response: Any) -> Any:
        """End the episode, and answer with what the disk says of it."""
        if not self.is_configured:
            response.message = NOT_CONFIGURED
            return response
        self._on_events()  # what went wrong with it up to now
        window = self._window
        if window is None:
            response.message = "nothing is being recorded"
            return response
        self._names.stop(window)
        if window.until_ns is None:
            self._accounts.stop(self.clock_ns())
        self._finish(outcome, 0)
        if window.failed:
            response.success, response.message = outcome == DISCARDED, window.failed
            return response
        response.success, response.message = await self._answers.of_end(window.name, time.monotonic())
        return response

    async def _on_mark(self, outcome: str, _request: Any, response: Any) -> Any:
        if not self.is_configured:
            response.message = NOT_CONFIGURED
            return response
        within_s = self._settings.mark_within_s
        self._on_events()
        if self._window is not None and self._window.failed:
            response.message = self._window.failed
        elif self._window is not None:
            self._window.mark = outcome
            response.success, response.message = True, f"{self._window.name} will end as a {outcome}"
        elif self._ended is None or time.monotonic() - self._ended[1] > within_s:
            response.message = f"nothing is being recorded, and nothing ended within the last {within_s:g} s"
        else:
            self._thread.mark(self._ended[0], outcome)
            response.success, response.message = await self._answers.of_mark()
        return response

    # -- state ----------------------------------------------------------------------------------------------------

    def _status(self) -> Status:
        accounts, window = self._accounts, self._window
        values: dict[str, object] = {
            "episode": window.name if window and not window.failed else "",
            "mark": window.mark if window else "",
            "rate_hz": self._rate.report_hz(time.monotonic()),
            "finished": self._finished,
            "discarded": self._discarded,
            "waiting": self._thread.waiting,
            "missing_ticks": accounts.missing,
            **{f"received {topic}": accounts.received[topic] for topic in self._topics},
            **{f"lost {topic}": count for topic, count in accounts.lost.items()},
            **{f"unreadable {topic}": count for topic, count in accounts.unreadable.items()},
            **{f"outside {topic}": count for topic, count in (accounts.stray | accounts.outside).items()},
            **{f"dropped {topic}": count for topic, count in self._thread.dropped.items()},
        }
        if self._order is not None:
            values |= {"late": self._order.late.total(), "repeated": self._order.repeated.total()}
        if self._error:
            return Status("error", self._error.splitlines()[0], values)
        if self._experts.problem:
            return Status("error", f"{self._experts.problem}; not for training: end all but one", values)
        if self._thread.dropped:
            return Status("error", "the disk cannot keep up; messages are missing", values)
        if accounts.missing or accounts.lost or accounts.unreadable:
            return Status("warn", "messages were lost before they arrived, or cannot be read", values)
        if window and accounts.absent and time.monotonic() - self._begun_s > FIRST_MESSAGE_S:
            return Status("warn", f"nothing comes on {', '.join(accounts.absent)}: not for training", values)
        if outside := sorted(accounts.stray | accounts.outside):
            return Status(
                "warn", f"stamped outside the episode: {', '.join(outside)}; are all clocks the same?", values
            )
        if not self.is_active:
            return Status("ok", "inactive", values)
        return Status("ok", "recording" if window else "waiting for an episode", values)


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(RecorderNode, args, "recorder")


if __name__ == "__main__":
    sys.exit(main())
