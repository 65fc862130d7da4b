"""The teleop node: a human's joystick, keys or leader arm in, the expert's commands of the robot contract out.

It publishes at the contract's rate, inside the contract's limits, and only while somebody is there: a joystick that is
silent, or a leader that stops sending, is no expert, and the gate then halts the robot. Buttons and keys call the
services of the gate and the recorder.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from il_nodes.codecs import import_message_class
from il_nodes.codecs.action_channels import ActionChannels
from il_nodes.gate.pacing import Rate
from il_nodes.ros.diagnostics import Level, Status
from il_nodes.ros.node import UnderstudyNode
from il_nodes.ros.qos import RELIABLE, qos_profile
from il_nodes.ros.run import run_node
from il_nodes.teleop.buttons import Press
from il_nodes.teleop.devices import Device, JoyDevice, KeyboardDevice, LeaderDevice
from il_nodes.teleop.joy import NOT_MAPPED, JoyDriver, joy_mapping
from il_nodes.teleop.keyboard import Terminal
from il_nodes.teleop.keys import KeyDriver, KeyTiming
from il_nodes.teleop.leader import Leader, leader_sources
from il_nodes.teleop.services import ServiceCalls
from il_nodes.teleop.shaping import CommandShaper, Dimension, Mode, Reading, State, Wish, dimensions, wish
from il_nodes.teleop.status import TeleopView, input_status, status_line
from il_nodes.teleop.watch import ExecutedCommand, GateWatch, PositionWatch, RecorderWatch, status_values
from models.contract import Contract, load_contract
from models.data import FloatArray
from models.errors import DeploymentError

__all__ = ["TeleopNode", "main"]

#: How often the status line is drawn.
DRAW_S = 0.1
#: How long the last stop command may take to be acknowledged before the node ends all the same.
FLUSH_S = 0.2
#: So long a joystick may be told to be silent: meanwhile the robot is driven by a thumb that nobody has heard of.
LONGEST_SILENCE_S = 2.0
#: Defaults of lists that say nothing.
NO_NUMBERS: list[float] = []
NO_INDICES: list[int] = []


class TeleopNode(UnderstudyNode):
    """Parameters, topics, timers and services around the plain logic of ``il_nodes.teleop.shaping*`` and a terminal."""

    def __init__(self) -> None:
        super().__init__("teleop")
        self._terminal: Terminal | None = None
        self._declare()

    # -- parameters -----------------------------------------------------------------------------------------------

    def _declare(self) -> None:
        say = self.parameter
        self._path = say("contract", "", "path of the robot contract (YAML)")
        self._kind = say("device", "joy", "what the human holds", choices=("joy", "keyboard", "leader"))
        self._slow_scale = say(
            "slow_motion_scale", 0.3, "slow motion: share of the speed that is left", minimum=0.05, maximum=1.0
        )
        self._slow_at_first = say("slow_motion", False, "start in slow motion")
        self._signs = say("signs", [1.0], "1 or -1 a dimension: turn a stick or a pair of keys round")
        self._scales = say("scales", [0.0], "SI units (rate mode: per second) of a full deflection; 0: to the limits")
        self._offsets = say("offsets", NO_NUMBERS, "value at rest a dimension, SI units; none: the stop command")
        self._modes = say("modes", ["auto"], "auto, absolute, or rate (the stick moves it, and it stays) a dimension")
        self._declare_joy()
        self._timing = KeyTiming(
            first_hold_s=say("key_first_hold_s", 0.4, "a key counts as held so long, s", minimum=0.05, maximum=2.0),
            hold_s=say("key_hold_s", 0.15, "and so long after each repeat, s", minimum=0.02, maximum=1.0),
            ramp_s=say("key_ramp_s", 1.0, "from rest to a full deflection, s", minimum=0.05, maximum=10.0),
            decay_s=say("key_decay_s", 0.5, "and back without a key, s", minimum=0.05, maximum=10.0),
        )
        self._leader_topics = say("leader_topics", [""], "leader: one topic a command channel")
        self._leader_types = say("leader_types", [""], "leader: their types; none: the robot's own")
        self._leader_select = say("leader_select", [""], "leader: field path a dimension; none: as in the contract")
        self._leader_scales = say("leader_scales", [1.0], "leader: factor a dimension")
        self._leader_offsets = say("leader_offsets", [0.0], "leader: added to it, SI units")

    def _declare_joy(self) -> None:
        say = self.parameter
        self._joy_axes = say("joy_axes", NO_INDICES, "index of the axis a dimension; -1: its buttons, or nothing")
        self._joy_plus = say("joy_plus_buttons", [NOT_MAPPED], "index of the button a dimension that moves it up")
        self._joy_minus = say("joy_minus_buttons", [NOT_MAPPED], "and down")
        self._joy_deadzones = say("joy_deadzones", [0.05], "deflection that counts as none, a dimension, 0 to 0.9")
        self._joy_expos = say("joy_expos", [0.0], "0: linear, 1: cubic, a dimension")
        self._joy_timeout_s = say(
            "joy_timeout_s", 0.5, "a joystick silent for longer is gone, s", minimum=0.05, maximum=LONGEST_SILENCE_S
        )
        self._debounce_s = say("button_debounce_s", 0.05, "of every button but the dead-man, s", minimum=0.0)
        self._dead_man = say("dead_man_button", 4, "must be held to drive; -1: none", minimum=-1)
        self._takeover_on_dead_man = say("takeover_on_dead_man", True, "pressing it takes the robot from the policy")
        self._buttons = {
            Press.TAKEOVER: say("takeover_button", 5, "index, or -1: none", minimum=-1),
            Press.HAND_BACK: say("hand_back_button", 7, "index, or -1: none", minimum=-1),
            Press.RECORD: say("record_button", 0, "start, stop: index, or -1: none", minimum=-1),
            Press.DISCARD: say("discard_button", 1, "index, or -1: none", minimum=-1),
            Press.SUCCESS: say("success_button", 3, "index, or -1: none", minimum=-1),
            Press.FAILURE: say("failure_button", 2, "index, or -1: none", minimum=-1),
            Press.SLOW_MOTION: say("slow_motion_button", 6, "on, off: index, or -1: none", minimum=-1),
        }

    # -- life -----------------------------------------------------------------------------------------------------

    def configure(self) -> None:
        """Read the contract, make topics and clients; the terminal last, so that no failure leaves it changed."""
        self._declare()
        self._contract = contract = self._load()
        self._channels = ActionChannels(contract)
        self._dimensions = self._make_dimensions(contract)
        self._gate, self._recorder, self._executed = GateWatch(), RecorderWatch(), ExecutedCommand(contract)
        self._measured = PositionWatch(contract)
        integrating = [one.mode is Mode.RATE for one in self._dimensions]
        self._shaper = CommandShaper(contract, integrating, self._slow_scale)
        self._shaper.slow_motion = self._slow_at_first
        self._reading, self._rivals = Reading(State.SILENT), list[str]()
        self._command: FloatArray | None = None
        self._last_press, self._ending, self._published = "none", False, Rate(time.monotonic())
        self._calls = ServiceCalls(self, self.say, self._recorder)
        self._connect(contract)
        self._device = self._open_device(contract)

    def _load(self) -> Contract:
        if not self._path:
            raise DeploymentError("the teleop node needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        contract = load_contract(self._path)
        contract.require_limits()
        if not contract.gate.expert_topics:
            raise DeploymentError(
                "the contract names no topic for the expert",
                found="no gate.expert",
                fix="add for example: gate: {expert: {topic: /expert/cmd_vel}}",
            )
        return contract

    def _make_dimensions(self, contract: Contract) -> tuple[Dimension, ...]:
        if self._kind == "leader":
            # A leader says where to be, not how far to push.
            return dimensions(contract, modes=[Mode.ABSOLUTE])
        return dimensions(contract, signs=self._signs, scales=self._scales, offsets=self._offsets, modes=self._modes)

    def _connect(self, contract: Contract) -> None:
        sources = contract.action_sources
        self._outputs = []
        for index, (topic, source) in enumerate(zip(contract.gate.expert_topics, sources, strict=True)):
            message_class, qos = import_message_class(source.channel.type), qos_profile(source.channel.qos)
            self._outputs.append(self.advertise(topic, message_class, qos))
            self.subscribe(source.channel.topic, message_class, partial(self._on_executed, index), qos, raw=True)
        for topic, channel in self._measured.channels.items():
            message_class, qos = import_message_class(channel.type), qos_profile(channel.qos)
            self.subscribe(topic, message_class, partial(self._on_measured, topic), qos, raw=True)
        self.subscribe("/gate/decision", DiagnosticArray, self._on_decision, RELIABLE)
        self.subscribe("/diagnostics", DiagnosticArray, self._on_diagnostics, QoSProfile(depth=10))
        self.diagnostics.add("input", self._status)
        self.diagnostics.add("services", self._calls.status)
        self.steady_timer(contract.period_s, self._tick)

    def _open_device(self, contract: Contract) -> Device:
        if self._kind == "leader":
            sources = leader_sources(contract, self._leader_topics, self._leader_types, self._leader_select)
            leader = Leader(contract, sources, self._leader_scales, self._leader_offsets)
            return LeaderDevice(self, leader, sources, self._buttons, self._debounce_s)
        if self._kind == "keyboard":
            self._terminal = Terminal()
            keyboard = KeyboardDevice(self, KeyDriver(len(self._dimensions), self._timing), self._terminal)
            self.steady_timer(DRAW_S, partial(self._draw, keyboard.driver), while_inactive=True)
            return keyboard
        mapping = joy_mapping(
            contract.action_names,
            axes=self._joy_axes,
            plus_buttons=self._joy_plus,
            minus_buttons=self._joy_minus,
            deadzones=self._joy_deadzones,
            expos=self._joy_expos,
            dead_man=self._dead_man,
            presses=self._buttons,
        )
        return JoyDevice(self, JoyDriver(mapping, self._joy_timeout_s, self._debounce_s))

    def activate(self) -> None:
        """Whoever held the stick before must press the dead-man button anew."""
        self._rest()
        self._published.restart(time.monotonic())

    def introduction(self) -> str:
        """The robot, what the person holds, and where the commands go."""
        contract, topics = self._contract, map(self.resolve_topic_name, self._contract.gate.expert_topics)
        slow = ", in slow motion" if self._shaper.slow_motion else ""
        return f"{contract.robot_type}, by {self._kind}, commands on {', '.join(topics)} at {contract.fps:g} Hz{slow}"

    def deactivate(self) -> None:
        """Nothing is published any more; the gate halts the robot."""
        self._rest()

    def _rest(self) -> None:
        self._device.rest()
        self._shaper.rest()
        self._calls.abandon()
        self._command = None

    def cleanup(self) -> None:
        """Give the terminal back."""
        self._close_terminal()

    def destroy_node(self) -> None:
        """Whatever ended the node, the terminal is put right."""
        self._close_terminal()
        super().destroy_node()

    def _close_terminal(self) -> None:
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_executed(self, index: int, cdr: bytes) -> None:
        self._executed.take(index, cdr, time.monotonic())

    def _on_measured(self, topic: str, cdr: bytes) -> None:
        self._measured.take(topic, cdr)

    def _on_decision(self, message: Any) -> None:
        for status in message.status[:1]:
            self._gate.take(status_values(status), time.monotonic())

    def _on_diagnostics(self, message: Any) -> None:
        for status in message.status:
            self._recorder.take(status.name, status_values(status), time.monotonic())

    def note_key(self, name: str) -> None:
        """What was pressed last, for /diagnostics."""
        self._last_press = name

    def press(self, press: Press, now_s: float) -> None:
        """The human asked for something that is no motion."""
        self.note_key(press)
        if not self.is_active:
            return
        if press is Press.SLOW_MOTION:
            self._shaper.slow_motion = not self._shaper.slow_motion
            self.say("ok", f"slow motion {'on' if self._shaper.slow_motion else 'off'}")
            return
        if press is Press.TAKEOVER:
            self._start_where_the_robot_is(now_s)
        self._calls.ask(press, now_s)

    def grab(self, now_s: float) -> None:
        """The dead-man button went down: whoever grabs the stick means to drive."""
        self.note_key("dead_man")
        if not self.is_active:
            return
        self._start_where_the_robot_is(now_s)
        if self._takeover_on_dead_man:
            self._calls.ask(Press.TAKEOVER, now_s)

    def _start_where_the_robot_is(self, now_s: float) -> None:
        """Not where the human had left it: the next command counts from what the robot was told last."""
        executed = self._executed.values(now_s)
        if executed is not None and self._gate.somebody_else_drives(now_s):
            self._shaper.follow(executed, all_dimensions=True)

    # -- what goes out --------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now_s, clock_ns = time.monotonic(), self.clock_ns()
        self._calls.poll(now_s)
        self._reading = self._device.reading(now_s)
        # Simulated time stands at zero until the simulator runs: no stamp, no command.
        if self._reading.state is State.SILENT or clock_ns == 0:
            self._fall_silent()
        elif self._kind != "leader":
            self._send(self._reading, clock_ns, now_s)

    def _send(self, reading: Reading, clock_ns: int, now_s: float) -> None:
        self._stay_with_the_robot(now_s)
        if reading.state is State.STOP or self._ending:
            self._publish(self._shaper.stop(clock_ns * 1e-9), clock_ns)
        else:
            self._publish(self._shaper.drive(wish(self._dimensions, reading.inputs), clock_ns * 1e-9), clock_ns)

    def follow_leader(self, wanted: Wish, stamp_ns: int, now_s: float) -> None:
        """Pass on a leader's tick under its own stamp."""
        clock_ns = self.clock_ns()
        if self.is_active and not self._ending and clock_ns > 0:
            self._stay_with_the_robot(now_s)
            self._publish(self._shaper.drive(wanted, clock_ns * 1e-9), stamp_ns)

    def _stay_with_the_robot(self, now_s: float) -> None:
        """Begin where the robot is; and where wishes are changes, follow it as long as somebody else moves it."""
        self._shaper.place(self._measured.values)
        executed = self._executed.values(now_s)
        if executed is not None and (self._gate.somebody_else_drives(now_s) or not self._shaper.is_placed):
            self._shaper.follow(executed, all_dimensions=self._command is None)

    def _fall_silent(self) -> None:
        if self._command is not None:
            self._shaper.rest()
        self._command = None

    def _publish(self, command: FloatArray | None, stamp_ns: int) -> None:
        self._command = command
        if command is None:
            return
        self._published.add()
        for publisher, message in zip(self._outputs, self._channels.messages(command, stamp_ns), strict=True):
            publisher.publish(message)

    # -- what it says ---------------------------------------------------------------------------------------------

    def say(self, level: Level, text: str) -> None:
        """To the log, and to the person at the terminal where the log goes elsewhere."""
        if self._terminal is not None:
            if not sys.stderr.isatty():
                self._terminal.note(text)
            self._terminal.make_room()
        super().say(level, text)

    def _waiting(self, now_s: float) -> str:
        """Why nothing is published; empty if something is."""
        if not self.is_active:
            return "this node is not active"
        if self.clock_ns() == 0:
            return "no clock yet"
        if self._command is None:
            return self._device.waiting(now_s) or "nobody knows where the robot is"
        return ""

    def _view(self, now_s: float) -> TeleopView:
        device = self._device
        return TeleopView(
            self._kind,
            self._reading.state,
            problem=device.problem,
            waiting=self._waiting(now_s),
            age_s=device.age_s(now_s),
            command=self._command,
            slow_motion=self._shaper.slow_motion,
            driver=self._gate.driver(now_s),
            reason=self._gate.reason(now_s),
            episode=self._recorder.episode(now_s),
            values={**device.values(), "last_pressed": self._last_press, "refused": self._shaper.refused},
            rivals=self._rivals,
        )

    def _status(self) -> Status:
        now_s = time.monotonic()
        topics = map(self.resolve_topic_name, self._contract.gate.expert_topics)
        self._rivals = [topic for topic in topics if self.count_publishers(topic) > 1]
        return input_status(self._view(now_s), self._device.rate.report_hz(now_s), self._published.report_hz(now_s))

    def _draw(self, keys: KeyDriver) -> None:
        assert self._terminal is not None
        view = self._view(time.monotonic())
        self._terminal.status(status_line(view, self._contract, keys.pair, keys.pairs, self._calls.last))

    # -- the end --------------------------------------------------------------------------------------------------

    def shutdown_gracefully(self) -> None:
        """Bring the robot to a stop before falling silent; the gate would do it too, a moment later."""
        self._ending = self.is_active and self._kind != "leader" and self._command is not None

    def is_shut_down(self) -> bool:
        """Whether the stop command has been sent and received, or nobody is there who could be driving."""
        if not self._ending or self._command is None:
            return True
        if not self._shaper.is_stopped:
            return False
        for publisher in self._outputs:
            publisher.wait_for_all_acked(Duration(seconds=FLUSH_S))
        return True


def main(args: Sequence[str] | None = None) -> int:
    """Run the node; ``args`` as after the program's name."""
    return run_node(TeleopNode, args, "teleop", images=False)


if __name__ == "__main__":
    sys.exit(main())
