"""What the simulators cost beyond PyBullet itself, and whether the expert deserves to be imitated.

``python -m bench.sim [--quick]``

*Overhead*: the environment's step against the bare PyBullet calls that it makes (four motor commands, twelve physics
steps, one picture) in a second, identical world. Both take the same steps in turn, so that a busy machine slows both;
every tick gives one ratio. The two cars must end in the same place, bit for bit, or the comparison means nothing.
*Expert*: one lap on each of 100 drawn tracks, undisturbed and with noise on the steering from bad starts.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import pybullet
from rich.console import Console
from rich.progress import track as show_progress

from bench.harness import Bench, median_interval
from models.errors import SimulationError
from sim.driving.environment import DrivingEnvironment
from sim.driving.expert import Expert
from sim.driving.world import PHYSICS_STEPS, DrivingConfig, DrivingWorld

OVERHEAD_LIMIT = 1.15
# An expert lap takes 14 to 26 s; a car that is not round by now is stuck.
LAP_LIMIT_S = 60.0
DISTURBED = DrivingConfig(disturbance_std_rad=0.1, start_anywhere=True, start_lateral_m=0.8, start_heading_rad=0.3)


@dataclass(frozen=True, slots=True)
class Laps:
    """How the expert did on all tracks."""

    tracks: int
    unfinished: int
    off_track_events: int
    interventions: int
    max_abs_cross_track_m: float
    mean_abs_cross_track_m: float
    lap_s_min: float
    lap_s_median: float
    lap_s_max: float


def bare_step(world: DrivingWorld, speed_m_s: float, yaw_rate_rad_s: float) -> float:
    """One control step by PyBullet's own calls; the seconds they took. Preparing their arguments is not counted."""
    client, body = world.client, world.car.body
    servos = world.car.servo_targets(speed_m_s, yaw_rate_rad_s)
    started = time.perf_counter()
    for joint, mode, targets in servos:
        pybullet.setJointMotorControl2(body, joint, mode, physicsClientId=client, **targets)
    for _ in range(PHYSICS_STEPS):
        pybullet.stepSimulation(physicsClientId=client)
    elapsed = time.perf_counter() - started
    car = world.car.state()
    camera = world.camera("front")
    view = camera.view_matrix(car.position_m, car.rotation)
    started = time.perf_counter()
    camera.draw(view)
    return elapsed + time.perf_counter() - started


def measure_overhead(ticks: int, seed: int = 0) -> tuple[list[float], list[float]]:
    """Seconds of every environment step, and of the bare calls for the same step."""
    wrapped: list[float] = []
    bare: list[float] = []
    environment = DrivingEnvironment(laps=1_000_000, time_limit_s=1e9)
    with DrivingWorld(seed=seed) as world:
        _, info = environment.reset(seed=seed)
        for tick in range(ticks):
            action = info["expert_action"]
            command = float(action[0]), float(action[1])
            if tick % 2:  # whoever goes second finds the caches warm
                bare.append(bare_step(world, *command))
            started = time.perf_counter()
            _, _, _, _, info = environment.step(action)
            wrapped.append(time.perf_counter() - started)
            if not tick % 2:
                bare.append(bare_step(world, *command))
        if environment.world.state.car.position_m != world.car.state().position_m:
            raise SimulationError("the two worlds did not drive the same way, so their times cannot be compared")
        environment.close()
    return wrapped, bare


def drive_laps(tracks: int, config: DrivingConfig, console: Console, label: str) -> Laps:
    """One lap by the expert on each track."""
    statuses = []
    with DrivingWorld(config) as world:
        for seed in show_progress(range(tracks), description=label, console=console, transient=True):
            world.reset(seed)
            expert = Expert(world.track)
            while world.status.laps < 1 and world.status.elapsed_s < LAP_LIMIT_S:
                car = world.state.car
                world.step(*expert.command(car.position_m[0], car.position_m[1], car.yaw_rad, car.speed_m_s))
            statuses.append(world.status)
    times = [status.elapsed_s for status in statuses]
    return Laps(
        tracks=tracks,
        unfinished=sum(status.laps < 1 for status in statuses),
        off_track_events=sum(status.off_track_events for status in statuses),
        interventions=sum(status.interventions for status in statuses),
        max_abs_cross_track_m=max(status.max_abs_cross_track_m for status in statuses),
        mean_abs_cross_track_m=float(np.mean([status.mean_abs_cross_track_m for status in statuses])),
        lap_s_min=min(times),
        lap_s_median=float(np.median(times)),
        lap_s_max=max(times),
    )


def main() -> None:
    """Measure, hold against the goals, report."""
    bench = Bench("sim", "Overhead of the driving environment over PyBullet, and the expert's laps.")
    console = Console(file=sys.stderr)
    measure_overhead(40)
    wrapped, bare = measure_overhead(300 if bench.quick else 2000)
    ratio = median_interval(np.array(wrapped) / np.array(bare))
    step_ms = median_interval(np.array(wrapped) * 1e3)
    bare_ms = median_interval(np.array(bare) * 1e3)
    bench.goal("environment step / bare PyBullet calls", ratio.value, "<=", OVERHEAD_LIMIT, "x")
    tracks = 10 if bench.quick else 100
    plain = drive_laps(tracks, DrivingConfig(), console, "expert")
    disturbed = drive_laps(tracks, DISTURBED, console, "expert, disturbed")
    for name, laps in (("expert", plain), ("disturbed expert", disturbed)):
        bench.goal(f"{name}: off-track events on {tracks} tracks", laps.off_track_events, "==", 0)
        bench.goal(f"{name}: laps not finished", laps.unfinished, "==", 0)
    bench.goal("expert: largest distance to the centre line", plain.max_abs_cross_track_m, "<=", 1.0, "m")
    bench.finish(
        {
            "overhead_ratio": asdict(ratio),
            "environment_step_ms": asdict(step_ms),
            "bare_step_ms": asdict(bare_ms),
            "steps_per_s": 1e3 / step_ms.value,
            "ticks": len(wrapped),
            "image": "96x64",
            "expert": asdict(plain),
            "expert_disturbed": {
                "disturbance_std_rad": DISTURBED.disturbance_std_rad,
                "start_lateral_m": DISTURBED.start_lateral_m,
                "start_heading_rad": DISTURBED.start_heading_rad,
                **asdict(disturbed),
            },
        }
    )


if __name__ == "__main__":
    main()
