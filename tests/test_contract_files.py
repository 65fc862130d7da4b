"""Files that are no contracts at all, by accident or by malice: each is a ContractError, soon and in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from models.contract import ContractError, load_contract, parse_contract

DRIVING = (Path(__file__).parents[1] / "contracts" / "driving.yaml").read_text()

BOMB = "x-a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x-{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGE_BOMB = "x-a: &a {k: 1}\n" + "".join(
    f"x-{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
UNREADABLE = {
    "empty": ("", "the file is empty"),
    "only a comment": ("# nothing\n", "the file is empty"),
    "a list": ("- 1\n- 2\n", "not a contract"),
    "a word": ("hello", "not a contract"),
    "broken YAML": ("fps: [1, 2\nrobot: 3", "line 1: not valid YAML: a '\\[' that is not closed"),
    "two documents": ("fps: 1\n---\nfps: 2\n", "not valid YAML"),
    "unknown alias": ("fps: *nobody\n", "not valid YAML"),
    "control character": ("fps: \x07", "not valid YAML"),
    "lone surrogate": ("fps: \ud800", "not valid YAML"),
    "too deep": ("[" * 5000, "nested too deep"),
    "too deep by indentation": ("".join(f"{' ' * depth}a:\n" for depth in range(200)), "nested too deep"),
    "alias bomb": (BOMB + DRIVING, "aliases multiply the file"),
    "merge bomb": (MERGE_BOMB + DRIVING, "aliases multiply the file"),
    "endless alias": ("fps: &a [*a]\n", "an anchor contains itself"),
    "too many values": ("x: [" + "1," * 30_000 + "]", "too many values"),
    "too large": ("#" * 300_000, "too large"),
}


@pytest.mark.parametrize(("text", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_text_is_refused(text: str, message: str) -> None:
    """Catches a crash, a hang or an exhausted memory by a file that is no contract."""
    with pytest.raises(ContractError, match=message):
        parse_contract(text)


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """Catches a bare OSError or UnicodeDecodeError on the command line."""
    (tmp_path / "contract.yaml").write_bytes(b"fps: \xff\xfe\n")
    with pytest.raises(ContractError, match="not UTF-8") as caught:
        load_contract(tmp_path / "contract.yaml")
    assert "0xff at offset 5" in str(caught.value)
    with pytest.raises(ContractError, match="there is no contract") as caught:
        load_contract(tmp_path / "contrat.yaml")
    assert "did you mean 'contract.yaml'?" in str(caught.value)
    with pytest.raises(ContractError, match="is a directory"):
        load_contract(tmp_path)
    (tmp_path / "huge.yaml").write_bytes(b"# " + b"x" * 10_000_000)
    with pytest.raises(ContractError, match="too large"):
        load_contract(tmp_path / "huge.yaml")
    (tmp_path / "empty.yaml").touch()
    with pytest.raises(ContractError, match="empty"):
        load_contract(tmp_path / "empty.yaml")
    with pytest.raises(ContractError, match="cannot be read"):
        load_contract("a\0b")


def test_an_endless_file_is_not_read_to_its_end() -> None:
    """Catches reading /dev/zero until the memory is full."""
    tracemalloc.start()
    try:
        with pytest.raises(ContractError, match="a device, and no regular file"):
            load_contract("/dev/zero")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
