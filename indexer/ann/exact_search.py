"""Computes exact answers; everything approximate is measured against it.

Every faster way to search is tested against this one. The cosine of unit vectors is their inner product.
"""

from __future__ import annotations

import numpy as np

ROWS_AT_ONCE = 4096
DENSE = 0.25  # from this part of the rows on, one product with all of them is quicker than picking them out


def top_k(
    vectors: np.ndarray, query: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `vectors` (n, d) nearest to `query` (d,), all float32 and of length 1, best first, equal ones by
    position -> their positions (at most k,) int64 and cosines float32. `allowed` (n,) bool leaves rows out.

    A product of a matrix and a vector sums some rows in another order than others, so that two copies of one image
    may differ in their last digits, and anything may come between them. It only chooses candidates here; their
    cosines are summed again, each row alike. So equal rows are equal, and the answer for k is the beginning of the
    answer for any larger k.
    """
    rows = None if allowed is None else np.flatnonzero(allowed)
    if rows is None:
        rough = vectors @ query
    elif len(rows) >= DENSE * len(vectors):
        rough = (vectors @ query)[rows]
    else:
        rough = products(vectors, rows, query)
    candidates = at_border(rough, k, vectors.shape[1])
    return ranked(vectors, candidates if rows is None else rows[candidates], query, k)


def ranked(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best k of some `rows` (ascending), as `top_k` gives them."""
    if k < len(rows) <= ROWS_AT_ONCE:  # few: picked out once, and only those that may be among the best summed again
        picked = vectors.take(rows, axis=0)
        near = at_border(picked @ query, k, vectors.shape[1])
        rows, scores = rows[near], cosines(picked, near, query)
    else:
        scores = cosines(vectors, rows, query)
    order = np.argsort(-scores, kind="stable")[:k]  # stable: positions ascend among equal scores
    return rows[order], scores[order]


def cosines(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Of some rows, each summed alike in float64 -> (len(rows),) float32."""
    wide = query.astype(np.float64)
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        scores[part] = (vectors[rows[part]] * wide).sum(axis=1)
    return scores


def at_border(rough: np.ndarray, k: int, d: int) -> np.ndarray:
    """Places (ascending) of all that may be among the best k, by scores (n,) summed in float32."""
    n = len(rough)
    if k >= n:
        return np.arange(n)
    # Both sums err by less than d/2 rounding errors of 1, the length of the vectors (Higham 2002, section 3.1).
    border = np.partition(rough, n - k)[n - k] - (d + 1) * np.finfo(np.float32).eps
    return np.flatnonzero(rough >= border)


def products(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """Of some rows, in float32 and in pieces that stay in the processor's cache -> (len(rows),) float32."""
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        found[part] = vectors[rows[part]] @ query
    return found
