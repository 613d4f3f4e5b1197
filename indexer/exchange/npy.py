"""Reads and writes matrices as `.npy` files, a part at a time.

The header of such a file is somebody's word: it is read without unpickling anything, and believed only where the file
has exactly the length that it tells of. The format is that of NumPy Enhancement Proposal 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from core.errors import DataError

KINDS = ("float16", "float32", "float64")
MOST_NUMBERS = 100_000  # in a vector; a larger one is a mistake or an attack


def map_npy(path: Path) -> np.ndarray:
    """The vectors of a file (n, d), mapped into memory in the numbers they are stored in. Raises `DataError`."""
    try:
        with path.open("rb") as file:
            version = npy.read_magic(file)
            if version == (1, 0):
                shape, fortran, dtype = npy.read_array_header_1_0(file)
            elif version == (2, 0):
                shape, fortran, dtype = npy.read_array_header_2_0(file)
            else:
                raise ValueError(f"version {version[0]}.{version[1]} is not known")
            start, size = file.tell(), path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    except Exception as error:  # the header is Python text; a hostile one may break its parser in any way
        raise DataError(f"{path} is not an .npy file that can be read ({_line(error)})") from None
    if dtype.hasobject or dtype.name not in KINDS or dtype.byteorder == ">":
        raise DataError(f"{path} holds {dtype.name}; vectors are {', '.join(KINDS)}, little-endian")
    if len(shape) != 2 or fortran or not 0 < shape[1] <= MOST_NUMBERS:
        order = "columns first, " if fortran else ""
        raise DataError(f"{path} holds an array of {order}shape {shape}; vectors are one row each, (n, d)")
    n, d = int(shape[0]), int(shape[1])
    if size - start != n * d * dtype.itemsize:
        raise DataError(
            f"{path} tells of {n:,} vectors of {d:,} {dtype.name} numbers, which is {n * d * dtype.itemsize:,} bytes, "
            f"and holds {size - start:,}: it is damaged or was not written to its end"
        )
    if n == 0:
        return np.empty((0, d), dtype)
    return np.memmap(path, dtype, "r", start, (n, d))


def write(path: Path, parts: Iterable[np.ndarray], n: int, d: int, dtype: str) -> None:
    """n vectors of d numbers that come in parts (m, d), as one file. Raises `DataError`."""
    try:
        with path.open("wb") as file:
            npy.write_array_header_1_0(
                file, {"descr": np.dtype(dtype).newbyteorder("<").str, "fortran_order": False, "shape": (n, d)}
            )
            for part in parts:
                file.write(np.ascontiguousarray(part, dtype).tobytes())
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:100] or type(error).__name__
