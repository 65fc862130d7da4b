"""Labels given afterwards: what is written is read again, what is damaged or foreign is refused, and how they merge."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import DatasetError
from models.label_file import LabelFile, label_path, labels_of, merge_labels, read_labels, write_labels

NAMES = ("twist.linear.x", "twist.angular.z")
LABELS = LabelFile(
    "drive",
    "ab" * 32,
    NAMES,
    np.array([1_784_000_000_000_000_001, 1_784_000_000_050_000_003], np.int64),
    np.array([[0.1, -1 / 3], [4.0, 2.5]], np.float32),
    labeller="ann",
    speed=0.25,
    camera="front",
    saved_at="2025-01-01T00:00:00+00:00",
)


def test_what_is_written_is_read_again_to_the_last_bit(tmp_path: Path) -> None:
    """Catches stamps rounded to a float64 and actions rounded to a few digits."""
    path = label_path(tmp_path / "labels", "drive")
    write_labels(path, LABELS)
    again = read_labels(path)
    assert again.stamps_ns.tolist() == LABELS.stamps_ns.tolist()
    np.testing.assert_array_equal(again.actions, LABELS.actions)
    assert replace(again, stamps_ns=LABELS.stamps_ns, actions=LABELS.actions) == LABELS
    write_labels(path, replace(LABELS, labeller="bob"))
    assert read_labels(path).labeller == "bob"
    assert [file.name for file in path.parent.iterdir()] == ["drive.json"]
    assert "0.1," in path.read_text()


def test_no_labels_at_all_are_labels_too(tmp_path: Path) -> None:
    empty = replace(LABELS, stamps_ns=np.empty(0, np.int64), actions=np.empty((0, 2), np.float32))
    write_labels(tmp_path / "drive.json", empty)
    assert read_labels(tmp_path / "drive.json").actions.shape == (0, 2)


def test_damage_is_noticed(tmp_path: Path) -> None:
    """Catches a flipped digit that becomes a label, and tracebacks."""
    path = tmp_path / "drive.json"
    write_labels(path, LABELS)
    whole = path.read_text()
    content = json.loads(whole)
    for text in (
        whole.replace("2.5", "2.6"),
        whole[:-30],
        "",
        "[]",
        "[" * 100_000,
        json.dumps({key: value for key, value in content.items() if key != "names"}),
    ):
        path.write_text(text)
        with pytest.raises(DatasetError, match="cannot be read"):
            read_labels(path)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_labels(tmp_path / "missing.json")


@pytest.mark.parametrize(
    "wrong",
    [
        replace(LABELS, stamps_ns=LABELS.stamps_ns[::-1].copy()),
        replace(LABELS, actions=np.array([[0.0, np.nan], [0.0, 0.0]], np.float32)),
        replace(LABELS, actions=np.zeros((3, 2), np.float32)),
    ],
)
def test_labels_that_contradict_themselves_are_refused(tmp_path: Path, wrong: LabelFile) -> None:
    path = tmp_path / "drive.json"
    write_labels(path, wrong)
    with pytest.raises(DatasetError):
        read_labels(path)


def test_labels_of_another_recording_are_never_used(tmp_path: Path) -> None:
    """Catches labels of a drive that was recorded again under the same name."""
    write_labels(label_path(tmp_path, "drive"), LABELS)
    assert labels_of(tmp_path, "drive", "ab" * 32, NAMES) is not None
    assert labels_of(tmp_path, "other", "ab" * 32, NAMES) is None
    with pytest.raises(DatasetError, match="another recording"):
        labels_of(tmp_path, "drive", "cd" * 32, NAMES)
    with pytest.raises(DatasetError, match="another action vector"):
        labels_of(tmp_path, "drive", "ab" * 32, NAMES[::-1])
    label_path(tmp_path, "drive").rename(label_path(tmp_path, "other"))
    with pytest.raises(DatasetError, match="another episode"):
        labels_of(tmp_path, "other", "ab" * 32, NAMES)
    for name in ("", "../drive", "a/b"):
        with pytest.raises(DatasetError, match="cannot name a file"):
            label_path(tmp_path, name)


def test_only_labelled_ticks_change() -> None:
    """Catches labels on their neighbours' ticks, and ticks without a recorded label that stay without one."""
    ticks = np.array([LABELS.stamps_ns[0] - 5, *LABELS.stamps_ns, LABELS.stamps_ns[1] + 5], np.int64)
    recorded = np.array([[1, 1], [2, 2], [np.nan, np.nan], [4, 4]], np.float32)
    merged, used = merge_labels(recorded, ticks, LABELS)
    assert used == 2
    np.testing.assert_array_equal(merged, [[1, 1], LABELS.actions[0], LABELS.actions[1], [4, 4]])
    assert np.isnan(recorded[2]).all(), "its input is not written to"
    untouched, used = merge_labels(recorded, ticks + 1, LABELS)
    assert used == 0
    np.testing.assert_array_equal(untouched, recorded)


def test_a_full_disk_leaves_the_old_labels(tmp_path: Path) -> None:
    path = tmp_path / "drive.json"
    write_labels(path, LABELS)
    (tmp_path / "drive.json.new").mkdir()  # whatever is in the way of writing
    with pytest.raises(DatasetError, match="cannot be written"):
        write_labels(path, replace(LABELS, labeller="bob"))
    assert read_labels(path).labeller == "ann"
