"""Pairs the rows of a collection with the vectors of its index.

Rows are told apart by what an index knows of them: their vectors. A row whose vector is in the index is served by it,
whatever became of its name; equal vectors are paired in order. So a renamed image, or a tidied table, changes
nothing, and an image that was indexed anew is one that went and one that came.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

ROWS_AT_ONCE = 16_384
# What makes a row what it is, beside its vector.
TOLD_BY = {"images": ("id", "hash", "texts_key"), "texts": ("id", "image_id", "text")}


@dataclass(frozen=True)
class Pairing:
    """n vectors in an index, and a collection as it is now."""

    row: np.ndarray  # (n,) int64: the row that each vector of the index belongs to; -1 where it has gone
    new: np.ndarray  # int64, ascending: the rows that the index does not know

    @property
    def is_identity(self) -> bool:
        return not len(self.new) and np.array_equal(self.row, np.arange(len(self.row)))

    @property
    def change(self) -> float:
        """How much came and went since the index was built, as a part of it."""
        return (len(self.new) + int((self.row < 0).sum())) / max(1, len(self.row))


def keys(vectors: np.ndarray) -> np.ndarray:
    """A number for each of `vectors` (n, d) float32, the same for equal bytes only, but for chance: (n,) uint64."""
    n, d = vectors.shape
    factors = np.random.default_rng(0).integers(1, 2**64, d, np.uint64) | np.uint64(1)
    found = np.empty(n, np.uint64)
    for start in range(0, n, ROWS_AT_ONCE):
        part = np.ascontiguousarray(vectors[start : start + ROWS_AT_ONCE]).view(np.uint32)
        found[start : start + ROWS_AT_ONCE] = part.astype(np.uint64) @ factors
    return found


def pair(indexed: np.ndarray, now: np.ndarray) -> Pairing:
    """Match the keys of an index (n,) with those of all rows now (m,); the first of equal ones with the first."""
    before, after = np.argsort(indexed, kind="stable"), np.argsort(now, kind="stable")
    sorted_before, sorted_after = indexed[before], now[after]
    # The how-manieth among its equals each row is, and where that one would be in the index.
    nth = np.arange(len(now)) - np.searchsorted(sorted_after, sorted_after)
    at = np.searchsorted(sorted_before, sorted_after) + nth
    known = at < np.searchsorted(sorted_before, sorted_after, "right")
    row = np.full(len(indexed), -1, np.int64)
    row[before[at[known]]] = after[known]
    return Pairing(row, np.sort(after[~known]).astype(np.int64))


def digest(table: Any, target: str) -> str:
    """A hash of what the rows of a snapshot's pyarrow table are, in their order."""
    import pyarrow as pa

    told = table.select([name for name in TOLD_BY[target] if name in table.column_names])
    told = told.replace_schema_metadata(None).combine_chunks()
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, told.schema) as stream:
        stream.write_table(told)
    return hashlib.blake2b(out.getvalue(), digest_size=32).hexdigest()
