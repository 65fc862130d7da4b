"""Nodes under test as real processes in a private ROS domain, and a probe node that watches them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import yaml

from understudy.environment.ros_environment import node_environment

REPOSITORY = Path(__file__).resolve().parents[1]


class NodeProcess:
    """One ``python -m il_nodes.nodes.<name>``; its output goes to a file that failures quote."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.process = process
        self.log_path = log_path

    @property
    def log(self) -> str:
        """Everything written to stdout and stderr so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        """Exit code, or ``None`` while it runs."""
        return self.process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, for instance SIGSTOP."""
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 10.0) -> int:
        """Wait for the process to end by itself; its exit code."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout_s} s; it said:\n{self.log[-3000:]}") from None

    def terminate(self, timeout_s: float = 5.0) -> int:
        """SIGTERM, then the exit code."""
        self.process.terminate()
        return self.wait(timeout_s)


class RosEnvironment:
    """A private domain, the processes that run in it, and one probe node inside the test's own process.

    Attributes:
        domain_id: the ROS domain, also in ``os.environ`` while the fixture lives.
        directory: where logs and params files go.
    """

    def __init__(self, domain_id: int, directory: Path) -> None:
        self.domain_id = domain_id
        self.directory = directory
        self.environment = node_environment(domain_id, directory)
        self.processes: list[NodeProcess] = []
        self._logs: list[IO[bytes]] = []
        self._context: Any = None
        self._executor: Any = None
        self._probe: Any = None

    def spawn_node(
        self,
        module: str,
        params: Mapping[str, object] | None = None,
        *,
        params_file: Path | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> NodeProcess:
        """Start ``python -m il_nodes.nodes.<module>`` (or a dotted module name) with ROS parameters.

        Args:
            module: ``sim``, ``gate``, ... or a full dotted name.
            params: parameters that override those of ``params_file``.
            params_file: a ROS params YAML, such as ``launch/params/driving.yaml``.
            arguments: further ROS arguments, for example ``["-r", "__node:=other"]``.
            environment: variables to add or replace.
        """
        number = len(self.processes)
        name = f"{module}-{number}"
        command = [sys.executable, "-m", module if "." in module else f"il_nodes.nodes.{module}", "--ros-args"]
        if params_file is not None:
            command += ["--params-file", str(params_file)]
        if params:
            own = self.directory / f"{name}.yaml"
            own.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(params)}}))
            command += ["--params-file", str(own)]
        log_path = self.directory / f"{name}.log"
        log = log_path.open("wb")
        self._logs.append(log)
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=REPOSITORY,
            env={**self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        node = NodeProcess(name, process, log_path)
        self.processes.append(node)
        return node

    @property
    def probe(self) -> Any:
        """An ``rclpy`` node in this process and domain, spun by ``wait_until``."""
        if self._probe is None:
            import rclpy
            from rclpy.executors import SingleThreadedExecutor

            self._context = rclpy.Context()
            rclpy.init(context=self._context, domain_id=self.domain_id)
            self._probe = rclpy.create_node("probe", context=self._context)
            self._executor = SingleThreadedExecutor(context=self._context)
            self._executor.add_node(self._probe)
        return self._probe

    def collect(self, topic: str, message_class: type, *, latched: bool = False, raw: bool = False) -> list[Any]:
        """A list that grows by every message of ``topic`` while ``wait_until`` spins; reliable, 1,000 deep."""
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        messages: list[Any] = []
        self.probe.create_subscription(message_class, topic, messages.append, qos, raw=raw)
        return messages

    def wait_until(self, condition: Callable[[], object], timeout_s: float = 10.0, what: str = "") -> None:
        """Spin the probe until ``condition()`` is true.

        Raises:
            AssertionError: not true within ``timeout_s``; quotes the end of every node's output.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(
                    f"--- {node.name} (exit code {node.returncode}):\n{node.log[-2000:]}" for node in self.processes
                )
                raise AssertionError(f"not within {timeout_s} s: {what or 'the condition'}\n{logs}")
            if self._executor is not None:
                self._executor.spin_once(timeout_sec=0.01)
            else:
                time.sleep(0.01)

    def close(self) -> None:
        """End everything that was started here: SIGTERM, after three seconds SIGKILL."""
        for node in self.processes:
            if node.returncode is None:
                # A stopped process acts on SIGTERM only once it continues.
                node.send(signal.SIGTERM)
                node.send(signal.SIGCONT)
        deadline = time.monotonic() + 3.0
        for node in self.processes:
            try:
                node.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                node.process.kill()
                node.process.wait()
        for log in self._logs:
            log.close()
        if self._probe is not None:
            import rclpy

            self._executor.shutdown()
            self._probe.destroy_node()
            rclpy.try_shutdown(context=self._context)
