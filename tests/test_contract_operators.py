"""Operators: forward, inverse, dtypes, and the sampling rule of the resize."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.contract import Clamp, Operator, Rad2Deg, Resize
from models.contract.operators import wire_operators

VECTORS = hnp.arrays(np.float32, st.integers(1, 8), elements=st.floats(-1000, 1000, width=32))


@given(VECTORS)
def test_rad2deg_round_trips(values: npt.NDArray[np.float32]) -> None:
    """Catches a wrong inverse, which would drive a joint by a factor of 57 or 3,283."""
    operator = Rad2Deg()
    degrees = operator.forward(values)
    np.testing.assert_allclose(degrees, values * (180 / np.pi), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(operator.inverse(degrees), values, rtol=1e-5, atol=1e-5)
    assert degrees.dtype == np.float32


@given(VECTORS, st.floats(-100, 0), st.floats(0, 100))
def test_clamp_bounds_both_ways_and_is_idempotent(values: npt.NDArray[np.float32], low: float, high: float) -> None:
    """Catches an outgoing command beyond the bound, for serving runs through ``inverse``."""
    clamp = Clamp(low, high)
    for once in (clamp.forward(values), clamp.inverse(values)):
        assert np.all((once >= np.float32(low)) & (once <= np.float32(high)))
        np.testing.assert_array_equal(clamp.forward(once), once)
        assert once.dtype == np.float32


def test_clamp_keeps_uint8_and_nan() -> None:
    """Catches an image promoted to float64 (eight times the memory), and NaN that clamping would launder."""
    image = np.array([[0, 100, 255]], np.uint8)
    clamped = Clamp(5.0, 250.0).forward(image)
    assert clamped.dtype == np.uint8
    np.testing.assert_array_equal(clamped, [[5, 100, 250]])
    assert np.isnan(Clamp(-1.0, 1.0).forward(np.array([np.nan], np.float32)))[0]


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [(2, 4, [0, 0, 1, 1]), (4, 2, [0, 3]), (5, 3, [0, 2, 4]), (3, 1, [0]), (1, 3, [0, 0, 0]), (4, 3, [0, 2, 3])],
)
def test_resize_is_endpoint_aligned_with_symmetric_rounding(source: int, target: int, expected: list[int]) -> None:
    """Catches truncated or centre-aligned sampling: pixels would differ from what the vocabulary promises."""
    rows = np.arange(source, dtype=np.uint8)
    image = np.stack([np.stack([rows, rows], 1)] * 2, 2)
    resized = Resize(target, 2).forward(image)
    assert resized.shape == (target, 2, 2)
    assert resized[:, 0, 0].tolist() == expected
    sideways = Resize(2, target).forward(image.transpose(1, 0, 2))
    assert sideways[0, :, 0].tolist() == expected


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=12)),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_resize_only_picks_pixels_and_keeps_corners(image: npt.NDArray[Any], height: int, width: int) -> None:
    """Catches interpolation, swapped axes and lost channels."""
    resized = Resize(height, width).forward(image)
    assert resized.shape == (height, width, *image.shape[2:])
    assert resized.dtype == np.uint8
    np.testing.assert_array_equal(resized[0, 0], image[0, 0])
    if height > 1 and width > 1:
        np.testing.assert_array_equal(resized[-1, -1], image[-1, -1])
    assert set(resized.ravel().tolist()) <= set(image.ravel().tolist())


def test_resize_to_the_same_size_copies_nothing() -> None:
    """Catches a copy on the path of every frame."""
    image = np.zeros((64, 96, 3), np.uint8)
    assert Resize(64, 96).forward(image) is image


def test_resize_has_no_inverse() -> None:
    """Catches an action served through lost information."""
    with pytest.raises(TypeError, match="no inverse"):
        Resize(2, 2).inverse(np.zeros((4, 4), np.uint8))


@given(VECTORS, st.floats(-200, 0), st.floats(0, 200), st.booleans())
def test_wire_operators_bound_the_same_command(
    values: npt.NDArray[np.float32], low: float, high: float, degrees_first: bool
) -> None:
    """Catches a bound in degrees applied to radians: serving by the written pipeline and by ours must agree."""
    written: tuple[Operator, ...] = (Rad2Deg(), Clamp(low, high)) if degrees_first else (Clamp(low, high), Rad2Deg())
    command = values.astype(np.float64)
    served = np.rad2deg(command)
    for operator in reversed(written):
        served = operator.inverse(served)
    ours = command
    for operator in reversed(wire_operators(written)):
        ours = operator.inverse(ours)
    np.testing.assert_allclose(ours, served, rtol=1e-9, atol=1e-9)
