"""What the grasping simulator costs beyond PyBullet itself, and whether its expert deserves to be imitated.

``python -m bench.grasping [--quick] [--only PART]``

*Frames*: milliseconds a camera, the bare drawing call and all of ``render``.
*Overhead*: the environment's step against the bare PyBullet calls that it makes (two motor commands, twelve physics
steps, two pictures) in a second, identical world. Both take the same steps in turn, so that a busy machine slows both;
every tick gives one ratio. The two arms must end in the same place, bit for bit, or the comparison means nothing.
*Expert*: drawn scenes, undisturbed, with noise on every command, and with a shoved arm and knocked objects as well.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import pybullet
from rich.console import Console
from rich.progress import track as show_progress

from bench.harness import Bench, Interval, median_interval, wilson_interval
from models.errors import SimulationError
from sim.grasping.cameras import OVERHEAD, WRIST
from sim.grasping.disturbances import DisturbanceConfig
from sim.grasping.environment import GraspingEnvironment
from sim.grasping.expert import Expert
from sim.grasping.footprints import Footprints
from sim.grasping.grasps import Grasps
from sim.grasping.state import Command
from sim.grasping.world import PERIOD_S, PHYSICS_STEPS, GraspingConfig, GraspingWorld

FRAME_LIMIT_MS = 3.0
OVERHEAD_LIMIT = 1.15
SUCCESS_LIMIT = 0.95
# Undisturbed, an episode takes 2 to 9 s; an arm that holds nothing by now is stuck.
TIME_LIMIT_S = 30.0
NOISE = DisturbanceConfig(velocity_std_m_s=0.05, yaw_rate_std_rad_s=0.3)
KNOCKS = DisturbanceConfig(velocity_std_m_s=0.05, yaw_rate_std_rad_s=0.3, shoves_per_s=0.1, knocks_per_s=0.1)
TRIES = {"expert": DisturbanceConfig(), "expert_with_noise": NOISE, "expert_with_shoves_and_knocks": KNOCKS}
COSTS = "costs"
PARTS = [COSTS, *TRIES]


@dataclass(frozen=True, slots=True)
class Grasped:
    """How the expert did in all scenes."""

    scenes: int
    successes: int
    success: Interval
    failed_seeds: list[int]
    lost: int
    blocked_at_the_start: int
    clutter_moved_2_cm: int
    drops: int
    collisions: int
    seconds_median: float
    seconds_max: float


def bare_step(world: GraspingWorld, command: Command) -> float:
    """One control step by PyBullet's own calls; the seconds they took. Preparing their arguments is not counted."""
    client = world.client
    speeds = world.arm.joint_speeds(command[:3], command[3], PERIOD_S)
    finger_m = world.gripper.target(command[4], PERIOD_S)
    started = time.perf_counter()
    world.arm.drive(speeds)
    world.gripper.drive(finger_m)
    for _ in range(PHYSICS_STEPS):
        pybullet.stepSimulation(physicsClientId=client)
    elapsed = time.perf_counter() - started
    world.refresh()
    for name in (OVERHEAD.name, WRIST.name):
        camera = world.camera(name)
        view = camera.view_matrix(*world.mount(name))
        started = time.perf_counter()
        camera.draw(view)
        elapsed += time.perf_counter() - started
    return elapsed


def measure_overhead(ticks: int, seed: int = 0) -> tuple[list[float], list[float], list[float]]:
    """Seconds of every environment step, of the bare calls for the same step, and of the expert's answer to it."""
    wrapped: list[float] = []
    bare: list[float] = []
    thought: list[float] = []
    expert = Expert()
    environment = GraspingEnvironment(time_limit_s=1e9, with_expert=False)
    with GraspingWorld() as world:
        while len(wrapped) < ticks:
            environment.reset(seed=seed)
            world.reset(seed)
            seed += 1
            ended = False
            while not ended and len(wrapped) < ticks:
                started = time.perf_counter()
                action = np.array(expert.command(environment.world.state), dtype=np.float32)
                thought.append(time.perf_counter() - started)
                command: Command = tuple(action.astype(np.float64).tolist())
                second = len(wrapped) % 2  # whoever goes second finds the caches warm
                if second:
                    bare.append(bare_step(world, command))
                started = time.perf_counter()
                _, _, ended, _, _ = environment.step(action)
                wrapped.append(time.perf_counter() - started)
                if not second:
                    bare.append(bare_step(world, command))
            if not np.array_equal(environment.world.state.tool.joints_rad, world.arm.read().joints_rad):
                raise SimulationError("the two worlds did not move the same way, so their times cannot be compared")
    environment.close()
    return wrapped, bare, thought


def measure_frames(frames: int) -> dict[str, dict[str, object]]:
    """Milliseconds of the drawing call and of the whole frame, for both cameras a policy sees."""
    found: dict[str, dict[str, object]] = {}
    with GraspingWorld() as world:
        for name in (OVERHEAD.name, WRIST.name):
            drawn, whole = [], []
            for frame in range(frames):
                if frame % 50 == 0:
                    world.reset(frame // 50)
                camera = world.camera(name)
                view = camera.view_matrix(*world.mount(name))
                started = time.perf_counter()
                camera.draw(view)
                drawn.append(1e3 * (time.perf_counter() - started))
                started = time.perf_counter()
                world.render(name)
                whole.append(1e3 * (time.perf_counter() - started))
            found[name] = {
                "pixels": f"{camera.config.width}x{camera.config.height}",
                "draw_ms": asdict(median_interval(drawn)),
                "render_ms": asdict(median_interval(whole)),
            }
    return found


def grasp_scenes(scenes: int, config: GraspingConfig, console: Console, label: str) -> Grasped:
    """One try by the expert in each scene."""
    expert = Expert()
    statuses, blocked = [], 0
    with GraspingWorld(config) as world:
        for seed in show_progress(range(scenes), description=label, console=console, transient=True):
            state = world.reset(seed)
            ways = Grasps.around(state.target, Footprints(state.objects), state.tool.yaw_rad, config.arm.yaw_rad)
            blocked += bool((ways.free_m() < expert.config.room_m).all())
            while not (world.status.success or world.status.lost) and world.status.elapsed_s < TIME_LIMIT_S:
                world.step(expert.command(world.state))
            statuses.append(world.status)
    successes = [status.success for status in statuses]
    seconds = [status.success_s for status in statuses if status.success]
    return Grasped(
        scenes=scenes,
        successes=sum(successes),
        success=wilson_interval(sum(successes), scenes),
        failed_seeds=[seed for seed, success in enumerate(successes) if not success],
        lost=sum(status.lost for status in statuses),
        blocked_at_the_start=blocked,
        clutter_moved_2_cm=sum(status.clutter_moved_m > 0.02 for status in statuses),
        drops=sum(status.drops for status in statuses),
        collisions=sum(status.collisions for status in statuses),
        seconds_median=float(np.median(seconds)) if seconds else float("nan"),
        seconds_max=max(seconds, default=float("nan")),
    )


def costs(bench: Bench) -> dict[str, object]:
    """Frames and steps, against their limits."""
    measure_overhead(40)
    frames = measure_frames(100 if bench.quick else 400)
    wrapped, bare, thought = measure_overhead(200 if bench.quick else 1500)
    ratio = median_interval(np.array(wrapped) / np.array(bare))
    step_ms = median_interval(np.array(wrapped) * 1e3)
    for name, cost in frames.items():
        whole = cost["render_ms"]
        assert isinstance(whole, dict)
        bench.goal(f"costs: {name} camera, a frame", whole["value"], "<=", FRAME_LIMIT_MS, "ms")
    bench.goal("costs: environment step / bare PyBullet calls", ratio.value, "<=", OVERHEAD_LIMIT, "x")
    return {
        "frames": frames,
        "overhead_ratio": asdict(ratio),
        "environment_step_ms": asdict(step_ms),
        "bare_step_ms": asdict(median_interval(np.array(bare) * 1e3)),
        "expert_ms": asdict(median_interval(np.array(thought) * 1e3)),
        "expert_ms_p99": float(np.percentile(np.array(thought) * 1e3, 99)),
        "steps_per_s": 1e3 / step_ms.value,
        "ticks": len(wrapped),
    }


def tries(bench: Bench, name: str) -> dict[str, object]:
    """The expert in drawn scenes, against the share that it has to hold up."""
    scenes, disturbances = 20 if bench.quick else 200, TRIES[name]
    config = GraspingConfig(disturbances=disturbances)
    grasped = grasp_scenes(scenes, config, Console(file=sys.stderr), name.replace("_", " "))
    bench.goal(f"{name}: success in {scenes} scenes", grasped.success.value, ">=", SUCCESS_LIMIT)
    return {**asdict(disturbances), **asdict(grasped)}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=PARTS, help="one part; the file keeps what earlier runs found of the others")


def main() -> None:
    """Measure, hold against the goals, report."""
    bench = Bench("grasping", "What the grasping environment costs over PyBullet, and the expert's success.", _options)
    chosen = [bench.options.only] if bench.options.only else PARTS
    bench.finish({name: costs(bench) if name == COSTS else tries(bench, name) for name in chosen}, in_parts=True)


if __name__ == "__main__":
    main()
