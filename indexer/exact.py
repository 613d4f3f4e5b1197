"""What is the exact answer?

Every faster way to search is tested against this one. The cosine of unit vectors is their inner product.
"""

from __future__ import annotations

import numpy as np

ROWS_AT_ONCE = 4096


def best(vectors: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `vectors` (n, d) nearest to `query` (d,), all float32 and of length 1, best first, equal ones by
    position -> their positions (min(k, n),) int64 and cosines (min(k, n),) float32.

    A product of a matrix and a vector sums some rows in another order than others, so that two copies of one picture
    may differ in their last digits, and anything may come between them. It only chooses candidates here; their
    cosines are summed again, each row alike. So equal rows are equal, and the answer for k is the beginning of the
    answer for any larger k.
    """
    rough = vectors @ query
    n, d = vectors.shape
    if k < n:
        # Both sums err by less than d/2 rounding errors of 1, the length of the vectors (Higham 2002, section 3.1).
        border = np.partition(rough, n - k)[n - k] - (d + 1) * np.finfo(np.float32).eps
        candidates = np.flatnonzero(rough >= border)
    else:
        candidates = np.arange(n)
    scores = _cosines(vectors, candidates, query)
    order = np.argsort(-scores, kind="stable")[:k]  # stable: positions ascend among equal scores
    return candidates[order], scores[order]


def _cosines(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Of some rows, each summed alike in float64 -> (len(rows),) float32."""
    wide = query.astype(np.float64)
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        scores[part] = (vectors[rows[part]] * wide).sum(axis=1)
    return scores
