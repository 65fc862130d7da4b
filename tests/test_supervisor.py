"""The supervisor with real processes: what must be true of a run however it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import DeploymentError
from understudy.environment.ros_environment import repository_root
from understudy.stacks.running import require_orderly_end
from understudy.stacks.supervisor import ProcessSpec, Supervisor, last_lines

# Isolated from the ROS wheels' start-up hook, so that the processes of these tests start in 20 ms.
PYTHON = (sys.executable, "-I", "-S", "-c")
# Says that it is ready, then waits for a signal; SIGINT ends it with code 0 after it wrote when.
OBEDIENT = """
import signal, sys, time
def leave(number, frame):
    print("interrupted", time.monotonic(), flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""
# A gate that takes its time to halt a robot.
HALTING = """
import signal, sys, time
def leave(number, frame):
    signal.signal(number, signal.SIG_IGN)
    time.sleep(0.5)
    print("halted", flush=True)
    sys.exit(0)
signal.signal(signal.SIGINT, leave)
signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
"""
STUBBORN = """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        time.sleep(0.01)  # between two looks at a condition that another process brings about


def says(log: Path, word: str) -> bool:
    return log.exists() and word in log.read_text()


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def supervisor(folder: Path, *specs: ProcessSpec) -> Supervisor:
    return Supervisor(specs, os.environ, folder)


def test_the_run_ends_when_the_process_that_ends_it_leaves_with_zero(tmp_path: Path) -> None:
    """Catches a supervisor that takes the normal end of the simulation for a failure, or never sees it."""
    sim = ProcessSpec("sim", (*PYTHON, "print('done')"), ends_run=True)
    node = ProcessSpec("gate", (*PYTHON, OBEDIENT))
    with supervisor(tmp_path, node, sim) as run:
        process_id = run.process_ids["gate"]
        wait_until(lambda: says(run.logs["gate"], "ready"), "gate is ready")
        run.run(timeout_s=10)
    assert not is_running(process_id)
    assert last_lines(tmp_path / "sim.log") == "done"


def test_a_node_that_dies_is_named_with_its_exit_code_and_last_words(tmp_path: Path) -> None:
    """Catches a bare 'a process died': the person needs to know which, how, and what it said."""
    bad = ProcessSpec("policy", (*PYTHON, "import sys; print('contract hash differs'); sys.exit(6)"))
    other = ProcessSpec("gate", (*PYTHON, OBEDIENT))
    with supervisor(tmp_path, other, bad) as run:
        process_id = run.process_ids["gate"]
        with pytest.raises(DeploymentError) as caught:
            run.run(timeout_s=10)
    message = str(caught.value)
    assert caught.value.exit_code == 6  # a refused bundle is one wherever it is found out
    assert "policy" in message
    assert "exit code 6" in message
    assert "contract hash differs" in message
    assert str(tmp_path / "policy.log") in message
    assert not is_running(process_id)


def test_a_killed_node_is_reported_with_the_signals_name(tmp_path: Path) -> None:
    with supervisor(tmp_path, ProcessSpec("expert", (*PYTHON, OBEDIENT))) as run:
        wait_until(lambda: says(run.logs["expert"], "ready"), "expert is ready")
        os.kill(run.process_ids["expert"], signal.SIGSEGV)
        with pytest.raises(DeploymentError, match="expert node was killed by SIGSEGV"):
            run.run(timeout_s=10)


def test_a_required_node_that_leaves_quietly_is_a_failure_too(tmp_path: Path) -> None:
    """Catches exit code 0 of the recorder in mid-run going unnoticed: the episodes would silently be missing."""
    with (
        supervisor(tmp_path, ProcessSpec("recorder", (*PYTHON, "pass"))) as run,
        pytest.raises(DeploymentError, match="recorder node ended early"),
    ):
        run.run(timeout_s=10)


def test_the_run_goes_on_without_a_node_that_it_does_not_require(tmp_path: Path) -> None:
    extra = ProcessSpec("cockpit", (*PYTHON, "raise SystemExit(3)"), required=False)
    gone = tmp_path / "gone"
    sim = ProcessSpec(
        "sim", (*PYTHON, f"import os, time\nwhile not os.path.exists({str(gone)!r}): time.sleep(0.01)"), ends_run=True
    )
    with supervisor(tmp_path, extra, sim) as run:
        run.run(timeout_s=10, poll_s=0.02, on_poll=lambda: None if "cockpit" in run.process_ids else gone.touch())
    assert run.stop_order == ["cockpit", "sim"]


def test_a_run_that_never_ends_is_ended_with_the_last_words_of_its_nodes(tmp_path: Path) -> None:
    with supervisor(tmp_path, ProcessSpec("sim", (*PYTHON, OBEDIENT), ends_run=True)) as run:
        wait_until(lambda: says(run.logs["sim"], "ready"), "sim is ready")
        with pytest.raises(DeploymentError, match=r"did not end within 0 s(.|\n)*sim: ready"):
            run.run(timeout_s=0.2)


def test_ranks_are_stopped_one_after_the_other(tmp_path: Path) -> None:
    """The gate halts the robot before what it listens to goes away. Catches a stop of everybody at once."""
    slow_gate = OBEDIENT.replace(
        "    sys.exit(0)", "    time.sleep(0.3)\n    print('halted', flush=True)\n    sys.exit(0)"
    )
    specs = [
        ProcessSpec("expert", (*PYTHON, OBEDIENT), stop_rank=2),
        ProcessSpec("recorder", (*PYTHON, OBEDIENT), stop_rank=1),
        ProcessSpec("gate", (*PYTHON, slow_gate), stop_rank=0),
    ]
    with supervisor(tmp_path, *specs) as run:
        for name, log in run.logs.items():
            wait_until(lambda log=log: says(log, "ready"), f"{name} is ready")  # type: ignore[misc]
    assert run.stop_order == ["gate", "recorder", "expert"]
    assert says(tmp_path / "gate.log", "halted")
    when = {name: float(re.findall(r"interrupted (\S+)", log.read_text())[0]) for name, log in run.logs.items()}
    assert when["gate"] + 0.3 <= when["recorder"] <= when["expert"]


def test_a_node_that_ignores_every_request_is_killed_in_time(tmp_path: Path) -> None:
    spec = ProcessSpec("policy", (*PYTHON, STUBBORN), interrupt_s=0.1, terminate_s=0.1)
    with supervisor(tmp_path, spec) as run:
        wait_until(lambda: says(run.logs["policy"], "ready"), "policy is ready")
        process_id = run.process_ids["policy"]
        started = time.monotonic()
    assert time.monotonic() - started < 2.0
    assert not is_running(process_id)


def test_a_gate_that_had_to_be_killed_is_noted_and_no_success(tmp_path: Path) -> None:
    """Catches a run that ends well although nobody has halted the robot, or closed the episode."""
    specs = [
        ProcessSpec("gate", (*PYTHON, STUBBORN), stop_rank=0, interrupt_s=0.1, terminate_s=0.1),
        ProcessSpec("recorder", (*PYTHON, STUBBORN), stop_rank=1, interrupt_s=0.1, terminate_s=0.1),
        ProcessSpec("policy", (*PYTHON, STUBBORN), interrupt_s=0.1, terminate_s=0.1),
    ]
    with supervisor(tmp_path, *specs) as run:
        wait_until(lambda: all(says(log, "ready") for log in run.logs.values()), "all are ready")
    assert list(run.killed) == ["gate", "recorder"]
    with pytest.raises(DeploymentError, match="gate had to be killed and has not halted the robot") as told:
        require_orderly_end(run.killed, "the policy node died")
    assert "before that, the policy node died" in str(told.value)
    assert told.value.exit_code == 7
    with pytest.raises(DeploymentError, match="the episode that it wrote is not closed"):
        require_orderly_end({"recorder": run.logs["recorder"]})


def test_what_ended_by_itself_was_not_killed(tmp_path: Path) -> None:
    """Catches a run that is called failed because its gate took its time to halt."""
    spec = ProcessSpec("gate", (*PYTHON, HALTING), stop_rank=0)
    with supervisor(tmp_path, spec) as run:
        wait_until(lambda: says(run.logs["gate"], "ready"), "the gate is ready")
    assert run.killed == {}
    require_orderly_end(run.killed)


def test_a_stopped_node_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A process hung in SIGSTOP never sees SIGINT or SIGTERM; only SIGKILL reaches it."""
    spec = ProcessSpec("policy", (*PYTHON, OBEDIENT), interrupt_s=0.1, terminate_s=0.1)
    with supervisor(tmp_path, spec) as run:
        process_id = run.process_ids["policy"]
        wait_until(lambda: says(run.logs["policy"], "ready"), "policy is ready")
        os.kill(process_id, signal.SIGSTOP)
    assert not is_running(process_id)


def test_what_a_node_has_started_itself_goes_with_it(tmp_path: Path) -> None:
    child = f"import subprocess, sys; p = subprocess.Popen([{sys.executable!r}, '-I', '-S', '-c', {STUBBORN!r}]); "
    child += "print('child', p.pid, flush=True); p.wait()"
    with supervisor(tmp_path, ProcessSpec("sim", (*PYTHON, child))) as run:
        wait_until(lambda: says(run.logs["sim"], "ready"), "the grandchild is ready")
        grandchild = int(re.findall(r"child (\d+)", run.logs["sim"].read_text())[0])
    wait_until(lambda: not is_running(grandchild), "the grandchild is gone")


def test_a_program_that_does_not_exist_is_explained_and_the_others_end(tmp_path: Path) -> None:
    specs = [ProcessSpec("sim", (*PYTHON, OBEDIENT)), ProcessSpec("gate", ("/nonexistent/python",))]
    run = supervisor(tmp_path, *specs)
    with pytest.raises(DeploymentError, match="the gate process could not be started"), run:
        pass
    assert run.stop_order == ["sim"]


@pytest.fixture
def outer(tmp_path: Path) -> Iterator[Callable[..., "tuple[subprocess.Popen[str], list[int]]"]]:
    """Starts a Python process that supervises two nodes, as `understudy` does, and tells their process ids."""
    started: list[tuple[subprocess.Popen[str], list[int]]] = []

    def start(node: str, gate: str = OBEDIENT) -> tuple[subprocess.Popen[str], list[int]]:
        script = f"""
import os, sys
from pathlib import Path
from understudy.stacks.running import require_orderly_end
from understudy.stacks.supervisor import ProcessSpec, Supervisor, Terminated
specs = [ProcessSpec(n, ({sys.executable!r}, "-I", "-S", "-c", code), stop_rank=r, interrupt_s=30.0)
         for n, r, code in (("gate", 0, {gate!r}), ("sim", 2, {node!r}))]
try:
    with Supervisor(specs, os.environ, Path({str(tmp_path)!r})) as run:
        print(*run.process_ids.values(), flush=True)
        run.run()
except (KeyboardInterrupt, Terminated) as error:
    print(type(error).__name__, run.stop_order, flush=True)
"""
        process = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=repository_root()
        )
        assert process.stdout is not None
        children = [int(word) for word in process.stdout.readline().split()]
        started.append((process, children))
        for name in ("gate", "sim"):
            wait_until(lambda name=name: says(tmp_path / f"{name}.log", "ready"), f"{name} is ready")  # type: ignore[misc]
        return process, children

    yield start
    for process, children in started:
        process.kill()
        process.wait()
        for child in children:
            if is_running(child):
                os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "Terminated")])
def test_a_signal_to_the_parent_ends_everything_in_order(outer, number: signal.Signals, name: str) -> None:  # type: ignore[no-untyped-def]
    process, children = outer(OBEDIENT)
    process.send_signal(number)
    output, _ = process.communicate(timeout=10)
    assert output.strip() == f"{name} ['gate', 'sim']"
    assert not any(is_running(child) for child in children)


def test_a_second_interrupt_does_not_wait_for_stubborn_nodes(outer) -> None:  # type: ignore[no-untyped-def]
    """Catches a supervisor that sits out 30 s of patience while a person hammers Ctrl-C."""
    process, children = outer(STUBBORN)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    while process.poll() is None and time.monotonic() < started + 20:
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)  # between two presses
    assert time.monotonic() - started < 5
    assert not any(is_running(child) for child in children)


def test_a_second_interrupt_does_not_cut_the_halt_short(outer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Catches a reflex, or a held Ctrl-C, that kills the gate in mid-halt, and leaves the robot on its last command."""
    process, _ = outer(OBEDIENT, HALTING)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)  # between two presses; the halt takes 0.5 s
    process.communicate(timeout=10)
    assert says(tmp_path / "gate.log", "halted")
    assert says(tmp_path / "sim.log", "interrupted")  # nor were the others killed for it


def test_no_node_survives_a_parent_that_is_killed_and_the_gate_halts_first(outer, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Catches a robot on its last command because somebody, or the kernel for want of memory, killed the command."""
    process, children = outer(STUBBORN, HALTING)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_running(child) for child in children), "both nodes are gone")
    assert says(tmp_path / "gate.log", "halted")


def test_a_node_that_a_robot_can_do_without_is_missed_and_the_run_goes_on(tmp_path: Path) -> None:
    """Catches a robot that stops because a label was not written down, and a policy whose death nobody mentions."""
    lost: list[DeploymentError] = []
    specs = [
        ProcessSpec("labeller", (*PYTHON, "import sys; sys.exit('out of labels')"), required=False),
        ProcessSpec("gate", (*PYTHON, OBEDIENT)),
    ]
    with supervisor(tmp_path, *specs) as run:
        with pytest.raises(DeploymentError, match="did not end"):
            run.run(timeout_s=1.0, poll_s=0.05, on_lost=lost.append)
        assert list(run.process_ids) == ["gate"]
    assert len(lost) == 1
    assert "the labeller node died with exit code 1" in str(lost[0])
    assert "out of labels" in str(lost[0])
