"""How a node starts and stops.

A node derives from :class:`UnderstudyNode` and is run by :func:`run_node`, which turns SIGINT, SIGTERM and SIGHUP into
a graceful shutdown, and an :class:`~models.errors.UnderstudyError` into its message and its exit code. Single-threaded
on purpose: the multi-threaded executor of rclpy is three times slower at the 99th percentile.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from types import FrameType

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.signals import SignalHandlerOptions

from il_nodes.ros.executor import LeanExecutor
from il_nodes.ros.help import help_text, is_asked_for, leave_the_graph_alone
from il_nodes.ros.last_words import told_to_end
from il_nodes.ros.middleware import prepare_environment
from il_nodes.ros.node import UnderstudyNode
from models.errors import DeploymentError, UnderstudyError

__all__ = ["run_node"]

#: Longest wait of the executor before it looks whether a signal arrived.
SIGNAL_POLL_S = 0.1
#: A node that has not finished its graceful shutdown by then is taken down all the same (FAULTS 29).
SHUTDOWN_TIMEOUT_S = 2.0


class _Signals:
    """Remembers that SIGINT, SIGTERM or SIGHUP arrived; repeated ones change nothing, SIGKILL is always left.

    SIGHUP says that the terminal or its connection is gone. Whoever started the node by ``nohup`` wants it to stay.
    """

    def __init__(self) -> None:
        self.arrived: signal.Signals | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.arrived = signal.Signals(number)


def _spin(node: UnderstudyNode, executor: LeanExecutor, signals: _Signals) -> int:
    """Spin until a signal, an exit request, or an error; return the exit code."""
    exit_code = 0
    try:
        while not signals.arrived and node.exit_code is None:
            executor.spin_once(timeout_sec=SIGNAL_POLL_S)
        if signals.arrived:
            node.say("ok", told_to_end(signals.arrived.name))
    except UnderstudyError as error:
        print(f"{node.get_name()}: {error}", file=sys.stderr, flush=True)
        exit_code = error.exit_code
    except ExternalShutdownException:
        return 0
    except Exception:
        # A defect, not a fault of the person: the traceback is what can be acted on. The shutdown below still runs.
        traceback.print_exc()
        exit_code = 1
    if node.is_configured:
        exit_code = _end_gracefully(node, executor) or exit_code
    return exit_code or node.exit_code or 0


def _end_gracefully(node: UnderstudyNode, executor: LeanExecutor) -> int:
    """Let the node finish what must not be cut off, a halt above all; 1 if a defect showed meanwhile, else 0."""
    exit_code = 0
    deadline = time.monotonic() + SHUTDOWN_TIMEOUT_S
    node.shutdown_gracefully()
    while not node.is_shut_down() and time.monotonic() < deadline:
        try:
            executor.spin_once(timeout_sec=0.01)
        except ExternalShutdownException:
            break
        except UnderstudyError as error:
            print(f"{node.get_name()}: {error}", file=sys.stderr, flush=True)
        except Exception:
            # One more defect must not stop a robot's halt half-way.
            traceback.print_exc()
            exit_code = 1
    return exit_code


def _made(factory: Callable[[], UnderstudyNode]) -> UnderstudyNode:
    try:
        return factory()
    except ParameterException as error:
        # Of ROS's own parameters; ours are checked as they are declared.
        problem = "a parameter that ROS cannot use"
        fix = "true and false are words: -p use_sim_time:=true" if "use_sim_time" in str(error) else ""
        raise DeploymentError(problem, found=str(error).splitlines()[0], fix=fix) from error


def _missing_params_file(args: Sequence[str]) -> str:
    """A parameter file that is named and not there; empty when all are. ROS would say so in four lines of its own."""
    files = [file for flag, file in itertools.pairwise(args) if flag == "--params-file"]
    return next((file for file in files if not os.path.isfile(file)), "")


def run_node(
    factory: Callable[[], UnderstudyNode], args: Sequence[str] | None, name: str, *, images: bool = True
) -> int:
    """Run one node until it is told to stop; the body of every ``main``.

    Args:
        factory: makes the node, once rclpy is up.
        args: command line after the program's name, with ``--ros-args ...``; ``None`` takes ``sys.argv``.
        name: what the messages on stderr are prefixed with.
        images: whether the node moves any; see :mod:`il_nodes.ros.middleware`.

    Returns:
        0 after ``--help`` among ``args``, which prints what the node declares and runs nothing; 0 after SIGINT,
        SIGTERM, SIGHUP or the node's own end; the error's ``exit_code`` after an ``UnderstudyError``; 1 after a defect,
        with its traceback on stderr.
    """
    given = sys.argv[1:] if args is None else args
    asked = is_asked_for(given)
    if asked:
        leave_the_graph_alone()
    prepare_environment(images=images)
    missing = _missing_params_file(given)
    if missing:
        print(f"{name}: there is no parameter file {missing}", file=sys.stderr, flush=True)
        return DeploymentError.exit_code
    signals = _Signals()
    try:
        # rclpy drops the first element only of sys.argv, so a given list must be whole too.
        rclpy.init(args=None if args is None else [name, *args], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:
        print(f"{name}: arguments that ROS cannot read: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)
        return DeploymentError.exit_code
    node: UnderstudyNode | None = None
    executor: LeanExecutor | None = None
    try:
        node = _made(factory)
        if asked:
            print(help_text(node))
            return 0
        node.warn_of_unknown_parameters()
        executor = LeanExecutor()
        executor.add_node(node)
        node.start()
        return _spin(node, executor, signals)
    except UnderstudyError as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except ExternalShutdownException:
        return 0
    finally:
        if executor is not None:
            # Left to the garbage collector, it may come after the context and complain of it on stderr.
            executor.shutdown(timeout_sec=0)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
