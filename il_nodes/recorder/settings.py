"""What a person can set about a recorder, and the bags that follow from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from il_nodes.bags.mcap_writer import COMPRESSIONS, Compression
from il_nodes.bags.rosbag2_metadata import RecordedTopic
from il_nodes.bags.writer import BagWriter, check_episode_id
from models.contract import Contract
from models.errors import DeploymentError, RecordingError

__all__ = ["RecorderSettings"]


@dataclass(frozen=True)
class RecorderSettings:
    """The parameters of the recorder node; ``ros2 param describe /recorder NAME`` shows the words below."""

    contract_file: str
    directory: Path
    task: str
    extra_topics: tuple[str, ...]
    auto: bool
    episode_prefix: str
    lock_step: bool
    compression: Compression
    queue_size: int
    queue_mb: float
    min_free_mb: float
    flush_s: float
    grace_s: float
    mark_within_s: float
    close_timeout_s: float

    @classmethod
    def declare(cls, say: Callable[..., Any]) -> RecorderSettings:
        """Declare every parameter; ``say(name, default, description, ...)`` returns its value."""
        # Half a second with a chunk's half second of log time: what is older than a second is on the disk.
        flush = say("flush_s", 0.5, "quiet seconds after which everything goes to the disk", minimum=0.05, maximum=1.0)
        return cls(
            contract_file=say("contract", "", "path of the robot contract (YAML)"),
            directory=Path(say("directory", "recordings", "folder of the bags")),
            task=say("task", "", "what is being done, in words; goes into every bag"),
            extra_topics=tuple(
                say("extra_topics", [""], "further topics: '<topic> <type> [reliable|best_effort|latched]'")
            ),
            auto=say("auto", True, "follow /episode; false: only the services start and stop"),
            episode_prefix=say("episode_prefix", "episode", "of episodes that are started by hand"),
            lock_step=say("lock_step", False, "write in the order of the stamps, and acknowledge every tick"),
            compression=cast(Compression, say("compression", "zstd", "of the bags", choices=COMPRESSIONS)),
            queue_size=say("queue_size", 2000, "messages that may wait for the disk", minimum=10),
            queue_mb=say("queue_mb", 256.0, "and how much they may hold, MB", minimum=1.0),
            min_free_mb=say("min_free_mb", 200.0, "with less free space no episode is begun", minimum=0.0),
            flush_s=flush,
            grace_s=say("grace_s", 0.2, "how long an episode's last messages may take to arrive, s", minimum=0.0),
            mark_within_s=say("mark_within_s", 30.0, "how long after its end an episode can be marked, s", minimum=0.0),
            close_timeout_s=say(
                "close_timeout_s", 8.0, "how long a slow disk may take at the end, s", minimum=0.1, maximum=600.0
            ),
        )

    def require_contract(self) -> str:
        """Path of the contract. Raises DeploymentError when there is none."""
        if not self.contract_file:
            raise DeploymentError("the recorder needs a robot contract", fix="-p contract:=contracts/driving.yaml")
        return self.contract_file

    def make_directory(self) -> None:
        """Make the folder of the bags. Raises RecordingError."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RecordingError(f"recordings cannot go to {self.directory}", found=error.strerror) from error

    def episode_name(self) -> str:
        """Of an episode that a person starts now."""
        return f"{self.episode_prefix}-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"

    def require_prefix(self) -> None:
        """Raise DeploymentError when no folder can have the name of an episode that a person starts."""
        try:
            check_episode_id(self.episode_name())
        except RecordingError as error:
            raise DeploymentError(
                "episode_prefix cannot begin the name of a folder",
                found=repr(self.episode_prefix),
                expected="letters, digits and ._-, a letter or digit first",
            ) from error

    def require_room(self) -> None:
        """Raise RecordingError when no episode can begin: the folder is gone, read-only, or has too little space."""
        try:
            free_mb = shutil.disk_usage(self.directory).free / 1e6
        except OSError as error:
            raise RecordingError(f"recordings cannot go to {self.directory}", found=error.strerror) from error
        if free_mb < self.min_free_mb:
            raise RecordingError(
                f"too little space left for recordings in {self.directory}",
                found=f"{free_mb:.0f} MB",
                expected=f"at least {self.min_free_mb:.0f} MB",
                fix="free some space, or set the parameter directory to another disk",
            )
        if not os.access(self.directory, os.W_OK | os.X_OK):
            raise RecordingError(
                f"recordings cannot go to {self.directory}", found="a folder that cannot be written to"
            )

    def open_bag(self, episode_id: str, contract: Contract, topics: Mapping[str, RecordedTopic]) -> BagWriter:
        """A new bag. Raises RecordingError when there is too little space, or an episode of that name."""
        self.require_room()
        return BagWriter(self.directory, episode_id, contract, topics, self.task, compression=self.compression)
