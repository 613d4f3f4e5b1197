"""Which stored vectors are nearest to a query, by whatever is fastest here?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from indexer import exact

if TYPE_CHECKING:
    from indexer.query import Target
    from indexer.snapshot import Snapshot


def candidates(
    snapshot: Snapshot,
    vector: np.ndarray,
    k: int,
    allowed: np.ndarray | None = None,
    target: Target = "images",
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `snapshot.images` or `snapshot.texts` nearest to `vector` (d,), best first, ties by position ->
    positions (k,) int64 and exact cosines (k,) float32; fewer where fewer rows are `allowed` (n,) bool."""
    vectors = snapshot.text_vectors if target == "texts" else snapshot.vectors
    if allowed is None:
        return exact.best(vectors, vector, k)
    rows = np.flatnonzero(allowed)
    places, scores = exact.best(vectors[rows], vector, k)
    return rows[places], scores
