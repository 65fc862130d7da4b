"""The recorder: one bag an episode, the bytes as they were received. It watches; it never sits in the loop.

An episode runs from ``/episode`` with an id to ``/episode`` without one, or from ``/recorder/start`` to
``/recorder/stop``. In lock-step it also tells the simulator on ``/recorder/ack`` what it has, so that nothing is lost
however slow the disk.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from rclpy.serialization import deserialize_message
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from il_nodes.bag import BagWriter
from il_nodes.codecs import header_stamp_ns, import_message_class
from il_nodes.diagnostics import Status
from il_nodes.qos import RELIABLE
from il_nodes.recorded_topics import EPISODE_TOPIC, RecordedTopic, recorded_topics
from il_nodes.recording_order import LockStepOrder, Stamped, StampGaps
from il_nodes.recording_thread import DISCARDED, RecordingEvent, RecordingThread
from il_nodes.ros import UnderstudyNode, ns_to_stamp, qos_profile, run_node, stamp_to_ns
from models.contract import load_contract
from models.errors import DeploymentError, RecordingError

__all__ = ["RecorderNode", "main"]

#: Stamped with wall time: in a lock-step recording nothing may depend on that.
WALL_TIME_TOPIC = "/diagnostics"
#: In real time, messages that were sent before the end of an episode may arrive this long after it.
GRACE_S = 0.2


def _has_stamp(message_class: Any) -> bool:
    """Whether a message starts with a header, or is one."""
    fields = message_class.get_fields_and_field_types()
    return message_class is Header or next(iter(fields.values()), "") == "std_msgs/Header"


class RecorderNode(UnderstudyNode):
    """Subscriptions, episodes and diagnostics around a :class:`RecordingThread`."""

    def __init__(self) -> None:
        super().__init__("recorder")
        self._declare()
        found = recorded_topics(self._contract, self._extra)
        self._topics = {i.topic: i for i in found if not (self._lock_step and i.topic == WALL_TIME_TOPIC)}
        self._reset_counts()
        self._latched: dict[str, tuple[int, bytes]] = {}
        self._episode_id = ""
        self._since_ns = 0
        self._until_ns: int | None = None
        self._ending_at_s: float | None = None
        self._order: LockStepOrder | None = None
        self._error = ""
        self._finished: list[str] = []
        self._wake = self.create_guard_condition(self._on_events)
        self._thread = RecordingThread(self._open_bag, self._wake.trigger, self._queue_size)
        self._acknowledge = self.advertise("/recorder/ack", Header, RELIABLE)
        self._subscribe()
        for name, callback in (("start", self._on_start), ("stop", self._on_stop), ("discard", self._on_discard)):
            self.create_service(Trigger, f"/recorder/{name}", callback)
        self.diagnostics.add("recording", self._status)
        self.steady_timer(0.05, self._end_after_grace)

    def _declare(self) -> None:
        say = self.parameter
        path = say("contract", "", "path of the robot contract (YAML)")
        if not path:
            raise DeploymentError("the recorder needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        self._contract = load_contract(path)
        self._directory = Path(say("directory", "recordings", "folder of the bags"))
        self._task = say("task", "", "what is being done, in words; goes into every bag")
        self._extra = say("extra_topics", [""], "further topics: '<topic> <type> [reliable|best_effort|latched]'")
        self._auto = say("auto", True, "follow /episode; false: only the services start and stop")
        self._prefix = say("episode_prefix", "episode", "of episodes that are started by hand")
        self._lock_step = say("lock_step", False, "write in the order of the stamps, and acknowledge every tick")
        self._queue_size = say("queue_size", 2000, "messages that may wait for the disk", minimum=10)
        self._min_free_mb = say("min_free_mb", 200.0, "with less free space no episode is begun", minimum=0.0)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"recordings cannot go to {self._directory}", found=error.strerror) from error

    def _subscribe(self) -> None:
        self._stamped: set[str] = set()
        for topic, item in self._topics.items():
            message_class = import_message_class(item.type)
            if _has_stamp(message_class):
                self._stamped.add(topic)
            elif self._lock_step:
                raise DeploymentError(f"{topic} has no header, so lock-step cannot put it in order", found=item.type)
            self.subscribe(
                topic,
                message_class,
                self._on_episode if topic == EPISODE_TOPIC else partial(self._on_message, item),
                qos_profile(item.qos, reliable=self._lock_step),
                raw=True,
                on_lost=partial(self._on_lost, topic),
            )

    # -- episodes -------------------------------------------------------------------------------------------------

    def _on_episode(self, cdr: bytes) -> None:
        header = deserialize_message(cdr, Header)
        stamp_ns = stamp_to_ns(header.stamp)
        if not self._auto:
            self._on_message(self._topics[EPISODE_TOPIC], cdr)
            return
        if header.frame_id and header.frame_id != self._episode_id:
            self._finish("complete", stamp_ns)
            self._begin(header.frame_id, stamp_ns)
        if header.frame_id:
            self._gaps.restart()
        self._take(self._topics[EPISODE_TOPIC], stamp_ns, cdr)
        if not header.frame_id and self._episode_id:
            self._until_ns = stamp_ns
            if self._lock_step:
                self._finish("complete", stamp_ns)
            else:
                self._ending_at_s = time.monotonic() + GRACE_S

    def _begin(self, episode_id: str, since_ns: int) -> None:
        """Open an episode; latched messages from ``since_ns`` on belong to it although they came before."""
        self._episode_id = episode_id
        self._since_ns, self._until_ns = since_ns, None
        self._error = ""
        self._reset_counts()
        self._thread.open(episode_id)
        if self._lock_step:
            ticking = [t for t, item in self._topics.items() if not item.is_latched and self.count_publishers(t)]
            self._order = LockStepOrder(ticking)
        for topic, (stamp_ns, cdr) in self._latched.items():
            self._take(self._topics[topic], stamp_ns, cdr)

    def _finish(self, outcome: str, end_ns: int) -> None:
        """End the episode that runs, if one does."""
        self._ending_at_s = None
        if not self._episode_id:
            return
        if self._order is not None:
            self._write(self._order.flush())
            self._order = None
        self._thread.close(outcome, end_ns, self._quarantine())
        self._episode_id = ""

    def _quarantine(self) -> str:
        """Why this episode must not be trained on; empty if it may (FAULTS 26)."""
        reasons = [f"{count} messages lost on {topic}" for topic, count in sorted(self._lost.items())]
        if self._gaps.missing:
            reasons.append(f"{self._gaps.missing} ticks missing on {self._trigger}")
        return "; ".join(reasons)

    def _end_after_grace(self) -> None:
        if self._ending_at_s is not None and time.monotonic() >= self._ending_at_s:
            self._finish("complete", self._until_ns or 0)

    def _open_bag(self, episode_id: str) -> BagWriter:
        """In the recording thread."""
        free_mb = shutil.disk_usage(self._directory).free / 1e6
        if free_mb < self._min_free_mb:
            raise RecordingError(
                f"too little space left for recordings in {self._directory}",
                found=f"{free_mb:.0f} MB",
                expected=f"at least {self._min_free_mb:.0f} MB",
                fix="free some space, or set the parameter directory to another disk",
            )
        return BagWriter(self._directory, episode_id, self._contract, self._topics, self._task)

    # -- messages -------------------------------------------------------------------------------------------------

    def _on_message(self, item: RecordedTopic, cdr: bytes) -> None:
        stamp_ns = header_stamp_ns(cdr) if item.topic in self._stamped else 0
        if item.is_latched:
            self._latched[item.topic] = stamp_ns, cdr
        self._take(item, stamp_ns, cdr)

    def _take(self, item: RecordedTopic, stamp_ns: int, cdr: bytes) -> None:
        """One message of the running episode; one that is stamped before its start or after its end is not."""
        if not self._episode_id:
            return
        after = self._until_ns is not None and stamp_ns > self._until_ns
        if item.topic in self._stamped and (after or stamp_ns < self._since_ns):
            return
        self._received[item.topic] += 1
        if item.topic == self._trigger:
            self._gaps.add(stamp_ns)
        if self._order is None:
            self._write([Stamped(self.get_clock().now().nanoseconds, item.topic, cdr)])
            return
        ready = self._order.add(item.topic, stamp_ns, cdr)
        if ready:
            self._write(ready)
            self._acknowledge.publish(Header(stamp=ns_to_stamp(ready[-1].log_time_ns), frame_id=self._episode_id))

    def _write(self, messages: Sequence[Stamped]) -> None:
        for message in messages:
            self._thread.write(message, wait=self._lock_step)

    def _on_lost(self, topic: str, count: int) -> None:
        self._lost[topic] += count

    def _reset_counts(self) -> None:
        self._received: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        trigger = self._contract.observation(self._contract.trigger)
        self._trigger = trigger.sources[0].channel.topic
        self._gaps = StampGaps(self._contract.fps)

    # -- from the recording thread --------------------------------------------------------------------------------

    def _on_events(self) -> None:
        for event in self._thread.take_events():
            self._report(event)

    def _report(self, event: RecordingEvent) -> None:
        if event.kind == "failed":
            self._error = event.message
            self.get_logger().error(event.message)
        else:
            self.get_logger().info(event.message)
        if event.kind == "closed":
            self._finished.append(event.episode_id)
        if event.end_ns:
            self._acknowledge.publish(Header(stamp=ns_to_stamp(event.end_ns), frame_id=""))

    # -- services -------------------------------------------------------------------------------------------------

    def _on_start(self, _request: Any, response: Any) -> Any:
        response.success = not self._episode_id
        if response.success:
            self._begin(f"{self._prefix}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}", 0)
        response.message = self._episode_id if response.success else f"{self._episode_id} is being recorded already"
        return response

    def _on_stop(self, _request: Any, response: Any) -> Any:
        return self._stop("complete", response)

    def _on_discard(self, _request: Any, response: Any) -> Any:
        return self._stop(DISCARDED, response)

    def _stop(self, outcome: str, response: Any) -> Any:
        response.success = bool(self._episode_id)
        response.message = f"{self._episode_id}: {outcome}" if self._episode_id else "nothing is being recorded"
        self._finish(outcome, 0)
        return response

    # -- state ----------------------------------------------------------------------------------------------------

    def _status(self) -> Status:
        values: dict[str, object] = {
            "episode": self._episode_id,
            "finished": len(self._finished),
            "waiting": self._thread.waiting,
            "missing_ticks": self._gaps.missing,
            **{f"received {topic}": self._received[topic] for topic in self._topics},
            **{f"lost {topic}": count for topic, count in self._lost.items()},
            **{f"dropped {topic}": count for topic, count in self._thread.dropped.items()},
        }
        if self._order is not None:
            values |= {"late": self._order.late, "repeated": self._order.repeated}
        if self._error:
            return Status("error", self._error.splitlines()[0], values)
        if self._thread.dropped:
            return Status("error", "the disk cannot keep up; messages are missing", values)
        if self._gaps.missing or self._lost:
            return Status("warn", "messages were lost before they arrived", values)
        return Status("ok", "recording" if self._episode_id else "waiting for an episode", values)

    def shutdown_gracefully(self) -> None:
        """Close what is open: an episode that was cut off is kept, and marked."""
        self._finish("aborted", 0)
        if not self._thread.stop(1.5):
            self.get_logger().error("the disk is too slow: the open episode stays partial")
        self._on_events()


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(RecorderNode, args, "recorder")


if __name__ == "__main__":
    sys.exit(main())
