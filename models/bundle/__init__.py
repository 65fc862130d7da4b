"""The policy bundle ``policy.onnx``: export it, look into it, refuse it. See ``docs/bundle.md``.

Reading needs numpy, PyYAML and ONNX Runtime; only ``export_bundle`` (in ``models.bundle.export``) imports torch and
onnx, and it is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.bundle.metadata import BundleMetadata, Parity
from models.bundle.reading import Bundle, inspect_bundle
from models.bundle.verification import require_contract, verify_bundle

if TYPE_CHECKING:
    from models.bundle.export import BundleReport, export_bundle

__all__ = [
    "Bundle",
    "BundleMetadata",
    "BundleReport",
    "Parity",
    "export_bundle",
    "inspect_bundle",
    "require_contract",
    "verify_bundle",
]


def __getattr__(name: str) -> Any:
    """Import the exporting half, and with it torch, only where somebody exports."""
    if name in ("BundleReport", "export_bundle"):
        from models.bundle import export

        return getattr(export, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
