"""The file that says with which noise demonstrations are disturbed (DART): YAML, checked against a schema.

.. code-block:: yaml

    format: understudy-noise-1
    names: [twist.linear.x, twist.angular.z]   # the contract's action dimensions, in its order
    units: [m/s, rad/s]
    std: [0.4, 0.3]                            # or covariance: [[0.16, 0.02], [0.02, 0.09]]
    seed: 7
    time_constant: 0.5                         # s; 0 (the default) for white noise
    alpha: 40                                  # optional, with horizon: expected squared disturbance of an episode,
    horizon: 600                               # in ticks

Source of ``alpha``: Laskey et al. 2017, "DART: Noise Injection for Robust Imitation Learning" (arXiv:1703.09327).
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from models.contract import Contract
from models.contract.units import Unit, parse_unit
from models.errors import DeploymentError
from models.regular_file import read_regular_file

__all__ = [
    "MAX_BYTES",
    "NoiseFile",
    "NoiseFileError",
    "cholesky_factor",
    "load_noise",
    "scaled_covariance",
    "write_noise",
]

FORMAT = "understudy-noise-1"
#: A covariance of sixty dimensions takes 80 KiB.
MAX_BYTES = 128 * 1024
MAX_DIMENSIONS = 64
#: Rows of numbers under a key.
MAX_DEPTH = 3
#: Longer correlations than an episode are an offset, and not noise.
MAX_TIME_CONSTANT_S = 60.0
#: Relative to the largest variance: what rounding to twelve digits in a text file leaves of symmetry and of zero.
ROUNDING = 1e-9

_REQUIRED = ("format", "names", "units", "seed")
_KEYS = (*_REQUIRED, "covariance", "std", "time_constant", "alpha", "horizon")
#: YAML 1.1 takes 1e-4, without a point, for a text.
_EXPONENT = re.compile(r"[+-]?\d+[eE][+-]?\d{1,3}")
_short = reprlib.Repr()
# A message shows a line, whatever a file holds.
_short.maxlevel, _short.maxlist, _short.maxdict, _short.maxstring = 2, 6, 6, 60

Matrix = npt.NDArray[np.float64]


class NoiseFileError(DeploymentError):
    """A noise file that cannot be read, contradicts itself, or is of another robot."""


@dataclass(frozen=True)
class NoiseFile:
    """Noise on the action vector: ``eps ~ N(0, covariance)``.

    Attributes:
        names: the contract's action dimensions, in its order.
        covariance: ``(dims, dims)`` float64 in SI units squared, symmetric and positive semi-definite, ``alpha``
            already applied; read-only.
        seed: of every episode's noise, together with the episode's id.
        time_constant_s: of an Ornstein-Uhlenbeck process with this stationary covariance; 0 for white noise.
        alpha: what the covariance was scaled to, ``None`` for as it stands in the file.
        horizon: ticks that ``alpha`` counts.
        sha256: hex, of the file; empty for one that was not read from a file.
    """

    names: tuple[str, ...]
    covariance: Matrix
    seed: int
    time_constant_s: float = 0.0
    alpha: float | None = None
    horizon: int | None = None
    sha256: str = ""

    @property
    def is_zero(self) -> bool:
        """Whether it disturbs nothing: DART's first round."""
        return not self.covariance.any()


def load_noise(path: Path | str, contract: Contract) -> NoiseFile:
    """Read a noise file for the robot of a contract.

    Raises:
        NoiseFileError: with what was found, and what was expected.
    """
    path = Path(path)
    try:
        data = read_regular_file(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise NoiseFileError(f"the noise file {path} cannot be read", found=str(error)) from None
    if len(data) > MAX_BYTES:
        raise NoiseFileError(f"the noise file {path} is too large", expected=f"at most {MAX_BYTES} bytes")
    reader = _Reader(str(path), _read_yaml(data, str(path)))
    return reader.noise(contract, hashlib.sha256(data).hexdigest())


def write_noise(path: Path | str, noise: NoiseFile, contract: Contract) -> None:
    """Write a file that :func:`load_noise` reads as the same noise; in one step, an earlier one is replaced.

    The covariance is written as it is, ``alpha`` applied, so the file holds no ``alpha``.

    Raises:
        NoiseFileError: the noise is not the contract's, or no covariance; or the file cannot be written.
    """
    path = Path(path)
    units = [limit.unit or "1" for limit in contract.limits] or ["1"] * len(noise.names)
    content = {
        "format": FORMAT,
        "names": list(noise.names),
        "units": units,
        "covariance": noise.covariance.tolist(),
        "seed": noise.seed,
        "time_constant": noise.time_constant_s,
    }
    text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)
    _Reader(str(path), _read_yaml(text.encode(), str(path))).noise(contract, "")
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    except OSError as error:
        raise NoiseFileError(f"the noise file {path} cannot be written", found=error.strerror) from error


def scaled_covariance(covariance: Matrix, alpha: float, horizon: int) -> Matrix:
    """``alpha / (T tr(Sigma)) Sigma``: the same shape, and an expected squared norm of ``alpha`` over ``T`` ticks.

    Source: Laskey et al. 2017, section 4.3. The trace adds variances of all dimensions as they are, in SI units.
    A covariance of zero stays zero.
    """
    trace = float(np.trace(covariance))
    return covariance * (alpha / (horizon * trace)) if trace > 0.0 else np.zeros_like(covariance)


def cholesky_factor(covariance: Matrix) -> Matrix:
    """Lower triangular ``L`` with ``L L^T = covariance``, also for a singular one.

    Unlike eigenvectors it is unique, so that one seed gives the same noise on every machine. A variance of zero gives
    a row of exact zeros.
    """
    size = len(covariance)
    factor = np.zeros_like(covariance)
    for j in range(size):
        pivot = covariance[j, j] - factor[j, :j] @ factor[j, :j]
        # What is left of a dependent dimension is rounding, and so is the rest of its column.
        if pivot > ROUNDING * covariance[j, j]:
            factor[j, j] = np.sqrt(pivot)
            rest = covariance[j + 1 :, j] - factor[j + 1 :, :j] @ factor[j, :j]
            factor[j + 1 :, j] = rest / factor[j, j]
    return factor


def _read_yaml(data: bytes, name: str) -> Mapping[str, Any]:
    """The mapping of a file; aliases and keys that stand twice are refused, tags are never executed."""
    try:
        text = data.decode("utf-8")
        keys: list[str] = []
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise NoiseFileError(f"{name} is nested too deep", expected="keys, and lists of numbers")
            if isinstance(event, yaml.AliasEvent):
                raise NoiseFileError(f"{name}: aliases have no use in a noise file", found=f"*{event.anchor}")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if isinstance(root, yaml.MappingNode):
            keys = [str(key.value) for key, _ in root.value]
        content = yaml.safe_load(text)
    except UnicodeDecodeError:
        raise NoiseFileError(f"{name} is not UTF-8 text", expected="a YAML file") from None
    except (yaml.YAMLError, ValueError) as error:
        raise NoiseFileError(f"{name} is not plain YAML", found=" ".join(str(error).split())[:200]) from None
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise NoiseFileError(f"{name}: a key stands twice", found=", ".join(twice))
    if not isinstance(content, dict):
        raise NoiseFileError(f"{name} is not a noise file", found=_short.repr(content), expected=", ".join(_REQUIRED))
    return content


class _Reader:
    """Checks one file's content, key by key."""

    def __init__(self, name: str, content: Mapping[str, Any]) -> None:
        self._name = name
        self._content = content

    def noise(self, contract: Contract, sha256: str) -> NoiseFile:
        self._check_keys()
        names = self._names(contract)
        covariance = self._covariance(self._factors(contract, len(names)))
        alpha, horizon = self._alpha()
        if alpha is not None and horizon is not None:
            covariance = scaled_covariance(covariance, alpha, horizon)
        covariance.flags.writeable = False
        seed = self._content["seed"]
        if not _is_whole(seed) or not 0 <= seed < 2**63:
            raise self._wrong("seed", "a whole number from 0 to 2^63 - 1")
        time_constant_s = self._number("time_constant", 0.0, lambda x: 0 <= x <= MAX_TIME_CONSTANT_S, "s, 0 to 60")
        return NoiseFile(names, covariance, seed, time_constant_s, alpha, horizon, sha256)

    def _wrong(self, key: str, expected: str, found: object = None, fix: str = "") -> NoiseFileError:
        shown = _short.repr(self._content.get(key)) if found is None else found
        return NoiseFileError(f"{self._name}: {key}", found=shown, expected=expected, fix=fix)

    def _check_keys(self) -> None:
        for key in self._content:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(_KEYS)}"
                raise NoiseFileError(f"{self._name}: no such key", found=_short.repr(key), expected=hint)
        missing = [key for key in _REQUIRED if key not in self._content]
        if missing:
            raise NoiseFileError(f"{self._name}: missing keys", found=", ".join(missing), expected=", ".join(_REQUIRED))
        if self._content["format"] != FORMAT:
            raise self._wrong("format", FORMAT)
        if ("covariance" in self._content) == ("std" in self._content):
            raise NoiseFileError(f"{self._name}: one of covariance and std is needed", expected="exactly one of them")

    def _names(self, contract: Contract) -> tuple[str, ...]:
        names = self._content["names"]
        if not isinstance(names, list) or tuple(names) != contract.action_names:
            expected = f"the contract's action dimensions in their order: {', '.join(contract.action_names)}"
            raise self._wrong("names", expected)
        if len(names) > MAX_DIMENSIONS:
            raise self._wrong("names", f"at most {MAX_DIMENSIONS} dimensions")
        return contract.action_names

    def _factors(self, contract: Contract, dimensions: int) -> Matrix:
        """SI units in one of the file's, for each dimension."""
        texts = self._content["units"]
        if not isinstance(texts, list) or len(texts) != dimensions:
            raise self._wrong("units", f"a list of {dimensions} units")
        declared = [limit.unit for limit in contract.limits] or [""] * dimensions
        return np.array([self._factor(*pair) for pair in zip(texts, declared, contract.action_names, strict=True)])

    def _factor(self, text: object, declared: str, name: str) -> float:
        unit = parse_unit(text) if isinstance(text, str) else parse_unit("1") if text == 1 else None
        wanted: Unit | None = parse_unit(declared) if declared else None
        if unit is None or (wanted is not None and unit.powers != wanted.powers):
            expected = f"a unit of {name}, such as {declared}" if declared else "a unit such as m/s"
            raise self._wrong("units", expected, found=_short.repr(text))
        if not declared and not unit.is_si:
            raise self._wrong("units", f"an SI unit, since the contract declares none for {name}", found=text)
        return unit.to_si(1.0)

    def _covariance(self, factors: Matrix) -> Matrix:
        size = len(factors)
        if "std" in self._content:
            std = self._array("std", (size,), f"{size} numbers, in the order of names")
            if (std < 0).any():
                raise self._wrong("std", "standard deviations of at least 0")
            return np.diag((std * factors) ** 2)
        matrix = self._array("covariance", (size, size), f"{size} rows of {size} numbers, in the order of names")
        largest = max(float(np.abs(matrix).max()), 1e-300)
        row, column = np.unravel_index(np.argmax(np.abs(matrix - matrix.T)), matrix.shape)
        if abs(matrix[row, column] - matrix[column, row]) > ROUNDING * largest:
            found = f"row {row + 1}, column {column + 1} is {matrix[row, column]:g}, mirrored {matrix[column, row]:g}"
            raise self._wrong("covariance", "a symmetric matrix", found=found)
        matrix = (matrix + matrix.T) / 2 * np.outer(factors, factors)
        # Dimensions of very different size are judged alike: on the correlations, not on the variances.
        scale = np.sqrt(np.maximum(np.diag(matrix), 0.0))
        safe = np.where(scale > 0, scale, 1.0)
        smallest = float(np.linalg.eigvalsh(matrix / np.outer(safe, safe)).min())
        if (np.diag(matrix) < 0).any() or smallest < -ROUNDING * size:
            found = f"smallest eigenvalue {smallest:.3g} (of the matrix with variances scaled to 1)"
            fix = "no noise has this covariance: each |covariance| is at most the product of the two deviations"
            raise self._wrong("covariance", "a positive semi-definite matrix", found=found, fix=fix)
        return matrix

    def _array(self, key: str, shape: tuple[int, ...], expected: str) -> Matrix:
        rows: Sequence[object] = self._content[key] if isinstance(self._content[key], list) else []
        flat: list[object] = []
        for row in rows if len(shape) == 2 else [rows]:
            if not isinstance(row, list) or len(row) != shape[-1]:
                raise self._wrong(key, expected)
            flat += row
        numbers = [_number(value) for value in flat]
        if len(flat) != np.prod(shape) or None in numbers:
            raise self._wrong(key, expected)
        return np.array(numbers, np.float64).reshape(shape)

    def _alpha(self) -> tuple[float | None, int | None]:
        if ("alpha" in self._content) != ("horizon" in self._content):
            raise NoiseFileError(f"{self._name}: alpha and horizon belong together", expected="both, or neither")
        if "alpha" not in self._content:
            return None, None
        horizon = self._content["horizon"]
        if not _is_whole(horizon) or not 1 <= horizon <= 10**9:
            raise self._wrong("horizon", "ticks of an episode, at least 1")
        return self._number("alpha", 0.0, lambda x: 0 <= x <= 1e9, "an expected squared error of at least 0"), horizon

    def _number(self, key: str, default: float, accepts: Callable[[float], bool], expected: str) -> float:
        value = _number(self._content.get(key, default))
        if value is None or not accepts(value):
            raise self._wrong(key, expected)
        return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> float | None:
    """A number that is finite, and small enough that its square is; ``None`` for anything else."""
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e100:
        return None
    return float(value)
