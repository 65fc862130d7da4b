"""The policy node as a process with a real bundle: what it answers, what it leaves to the expert, when it refuses."""

from __future__ import annotations

import math
import signal
import struct
from itertools import pairwise

import numpy as np
import pytest
from policy_sensors import BUNDLE, CONTRACT, PolicySensors, assert_abstention
from ros_messages import image_cdr
from ros_processes import REPOSITORY, RosEnvironment
from wired_sensors import CAMERA, START_NS, LifecycleWalker

from il_nodes.codecs import decode_proposal
from models.chunks import TemporalEnsemble

pytestmark = pytest.mark.ros


def test_live_proposals_are_the_offline_ones_and_only_the_newest_frame_is_answered(
    ros_environment: RosEnvironment,
) -> None:
    """Catches another observation live than offline, a frame that never entered the memory, answers to old frames."""
    sensors = PolicySensors(ros_environment)
    for _ in range(4):
        observation = sensors.send()
        assert observation is not None
        live, offline = sensors.answer(), sensors.runtime.predict(observation)
        assert (live.names, live.actions.shape) == (CONTRACT.action_names, (2, 2))
        assert live.actions.tobytes() == offline.actions.tobytes()
        assert live.unsafe_probability == offline.unsafe_probability
        assert sensors.last_digest() == observation.digest()
    assert [line["starts_memory"] for line in sensors.recorded()] == [True, False, False, False]

    # The node sleeps through some frames: it answers fewer than there were, with all of them in its memory. How many
    # of them the middleware hands over at once is its own affair, so this may take more than one nap.
    for nap in range(10):
        count = len(sensors.answers())
        sensors.node.send(signal.SIGSTOP)
        burst = [sensors.send() for _ in range(8)]
        sensors.node.send(signal.SIGCONT)
        sensors.answer()
        assert burst[-1] is not None
        assert sensors.last_digest() == burst[-1].digest()
        if len(sensors.answers()) - count < len(burst):
            break
        assert nap < 9, "every frame of every burst was answered"
    ros_environment.wait_until(lambda: int(sensors.status().get("observations_skipped", 0)) > 0, 5.0, "the count")
    status = sensors.status()
    assert status["provider"] == "CPUExecutionProvider"
    assert 0.0 < float(status["inference_p50_ms"]) <= float(status["inference_p99_ms"])
    assert sensors.node.terminate() == 0, sensors.node.log


def test_what_no_policy_may_act_on_is_abstained_from_once_a_tick(ros_environment: RosEnvironment) -> None:
    """FAULTS 11 to 14. Catches a policy that acts on broken sensors, and one that the gate would take for hung."""
    sensors = PolicySensors(ros_environment)
    # A sensor that has never sent: the tick is settled without it.
    sensors.send(topics=(CAMERA,))
    assert_abstention(sensors.answer())
    assert sensors.send() is not None
    assert np.isfinite(sensors.answer().actions).all()

    # NaN in one sensor, then all is well again.
    assert sensors.send(math.nan) is None
    assert_abstention(sensors.answer())
    assert sensors.send() is not None
    assert np.isfinite(sensors.answer().actions).all()
    ros_environment.wait_until(lambda: sensors.status().get("observations_refused") == "1", 5.0, "the refusal counted")
    assert "not finite" in sensors.status()["last_problem"]

    # The odometry falls behind by more than the tolerance of one tick.
    for _ in range(3):
        sensors.send(topics=(CAMERA,))
        sensors.answer()
    assert_abstention(sensors.answers()[-1])
    ros_environment.wait_until(lambda: "too far apart" in sensors.status().get("last_problem", ""), 5.0, "the reason")
    sensors.send()
    assert np.isfinite(sensors.answer().actions).all()

    # One camera frame again and again, under fresh stamps, while the odometry moves on.
    frozen = np.full((16, 24, 3), 128, np.uint8)
    clock = ros_environment.probe.get_clock()
    for _ in range(15):
        sensors.send(pixels=frozen)
        due = clock.now().nanoseconds + sensors.period_ns
        ros_environment.wait_until(lambda: clock.now().nanoseconds >= due)  # noqa: B023
    assert_abstention(sensors.answer())
    ros_environment.wait_until(lambda: "frozen: /camera" in sensors.status().get("last_problem", ""), 5.0, "frozen")

    # Silence: nothing to answer, and the node says so, stamped with the robot's clock.
    count = len(sensors.silences())
    ros_environment.wait_until(lambda: len(sensors.silences()) >= count + 3, 5.0, "abstentions without a tick")
    for proposal in sensors.silences()[-3:]:
        assert_abstention(proposal)
    assert abs(clock.now().nanoseconds - sensors.silences()[-1].stamp_ns) < 5 * 10**9
    stamps = [proposal.stamp_ns for proposal in sensors.answers()]
    assert len(stamps) == len(set(stamps)), "a tick was answered twice"
    assert stamps == sorted(stamps)
    assert sensors.node.terminate() == 0, sensors.node.log


def test_states_of_a_policy_node(ros_environment: RosEnvironment) -> None:
    """Catches a node that infers or sends while inactive, or whose memory is cold when it becomes active."""
    sensors = PolicySensors(ros_environment, autostart=False)
    walker = LifecycleWalker(ros_environment, "policy")
    assert walker.go("configure")
    sensors.connect()
    for _ in range(2):
        sensors.send()
    ros_environment.wait_until(lambda: sensors.status().get("emitted") == "2", 5.0, "both in its memory")
    assert "proposals" not in sensors.status()
    assert walker.go("activate")
    observation = sensors.send()
    assert observation is not None
    assert sensors.answer().actions.tobytes() == sensors.runtime.predict(observation).actions.tobytes()
    assert len(sensors.answers()) == 1
    sensors.last_digest()
    assert not sensors.recorded()[0]["starts_memory"], "its stack held the frames from before"
    assert walker.go("deactivate")
    said = len(sensors.received)
    sensors.send()
    ros_environment.wait_until(lambda: sensors.status().get("emitted") == "4", 5.0, "the frame that nobody answers")
    assert len(sensors.received) == said
    assert walker.go("cleanup")
    ros_environment.wait_until(lambda: not ros_environment.probe.count_publishers(CONTRACT.gate.proposal_topic))
    assert walker.go("configure")
    assert walker.go("activate")
    sensors.connect()
    sensors.send()
    sensors.answer()
    assert sensors.node.terminate() == 0, sensors.node.log


def test_simulated_time_that_pauses_or_is_reset(ros_environment: RosEnvironment) -> None:
    """FAULTS 28. Catches silence while the clock stands still, memory across a reset, old frames that are answered."""
    from rosgraph_msgs.msg import Clock

    from il_nodes.ros.stamps import ns_to_stamp

    sensors = PolicySensors(ros_environment, use_sim_time=True)
    clock = ros_environment.probe.create_publisher(Clock, "/clock", 10)
    ros_environment.wait_until(lambda: clock.get_subscription_count(), 5.0, "the node's clock")

    def drive(ticks: int) -> None:
        for _ in range(ticks):
            clock.publish(Clock(clock=ns_to_stamp(sensors.stamp_ns + sensors.period_ns)))
            assert sensors.send() is not None
            # The clock ticked a moment before the frame: the node may have said, under that stamp, that it has none.
            ros_environment.wait_until(
                lambda: np.isfinite(sensors.answer_to(sensors.stamp_ns).actions).all(), 5.0, f"tick {sensors.tick}"
            )

    drive(3)
    # The clock stands still, and so does the world: still there, but nothing to say, in stamps that rise.
    count = len(sensors.received)
    ros_environment.wait_until(lambda: len(sensors.received) >= count + 4, 5.0, "abstentions in the pause")
    paused = [decode_proposal(cdr) for cdr in sensors.received[count:]]
    for proposal in paused:
        assert_abstention(proposal)
        assert 0 <= proposal.stamp_ns - sensors.stamp_ns < sensors.period_ns
    assert all(one.stamp_ns < other.stamp_ns for one, other in pairwise(paused))
    drive(2)

    # Longer than memory lasts; then a simulator that starts again from the beginning, with an episode and without.
    sensors.stamp_ns += 2 * 10**9
    drive(2)
    sensors.stamp_ns = START_NS
    sensors.start_episode("again")
    drive(2)
    sensors.stamp_ns += 2 * 10**9
    drive(2)
    sensors.stamp_ns = START_NS + 1000
    drive(2)
    sensors.ros.wait_until(lambda: len(sensors.recorded()) == sensors.tick, 5.0, "the last digest")
    assert [line["starts_memory"] for line in sensors.recorded()] == [
        *(True, False, False, False, False),
        *(True, False),
        *(True, False),
        *(True, False),
        *(True, False),
    ]
    assert sensors.node.terminate() == 0, sensors.node.log


def test_overlapping_chunks_are_averaged_where_that_is_asked_for(ros_environment: RosEnvironment) -> None:
    """Catches parameters that do not reach the ensemble, and one that lives on beyond its episode."""
    sensors = PolicySensors(ros_environment, chunk_mode="temporal_ensemble", ensemble_decay=0.5)
    for episode in ("first", "second"):
        sensors.start_episode(episode)
        ensemble = TemporalEnsemble(CONTRACT.period_s, 0.5)
        for tick in range(3):
            observation = sensors.send()
            assert observation is not None
            plain = sensors.runtime.predict(observation)
            answer, expected = sensors.answer_to(sensors.stamp_ns).actions, ensemble.add(plain).actions
            assert answer.tobytes() == expected.tobytes()
            assert (answer.tobytes() == plain.actions.tobytes()) == (tick == 0)
    assert sensors.node.terminate() == 0, sensors.node.log


def test_lock_step_answers_every_tick(ros_environment: RosEnvironment) -> None:
    """A tick without an observation needs an answer too: NaN, for the gate to refuse, or the simulator waits on."""
    sensors = PolicySensors(ros_environment, lock_step=True, provider="cpu")
    for number in range(2):
        sensors.start_episode(f"episode-{number}")
        for speed in (math.nan, 1.0, 2.0, math.nan, 3.0):
            observation = sensors.send(speed)
            proposal = sensors.answer()
            if observation is None:
                assert_abstention(proposal)
            else:
                assert proposal.actions.tobytes() == sensors.runtime.predict(observation).actions.tobytes()
    stamps = [decode_proposal(cdr).stamp_ns for cdr in sensors.received]
    assert stamps == [START_NS + tick * sensors.period_ns for tick in range(1, 11)]
    sensors.last_digest()
    assert [line["starts_memory"] for line in sensors.recorded()] == [True, False, False] * 2
    assert sensors.node.terminate() == 0


def test_what_it_says_of_itself_follows_its_last_answer(ros_environment: RosEnvironment) -> None:
    """Catches "ok, proposing" while the expert drives because nothing is proposed, and from a node that rests."""
    sensors = PolicySensors(ros_environment, lock_step=True)
    assert sensors.send() is not None
    sensors.answer()
    ros_environment.wait_until(lambda: sensors.said() == (0, "proposing"), 5.0, "that it proposes")
    sensors.send(math.nan)
    sensors.answer()
    ros_environment.wait_until(lambda: sensors.said()[0] == 1, 5.0, "that it does not")
    assert "not finite" in sensors.said()[1]
    sensors.send()
    sensors.answer()
    ros_environment.wait_until(lambda: sensors.said() == (0, "proposing"), 5.0, "that it proposes again")
    assert LifecycleWalker(ros_environment, "policy").go("deactivate")
    ros_environment.wait_until(lambda: sensors.said() == (0, "inactive"), 5.0, "that it rests")
    assert sensors.node.terminate() == 0, sensors.node.log


def test_a_camera_that_is_gone_shows_in_what_it_says(ros_environment: RosEnvironment) -> None:
    """Catches "ok, proposing" for as long as a robot stands with its camera unplugged."""
    sensors = PolicySensors(ros_environment)
    sensors.send()
    sensors.answer()
    ros_environment.wait_until(lambda: sensors.said()[0] == 1, 5.0, "a warning")
    assert "no observation" in sensors.said()[1]
    assert sensors.node.terminate() == 0, sensors.node.log


def test_digests_that_find_no_room_cost_no_answer(ros_environment: RosEnvironment) -> None:
    """Catches a policy that ends because a file beside it cannot be written."""
    sensors = PolicySensors(ros_environment, record_digests="/dev/full")
    for _ in range(4):
        assert sensors.send() is not None
        assert np.isfinite(sensors.answer().actions).all()
    assert sensors.node.log.count("record_digests") == 1, sensors.node.log
    assert sensors.node.terminate() == 0, sensors.node.log


@pytest.mark.parametrize("lock_step", [False, True])
def test_a_frame_whose_stamp_is_none_costs_that_frame(ros_environment: RosEnvironment, lock_step: bool) -> None:
    """Catches one broken message of a camera that ends the policy node, or answers a tick in the far future."""
    sensors = PolicySensors(ros_environment, lock_step=lock_step)
    assert sensors.send() is not None
    sensors.answer()
    broken = bytearray(image_cdr(0, np.zeros((16, 24, 3), np.uint8)))
    broken[4:12] = struct.pack("<iI", 2**31 - 1, 2**32 - 1)
    sensors.publishers[CAMERA].publish(bytes(broken))
    ros_environment.wait_until(lambda: sensors.status().get("observations_refused") == "1", 5.0, "the refusal")
    assert sensors.send() is not None
    assert np.isfinite(sensors.answer().actions).all()
    assert sensors.node.terminate() == 0, sensors.node.log


def test_a_policy_for_another_robot_is_refused(ros_environment: RosEnvironment) -> None:
    """FAULTS 6 and 22 at start: one message, exit code 6 (or 7 for what is no bundle's fault), no traceback."""
    driving = str(REPOSITORY / "contracts" / "driving.yaml")
    broken = ros_environment.directory / "broken.onnx"
    broken.write_bytes(BUNDLE.read_bytes()[:-1000])
    cases: list[tuple[dict[str, object], int, str]] = [
        ({"contract": driving, "bundle": str(BUNDLE)}, 6, "small_car.onnx"),
        ({"contract": driving, "bundle": str(broken)}, 6, "broken.onnx"),
        ({"contract": driving, "bundle": "nowhere.onnx"}, 6, "nowhere.onnx"),
        ({"contract": driving}, 7, "needs the policy to run"),
    ]
    nodes = [
        (ros_environment.spawn_node("policy", params, arguments=["-r", f"__node:=policy_{number}"]), code, words)
        for number, (params, code, words) in enumerate(cases)
    ]
    for node, code, words in nodes:
        assert node.wait(20.0) == code, node.log
        assert words in node.log
        assert "Traceback" not in node.log
