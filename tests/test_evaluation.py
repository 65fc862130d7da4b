"""Scores of recordings whose right answers are known beforehand, written with the recorder's own writer."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from recorded_drives import (
    CONTRACT_PATH,
    PERIOD_NS,
    START_NS,
    Message,
    command,
    contract,
    decision,
    diagnostics,
    drive,
    odometry,
    proposal,
    road,
    write_bag,
)
from ros_messages import command_cdr, make_contract, twist_cdr

from il_nodes.bags import BagWriter
from models.contract import parse_contract
from models.errors import RecordingError
from sim.driving.track import Track
from understudy.evaluation.evaluation import evaluate, wilson_interval
from understudy.evaluation.trace_reader import read_frames, read_trace
from understudy.evaluation.traces import Trace, newest_at

# Who drives each of twelve ticks: ten the policy, two the expert.
DRIVERS = ("policy",) * 5 + ("expert",) * 2 + ("policy",) * 5
# Metres from the centreline at each tick, on alternating sides.
OFFSETS_M = (0.1, -0.2, 0.3, -0.4, 0.5, -2.5, 0.5, -0.4, 0.3, -0.2, 0.1, 0.0)


def scripted(
    *,
    drivers: Sequence[str] = DRIVERS,
    ages: bool = True,
    laps: int = 3,
    track: str | None = "oval",
    start_ns: int = START_NS,
) -> list[Message]:
    """One tick each 50 ms: a car that goes straight at 4 m/s, with one excursion and one intervention at tick 5."""
    names = contract().action_names
    messages: list[Message] = []
    for tick, driver in enumerate(drivers):
        stamp_ns = start_ns + tick * PERIOD_NS
        excursion = int(tick >= 5)
        values: dict[str, object] = {
            "elapsed_s": 0.5 * (tick + 1),
            "laps": laps if tick == len(drivers) - 1 else 0,
            "progress_m": 0.2 * tick,
            "cross_track_m": OFFSETS_M[tick],
            "off_track": "true" if tick == 5 else "false",
            "off_track_events": excursion,
            "interventions": excursion,
            "damage": 0.2 * excursion,
        }
        if track is not None:
            values["track"] = track
        if ages and tick > 0:
            values["command_age_ms"] = 10 + tick
        messages += [
            diagnostics("/sim/status", stamp_ns, "driving", "on track", values),
            odometry(stamp_ns, (0.2 * tick, OFFSETS_M[tick], 0.0), 4.0, 0.0),
            decision(stamp_ns, driver, "policy_trusted" if driver == "policy" else "unsafe", 0.9 if tick == 5 else 0.1),
            command("/cmd_vel", stamp_ns, 4.0, 0.25),
            command("/expert/cmd_vel", stamp_ns, 4.0, 0.25),
            proposal(stamp_ns, names, (4.5, 0.0), 0.9 if tick == 5 else 0.1),
        ]
    return messages


def test_a_scripted_recording_gets_the_scores_it_was_written_with(tmp_path: Path) -> None:
    """Would catch a swapped driver code, a signed mean of distances, or a count that is summed instead of read last."""
    evaluation = evaluate([write_bag(tmp_path, "episode-1", scripted())])
    (score,), total = evaluation.episodes, evaluation.summary
    assert (score.episode_id, score.track, score.outcome) == ("episode-1", "oval", "success")
    assert (score.laps, score.off_track, score.interventions) == (3, 1, 1)
    assert score.damage == pytest.approx(0.2)
    assert score.ticks == {"expert": 2, "policy": 10, "halt": 0}
    assert score.policy_share == pytest.approx(10 / 12)
    assert score.elapsed_s == pytest.approx(6.0)
    assert score.autonomy == pytest.approx(0.0)  # one intervention costs all of the six seconds
    distances = np.abs(OFFSETS_M)
    assert score.cross_track_m is not None
    assert score.cross_track_m.mean == pytest.approx(distances.mean())
    assert score.cross_track_m.p95 == pytest.approx(np.percentile(distances, 95))
    assert score.cross_track_m.maximum == pytest.approx(2.5)
    assert score.speed_m_s is not None
    assert score.speed_m_s.mean == pytest.approx(4.0)
    assert score.command_age_ms is not None
    assert (score.command_age_ms.count, score.command_age_ms.p50, score.command_age_ms.maximum) == (11, 16.0, 21.0)
    assert score.action_error == pytest.approx({"twist.linear.x": 0.5, "twist.angular.z": 0.25})
    assert (total.episodes, total.laps_minimum, total.laps_total) == (1, {"oval": 3}, 3)
    assert total.policy_share == score.policy_share


def test_what_the_gate_does_after_the_last_tick_is_not_scored(tmp_path: Path) -> None:
    """Would catch halts while the bag is being closed that count against the policy: nothing is driven by then."""
    end_ns = START_NS + (len(DRIVERS) - 1) * PERIOD_NS
    behind = [
        decision(stamp_ns, driver, "expert_stale")
        for stamp_ns, driver in ((end_ns, "expert"), (end_ns + 1_000_000, "halt"), (end_ns + PERIOD_NS, "halt"))
    ]
    (score,) = evaluate([write_bag(tmp_path, "episode-1", [*scripted(), *behind])]).episodes
    assert score.ticks == {"expert": 2, "policy": 10, "halt": 0}


def test_hand_overs_say_when_where_who_and_why(tmp_path: Path) -> None:
    """Would catch a hand-over that is placed on the last tick of the old driver, or that carries its reason."""
    score = evaluate([write_bag(tmp_path, "episode-1", scripted())]).episodes[0]
    away, back = score.hand_overs
    assert (away.before, away.after, away.reason) == ("policy", "expert", "unsafe")
    assert (away.elapsed_s, away.x_m, away.y_m) == pytest.approx((0.25, 1.0, -2.5))
    assert (back.before, back.after, back.reason) == ("expert", "policy", "policy_trusted")
    assert back.elapsed_s == pytest.approx(0.35)


def test_only_the_policys_losses_count_as_reasons(tmp_path: Path) -> None:
    """Would catch the expert's giving back, or the expert's own failure, being blamed on the policy."""
    drivers = ("policy", "expert", "halt", "policy", "halt", "halt")
    total = evaluate([write_bag(tmp_path, "episode-1", scripted(drivers=drivers))]).summary
    assert total.hand_overs == 4
    assert sum(total.reasons.values()) == 2
    assert total.ticks == {"expert": 1, "policy": 2, "halt": 3}


def test_a_summary_takes_the_worst_lap_count_of_each_track_and_shares_over_all_ticks(tmp_path: Path) -> None:
    """Would catch an average of shares (short episodes would weigh too much), and a best lap sold as the worst."""
    bags = [
        write_bag(tmp_path, "a", scripted(laps=3)),
        write_bag(tmp_path, "b", scripted(laps=1)),
        write_bag(tmp_path, "c", scripted(drivers=("expert",) * 4, laps=2, track="hairpin")),
    ]
    total = evaluate(bags).summary
    assert total.laps_minimum == {"oval": 1, "hairpin": 2}
    assert total.laps_total == 6
    assert total.off_track == 2
    assert total.policy_share == pytest.approx(20 / 28)
    assert total.clean_share == pytest.approx(1 / 3)
    assert total.autonomy == pytest.approx(1 - 6 * 2 / (6 + 6 + 2))
    assert total.policy_share_interval is not None
    assert 0.0 <= total.policy_share_interval.low < 20 / 28 < total.policy_share_interval.high <= 1.0
    assert total.policy_share_interval == evaluate(bags).summary.policy_share_interval  # a fixed seed


def test_tracks_without_a_name_are_told_apart_by_their_shape(tmp_path: Path) -> None:
    """Would catch episodes of two tracks being pooled, or one track split by the stamps of its messages."""
    shapes = (Track.from_seed(1), Track.from_seed(2), Track.from_seed(1))
    bags = [
        write_bag(tmp_path, f"e{index}", [*scripted(track=None, start_ns=stamp), *road(stamp, shape)])
        for index, (shape, stamp) in enumerate(zip(shapes, (START_NS, 2 * START_NS, 3 * START_NS), strict=True))
    ]
    evaluation = evaluate(bags)
    assert [score.track for score in evaluation.episodes] == ["track A", "track B", "track A"]
    road_read = evaluation.traces[1].track
    assert road_read is not None
    assert road_read.length_m == pytest.approx(shapes[1].length_m, rel=1e-6)
    assert road_read.half_width_m == pytest.approx(2.0, abs=0.05)


def test_what_was_not_measured_is_none_and_not_zero(tmp_path: Path) -> None:
    """Would catch a lock-step run being praised for commands that take no time."""
    score = evaluate([write_bag(tmp_path, "lock-step", scripted(ages=False))]).episodes[0]
    assert score.command_age_ms is None
    only_poses = [message for message in scripted() if message[0] == "/odom"]
    bare = evaluate([write_bag(tmp_path, "bare", only_poses)]).episodes[0]
    assert (bare.policy_share, bare.cross_track_m, dict(bare.action_error)) == (None, None, {})
    assert bare.elapsed_s == pytest.approx(11 * 0.05)


def test_the_threshold_is_the_one_that_the_gate_used(tmp_path: Path) -> None:
    """Would catch the contract's threshold being drawn over a deployment that overrode it."""
    values = {"source": "policy", "reason": "policy_trusted", "unsafe_probability": 0.1, "unsafe_threshold": 0.73}
    told = [diagnostics("/gate/decision", START_NS, "gate", "policy_trusted", values)]
    assert read_trace(write_bag(tmp_path, "told", told)).unsafe_threshold == pytest.approx(0.73)
    silent = read_trace(write_bag(tmp_path, "silent", scripted()))
    assert silent.unsafe_threshold == pytest.approx(contract().gate.unsafe_threshold)


def test_a_tick_on_which_the_policy_abstained_is_no_error_of_it(tmp_path: Path) -> None:
    """In lock-step a policy without an observation answers NaN; one such answer must not cost the whole average."""
    names = contract().action_names
    abstained = proposal(START_NS, names, (math.nan, math.nan), math.nan)
    messages = [m for m in scripted() if (m[0], m[1]) != (abstained[0], START_NS)]
    found = evaluate([write_bag(tmp_path, "abstained", [*messages, abstained])])
    assert found.summary.action_error == pytest.approx({names[0]: 0.5, names[1]: 0.25})


def test_what_is_no_proposal_costs_no_scores(tmp_path: Path) -> None:
    """Catches a deployment that cannot be scored because some node put something else on the policy's topic."""
    names = contract().action_names
    foreign = [
        proposal(START_NS + 1, names[:1], (1.0,), 0.5),
        proposal(START_NS + 2, [], (), 0.5),
        proposal(START_NS + 3, names, (1.0,), 0.5),
        proposal(START_NS + 4, names[::-1], (1.0, 2.0), 0.5),
    ]
    clean = read_trace(write_bag(tmp_path, "clean", scripted()))
    mixed = read_trace(write_bag(tmp_path, "mixed", [*scripted(), *foreign]))
    np.testing.assert_array_equal(mixed.proposals.stamps_ns, clean.proposals.stamps_ns)
    np.testing.assert_array_equal(mixed.proposals.values, clean.proposals.values)


def read_other_robot(directory: Path, actions: str, topics: Mapping[str, str], messages: Sequence[Message]) -> Trace:
    """Trace of a robot whose contract has other actions than the car's."""
    text = make_contract().text
    contract = parse_contract(f"{text[: text.index('actions:')]}actions:\n{actions}\n")
    with BagWriter(directory, "other", contract, {"/odom": "nav_msgs/msg/Odometry", **topics}) as writer:
        writer.write(*odometry(START_NS, (0.0, 0.0, 0.0), 1.0, 0.0))
        for topic, stamp_ns, cdr in messages:
            writer.write(topic, stamp_ns, cdr)
        return read_trace(writer.close("success"))


def test_commands_without_a_header_are_placed_by_their_arrival(tmp_path: Path) -> None:
    """Would catch the bytes of a speed being taken for a stamp."""
    kind = "geometry_msgs/msg/Twist"
    channel = f"channel: {{topic: /cmd_vel, type: {kind}}}, align: {{strategy: hold, timeline: receive}}"
    times = [START_NS + tick * PERIOD_NS for tick in range(3)]
    messages = [("/cmd_vel", now, twist_cdr(1.0, 2.0)) for now in times]
    actions = f"  action: {{{channel}, select: [linear.x, angular.z]}}"
    commands = read_other_robot(tmp_path, actions, {"/cmd_vel": kind}, messages).commands
    assert commands.stamps_ns.tolist() == times
    assert commands.values.tolist() == [[1.0, 2.0]] * 3


def test_an_action_on_two_topics_is_put_together_by_stamp(tmp_path: Path) -> None:
    """Would catch half a command being taken for a whole one, and two ticks for one."""
    kind = "geometry_msgs/msg/TwistStamped"
    align = f"type: {kind}}}, align: {{strategy: hold, timeline: header}}"
    actions = (
        f"  action.speed: {{channel: {{topic: /speed, {align}, select: [twist.linear.x]}}\n"
        f"  action.turn: {{channel: {{topic: /turn, {align}, select: [twist.angular.z]}}"
    )
    messages = []
    for tick in range(3):
        now = START_NS + tick * PERIOD_NS
        messages += [("/speed", now, command_cdr(now, tick, 9.0))]
        messages += [("/turn", now, command_cdr(now, 9.0, 10.0 + tick))] if tick != 1 else []
    commands = read_other_robot(tmp_path, actions, {"/speed": kind, "/turn": kind}, messages).commands
    assert commands.stamps_ns.tolist() == [START_NS, START_NS + 2 * PERIOD_NS]
    assert commands.values.tolist() == [[0.0, 10.0], [2.0, 12.0]]


def test_json_holds_every_score_and_nothing_that_json_cannot(tmp_path: Path) -> None:
    """Would catch NaN in the file, which strict readers refuse."""
    without_poses = [message for message in scripted() if message[0] != "/odom"]
    text = evaluate([write_bag(tmp_path, "episode-1", without_poses)]).to_json()

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} in JSON")

    document = json.loads(text, parse_constant=refuse)
    assert document["summary"]["policy_share"] == pytest.approx(10 / 12)
    assert document["episodes"][0]["hand_overs"][0]["reason"] == "unsafe"
    assert document["episodes"][0]["hand_overs"][0]["x_m"] is None


def test_a_driven_lap_is_scored_as_the_simulator_counts_it(tmp_path: Path) -> None:
    """Would catch a wrong topic or unit against a car that really follows a track."""
    evaluation = evaluate([write_bag(tmp_path, "lap", drive(3, 25.0, error_rad_s=0.05))])
    score = evaluation.episodes[0]
    assert score.laps == 1
    assert (score.off_track, score.interventions, score.autonomy) == (0, 0, 1.0)
    assert score.policy_share == 1.0
    trace = evaluation.traces[0]
    assert trace.track is not None
    assert score.progress_m > trace.track.length_m
    assert math.hypot(*np.ptp(trace.poses.position_in_map_m, axis=0)) > 20
    steps = np.diff(trace.poses.position_in_map_m, axis=0)[20:]
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    turned = np.angle(np.exp(1j * (headings - trace.poses.yaw_in_map_rad[20:-1])))
    assert np.abs(turned).max() < 0.15  # the car goes where it points, but for the turn within a tick


def test_frames_come_back_as_they_were_recorded(tmp_path: Path) -> None:
    """Would catch frames of another time span, out of order, or with red and blue swapped."""
    messages = drive(3, 0.5, images=True)
    bag = write_bag(tmp_path, "seen", messages)
    stamps, images = read_frames(bag, START_NS + PERIOD_NS, START_NS + 3 * PERIOD_NS)
    assert ((stamps - START_NS) // PERIOD_NS).tolist() == [1, 2, 3]
    assert images.shape == (3, 64, 96, 3)
    sky = images[0, 2, 48]
    assert sky.tolist() == [150, 190, 225]
    assert len(read_frames(bag, 0, 1)[0]) == 0


def test_nothing_to_evaluate_is_an_error_and_so_is_a_damaged_bag(tmp_path: Path) -> None:
    """Would catch an evaluation that quietly leaves out the episode that went wrong."""
    with pytest.raises(RecordingError, match="no recorded episode"):
        evaluate([])
    good = write_bag(tmp_path, "good", scripted())
    bad = write_bag(tmp_path, "bad", scripted())
    storage = next(bad.glob("*.mcap"))
    data = bytearray(storage.read_bytes())
    data[len(data) // 2] ^= 0xFF
    storage.write_bytes(bytes(data))
    with pytest.raises(RecordingError):
        evaluate([good, bad])


def test_a_decision_of_an_unknown_driver_is_refused(tmp_path: Path) -> None:
    """Would catch ticks of a driver that nobody knows vanishing from the shares."""
    bag = write_bag(tmp_path, "odd", [decision(START_NS, "autopilot", "because")])
    with pytest.raises(RecordingError, match="source nobody knows"):
        read_trace(bag)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_agrees_with_the_published_table(successes: int, trials: int, low: float, high: float) -> None:
    """Would catch a slip in the formula that still looks like an interval."""
    interval = wilson_interval(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_newest_at_never_looks_into_the_future() -> None:
    """Would catch a pose of after the decision being taken for the place where it fell."""
    known = np.array([10, 20, 30], dtype=np.int64)
    assert newest_at(known, np.array([5, 10, 19, 20, 99], dtype=np.int64)).tolist() == [0, 0, 0, 1, 2]


def test_evaluation_loads_neither_ros_nor_torch_nor_pybullet() -> None:
    """Would catch an import that keeps a laptop without ROS from scoring its recordings."""
    code = "import sys, understudy.evaluation.evaluation\n"
    code += "print(*({'rclpy', 'torch', 'pybullet', 'matplotlib'} & set(sys.modules)))"
    root = CONTRACT_PATH.parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
