"""The faults of processes, sensors and data, each injected into a running stack, and the checks that judge them.

One stack after another goes through expert driving, policy driving and recording (the policy drives, and the recorder
records). ``python -m bench.faults --only stack`` injects the same faults many times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from bench.faults.bundle_swaps import foreign_bundles, hot_swaps, raising_classifier, refused_swaps
from bench.faults.bundles import Bundles
from bench.faults.memory import MEMORY_FAULTS, swap_recurrent, time_faults
from bench.faults.process_faults import hang_policy, kill_policy
from bench.faults.recordings import flipped_bits, full_disk, kill_recorder, lost_messages, record_whole, slow_disk
from bench.faults.rig import rig_contract
from bench.faults.rows import EXPERT, MODES, POLICY, RECORDING, Row
from bench.faults.scene import Scene, scene
from bench.faults.sensors import SENSOR_FAULTS
from bench.faults.stack import Counts
from bench.faults.tally import Tally, inject_each
from bench.faults.world import kill_gate, noise_beside_policy, noise_beyond_limits, terminate

pytestmark = [pytest.mark.ros, pytest.mark.alone]

FPS = 25.0
#: In the mode that has all the others' processes every sensor fault is injected; in the others one of each row.
ONE_OF_EACH_ROW = ("camera stops", "odometry frozen", "camera all 0", "odometry two ticks behind")


@dataclass
class Stack:
    """A running stack that goes from one mode to the next."""

    rig: Scene
    bundles: Bundles
    mode: str = ""

    def enter(self, mode: str) -> Scene:
        if mode != self.mode:
            self.rig.enter(mode)
            if mode == RECORDING:
                self.rig.begin_recording(f"faults-{len(self.rig.announced_s)}")
            self.mode = mode
        return self.rig


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Gate, policy and recorder, on simulated time, so that a busy machine makes no sensor late."""
    with scene(tmp_path_factory.mktemp("stack") / "nodes", fps=FPS, simulated_time=True) as (rig, bundles):
        yield Stack(rig, bundles)


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The same with policies that keep a state."""
    folder = tmp_path_factory.mktemp("recurrent") / "nodes"
    with scene(folder, fps=FPS, recurrent=True, simulated_time=True) as (rig, bundles):
        yield Stack(rig, bundles)


def require(rows: Row | list[Row], rig: Scene | None = None) -> None:
    """Every row passed, and the expert had the robot within a tick wherever it got it."""
    for row in [rows] if isinstance(rows, Row) else rows:
        assert row.passed, f"{row.fault}, {row.mode}: {row.problems}\n{rig.dump() if rig is not None else ''}"
        assert row.injections > 0
        assert max(row.handover_ticks, default=0) <= 1


# -- one stack, mode by mode: what leaves it as it was -------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, scope="class")
class TestStack:
    """Injected in order; the stack stays, and the mode changes only when all of its faults are through."""

    def test_sensors(self, stack: Stack, mode: str) -> None:
        """FAULTS 11 to 14. Would catch a policy that drives on a sensor that is gone, frozen, wrong or late."""
        rig = stack.enter(mode)
        only = () if mode == RECORDING else ONE_OF_EACH_ROW
        require(inject_each(SENSOR_FAULTS, rig, mode, 1, only, explain=mode == POLICY), rig)

    def test_a_hung_policy(self, stack: Stack, mode: str) -> None:
        """FAULTS 1. Would catch a policy that hangs, comes to itself, and takes the robot back."""
        rig = stack.enter(mode)
        require(hang_policy(rig, mode, 1), rig)

    def test_a_graph_that_fails(self, stack: Stack, mode: str) -> None:
        """FAULTS 9. Would catch a policy node that ends with a traceback when its graph fails on one frame."""
        rig = stack.enter(mode)
        require(raising_classifier(rig, mode, 1, explain=mode == POLICY), rig)

    def test_a_hot_swap(self, stack: Stack, mode: str) -> None:
        """FAULTS 21. Would catch a tick without an answer, and answers of two policies in turn."""
        rig = stack.enter(mode)
        require(hot_swaps(rig, mode, stack.bundles, 1), rig)

    def test_refused_swaps(self, stack: Stack, mode: str) -> None:
        """FAULTS 22. Would catch a damaged or foreign bundle that drives, and a refusal that costs ticks."""
        rig = stack.enter(mode)
        files = {EXPERT: ("no such file", "half a file"), POLICY: ("another contract",), RECORDING: ("a flipped bit",)}
        require(refused_swaps(rig, mode, stack.bundles, 1, files[mode]), rig)

    def test_a_bundle_of_another_robot(self, stack: Stack, mode: str) -> None:
        """FAULTS 6. Would catch a policy node that starts with actions of another size, order or unit."""
        rig = stack.enter(mode)
        words = {EXPERT: "wrong size", POLICY: "wrong order", RECORDING: "wrong unit"}[mode]
        require(foreign_bundles(rig, mode, stack.bundles, 1, (words,)), rig)


# -- the same stack: what befalls its recordings, and its end ------------------------------------------------------


class TestRecordings:
    """On the stack that has been through all modes."""

    def test_noise_in_a_deployment(self, stack: Stack) -> None:
        """FAULTS 23. Would catch a noise node that starts beside a policy."""
        rig = stack.enter(POLICY)
        require(noise_beside_policy(rig, POLICY, 1), rig)

    def test_flipped_bits(self, stack: Stack) -> None:
        """FAULTS 27. Would catch damage that is read, trained on, or given fresh checksums by a recovery."""
        rig = stack.enter(POLICY)
        require(flipped_bits(rig, record_whole(rig, "whole"), 4))

    @pytest.mark.parametrize(
        "inject",
        [partial(lost_messages, burst=30, away_s=1.2), full_disk, partial(slow_disk, seconds=1.0)],
        ids=["lost", "full disk", "slow disk"],
    )
    def test_losses(self, stack: Stack, inject: Callable[[Scene, int], Row]) -> None:
        """FAULTS 25, 26. Would catch messages that vanish uncounted, and a disk that holds up the robot."""
        rig = stack.enter(POLICY)
        require(inject(rig, 1), rig)

    def test_a_killed_recorder(self, stack: Stack) -> None:
        """FAULTS 24. Would catch a completed episode that lost something, and an open one that passes for whole."""
        rig = stack.enter(POLICY)
        require(kill_recorder(rig, 1), rig)

    def test_a_killed_policy(self, stack: Stack) -> None:
        """FAULTS 2. Would catch a restarted policy that takes the robot over by itself."""
        rig = stack.enter(POLICY)
        tally = Tally(2, "policy killed", POLICY, "E")
        kill_policy(rig, tally, stack.bundles, restart=True, come_back=False)
        require(tally.to_row(), rig)

    def test_sigterm_while_the_expert_drives(self, stack: Stack) -> None:
        """FAULTS 29. Would catch a gate that leaves the robot with its last command."""
        rig = stack.enter(EXPERT)
        tally = Tally(29, "SIGTERM", EXPERT, "H first")
        with tally.injection():
            terminate(rig, tally)
        require(tally.to_row(), rig)


# -- a policy with a state, on simulated time ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, scope="class")
class TestMemory:
    """The policy's own answers tell how many ticks it remembers."""

    def test_broken_chains_of_ticks(self, recurrent: Stack, mode: str) -> None:
        """FAULTS 15. Would catch a state that outlives a gap, is poisoned, or drives before it has warmed up."""
        rig = recurrent.enter(mode)
        only = () if mode == RECORDING else ("recurrent state poisoned", "a tick dropped")
        require(inject_each(MEMORY_FAULTS, rig, mode, 1, only, explain=mode == POLICY), rig)

    def test_simulated_time(self, recurrent: Stack, mode: str) -> None:
        """FAULTS 28. Would catch a watchdog on a clock that stands still, and a state of another episode."""
        rig = recurrent.enter(mode)
        require(time_faults(rig, mode, 1), rig)


class TestMemorysEnd:
    """On the same stack, at last."""

    def test_a_hot_swap(self, recurrent: Stack) -> None:
        """FAULTS 21. Would catch a new policy that drives with a cold state, or with the old one's."""
        rig = recurrent.enter(POLICY)
        require(swap_recurrent(rig, POLICY, recurrent.bundles, 1), rig)

    def test_sigterm_in_mid_episode(self, recurrent: Stack) -> None:
        """FAULTS 29. Would catch a recorder that leaves its bag open, and a robot that is left with its command."""
        rig = recurrent.enter(POLICY)
        tally = Tally(29, "SIGTERM", RECORDING, "H first, file closed within 2 s")
        with tally.injection():
            terminate(rig, tally)
        require(tally.to_row(), rig)


# -- stacks of their own -------------------------------------------------------------------------------------------


@pytest.mark.sim
@pytest.mark.parametrize("mode", [EXPERT, RECORDING])
def test_a_killed_gate(tmp_path: Path, mode: str) -> None:
    """FAULTS 18. Would catch a simulated car that drives on when nobody commands it."""
    require(kill_gate(tmp_path, mode, 1))


def test_noise_beyond_the_limits(tmp_path: Path) -> None:
    """FAULTS 23. Would catch noise that is added behind the limits, and a label with noise in it."""
    require(noise_beyond_limits(tmp_path / "noise", 1, ticks=30))


# -- the instruments -----------------------------------------------------------------------------------------------


def test_counts_are_no_more_than_asked_for() -> None:
    """Would catch a quick run that takes as long as a full one, and a mode without any injection."""
    assert Counts.of(quick=False, injections=3) == Counts(3, 3, 3, 3)
    assert Counts.of(quick=True, injections=1000).in_mode(EXPERT) == Counts(1, 1, 1, 10)


def test_the_rigs_contract_has_foreign_relatives(tmp_path: Path) -> None:
    """Would catch a rig whose contract is written in another way, so that nothing about the foreign ones differs."""
    bundles = Bundles.write(tmp_path / "bundles", rig_contract(20.0))
    assert len(bundles.foreign) == 4
    contents = {path.read_bytes() for path in (bundles.first, bundles.second, *bundles.foreign.values())}
    assert len(contents) == 6
