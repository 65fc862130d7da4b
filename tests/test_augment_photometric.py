"""Light, lens and sensor: what may change, how far, and that it is one change for a whole stack."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from augment_samples import FRONT_KEY, PERIOD_S, STATE_KEY, examples

from models.augment import Examples, Photometric
from models.errors import TrainingError

NOTHING = Photometric((FRONT_KEY,), brightness=0.0, contrast=0.0, color=0.0, noise=0.0, blur_px=0.0, shadow=0.0)


def _grey(level: int = 120, count: int = 200, frames: int = 3) -> Examples:
    pictures = np.full((count, frames, 16, 24, 3), level, np.uint8)
    return Examples({FRONT_KEY: pictures}, np.zeros((count, 1, 2), np.float32), PERIOD_S)


def _varied(config: Photometric, seen: Examples, seed: int = 0) -> np.ndarray:
    return config(seen, np.random.default_rng(seed)).observations[FRONT_KEY].astype(float)


def test_nothing_asked_for_is_nothing_done() -> None:
    seen = examples()
    changed = NOTHING(seen, np.random.default_rng(0))
    assert np.array_equal(changed.observations[FRONT_KEY], seen.observations[FRONT_KEY])
    assert changed.actions is seen.actions
    assert changed.observations[STATE_KEY] is seen.observations[STATE_KEY]


@pytest.mark.parametrize("option", ["brightness", "contrast", "color", "shadow", "blur_px"])
def test_frames_of_a_stack_change_alike(option: str) -> None:
    """Catches a flicker inside a stack, which would look like motion; each option changes something, samples differ."""
    pictures = np.repeat(examples(40, frames=1).observations[FRONT_KEY], 3, axis=1)
    seen = Examples({FRONT_KEY: pictures}, np.zeros((40, 1, 2), np.float32), PERIOD_S)
    varied = _varied(replace(NOTHING, **{option: 0.9}), seen)
    assert np.array_equal(varied[:, 0], varied[:, 2])
    changes = np.abs(varied - pictures).mean(axis=(1, 2, 3, 4))
    assert changes.max() > 2.0
    assert np.ptp(changes) > 1.0


def test_strengths_are_standard_deviations() -> None:
    """Catches a strength in other units: brightness as a share of full scale, colour as a factor around mid-grey."""
    assert _varied(replace(NOTHING, brightness=0.05), _grey()).mean(axis=(1, 2, 3, 4)).std() == pytest.approx(
        0.05 * 255.0, rel=0.15
    )
    light = _varied(replace(NOTHING, contrast=0.1), _grey(200)).mean(axis=(1, 2, 3, 4))
    assert light.std() == pytest.approx(0.1 * (200 - 127.5), rel=0.15)
    channels = _varied(replace(NOTHING, color=0.1), _grey(200)).mean(axis=(1, 2, 3))
    assert channels.std() == pytest.approx(0.1 * (200 - 127.5), rel=0.15)
    assert abs(np.corrcoef(channels[:, 0], channels[:, 2])[0, 1]) < 0.2


def test_noise_is_of_each_frame_and_pixel() -> None:
    """Catches noise that repeats from frame to frame, as a pattern that a network could learn."""
    varied = _varied(replace(NOTHING, noise=4.0), _grey(count=20))
    assert varied.std() == pytest.approx(4.0, rel=0.1)
    first, second = varied[:, 0].ravel() - 120.0, varied[:, 1].ravel() - 120.0
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_a_shadow_darkens_one_side_of_a_line() -> None:
    """Catches shadows that brighten, that cover everything, or that come always or never."""
    varied = _varied(replace(NOTHING, shadow=0.5), _grey())[:, 0, :, :, 0]
    levels = [set(np.unique(picture).tolist()) for picture in varied]
    assert all(level <= 120.0 for found in levels for level in found)
    assert 0.3 < np.mean([len(found) == 2 or found != {120.0} for found in levels]) < 0.7
    assert sum(len(found) == 2 for found in levels) > 50


def test_a_blur_keeps_the_mean_and_softens_edges() -> None:
    pictures = np.zeros((30, 1, 16, 24, 1), np.uint8)
    pictures[..., 12:, :] = 200
    seen = Examples({FRONT_KEY: pictures}, np.zeros((30, 1, 2), np.float32), PERIOD_S)
    varied = _varied(replace(NOTHING, blur_px=1.5), seen)
    assert varied.shape == pictures.shape
    assert varied.mean() == pytest.approx(100.0, abs=1.0)
    assert np.abs(np.diff(varied, axis=3)).max(axis=(1, 2, 3, 4)).min() < 120.0


@pytest.mark.parametrize(
    ("wrong", "message"), [({"noise": -1.0}, "noise"), ({"shadow": 1.5}, "shadow"), ({"keys": ()}, "streams")]
)
def test_strengths_that_mean_nothing_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        replace(NOTHING, **wrong)  # type: ignore[arg-type]


def test_a_vector_is_no_picture() -> None:
    with pytest.raises(TrainingError, match="no pictures to vary"):
        replace(NOTHING, keys=(STATE_KEY,))(examples(), np.random.default_rng(0))
