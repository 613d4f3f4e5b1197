"""Fuses two rankings into one.

By reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): each row gets the sum of 1 / (60 + its rank) over the
rankings that hold it. Only ranks count, so that cosines and BM25 scores need no common scale.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

K = 60  # of the paper, section 3: flattens the difference between the first few ranks
DEPTH = 1_000
"""How many of the best of each ranking are fused. It does not depend on how many hits are asked for, or else the first
ten hits need not be the beginning of the first twenty."""


def fused(rankings: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Rankings, each of rows and their scores, best first -> all rows that are among the best `DEPTH` of any, by the
    sum of their reciprocal ranks, ties by position; and these sums float64. Rows of one score share the better rank."""
    rows = np.unique(np.concatenate([ranking[:DEPTH] for ranking, _ in rankings]))
    sums = np.zeros(len(rows))
    for ranking, scores in rankings:
        best, falling = ranking[:DEPTH], -scores[:DEPTH]
        sums[np.searchsorted(rows, best)] += 1 / (K + 1 + np.searchsorted(falling, falling))
    order = np.argsort(-sums, kind="stable")
    return rows[order], sums[order]
