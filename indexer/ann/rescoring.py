"""Turns the candidates of an index into exact answers.

Products in float32 tell which of r proposals may be among the best k; only these are summed again as
`exact_search.cosines` sums, so that scores and order are those of the exact search. A row takes 2 kB from anywhere in
gigabytes, which is what this costs; that is why each row is fetched once.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

QUERIES_AT_ONCE = 32  # with 64 proposals of 512 numbers: 4 MB, which stay in the processor's cache
THREADS = min(8, os.cpu_count() or 1)

Answer = tuple[np.ndarray, np.ndarray]


def leading(vectors: np.ndarray, rows: np.ndarray, query: np.ndarray, k: int, depth: int) -> Answer | None:
    """The first k of the best `depth` of some `rows` (r,) of `vectors` (n, d), best first, ties by position; k < depth
    <= r. None where the k-th is so near to the last of them that more has to be looked at."""
    picked = vectors.take(rows, axis=0)
    rough = picked @ query
    ordered = np.sort(rough)
    # Sums in float32 and in float64 differ by less than this half the time (see `exact`), and by all of it never.
    slack = (vectors.shape[1] + 1) * _ROUNDING
    least = ordered[-k] - slack
    if ordered[-depth] + slack >= least:
        return None
    near = np.flatnonzero(rough >= least)
    rows = rows[near]
    scores = (picked[near] * query.astype(np.float64)).sum(axis=1).astype(np.float32)
    order = np.lexsort((rows, -scores))[:k]
    return rows[order], scores[order]


def leading_many(vectors: np.ndarray, rows: np.ndarray, queries: np.ndarray, k: int, depth: int) -> list[Answer | None]:
    """As `leading` for queries (m, d) and their proposals (m, r), on all processors."""
    parts = [slice(start, start + QUERIES_AT_ONCE) for start in range(0, len(queries), QUERIES_AT_ONCE)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda part: _leading_part(vectors, rows[part], queries[part], k, depth), parts)
        return [answer for part in found for answer in part]


def _leading_part(
    vectors: np.ndarray, rows: np.ndarray, queries: np.ndarray, k: int, depth: int
) -> list[Answer | None]:
    m, r = rows.shape
    picked = vectors.take(rows.ravel(), axis=0)
    rough = np.matmul(picked.reshape(m, r, -1), queries[:, :, np.newaxis])[:, :, 0]
    ordered = np.sort(rough, axis=1)
    slack = (vectors.shape[1] + 1) * _ROUNDING
    least = ordered[:, -k] - slack
    sure = ordered[:, -depth] + slack < least
    whose, near = np.nonzero(rough >= least[:, np.newaxis])
    scores = (picked[whose * r + near] * queries.astype(np.float64)[whose]).sum(axis=1).astype(np.float32)
    positions = rows[whose, near]
    order = np.lexsort((positions, -scores, whose))
    scores, positions = scores[order], positions[order]
    starts = np.searchsorted(whose, np.arange(m))
    return [
        (positions[start : start + k], scores[start : start + k]) if known else None
        for start, known in zip(starts.tolist(), sure.tolist(), strict=True)
    ]


_ROUNDING = float(np.finfo(np.float32).eps)
