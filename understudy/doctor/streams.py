"""What the doctor says of one stream that is heard: its rate, its stamps, its pictures, its numbers. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

import numpy as np

from il_nodes.ros.middleware import PROFILE
from il_nodes.survey.report import SurveyReport, TopicReport
from models.contract import Contract, DimensionLimits, Source, Stream
from understudy.contracts.values import choose_fps
from understudy.contracts.words import milliseconds, one_line
from understudy.doctor.diagnosis import OK, PROBLEM, WARNING, Row
from understudy.environment.ros_environment import PROFILE_VARIABLE

__all__ = ["judge_picture", "judge_rate", "judge_stamps", "judge_together", "judge_values"]

#: A measured 18.1 Hz is a 20 Hz camera on a busy machine; 17 Hz is a slower one.
_RATE_TOLERANCE = 0.9
#: Losses above that share are worth a word; a single one may be the start of the survey.
_LOSS_SHARE = 0.01
#: Two clocks of one machine, and the way into the survey: nothing is closer than that.
_CLOCK_NOISE_S = 0.005
#: How long a tick waits for samples that belong to it, as ``il_nodes.observation.assembler`` does.
_SETTLE_S = 0.005
#: Width over height may change by that share before things look squeezed.
_ASPECT_TOLERANCE = 0.1


def judge_rate(group: str, contract: Contract, stream: Stream, source: Source, topic: TopicReport) -> Iterator[Row]:
    """Slow, jittery, with gaps, with losses; or as fast as the contract wants it."""
    rate_hz = topic.own_rate_hz
    said = f"{rate_hz:.1f} Hz, jitter {milliseconds(topic.jitter_s)}, longest gap {milliseconds(topic.longest_gap_s)}"
    bad: list[Row] = []
    if rate_hz < _RATE_TOLERANCE * contract.fps:
        usual, _ = choose_fps([topic])
        lower = f"fps: {usual:g} in the contract, or have the driver publish faster"
        if stream.key == contract.trigger:
            found = f"{rate_hz:.1f} Hz, and every tick needs one: fps is {contract.fps:g}"
            bad.append(Row(group, "slow", PROBLEM, found, lower))
        else:
            found = f"{rate_hz:.1f} Hz with fps at {contract.fps:g}: its samples serve several ticks"
            bad.append(Row(group, "slow", WARNING, found, f"fine for something that changes slowly; else {lower}"))
    if topic.jitter_s > max(contract.period_s, topic.period_s) / 2:
        found = f"intervals are off by up to {milliseconds(topic.jitter_s)}, typically {milliseconds(topic.period_s)}"
        bad.append(Row(group, "jittery", WARNING, found, "is that machine, or its network, busy?"))
    if source.max_age_s is not None and topic.longest_gap_s > source.max_age_s:
        found = f"a gap of {milliseconds(topic.longest_gap_s)}, longer than max_age ({milliseconds(source.max_age_s)})"
        bad.append(Row(group, "gaps", WARNING, found, "in such a gap the expert drives; raise max_age if that is fine"))
    if topic.lost > max(1.0, _LOSS_SHARE * topic.count):
        found = f"{topic.lost} of {topic.count + topic.lost} messages never arrived"
        mend = f"start the driver with {PROFILE_VARIABLE}={PROFILE}: Fast DDS alone loses large images"
        if topic.image is None:
            mend = "qos: {reliability: reliable} in the channel, if the publisher offers it; is the machine busy?"
        bad.append(Row(group, "losses", WARNING, found, mend))
    yield from bad or [Row(group, "messages", OK, said)]


def judge_stamps(
    group: str, contract: Contract, max_age_s: float | None, topic: TopicReport, report: SurveyReport
) -> Iterator[Row]:
    """Filled, advancing, on the robot's clock, and young."""
    stamps = topic.stamps
    if stamps is None:
        return
    robot = "simulated" if report.simulated_time else "wall"
    receive = "have the driver stamp its messages; else write timeline: receive"
    if stamps.clock == "unset":
        yield Row(group, "stamps", PROBLEM, "they are zero", receive)
    elif stamps.standing > topic.count / 2:
        yield Row(group, "stamps", PROBLEM, f"{stamps.standing} of {topic.count} repeat the one before", receive)
    elif stamps.clock != robot:
        clock = "no clock of this machine" if stamps.clock == "unknown" else f"the {stamps.clock} clock"
        mend = "set use_sim_time alike for every node" if "simulated" in (stamps.clock, robot) else receive
        yield Row(group, "stamps", PROBLEM, f"they are on {clock}, the robot runs on the {robot} one", mend)
    elif stamps.age_s < -_CLOCK_NOISE_S:
        level = PROBLEM if -stamps.age_s > contract.period_s else WARNING
        ahead = f"they lie {milliseconds(-stamps.age_s)}"
        if robot == "simulated":
            advance = "publish /clock before what is stamped with it; a busy machine may deliver it later, too"
            yield Row(group, "stamps", level, f"{ahead} ahead of /clock", advance)
        else:
            found = f"{ahead} in the future: the clocks of two machines differ"
            yield Row(group, "stamps", level, found, "synchronise the machines (chrony, or PTP)")
    elif max_age_s is not None and stamps.age_p95_s > max_age_s:
        level = PROBLEM if stamps.age_s > max_age_s else WARNING
        found = (
            f"{milliseconds(stamps.age_s)} old on arrival, at times {milliseconds(stamps.age_p95_s)}; "
            f"max_age is {milliseconds(max_age_s)}"
        )
        mend = "a slow driver or network, or clocks that differ (chrony, PTP); raise max_age if that age is fine"
        yield Row(group, "stamps", level, found, mend)
    else:
        yield Row(group, "stamps", OK, f"{stamps.clock} clock, {milliseconds(stamps.age_s)} old on arrival")
    if stamps.backward:
        found = f"{stamps.backward} of {topic.count} went backward"
        yield Row(group, "stamps in order", WARNING, found, "do two nodes publish, or did a clock jump?")


def judge_picture(group: str, stream: Stream, topic: TopicReport) -> Iterator[Row]:
    """The frames' size against what the contract makes of them."""
    image = topic.image
    if image is None:
        return
    said = f"{image.width}x{image.height} {one_line(image.encoding)}"
    if image.sizes > 1:
        mend = "fix the camera's resolution: a policy has one size"
        yield Row(group, "image", PROBLEM, f"{said}, and {image.sizes} different sizes within seconds", mend)
        return
    if stream.image_size is None:
        mend = f"add apply: [resize: [{image.height}, {image.width}]], so that a policy knows it beforehand"
        yield Row(group, "image", WARNING, f"{said}; the contract does not fix a size", mend)
        return
    height, width = stream.image_size
    mend = "change the camera's resolution, or resize: [height, width]"
    if image.height < height or image.width < width:
        yield Row(group, "image", WARNING, f"{said} is enlarged to {width}x{height}", mend)
    elif abs(width * image.height / (height * image.width) - 1.0) > _ASPECT_TOLERANCE:
        yield Row(group, "image", WARNING, f"{said} is squeezed into {width}x{height}", mend)
    else:
        yield Row(group, "image", OK, f"{said}, made {width}x{height}")


def judge_values(
    group: str, names: Sequence[str], limits: Sequence[DimensionLimits], topic: TopicReport
) -> Iterator[Row]:
    """Finite numbers, and for commands inside the limits."""
    by_name = {value.name: value for value in topic.values}
    own = [by_name[name] for name in names if name in by_name]
    broken = [value for value in own if value.not_finite]
    if broken:
        found = ", ".join(f"{value.name} in {value.not_finite} of {topic.count}" for value in broken)
        mend = "NaN makes no observation and no command: mend the sensor, or leave it out of select"
        yield Row(group, "values", PROBLEM, f"not finite: {found}", mend)
    outside = []
    for value, limit in zip(own, limits, strict=False):
        if value.minimum is not None and value.maximum is not None:
            low, high = value.minimum, value.maximum
            # As the gate compares them, in float32.
            if np.float32(low) < np.float32(limit.minimum) or np.float32(high) > np.float32(limit.maximum):
                outside.append(f"{value.name} {low:.3g} to {high:.3g}, allowed {limit.minimum:g} to {limit.maximum:g}")
    if outside:
        mend = "the gate clamps them, and hands over when that goes on: correct the limits, or command less"
        yield Row(group, "values", WARNING, f"outside the limits: {'; '.join(outside)}", mend)
    elif own and not broken:
        yield Row(group, "values", OK, f"{len(own)}, all finite" + (" and inside the limits" if limits else ""))


def judge_together(contract: Contract, report: SurveyReport) -> Iterator[Row]:
    """How far the samples lie apart that one observation would be made of, by their stamps."""
    trigger = contract.observation(contract.trigger).sources[0].channel.topic
    ticks = report.topic(trigger)
    others = dict.fromkeys(
        source.channel.topic
        for stream in contract.observations
        for source in stream.sources
        if source.align.timeline == "header" and source.channel.topic != trigger
    )
    for topic in others:
        other = report.topic(topic)
        lags_s = _lags_s(ticks, other) if ticks is not None and other is not None else []
        if not len(lags_s):
            continue
        typical_s, most_s = float(np.median(lags_s)), float(np.percentile(lags_s, 95))
        tolerance_s = contract.gate.sync_tolerance_s
        found = f"{milliseconds(typical_s)} behind {trigger}, at times {milliseconds(most_s)}"
        level = PROBLEM if typical_s > tolerance_s else WARNING if most_s > tolerance_s else OK
        mend = (
            f"gate.sync_tolerance is {milliseconds(tolerance_s)}: the expert drives whenever they are further apart; "
            "do the stamps come from two machines whose clocks differ, or is it too slow?"
        )
        yield Row("together", topic, level, found, "" if level == OK else mend)


def _lags_s(ticks: TopicReport, other: TopicReport) -> list[float]:
    """For each tick how much older the sample is that is at hand when the tick is answered; seconds.

    A sample that is stamped before the tick but arrives long after it is not at hand. That is judged by the ages.
    """
    if ticks.stamps is None or other.stamps is None:
        return []
    late_ns = max(0, round((other.stamps.age_s - ticks.stamps.age_s - _SETTLE_S) * 1e9))
    ordered = sorted(other.stamps_ns)
    lags = []
    for tick_ns in ticks.stamps_ns:
        index = bisect_right(ordered, tick_ns - late_ns)
        # Before the first sample nothing is known; after the last one the survey had ended, or the stream had died.
        if index > 0 and (index < len(ordered) or tick_ns - late_ns == ordered[-1]):
            lags.append((tick_ns - ordered[index - 1]) * 1e-9)
    return lags
