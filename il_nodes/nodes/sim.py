"""A simulated robot: physics and cameras on the topics that a real one would have. Which one, a parameter says.

In real time a tick starts on a monotonic timer. In lock-step the next tick starts when the current one is answered, so
that a run is as fast as the machine allows and always the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from diagnostic_msgs.msg import DiagnosticArray
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from il_nodes.ros.connections import Connections, missing_connections
from il_nodes.ros.diagnostics import Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import RELIABLE
from il_nodes.ros.run import run_node
from il_nodes.ros.stamps import stamp_to_ns
from il_nodes.simulator.episodes import EpisodePlan
from il_nodes.simulator.robot import JoinedCommands
from il_nodes.simulator.robots import robot_of
from il_nodes.simulator.sim_topics import SimTopics
from il_nodes.simulator.timing import CommandInput, LatencyMeter, LockStep, TickClock
from models.errors import DeploymentError, SimulationError

__all__ = ["SimNode", "main"]

#: Simulated pause between two episodes: longer than any contract's memory gap, so that memory is reset there too.
PAUSE_TICKS = 20
#: Wall-clock time the recorder gets to close a bag before the next episode starts.
CLOSING_S = 10.0

Phase = Literal["waiting", "running", "closing", "done"]


class SimNode(UnderstudyNode):
    """Runs the episodes of a plan, one after the other, with whatever arrives on the robot's command topics."""

    def __init__(self) -> None:
        super().__init__("sim")
        self._declare()

    def configure(self) -> None:
        """A world, and everything anew: a node that is configured again starts with its first episode."""
        self._declare()
        self._ticks = TickClock(self._robot.control_hz)
        self._latency = LatencyMeter()
        self._phase: Phase = "waiting"
        self._since_s = time.monotonic()
        self._tick_s = self._since_s
        self._overruns = 0
        self._must_place = True
        self._reset_wanted = False
        self._end_ns = 0
        self._reports: dict[str, Connections] = {}
        self._joined = JoinedCommands(len(self._robot.channels))
        for index, channel in enumerate(self._robot.channels):
            self.subscribe(channel.topic, channel.message_class, partial(self._on_command, index), RELIABLE)
        self.subscribe("/recorder/ack", Header, self._on_recorded, RELIABLE)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 50)
        self._topics = SimTopics(self)
        self._robot.open(self)
        self.create_service(Trigger, "/sim/reset", self._on_reset)
        self.diagnostics.add("simulation", self._status)
        self.steady_timer(0.05, self._supervise)
        if not self._lock_step:
            self._start_timers()

    def activate(self) -> None:
        """Simulated time goes on; what has to happen within some time has it from now on."""
        self._since_s = self._tick_s = time.monotonic()

    def introduction(self) -> str:
        """Which robot, how many episodes, how fast, and for whom they wait."""
        episodes = f"{len(self._plan)} episode{'s' if len(self._plan) != 1 else ''}"
        episodes += ", again and again" if self._plan.endless else ""
        paced = f"{self._factor:g} times real time" if self._factor else "as fast as it goes"
        awaited = ", ".join(name for name in self._wait_for if name)
        return (
            f"simulated robot {self._robot.name}, {self._robot.control_hz:g} Hz, "
            f"{episodes}, {'in lock-step' if self._lock_step else paced}"
            + (f", when {awaited} are there" if awaited else "")
        )

    def cleanup(self) -> None:
        """Close the world."""
        self._robot.close()

    def _declare(self) -> None:
        """Parameters, and what is made of them alone."""
        say = self.parameter
        self._robot = robot = robot_of(self)
        self._period_s = 1.0 / robot.control_hz
        self._lock_step = say("lock_step", False, "wait for the answer to every tick; the same run every time")
        self._factor = say(
            "real_time_factor", 1.0, "simulated seconds a second; 0: as fast as it goes", minimum=0.0, maximum=100.0
        )
        self._clock_hz = say("clock_rate_hz", 100.0, "/clock between ticks, in real time", minimum=0.0, maximum=1000.0)
        self._wait_for = say("wait_for_nodes", ["expert", "gate", "recorder"], "the first episode waits for these")
        self._wait_s = say("wait_timeout_s", 60.0, "and no longer than this", minimum=1.0, maximum=3600.0)
        self._exit_when_done = say("exit_when_done", False, "end the process after the last episode")
        self._plan = EpisodePlan(
            say("episode_prefix", robot.prefix, "how episode names start"),
            robot.noun,
            say(f"{robot.noun}_seeds", [1], f"one {robot.noun}, and one episode, for each"),
            seed=say("seed", 0, "of starts, colours and disturbances", minimum=0),
            max_episode_s=say("max_episode_s", 120.0, "longest episode, simulated seconds; 0: no limit", minimum=0.0),
            ends_by_itself=robot.ends_by_itself,
            endless=say("endless", False, f"behind the last {robot.noun} the first one comes again"),
        )
        step_timeout_s = say("lock_step_timeout_s", 10.0, "wall seconds that a tick may take", minimum=0.1)
        answer = " or ".join(channel.topic for channel in robot.channels)
        self._lock = LockStep(self._period_s, "recorder" in self._wait_for, step_timeout_s, answer)
        # Two ticks without a command and the robot stops; monotonic, so a paused /clock cannot keep it moving.
        timeout_s = None if self._lock_step else 2.0 * self._period_s / (self._factor or 1.0)
        self._commands = CommandInput(robot.stop, timeout_s)

    def _start_timers(self) -> None:
        """Ticks and, in between, the clock; both on the monotonic clock, whose timers do not drift."""
        wall_s = self._period_s / self._factor if self._factor else 0.0
        self.steady_timer(wall_s, self._on_timer)
        if self._clock_hz > self._robot.control_hz and self._factor:
            self.steady_timer(1.0 / (self._clock_hz * self._factor), self._publish_time)

    # -- phases ---------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        """What has to happen without a message: start, time out, go on after a bag was closed."""
        now_s = time.monotonic()
        if self._phase == "waiting":
            self._start_when_connected(now_s)
        elif self._phase == "running" and self._lock_step:
            late = self._lock.overdue(now_s)
            if late:
                raise SimulationError(
                    f"the lock-step run stands still at {self._ticks.stamp_ns * 1e-9:.2f} s of simulated time",
                    found="; ".join(late),
                    fix="look at the output of the nodes that did not answer",
                )
        elif self._phase == "closing" and now_s - self._since_s > CLOSING_S:
            if self._lock_step:
                raise SimulationError("the recorder did not close its episode", found="no /recorder/ack of the end")
            self.get_logger().warning("the recorder did not say that it closed its episode; going on without it")
            self._after_closing()

    def _start_when_connected(self, now_s: float) -> None:
        self._reports["sim"] = self.connections
        missing = missing_connections(self._reports, [*self._wait_for, "sim"])
        if not missing:
            self._start_episode(again=False)
        elif now_s - self._since_s > self._wait_s:
            problems = "; ".join([*missing, *self.qos_errors.values()])
            raise DeploymentError(
                f"the run could not start within {self._wait_s:.0f} s",
                found=problems,
                expected="all of the nodes " + ", ".join(self._wait_for),
                fix="start them in the same ROS domain, or shorten wait_for_nodes",
            )

    def _start_episode(self, *, again: bool) -> None:
        episode = self._plan.again() if again else self._plan.next()
        if episode is None:
            self._phase = "done"
            self.get_logger().info("all episodes are done")
            if self._exit_when_done:
                self.request_exit()
            return
        self._robot.start(episode.drawn_seed, episode.world_seed)
        if self._ticks.index >= 0:
            self._ticks.advance(PAUSE_TICKS)
        self._phase = "running"
        self.get_logger().info(f"episode {episode.episode_id}")
        self._announce(episode.episode_id)
        if self._lock_step:
            self._advance()

    def _announce(self, episode_id: str) -> None:
        """The robot was put somewhere: memory, scene and commands start anew there. What it is in goes out first."""
        self._must_place = True
        self._commands.reset()
        self._joined.reset()
        stamp_ns = self._ticks.before_next_ns
        self._topics.publish_episode(stamp_ns, episode_id, self._robot.publish_scene(stamp_ns))
        self._lock.start_episode(self._ticks.at(self._ticks.index + 1))

    def _end_episode(self) -> None:
        self._end_ns = self._ticks.before_next_ns
        self._phase, self._since_s = "closing", time.monotonic()
        self._topics.publish_episode(self._end_ns, "")
        if "recorder" not in self._wait_for:
            self._after_closing()

    def _after_closing(self) -> None:
        again, self._reset_wanted = self._reset_wanted, False
        self._start_episode(again=again)

    # -- ticks ----------------------------------------------------------------------------------------------------

    def _on_timer(self) -> None:
        if self._phase != "running":
            return
        now_s = time.monotonic()
        if self._factor and not self._must_place and now_s - self._tick_s > 1.5 * self._period_s / self._factor:
            self._overruns += 1
        self._advance()

    @property
    def _is_ending(self) -> bool:
        return (
            self._ticks.index >= 0
            and not self._must_place
            and (self._reset_wanted or self._robot.is_done or self._plan.is_over(self._robot.elapsed_s))
        )

    def _advance(self) -> None:
        """One tick: move with the newest command, then show where that led."""
        if self._is_ending:
            self._end_episode()
            return
        episode = self._plan.current
        if not self._must_place and episode is not None and self._robot.recover():
            self._announce(episode.episode_id)
        if not self._must_place:
            self._robot.step(self._commands.current(time.monotonic()))
        self._must_place = False
        self._publish_tick(self._ticks.advance())

    def _publish_tick(self, stamp_ns: int) -> None:
        robot = self._robot
        self._topics.publish_clock(stamp_ns)
        self._lock.published(stamp_ns, time.monotonic())
        robot.publish_sensors(stamp_ns)
        self._tick_s = time.monotonic()
        self._latency.published(stamp_ns, self._tick_s)
        robot.publish_rest(stamp_ns)
        extra: dict[str, object] = {}
        age_ms = self._latency.take_age_ms()
        if not self._lock_step:
            extra["command_timeouts"] = self._commands.timeouts
            if age_ms is not None:
                extra["command_age_ms"] = age_ms
        status = robot.status()
        status = replace(status, values={**status.values, **extra})
        self._topics.publish_status(stamp_ns, robot.name, status, robot.hardware)

    def _publish_time(self) -> None:
        """Simulated time between two ticks; never beyond the next one."""
        if self._phase == "running" and not self._must_place:
            since_ns = round((time.monotonic() - self._tick_s) * self._factor * 1e9)
            following_ns = self._ticks.at(self._ticks.index + 1)
            self._topics.publish_clock(min(self._ticks.stamp_ns + since_ns, following_ns - 1))

    # -- messages -------------------------------------------------------------------------------------------------

    def _on_command(self, channel: int, message: Any) -> None:
        now_s = time.monotonic()
        stamp_ns = stamp_to_ns(message.header.stamp)
        if self._phase != "running":
            return
        command = self._joined.take(channel, stamp_ns, self._robot.channels[channel].read(message))
        if command is None or (self._lock_step and not self._lock.command(stamp_ns)):
            return
        self._latency.answered(stamp_ns, now_s)
        self._commands.receive(command, now_s)
        self._advance_in_step()

    def _on_recorded(self, header: Any) -> None:
        """The recorder has written a tick (the episode's id), or closed an episode (no id)."""
        stamp_ns = stamp_to_ns(header.stamp)
        if header.frame_id:
            self._lock.recorded(stamp_ns)
            self._advance_in_step()
        elif self._phase == "closing" and stamp_ns == self._end_ns:
            self._after_closing()

    def _advance_in_step(self) -> None:
        if self._lock_step and self._phase == "running" and self._lock.may_advance(last=self._is_ending):
            self._advance()

    def _on_diagnostics(self, message: Any) -> None:
        if self._phase != "waiting":
            return
        for status in message.status:
            name, _, part = status.name.partition(": ")
            if part == "connections":
                self._reports[name] = Connections.from_values({item.key: item.value for item in status.values})

    def _on_reset(self, _request: Any, response: Any) -> Any:
        response.success = self._phase == "running"
        response.message = "the episode starts again" if response.success else f"no episode runs ({self._phase})"
        self._reset_wanted = response.success
        self._advance_in_step()
        return response

    def _status(self) -> Status:
        episode = self._plan.current
        values: dict[str, object] = {
            "phase": self._phase,
            "episode": episode.episode_id if episode else "",
            "simulated_s": self._ticks.stamp_ns * 1e-9,
            "overruns": self._overruns,
            "command_timeouts": self._commands.timeouts,
            "commands_rejected": self._commands.rejected,
        }
        return Status("warn" if self._overruns or self._commands.timeouts else "ok", self._phase, values)

    def destroy_node(self) -> None:
        """Close the world with the node."""
        if self.is_configured:
            self.cleanup()
        super().destroy_node()


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(SimNode, args, "sim")


if __name__ == "__main__":
    sys.exit(main())
