"""Reads one query vector from an `.npy` file or JSON."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any

import numpy as np

from core.errors import QueryError

MOST_BYTES = 16 << 20  # a vector has some thousand numbers; this is something else
STDIN = "-"


def one_vector(name: str) -> np.ndarray:
    """The numbers of a file, or of standard input for "-" -> (d,) float64, whatever they are. Raises `QueryError`."""
    told = "standard input" if name == STDIN else name
    data = _read(name, told)
    found = _from_npy(data, told) if data.startswith(b"\x93NUMPY") else _from_json(data, told)
    if found.ndim == 2 and len(found) == 1:
        found = found[0]
    if found.ndim != 1:
        raise QueryError(f"{told} holds an array of shape {found.shape}; a search takes one vector, a row of numbers")
    return found


def _read(name: str, told: str) -> bytes:
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(os.path.expanduser(name), "rb") as file:  # noqa: PTH111, PTH123 - a Path refuses odd names
                data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise QueryError(f"{told} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MOST_BYTES:
        raise QueryError(f"{told} has more than {MOST_BYTES >> 20} MB, which is not a single vector")
    if not data.strip():
        raise QueryError(f"{told} is empty; a vector is an .npy file or a JSON list of numbers")
    return data


def _from_npy(data: bytes, told: str) -> np.ndarray:
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
        kind = found.dtype
    except Exception as error:  # the header is Python text; a hostile one may break its parser in any way
        raise QueryError(
            f"{told} is not an .npy file that can be read ({' '.join(str(error).split())[:100]})"
        ) from None
    if kind.kind not in "fiu":
        raise QueryError(f"{told} holds {kind.name}; a vector is numbers")
    return np.asarray(found, np.float64)


def _from_json(data: bytes, told: str) -> np.ndarray:
    try:
        found: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise QueryError(
            f"{told} is neither an .npy file nor JSON; a vector is a list of numbers: [0.1, -0.2, …]"
        ) from None
    while isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    if not isinstance(found, list) or not all(type(each) in (int, float) for each in found):
        raise QueryError(f"{told} does not hold a plain list of numbers, such as [0.1, -0.2, …]")
    try:
        return np.array(found, np.float64)
    except OverflowError:
        raise QueryError(f"{told} holds a number too large to compute with") from None
