"""Whether what a policy saw live is what a dataset says it saw, and whether torch and ONNX Runtime agree on the answer.

``python -m bench.parity [--quick]``

Everything is done with the product's own parts, over ROS 2: demonstrations are recorded, a policy is trained and
exported, and the policy node drives while it writes the digest (stamp, keys, types, shapes, bytes) of every observation
that it used. The recording of that drive then becomes a dataset, whose stacks are digested in turn.

*Lock-step*: the drive is made twice; digests and every byte of both recordings must be equal.
*Real time*: the same comparison while nothing waits for anything.
*Negative control*: the same live digests against the dataset moved by one tick must not agree.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from bench.harness import Bench
from models.data import Observation
from models.episodes import EpisodeDataset, open_dataset
from models.learners import BehavioralCloningConfig
from understudy.console import Console
from understudy.stacks.drives import DriveSettings, drive
from understudy.stages import Stages
from understudy.workspace import Workspace

EXPORT_LIMIT = 1e-5


@dataclass(frozen=True)
class Comparison:
    """Live observations against those of the dataset made of the same drive's recording."""

    live: int
    offline: int
    missing: int
    different: int
    equal_when_shifted: int


def file_digests(bags: list[Path]) -> dict[str, str]:
    """SHA-256 of every file of every recording, by its name."""
    files = sorted(file for bag in bags for file in bag.iterdir())
    return {f"{file.parent.name}/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def dataset_digests(dataset: EpisodeDataset, shift: int = 0) -> dict[int, str]:
    """Stamp to digest of every observation, stacked out of the memory-mapped files; ``shift`` takes a later tick's."""
    found = {}
    for tick, stamp_ns in enumerate(dataset.stamps_ns.tolist()):
        if tick + shift < len(dataset):
            arrays = {key: stack[0] for key, stack in dataset.stack([tick + shift]).items()}
            found[stamp_ns] = Observation(stamp_ns, arrays, {}).digest()
    return found


def compare(live_file: Path, dataset: EpisodeDataset) -> Comparison:
    """Hold every line that the policy node wrote against the dataset."""
    live = {line["stamp_ns"]: line["digest"] for line in map(json.loads, live_file.read_text().splitlines())}
    offline, shifted = dataset_digests(dataset), dataset_digests(dataset, shift=1)
    return Comparison(
        live=len(live),
        offline=len(offline),
        missing=sum(stamp_ns not in offline for stamp_ns in live),
        different=sum(offline.get(stamp_ns, digest) != digest for stamp_ns, digest in live.items()),
        equal_when_shifted=sum(shifted.get(stamp_ns) == digest for stamp_ns, digest in live.items()),
    )


class Drives:
    """Makes a policy, and drives with it."""

    def __init__(self, root: Path, console: Console) -> None:
        self._root, self._console = root, console
        self._stages = Stages(Workspace(root), console)

    def prepare(self, settings: DriveSettings, epochs: int) -> dict[str, object]:
        """Record, build, train, export; the export's report."""
        self._stages.record(settings)
        self._stages.dataset.build()
        self._stages.train(BehavioralCloningConfig(epochs=epochs))
        return self._stages.export()

    def drive(self, name: str, settings: DriveSettings) -> tuple[list[Path], Comparison]:
        """Let the policy drive; the recordings, and live against offline."""
        folder = self._root / name
        folder.mkdir()
        digests = (folder / "live.jsonl").resolve()
        with self._console.progress(name, len(settings.tracks)) as progress:
            bags = drive(
                settings,
                folder / "recordings",
                folder / "logs",
                progress,
                contract=self._stages.contract_file,
                bundle=self._root / "policy.onnx",
                overrides={"policy": {"record_digests": str(digests)}},
            )
        from il_nodes.dataset.builder import build_dataset

        build_dataset(bags, folder / "dataset")
        return bags, compare(digests, open_dataset(folder / "dataset"))


def main() -> None:
    bench = Bench("parity", __doc__.splitlines()[0])
    episode_s = 5.0 if bench.quick else 40.0
    lessons = DriveSettings(tracks=(1, 2), max_episode_s=episode_s, disturbance_std_rad=0.05, lock_step=True)
    stepped = DriveSettings(tracks=(1001,), prefix="lockstep", max_episode_s=episode_s, lock_step=True)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="understudy-parity-") as folder:
        drives = Drives(Path(folder), console)
        export = drives.prepare(lessons, epochs=2 if bench.quick else 10)
        first_bags, first = drives.drive("lock-step, first", stepped)
        second_bags, second = drives.drive("lock-step, second", stepped)
        _, real_time = drives.drive("real time", replace(stepped, prefix="realtime", lock_step=False))
        files, again = file_digests(first_bags), file_digests(second_bags)

    differing = [name for name in files.keys() | again.keys() if files.get(name) != again.get(name)]
    parity = export["parity"]
    assert isinstance(parity, dict)
    least = 0.8 * 20 * min(episode_s, 12.0)  # a lap takes at least 13 s; a policy that hardly drove proves nothing
    for name, found in (("lock-step", first), ("real time", real_time)):
        bench.goal(f"{name}: live observations compared", found.live, ">=", least)
        bench.goal(f"{name}: not in the dataset", found.missing, "==", 0)
        bench.goal(f"{name}: different from the dataset", found.different, "==", 0)
        # A car that stands still sees the same thing twice; otherwise neighbours differ.
        share = found.equal_when_shifted / max(found.live, 1)
        bench.goal(f"{name}: share equal to the next tick's (negative control)", share, "<=", 0.05)
    bench.goal("lock-step: files that differ between two runs", len(differing), "==", 0)
    bench.goal("torch against ONNX Runtime, action / its range", float(parity["action"]), "<=", EXPORT_LIMIT)
    bench.goal(
        "torch against ONNX Runtime, unsafe probability", float(parity["unsafe_probability"]), "<=", EXPORT_LIMIT
    )
    bench.finish(
        {
            "lock_step": [asdict(first), asdict(second)],
            "real_time": asdict(real_time),
            "files_compared": len(files),
            "files_differing": sorted(differing),
            "parity": parity,
        }
    )


if __name__ == "__main__":
    main()
