"""Shared parts of the FAISS kinds: mapped files and filters."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import MissingExtraError

FILE = "index.faiss"


@cache
def library() -> Any:
    """FAISS. Raises `MissingExtraError` where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise MissingExtraError("faiss", "cpu", "an approximate index") from None
    return faiss


def selector(allowed: np.ndarray | None) -> Any:
    """The mask (n,) bool as FAISS takes it; None where nothing is left out."""
    if allowed is None:
        return None
    return library().IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def probes(lists: int) -> tuple[int, ...]:
    """Numbers of inverted lists worth a trial: from one to all of them, each √2 times the one before."""
    steps = {round(2 ** (power / 2)) for power in range(2 * int(math.log2(lists)) + 1)}
    return tuple(sorted(steps | {lists}))


def search(index: Any, queries: np.ndarray, k: int, parameters: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores (m, k) and positions (m, k): what FAISS's own `search` in Python does, with less around it."""
    pointer = library().swig_ptr
    queries = np.ascontiguousarray(queries, np.float32)
    m, d = queries.shape
    if d != index.d:
        raise ValueError(f"queries of {d} numbers, not {index.d}")
    scores, positions = np.empty((m, k), np.float32), np.empty((m, k), np.int64)
    index.search_c(m, pointer(queries), k, pointer(scores), pointer(positions), parameters)
    return scores, positions


def padded(positions: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Answers (m, fewer) as wide as k, with -1 and minus infinity where there is nothing."""
    missing = [(0, 0), (0, k - positions.shape[1])]
    if k > positions.shape[1]:
        positions = np.pad(positions, missing, constant_values=-1)
        scores = np.pad(scores, missing, constant_values=-np.inf)
    return positions, scores


def write(index: Any, folder: Path) -> None:
    library().write_index(index, str(folder / FILE))


def read(folder: Path, kind: str, n: int, d: int, flags: int) -> Any:
    """The index in a checked file. Raises ValueError or RuntimeError where it is another one than was saved."""
    index = library().read_index(str(folder / FILE), flags)
    if type(index).__name__ != kind or (index.ntotal, index.d) != (n, d):
        raise ValueError(f"{FILE} is a {type(index).__name__} of {index.ntotal:,} × {index.d}, not {kind} {n:,} × {d}")
    return index
