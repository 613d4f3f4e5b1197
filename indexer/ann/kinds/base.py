"""The `VectorIndex` protocol.

An index holds n unit vectors and finds, for a query, the positions of those with the largest inner product, fast but
not always all of them. What it returns is a proposal: `indexer.ann.candidates` computes the exact cosines from
the stored vectors, so an index neither decides a score nor an order.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np


class VectorIndex(Protocol):
    """n vectors of length 1 in a form that is quick to search. Safe to search from many threads."""

    kind: ClassVar[str]
    n: int
    size_bytes: int  # what it takes in memory once all of it was touched

    @property
    def efforts(self) -> tuple[int, ...]:
        """Search efforts that are worth trying, ascending. The last one is the most that makes sense."""

    @property
    def oversample(self) -> int:
        """How many times more candidates than wanted it takes, because its order of them is rough."""

    @classmethod
    def build(cls, vectors: np.ndarray, queries: np.ndarray | None = None) -> VectorIndex:
        """An index of `vectors` (n, d) float32 of length 1; nothing in it depends on the time.

        `queries` (m, d) are examples of queries that come from elsewhere than the vectors do, such as texts.
        """

    def search(
        self, queries: np.ndarray, k: int, *, effort: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of `queries` (m, d) float32 -> positions (m, k) int64, -1 where there are fewer, and scores (m, k) float32.

        `allowed` (n,) bool leaves out every vector where it is False. No position comes twice in a row.
        """

    def save(self, folder: Path) -> None:
        """Write files into `folder`, which exists and is empty."""

    @classmethod
    def load(cls, folder: Path, n: int, d: int) -> VectorIndex:
        """What `save` wrote, mapped into memory. Raises ValueError or RuntimeError where it is not n vectors of d.

        Only for files that `indexer.collection.index_files.trust` has checked."""
