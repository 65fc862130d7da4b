"""Everything that must hold before a bundle may drive a robot."""

from __future__ import annotations

from pathlib import Path

from models.bundle.differences import contract_differences, summarise_differences
from models.bundle.providers import open_graph
from models.bundle.reading import Bundle, inspect_bundle
from models.contract import Contract
from models.errors import BundleError

__all__ = ["require_contract", "verify_bundle"]


def verify_bundle(path: Path | str, contract: Contract | None = None) -> Bundle:
    """Check structure, metadata, the contract (when given) and the known answer on the CPU.

    Raises:
        BundleError: with one reason of the table in ``docs/bundle.md``.
    """
    bundle = inspect_bundle(path)
    if contract is not None:
        require_contract(bundle, contract)
    open_graph(bundle, "cpu", threads=1)
    return bundle


def require_contract(bundle: Bundle, contract: Contract) -> None:
    """Raise ``BundleError``, naming the fields that differ, unless the bundle was made for this contract."""
    differences = contract_differences(bundle.contract, contract)
    if differences:
        raise BundleError(
            f"{bundle.path.name} was made for another contract",
            found=summarise_differences(differences),
            expected=f"contract {contract.hash[:12]} of {contract.robot_type!r}, not {bundle.contract.hash[:12]}",
            fix="train and export with the robot's contract, or give the robot the bundle's (in its metadata)",
        )
