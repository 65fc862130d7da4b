"""Another policy while the robot drives: no tick without a proposal, and what is refused never drives."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from exported_bundles import export_small
from policy_sensors import BUNDLE, PolicySensors
from ros_processes import RosEnvironment

from il_nodes.codecs import decode_proposal
from models.data import Observation, Proposal
from models.runtime import PolicyRuntime

pytestmark = pytest.mark.ros

WARM_UP = 5


class Driver:
    """Keeps the sensors running in real time while a policy node is asked for other bundles.

    Ticks come at the contract's rate, or as fast as they are answered where the machine is too busy for that: what is
    asked here is whether the swap costs a tick, not how fast a busy machine is. Stamps are the system's clock, so that
    the node can tell the age of its proposals; or exactly one period apart, so that no recurrent state misses a tick.
    """

    def __init__(self, ros: RosEnvironment, bundle: Path, *, even_stamps: bool = False, **params: object) -> None:
        from rcl_interfaces.srv import GetParameters, SetParameters
        from std_srvs.srv import Trigger

        self.ros = ros
        self.sensors = PolicySensors(ros, bundle, **params)
        self.observations: list[Observation] = []
        self._even_stamps = even_stamps
        self._set = ros.probe.create_client(SetParameters, "/policy/set_parameters")
        self._get = ros.probe.create_client(GetParameters, "/policy/get_parameters")
        self._reload = ros.probe.create_client(Trigger, "/policy/reload")
        for client in (self._set, self._get, self._reload):
            ros.wait_until(client.service_is_ready, 10.0, client.srv_name)
        self._due_s = time.monotonic()
        self.answered_s = [self._due_s]
        self._stalls: list[float] = []

    def drive_tick(self) -> None:
        """One tick; waits for its answer."""
        sensors, period_s = self.sensors, self.sensors.period_ns * 1e-9
        self.ros.wait_until(lambda: time.monotonic() >= self._due_s)
        if not self._even_stamps:
            sensors.stamp_ns = self.ros.probe.get_clock().now().nanoseconds - sensors.period_ns
        # Behind the stamp, so that no two stamps are closer than a period and one of them is left out of the grid.
        self._due_s = time.monotonic() + period_s
        observation = sensors.send()
        assert observation is not None
        self.observations.append(observation)
        sensors.answer()
        self.answered_s.append(time.monotonic())

    def drive_until(self, condition: Callable[[], object], what: str) -> None:
        deadline_s = time.monotonic() + 60.0
        while not condition():
            assert time.monotonic() < deadline_s, f"{what}; {self.sensors.node.log[-2000:]}"
            self.drive_tick()

    def answers(self) -> list[Proposal]:
        """One for each tick, in order, and none of them an abstention."""
        ticks = {seen.stamp_ns for seen in self.observations}
        said = [decode_proposal(cdr) for cdr in self.sensors.received]
        answers = [proposal for proposal in said if proposal.stamp_ns in ticks]
        assert [answer.stamp_ns for answer in answers] == [seen.stamp_ns for seen in self.observations]
        assert all(np.isfinite(answer.actions).all() for answer in answers)
        return answers

    def missed_none(self) -> None:
        """By the node's own counts: no tick was skipped or abstained from; and answers came while it swapped.

        A busy machine holds up any answer, but not one of every swap; a node that stops for a swap stops each time.
        """
        count = str(len(self.observations))
        self.ros.wait_until(lambda: self.sensors.status().get("proposals") == count, 10.0, f"{count} proposals")
        status = self.sensors.status()
        assert status["observations_skipped"] == "0"
        assert status.get("abstentions", "0") == status.get("silences", "0")
        assert min(self._stalls) <= 0.5, f"shares of each swap without an answer: {self._stalls}"

    def swap(self, ask: Callable[[], tuple[bool, str]], said: str, number: int, file: Path) -> None:
        """Ask for a bundle and drive until it runs; notes the longest wait for an answer, as a share of the swap."""
        begun_s = time.monotonic()
        assert ask() == (True, said)
        self.until_bundle_status(swaps=str(number), file=str(file))
        swap_s = float(self.sensors.status("bundle")["last_swap_s"])
        during = [at_s for at_s in self.answered_s if at_s <= begun_s + swap_s]
        waits = [after - before for before, after in pairwise([*during, begun_s + swap_s]) if after >= begun_s]
        self._stalls.append(max(waits) / swap_s)

    def set_parameter(self, name: str, value: str) -> tuple[bool, str]:
        """``ros2 param set``, while driving: whether it was taken, and the reason if not."""
        from rcl_interfaces.msg import Parameter as Message
        from rcl_interfaces.msg import ParameterType, ParameterValue
        from rcl_interfaces.srv import SetParameters

        new = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
        future = self._set.call_async(SetParameters.Request(parameters=[Message(name=name, value=new)]))
        self.drive_until(future.done, "the parameter")
        result = future.result().results[0]
        return result.successful, result.reason

    def bundle_parameter(self) -> str:
        from rcl_interfaces.srv import GetParameters

        future = self._get.call_async(GetParameters.Request(names=["bundle"]))
        self.drive_until(future.done, "the parameter")
        return str(future.result().values[0].string_value)

    def reload(self) -> tuple[bool, str]:
        from std_srvs.srv import Trigger

        future = self._reload.call_async(Trigger.Request())
        self.drive_until(future.done, "the answer to the reload")
        return future.result().success, future.result().message

    def until_bundle_status(self, **values: str) -> None:
        """Drive until the diagnostics say so."""
        self.drive_until(
            lambda: values.items() <= self.sensors.status("bundle").items(), f"{values} in the bundle's diagnostics"
        )


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("recurrent")
    return (
        export_small(directory / "one.onnx", seed=3, warm_up_ticks=WARM_UP),
        export_small(directory / "two.onnx", seed=4, warm_up_ticks=WARM_UP),
    )


@pytest.fixture(scope="module")
def stacked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    directory = tmp_path_factory.mktemp("stacked")
    return export_small(directory / "one.onnx", seed=1), export_small(directory / "two.onnx", seed=2)


def under_way(running: str) -> str:
    """What whoever sets the parameter is told: its success is none of the bundle's."""
    return (
        f"not running yet: it is being verified, and {running} runs on. How that ends stands in the log and on "
        "/diagnostics under 'policy: bundle': bundle_pending until then, bundle_refused with the reason, or file"
    )


def test_three_swaps_at_50_hz_cost_no_tick(ros_environment: RosEnvironment, stacked: tuple[Path, Path]) -> None:
    """FAULTS 21. Catches a swap that stalls inference, that mixes two policies, or that forgets the stack."""
    driver = Driver(ros_environment, stacked[0])
    for _ in range(5):
        driver.drive_tick()
    driver.swap(lambda: driver.set_parameter("bundle", str(stacked[1])), under_way("one.onnx"), 1, stacked[1])
    driver.swap(lambda: driver.set_parameter("bundle", str(stacked[0])), under_way("two.onnx"), 2, stacked[0])
    assert driver.set_parameter("bundle", str(stacked[0])) == (True, ""), "it runs already"
    # The same path, another file.
    first = stacked[0].read_bytes()
    stacked[0].write_bytes(stacked[1].read_bytes())
    driver.swap(driver.reload, f"{stacked[0]} runs", 3, stacked[0])
    for _ in range(5):
        driver.drive_tick()
    driver.missed_none()

    stacked[0].write_bytes(first)
    offline = [PolicyRuntime.load(path, provider="cpu") for path in stacked]
    drivers = []
    for answer, seen in zip(driver.answers(), driver.observations, strict=True):
        expected = [runtime.predict(seen).actions.tobytes() for runtime in offline]
        assert expected[0] != expected[1]
        drivers.append(expected.index(answer.actions.tobytes()))
    # Who drove, in turn; the file of the first one became a copy of the second.
    assert [drivers[0], *(after for before, after in pairwise(drivers) if before != after)] == [0, 1, 0, 1]
    assert driver.sensors.node.terminate() == 0, driver.sensors.node.log


def test_recurrent_policies_swap_without_a_tick_of_a_cold_state(
    ros_environment: RosEnvironment, recurrent: tuple[Path, Path]
) -> None:
    """FAULTS 15, 21. Catches abstentions while the new state warms up, and a state that begins at anything but zero."""
    driver = Driver(ros_environment, recurrent[0], even_stamps=True)
    sensors = driver.sensors
    for _ in range(WARM_UP):
        driver.drive_tick()
    assert all(np.isnan(decode_proposal(cdr).actions).all() for cdr in sensors.received), "a cold state drove"
    driver.observations.clear()
    driver.drive_tick()
    driver.set_parameter("bundle", str(recurrent[1]))
    driver.until_bundle_status(swaps="1", bundle_pending="", bundle_refused="")
    for _ in range(5):
        driver.drive_tick()
    answers = driver.answers()
    # The new one has seen exactly its warm-up before it drove: find the tick at which it began to look.
    for begin in range(len(answers)):
        runtime = PolicyRuntime.load(recurrent[1], provider="cpu")
        expected = [runtime.predict(seen).actions.tobytes() for seen in driver.observations[begin:]]
        given = [answer.actions.tobytes() for answer in answers[begin:]]
        matches = [one == other for one, other in zip(expected, given, strict=True)]
        if all(matches[WARM_UP:]) and len(matches) > WARM_UP:
            assert not any(matches[:WARM_UP]), "the new policy drove with a cold state"
            break
    else:
        raise AssertionError("the new policy never drove with a state of its own")
    assert sensors.node.terminate() == 0, sensors.node.log


def test_what_is_refused_never_drives(ros_environment: RosEnvironment, stacked: tuple[Path, Path]) -> None:
    """FAULTS 22 and 30. Catches a refused bundle that drives, a refusal that nobody hears of, a limit lifted."""
    driver = Driver(ros_environment, stacked[0])
    corrupt = ros_environment.directory / "corrupt.onnx"
    corrupt.write_bytes(stacked[1].read_bytes()[:-2000])
    driver.drive_tick()

    taken, reason = driver.set_parameter("bundle", "/nowhere/policy.onnx")
    assert not taken
    assert "cannot read /nowhere/policy.onnx: No such file" in reason
    for name in ("contract", "chunk_mode", "record_digests"):
        taken, reason = driver.set_parameter(name, "other")
        assert not taken, name
        assert "read-only" in reason

    # Found out by the child only: the parameter goes back to what runs, for everybody to see.
    for number, path in enumerate((corrupt, BUNDLE), start=1):
        assert driver.set_parameter("bundle", str(path)) == (True, under_way("one.onnx"))
        driver.until_bundle_status(bundle_pending=f"{path}: verifying")
        driver.until_bundle_status(refusals=str(number), bundle_pending="")
        assert driver.bundle_parameter() == str(stacked[0])
        refused = driver.sensors.status("bundle")["bundle_refused"]
        assert refused == f"{path}: {driver.sensors.status('bundle')['last_refusal']}"
    assert "fps: policy 20 Hz, robot 50 Hz" in driver.sensors.status("bundle")["last_refusal"]
    assert "corrupt.onnx is refused" in driver.sensors.node.log

    # The file that runs was overwritten with rubbish: the service says so, and the policy in memory drives on.
    kept = stacked[0].read_bytes()
    shutil.copy(corrupt, stacked[0])
    done, message = driver.reload()
    stacked[0].write_bytes(kept)
    assert not done
    assert "is not an ONNX file" in message

    status = driver.sensors.status("bundle")
    assert (status["file"], status["swaps"]) == (str(stacked[0]), "0")
    runtime = PolicyRuntime.load(stacked[0], provider="cpu")
    for answer, seen in zip(driver.answers(), driver.observations, strict=True):
        assert answer.actions.tobytes() == runtime.predict(seen).actions.tobytes()
    assert "Traceback" not in driver.sensors.node.log
    assert driver.sensors.node.terminate() == 0, driver.sensors.node.log
