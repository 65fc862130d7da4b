"""The noise file: what is accepted, what is refused and in which words, and what it means."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from gated_robot import CONTRACT

from models.noise_file import (
    MAX_BYTES,
    NoiseFile,
    NoiseFileError,
    cholesky_factor,
    load_noise,
    scaled_covariance,
    write_noise,
)

GOOD: dict[str, Any] = {
    "format": "understudy-noise-1",
    "names": ["twist.linear.x", "twist.angular.z"],
    "units": ["m/s", "rad/s"],
    "covariance": [[0.16, 0.02], [0.02, 0.09]],
    "seed": 7,
}


def saved(path: Path, content: object) -> Path:
    file = path / "noise.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def load(path: Path, **changes: object) -> NoiseFile:
    """The good file with other values; ``None`` takes a key out."""
    content = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return load_noise(saved(path, content), CONTRACT)


def test_a_file_means_what_it_says(tmp_path: Path) -> None:
    noise = load(tmp_path, time_constant=0.5)
    assert noise.covariance.tolist() == GOOD["covariance"]
    assert (noise.names, noise.seed, noise.time_constant_s) == (CONTRACT.action_names, 7, 0.5)
    assert re.fullmatch("[0-9a-f]{64}", noise.sha256)
    assert not noise.is_zero
    assert not noise.covariance.flags.writeable


def test_units_are_converted_and_deviations_are_squared(tmp_path: Path) -> None:
    """Catches degrees taken for radians: noise 3,283 times too strong."""
    noise = load(tmp_path, covariance=None, std=[20, 18], units=["cm/s", "deg/s"])
    np.testing.assert_allclose(noise.covariance, np.diag([0.2**2, (np.pi / 10) ** 2]), rtol=1e-12)
    turned = load(tmp_path, covariance=[[1, 90], [90, 32400]], units=["m/s", "deg/s"])
    np.testing.assert_allclose(turned.covariance, [[1, np.pi / 2], [np.pi / 2, np.pi**2]], rtol=1e-12)


def test_alpha_sets_the_expected_squared_disturbance_of_an_episode(tmp_path: Path) -> None:
    """Catches the paper's scaling by another power, or without the horizon: T tr(Sigma) has to be alpha."""
    noise = load(tmp_path, alpha=50.0, horizon=400)
    assert 400 * np.trace(noise.covariance) == pytest.approx(50.0)
    np.testing.assert_allclose(noise.covariance / noise.covariance[0, 0], np.array(GOOD["covariance"]) / 0.16)
    assert (noise.alpha, noise.horizon) == (50.0, 400)
    assert not scaled_covariance(np.zeros((2, 2)), 1.0, 10).any()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": ["twist.angular.z", "twist.linear.x"]}, "twist.linear.x, twist.angular.z"),
        ({"names": ["twist.linear.x"]}, "in their order"),
        ({"names": None}, "missing keys(.|\n)*names"),
        ({"units": ["m/s", "m/s"]}, "a unit of twist.angular.z, such as rad/s"),
        ({"units": ["m/s", "furlong"]}, "furlong"),
        ({"units": "m/s"}, "a list of 2 units"),
        ({"covariance": [[1.0, 0.3], [0.2, 1.0]]}, "row 1, column 2 is 0.3, mirrored 0.2(.|\n)*symmetric"),
        ({"covariance": [[1.0, 1.1], [1.1, 1.0]]}, "smallest eigenvalue -0.1(.|\n)*positive semi-definite"),
        ({"covariance": [[1e-4, 0.2], [0.2, 100.0]]}, "positive semi-definite"),
        ({"covariance": [[0.0, 0.1], [0.1, 1.0]]}, "positive semi-definite"),
        ({"covariance": [[-1.0, 0.0], [0.0, 1.0]]}, "positive semi-definite"),
        ({"covariance": [[1.0, 0.0]]}, "2 rows of 2 numbers"),
        ({"covariance": [[1.0, 0.0], [0.0, float("nan")]]}, "2 rows of 2 numbers"),
        ({"covariance": [[1.0, 0.0], [0.0, True]]}, "2 rows of 2 numbers"),
        ({"covariance": 3}, "2 rows of 2 numbers"),
        ({"covariance": None}, "one of covariance and std"),
        ({"std": [1, 1]}, "exactly one"),
        ({"covariance": None, "std": [1, -1]}, "at least 0"),
        ({"covariance": None, "std": [1, float("inf")]}, "2 numbers"),
        ({"covariance": None, "std": [1, 10**400]}, "2 numbers"),
        ({"seed": -1}, "whole number"),
        ({"seed": 1.5}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"time_constant": -0.1}, "0 to 60"),
        ({"time_constant": "fast"}, "0 to 60"),
        ({"alpha": 1.0}, "belong together"),
        ({"alpha": 1.0, "horizon": 0}, "at least 1"),
        ({"alpha": -1.0, "horizon": 5}, "at least 0"),
        ({"format": "understudy-noise-9"}, "understudy-noise-1"),
        ({"sead": 3}, "did you mean 'seed'"),
    ],
)
def test_what_contradicts_itself_or_the_robot_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(NoiseFileError) as caught:
        load(tmp_path, **changes)
    assert re.search(says, str(caught.value)), str(caught.value)
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a noise file"),
        ("- 1", "not a noise file"),
        ("a: [", "not plain YAML"),
        ("x: !!python/object/apply:os.system [echo]", "not plain YAML"),
        ("seed: 1\nseed: 2", "stands twice(.|\n)*seed"),
        ("a: &x [1, 1]\nb: [*x, *x]", "aliases"),
        ("[" * 5000, "nested too deep"),
        ("a: 2001-99-99", "not plain YAML"),
        ("#" + "x" * MAX_BYTES, "too large"),
    ],
)
def test_a_hostile_or_broken_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """Catches code that runs, memory that fills, and tracebacks."""
    with pytest.raises(NoiseFileError) as caught:
        load_noise(saved(tmp_path, text), CONTRACT)
    assert re.search(says, str(caught.value)), str(caught.value)
    assert len(str(caught.value)) < 1000


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.yaml"):
        with pytest.raises(NoiseFileError, match="cannot be read"):
            load_noise(path, CONTRACT)
    binary = tmp_path / "noise.yaml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(NoiseFileError, match="not UTF-8"):
        load_noise(binary, CONTRACT)


def test_exponents_without_a_point_are_numbers(tmp_path: Path) -> None:
    """Catches YAML 1.1, for which 1e-4 is a text."""
    text = yaml.safe_dump(GOOD).replace("0.16", "16e-2")
    assert "16e-2" in text
    assert load_noise(saved(tmp_path, text), CONTRACT).covariance[0, 0] == 0.16


def test_what_is_written_is_read_as_the_same_noise(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    root = rng.normal(size=(2, 2))
    noise = NoiseFile(CONTRACT.action_names, root @ root.T, 12, 0.25)
    path = tmp_path / "noise.yaml"
    for _ in range(2):  # an earlier file is replaced
        write_noise(path, noise, CONTRACT)
    again = load_noise(path, CONTRACT)
    assert again.covariance.tolist() == ((noise.covariance + noise.covariance.T) / 2).tolist()
    assert (again.seed, again.time_constant_s, again.alpha) == (12, 0.25, None)
    assert [file.name for file in tmp_path.iterdir()] == ["noise.yaml"]
    with pytest.raises(NoiseFileError, match="semi-definite"):
        write_noise(path, replace(noise, covariance=np.diag([1.0, -1.0])), CONTRACT)
    with pytest.raises(NoiseFileError, match="cannot be written"):
        write_noise(tmp_path / "no" / "noise.yaml", noise, CONTRACT)


@pytest.mark.parametrize("rank", [0, 1, 2, 4])
def test_the_factor_of_a_covariance_gives_it_back_also_when_it_is_singular(rank: int) -> None:
    rng = np.random.default_rng(rank)
    root = rng.normal(size=(4, rank)) * np.array([[1.0], [1e-3], [50.0], [1.0]])
    covariance = root @ root.T
    factor = cholesky_factor(covariance)
    np.testing.assert_allclose(factor @ factor.T, covariance, atol=1e-9 * max(1.0, covariance.max()))
    assert not np.triu(factor, 1).any()
    dead = np.diag([1.0, 0.0, 2.0])
    assert not cholesky_factor(dead)[1].any()
