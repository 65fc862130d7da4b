"""``.npy`` files that grow row by row, since nobody knows the number of rows before the last episode was read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RowFile", "digest_of_rows", "map_rows"]

#: Bytes set aside for the header, which is written last. NumPy's own header of such an array takes 128 at most.
_HEADER = 256
_BLOCK = 1 << 24


class RowFile:
    """One array on its way to disk.

    Args:
        path: a file that does not exist yet.
        dtype: of an element.
        row_shape: of a row.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], row_shape: tuple[int, ...]) -> None:
        self.row_shape = row_shape
        self._dtype = dtype
        self._rows = 0
        self._digest = hashlib.sha256()
        self._file = path.open("xb")
        self._file.write(bytes(_HEADER))

    def append(self, rows: npt.NDArray[np.generic]) -> None:
        """Append ``(n, *row_shape)``. Raises OSError."""
        data = np.ascontiguousarray(rows).view(np.uint8).reshape(-1).data
        self._file.write(data)
        self._digest.update(data)
        self._rows += len(rows)

    def close(self) -> dict[str, object]:
        """Write the header and make the file durable; what the dataset's index says of it. Raises OSError."""
        shape = (self._rows, *self.row_shape)
        # NPY format 1.0: magic, version, length of the text, and the text padded with spaces up to a line end.
        text = f"{{'descr': {self._dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
        start = b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little")
        with self._file:
            self._file.seek(0)
            self._file.write(start + text.ljust(_HEADER - len(start) - 1) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        return {"dtype": self._dtype.str, "shape": list(shape), "sha256": self._digest.hexdigest()}


def map_rows(path: Path, dtype: str, shape: Sequence[int]) -> npt.NDArray[Any]:
    """Read-only array mapped from a file. Raises OSError, or ValueError when it is not the array that was expected."""
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if mapped.dtype.str != dtype or list(mapped.shape) != list(shape):
        raise ValueError(f"{path.name} holds {mapped.dtype.str} {mapped.shape}, not {dtype} {tuple(shape)}")
    # A plain array over the same pages: indexing np.memmap is slower, and its results pretend to be files.
    return np.asarray(mapped)


def digest_of_rows(rows: npt.NDArray[np.generic]) -> str:
    """Hex SHA-256 of a contiguous array's bytes."""
    digest = hashlib.sha256()
    data = rows.view(np.uint8).reshape(-1)
    for start in range(0, len(data), _BLOCK):
        digest.update(data[start : start + _BLOCK].data)
    return digest.hexdigest()
