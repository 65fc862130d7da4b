"""Quantities: conversion to SI, exactness, and what is no unit at all."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contract.units import UNIT_NAMES, parse_quantity, parse_unit


@pytest.mark.parametrize(
    ("text", "si", "symbol"),
    [
        ("8 m/s", 8.0, "m/s"),
        ("28.8 km/h", 8.0, "m/s"),
        ("150 ms", 0.15, "s"),
        ("2 min", 120.0, "s"),
        ("90 deg/s", math.pi / 2, "rad/s"),
        ("90°/s", math.pi / 2, "rad/s"),
        ("1 rpm", math.pi / 30, "rad/s"),
        ("10 m/s^2", 10.0, "m/s^2"),
        ("10 m/s²", 10.0, "m/s^2"),
        ("10 m / s^2", 10.0, "m/s^2"),
        ("10 m/s/s", 10.0, "m/s^2"),
        ("3 N*m", 3.0, "Nm"),
        ("3 N·m", 3.0, "Nm"),
        ("3 Nm/s", 3.0, "m^2*kg/s^3"),
        ("50 %", 0.5, "1"),
        ("20 Hz", 20.0, "1/s"),
        ("-1.5e1 cm", -0.15, "m"),
        ("250 µs", 0.00025, "s"),
        (".5 kg", 0.5, "kg"),
        ("24 V", 24.0, "V"),
    ],
)
def test_quantities_become_si(text: str, si: float, symbol: str) -> None:
    """Catches a wrong factor; decimal factors must come out exact, for equal contracts have to hash equal."""
    parts = parse_quantity(text)
    assert parts is not None
    unit = parse_unit(parts[1])
    assert unit is not None
    assert unit.to_si(parts[0]) == (pytest.approx(si, rel=1e-15) if unit.pi else si)
    assert {"V": "V", "W": "W", "m^2*kg/s^3": "W"}.get(symbol, symbol) == unit.symbol


@pytest.mark.parametrize(
    "text", ["", "furlong", "m//s", "m/", "*m", "m^0", "m^99", "8", "m s", "m" * 100, "__class__", "m;s"]
)
def test_nonsense_is_no_unit(text: str) -> None:
    """Catches a unit that is guessed."""
    assert parse_unit(text) is None


@pytest.mark.parametrize("text", ["", "m/s", "fast", "1,5 m", "0x10", "nan", "inf", "--3", "1e9999 m", "9" * 65])
def test_nonsense_is_no_quantity(text: str) -> None:
    """Catches a number that is guessed."""
    parts = parse_quantity(text)
    assert parts is None or parse_unit(parts[1]) is None


@given(st.sampled_from(UNIT_NAMES), st.floats(-1e6, 1e6))
def test_si_symbols_name_the_unit_they_stand_for(name: str, value: float) -> None:
    """Catches a symbol in an error message that would itself be refused, or that converts."""
    unit = parse_unit(name)
    assert unit is not None
    si = parse_unit(unit.symbol)
    assert si is not None
    assert si.is_si
    assert si.powers == unit.powers
    assert si.to_si(value) == value


def test_angles_are_no_plain_numbers() -> None:
    """Catches a yaw rate given in 1/s, which is as likely to mean revolutions."""
    hertz, yaw_rate = parse_unit("Hz"), parse_unit("rad/s")
    assert hertz is not None
    assert yaw_rate is not None
    assert hertz.powers != yaw_rate.powers
