"""Faults of recordings: a killed recorder, a full or slow disk, lost messages, flipped bits (rows 24 to 27)."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from bench.faults.frozen_thread import frozen_thread, writing_thread
from bench.faults.rows import RECORDING, Row
from bench.faults.scene import Scene
from bench.faults.tally import Tally
from il_nodes.bags import BagReader
from il_nodes.bags.mcap_records import CHUNK, DamageError, read_records
from il_nodes.bags.recovery import recover_recording
from il_nodes.codecs import header_stamp_ns
from il_nodes.dataset.builder import build_dataset
from models.errors import DatasetError, RecordingError

__all__ = ["flipped_bits", "full_disk", "kill_recorder", "lost_messages", "record_whole", "slow_disk"]

#: Long enough for a chunk, which is half a second, to be on the disk, and for what is lost to be less than all.
OPEN_TICKS = 36
#: Bytes of MCAP before a record's body, and in a chunk's body before its messages, compressed with zstd.
RECORD_HEAD, CHUNK_HEAD = 9, 44
#: Room that is left on the disk, bytes: what the camera fills in a second, so that one chunk fits, and no two.
ROOM = 70_000
SLOW_S = 2.0


def stamps_of(bag: BagReader, topic: str) -> list[int]:
    """Header stamps of a topic's messages, in order."""
    return [header_stamp_ns(cdr) for _, _, cdr in bag.messages([topic])]


def counts_exactly(tally: Tally, rig: Scene, bag: BagReader, begun: int) -> None:
    """From the first recorded message on, a completed episode holds every one that the rig sent, and says how many."""
    counted = dict(bag.counts)
    for topic, sent in rig.stamps.items():
        found = stamps_of(bag, topic) if topic in counted else []
        tally.require(
            len(found) == counted.get(topic, 0),
            f"{bag.path.name} says {counted.get(topic, 0)} on {topic}: {len(found)}",
        )
        first, last = (found[0], found[-1]) if found else (0, 0)
        wanted = [stamp for stamp in sent if first <= stamp <= last]
        tally.require(found == wanted, f"{len(wanted) - len(found)} messages of {topic} are not in {bag.path.name}")
        since = rig.sent[begun].stamp_ns
        missed = [stamp for stamp in sent if since <= stamp < first]
        tally.require(len(missed) <= 4, f"{bag.path.name} begins {len(missed)} messages late on {topic}")


def kill_recorder(rig: Scene, injections: int, seed: int = 0, *, last: dict[str, object] | None = None) -> Row:
    """Row 24: SIGKILL in the third of three episodes; a recorder that is started afterwards records on.

    Args:
        rig: the stack, with a recorder.
        injections: how often.
        seed: of the moments.
        last: parameters of the recorder that runs at the end; there is none if ``None``.
    """
    tally = Tally(24, "recorder killed (SIGKILL)", RECORDING, "completed episodes intact and counted; open one <= 1 s")
    rng = random.Random(seed)
    for number in range(injections):
        with tally.injection():
            completed = []
            for part in ("first", "second"):
                name, begun = f"kill-{number}-{part}", len(rig.sent)
                rig.begin_recording(name)
                rig.settle(RECORDING)
                rig.ticks(rng.randrange(3, 12))
                completed.append((rig.end_recording(name).path, begun))
            open_name = f"kill-{number}-open"
            rig.begin_recording(open_name)
            rig.settle(RECORDING)
            begin = len(rig.log)
            rig.ticks(OPEN_TICKS + rng.randrange(0, 10))
            rig.kill("recorder")
            newest_ns = rig.sent[-1].stamp_ns
            rig.ticks(5)
            tally.drove_on(rig, rig.log[begin:])
            for path, begun in completed:
                counts_exactly(tally, rig, BagReader(path), begun)
            _judge_open(tally, rig.recordings / f"{open_name}.partial", newest_ns)
        rig.start_episode("")
        more = {} if number < injections - 1 else last
        if more is not None:
            rig.start_again("recorder", rig.recorder_parameters() | more)
            rig.tick_until(lambda: rig.status(rig.recorder_status), 30.0, "a new recorder")
            rig.tick_until_recorded(f"kill-{number}-after")
    return tally.to_row()


def _judge_open(tally: Tally, partial: Path, newest_ns: int) -> None:
    try:
        BagReader(partial)
        tally.require(False, "an episode that was cut off passes for a whole one")
    except RecordingError:
        pass
    found = recover_recording(partial)
    if not tally.require(found.result == "recovered", f"the recovery said {found.result}: {found.words}"):
        return
    bag = BagReader(partial.parent / found.bag)
    saved_ns = max(stamps_of(bag, "/odom"), default=0)
    lost_s = (newest_ns - saved_ns) * 1e-9
    tally.require(lost_s <= 1.0, f"{lost_s:.2f} s of the open episode are lost")
    tally.require((bag.outcome, bool(bag.quarantine)) == ("partial", True), f"it is marked {bag.outcome!r}")
    tally.seen["two completed episodes counted exactly; the open one recovered and marked partial"] += 1
    tally.figures["at most {} s of it lost"].append(lost_s)


def full_disk(rig: Scene, injections: int) -> Row:
    """Row 25: the kernel lets the recorder's files grow no further, which is a full disk to whoever writes."""
    fault = "disk full (the recorder's file size limit)"
    tally = Tally(25, fault, RECORDING, "episode closed, next refused; control misses 0 ticks")
    pid = rig.pid("recorder")
    for number in range(injections):
        with tally.injection():
            name, refused, after = (f"full-{number}-{part}" for part in ("first", "refused", "after"))
            rig.begin_recording(name)
            rig.settle(RECORDING)
            begin = len(rig.log)
            size = sum(file.stat().st_size for file in (rig.recordings / f"{name}.partial").iterdir())
            try:
                _limit_files(pid, size + ROOM)
                rig.tick_until_said(rig.recorder_status, f"{name} was closed early", 20.0)
                rig.start_episode("")
                rig.tick()
                _limit_files(pid, 64)
                rig.start_episode(refused)
                rig.tick_until_said(rig.recorder_status, f"{refused} is not recorded", 20.0)
                rig.start_episode("")
            finally:
                _limit_files(pid, resource.RLIM_INFINITY)
            rig.ticks(10)
            tally.drove_on(rig, rig.log[begin:])
            tally.require(not (rig.recordings / name).exists(), "a cut episode passes for a whole one")
            tally.require(recover_recording(rig.recordings / f"{name}.partial").result == "recovered", "nothing saved")
            begun = len(rig.sent)
            rig.begin_recording(after)
            rig.ticks(5)
            counts_exactly(tally, rig, rig.end_recording(after), begun)
            tally.seen["closed early and saved, the next refused, recorded again once there was room"] += 1
    return tally.to_row()


def _limit_files(pid: int, size: int) -> None:
    """The soft limit only, so that it can be lifted again."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def slow_disk(rig: Scene, injections: int, *, small_queue: bool = False, seconds: float = SLOW_S) -> Row:
    """Row 25: a write takes seconds.

    Args:
        rig: the stack.
        injections: how often.
        small_queue: whether the recorder that runs has less room than that needs.
        seconds: how long.
    """
    what = ", queue too small for it" if small_queue else ""
    expected = "counted; Q; control misses 0 ticks" if small_queue else "nothing lost; control misses 0 ticks"
    tally = Tally(25, f"disk slow (a write of {seconds:g} s{what})", RECORDING, expected)
    for number in range(injections):
        with tally.injection():
            name, begun = f"slow{'-small' * small_queue}-{number}", len(rig.sent)
            rig.begin_recording(name)
            rig.settle(RECORDING)
            begin = len(rig.log)
            thread = writing_thread(rig.pid("recorder"), lambda look_s: rig.ticks(round(look_s / rig.period_s)))
            with frozen_thread(thread):
                rig.ticks(round(seconds / rig.period_s))
            rig.ticks(10)
            tally.drove_on(rig, rig.log[begin:])
            bag = rig.end_recording(name)
            if small_queue:
                _counted_losses(tally, rig, bag, "dropped")
            else:
                counts_exactly(tally, rig, bag, begun)
                tally.require(not bag.losses.get("dropped"), f"dropped: {bag.losses}")
                tally.seen["nothing lost"] += 1
    return tally.to_row()


def lost_messages(rig: Scene, injections: int, *, burst: int = 20, away_s: float = 2.0) -> Row:
    """Row 26: the recorder does not run for a moment in which more arrives than its subscriptions keep.

    Args:
        rig: the stack.
        injections: how often.
        burst: messages a tick of a topic of which it keeps a hundred, and shared memory some five hundred.
        away_s: how long it does not run; from five seconds on, at 20 Hz, all topics lose messages.
    """
    tally = Tally(
        26, f"messages lost in the cache{' of every topic' * (away_s > 5.0)}", RECORDING, "counted per topic; Q"
    )
    for number in range(injections):
        with tally.injection():
            name = f"lost-{number}{'-all' * (away_s > 5.0)}"
            rig.begin_recording(name)
            rig.settle(RECORDING)
            rig.publish_extra()
            rig.tick()
            begin = len(rig.log)
            rig.group.signal("recorder", signal.SIGSTOP)
            try:
                for _ in range(round(away_s / rig.period_s)):
                    for _ in range(burst):
                        rig.publish_extra()
                    rig.tick()
            finally:
                rig.group.signal("recorder", signal.SIGCONT)
            rig.ticks(5)
            # Only a later message shows that the ones before it are missing.
            rig.publish_extra()
            rig.ticks(2)
            tally.drove_on(rig, rig.log[begin:])
            _counted_losses(tally, rig, rig.end_recording(name), "lost", least=burst or 20)
    return tally.to_row()


def _counted_losses(tally: Tally, rig: Scene, bag: BagReader, kind: str, least: int = 1) -> None:
    """What is missing in the bag is what it says it lost, topic by topic, and it is not for training."""
    losses = bag.losses.get(kind, {})
    for topic, sent in rig.stamps.items():
        found = stamps_of(bag, topic)
        wanted = [stamp for stamp in sent if found and found[0] <= stamp <= found[-1]]
        missing = len(wanted) - len(found)
        tally.require(
            missing == losses.get(topic, 0), f"{missing} of {topic} are missing and {losses.get(topic, 0)} counted"
        )
    total = sum(losses.values())
    happened = tally.require(total >= least, f"only {total} messages were {kind}: the fault did not take place")
    reason = _why_left_out([bag.path], rig.folder / "dataset")
    left_out = tally.require("marked when it was recorded" in reason, f"the dataset says {reason!r}")
    if happened and left_out and not tally.problems:
        tally.seen[f"every one counted as {kind}, topic by topic; left out of the dataset"] += 1


def _why_left_out(bags: Sequence[Path], out: Path) -> str:
    """Why the first of the bags is left out of a dataset; empty if it is not."""
    try:
        report = build_dataset(bags, out, overwrite=True)
    except DatasetError as error:
        return str(error)
    return next((bag.reason for bag in report.quarantined if bag.name == bags[0].name), "")


def record_whole(rig: Scene, name: str, ticks: int = 40) -> Path:
    """Record an episode that may be trained on; another one where the machine made the rig miss a tick of its own."""
    for attempt in range(10):
        rig.begin_recording(f"{name}-{attempt}")
        rig.ticks(ticks)
        bag = rig.end_recording(f"{name}-{attempt}")
        if not bag.quarantine:
            return bag.path
    raise RuntimeError(f"no recording was whole: {bag.quarantine}")


def flipped_bits(rig: Scene, whole: Path, injections: int, seed: int = 0) -> list[Row]:
    """Row 27: one bit anywhere in a recording, finished or not.

    Args:
        rig: whose recordings these are.
        whole: a finished recording of it that may be trained on.
        injections: of each kind.
        seed: of the places.
    """
    rng, folder = random.Random(seed), rig.folder / "flipped"
    tally = Tally(27, "a flipped bit in a bag", RECORDING, "checksum rejects it; Q")
    for number in range(injections):
        with tally.injection():
            bag = _copy(whole, folder / whole.name)
            place = _flip(rng, rng.choice(sorted(bag.iterdir())))
            try:
                BagReader(bag)
                tally.require(False, f"it was read all the same: {place}")
            except RecordingError:
                tally.seen["rejected by its checksum"] += 1
            if number == 0:
                reason = _why_left_out([bag, whole], rig.folder / "dataset")
                tally.require("checksum" in reason or "damaged" in reason, f"the dataset says {reason!r}")
                tally.require(not _why_left_out([whole], rig.folder / "dataset"), "the whole one is left out too")
                tally.seen["left out of the dataset, the whole one beside it is used"] += 1
    rows = [tally.to_row()]
    tally = Tally(27, "a flipped bit in an unfinished bag", RECORDING, "found before any recovery")
    for _ in range(injections):
        with tally.injection():
            undamaged = _recover(_cut_off(whole, folder / "undamaged.partial"))
            partial = _cut_off(whole, folder / "damaged.partial")
            mcap = next(partial.glob("*.mcap"))
            place = _flip(rng, mcap, *rng.choice(_compressed(mcap)))
            saved = _recover(partial)
            tally.require(saved == undamaged[: len(saved)], f"what was recovered is not what was recorded: {place}")
            if tally.require(len(saved) < len(undamaged), f"the damage went unnoticed: {place}"):
                tally.seen["only what lies before the damage was recovered"] += 1
    return [*rows, tally.to_row()]


def _copy(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def _cut_off(whole: Path, target: Path) -> Path:
    """What a recorder that was killed leaves: a file without an end, and nothing beside it."""
    for path in (target, target.with_name(target.name.removesuffix(".partial") + ".recovered")):
        shutil.rmtree(path, ignore_errors=True)
    target.mkdir(parents=True)
    content = next(whole.glob("*.mcap")).read_bytes()
    (target / f"{target.name.removesuffix('.partial')}_0.mcap").write_bytes(content[: len(content) * 9 // 10])
    return target


def _compressed(mcap: Path) -> list[tuple[int, int]]:
    """Where the messages of each whole chunk lie: behind the chunk's own head, and before the indices between two."""
    places = []
    with contextlib.suppress(DamageError):  # where it was cut off
        for opcode, offset, body in read_records(mcap):
            if opcode == CHUNK:
                begin = offset + RECORD_HEAD
                places.append((begin + CHUNK_HEAD, begin + len(body)))
    return places


def _recover(partial: Path) -> list[tuple[str, int, bytes]]:
    """What a recovery saves; nothing where the very first chunk is damaged."""
    found = recover_recording(partial)
    if found.result == "nothing":
        return []
    if found.result != "recovered":
        raise RuntimeError(f"the recovery said {found.result}: {found.words}")
    return list(BagReader(partial.parent / found.bag).messages())


def _flip(rng: random.Random, file: Path, first: int = 0, end: int | None = None) -> str:
    """Flip any bit of the bytes from ``first`` up to ``end``; which one."""
    content = bytearray(file.read_bytes())
    place, bit = rng.randrange(first, end or len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    file.write_bytes(content)
    return f"bit {bit} of byte {place} of {file.name} ({len(content)} bytes)"
