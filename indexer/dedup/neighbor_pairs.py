"""Finds pairs of near vectors without comparing all with all.

The vectors are parted into cells around about √n of them, each vector into the cells of its nearest few centres. Only
vectors that share a cell are compared, so the work grows as n√n (a few seconds for 100,000), not as n². Two vectors
that are nearly equal have the same nearest centres; what lies at the border of its cell is in the next one, too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CELLS_OF_EACH = 3
EXACT_UP_TO = 2_000  # vectors that are simply compared with each other
ROWS_AT_ONCE = 4_096
LARGEST_CELL = 20_000  # of images that are all alike; beyond it only neighbours in the order of rows are compared


def neighbor_pairs(vectors: np.ndarray, least: float, most_each: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows of `vectors` (n, d), of length 1, whose cosine is `least` or more -> (pairs (m, 2) int64 with the
    smaller row first, sorted; cosines (m,) float32). Of each row at most its `most_each` nearest."""
    n = len(vectors)
    best_rows = np.full((n, most_each), -1, np.int64)
    best_cosines = np.full((n, most_each), -2.0, np.float32)
    for members in _cells(vectors):
        for start in range(0, len(members), LARGEST_CELL):
            _compare(vectors, members[start : start + LARGEST_CELL], best_rows, best_cosines)
    kept = (best_rows >= 0) & (best_cosines >= least)
    firsts = np.repeat(np.arange(n), most_each).reshape(n, most_each)[kept]
    both = np.stack([firsts, best_rows[kept]], axis=1)
    both.sort(axis=1)
    pairs, where = np.unique(both, axis=0, return_index=True)
    return pairs, best_cosines[kept][where]


def _cells(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """Overlapping sets of rows, each sorted."""
    n = len(vectors)
    if n <= EXACT_UP_TO:
        yield np.arange(n)
        return
    count = max(2, round(np.sqrt(n) / 2))
    centres = vectors[np.random.default_rng(0).choice(n, count, replace=False)]
    nearest = np.empty((n, CELLS_OF_EACH), np.int32)
    for start in range(0, n, ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        nearest[part] = np.argpartition(-(vectors[part] @ centres.T), CELLS_OF_EACH - 1, axis=1)[:, :CELLS_OF_EACH]
    order = np.argsort(nearest.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(nearest.ravel(), minlength=count))
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        if end - start > 1:
            yield np.sort(order[start:end] // CELLS_OF_EACH)


def _compare(vectors: np.ndarray, members: np.ndarray, rows: np.ndarray, cosines: np.ndarray) -> None:
    """Compare the members of a cell with each other and keep the nearest of each, in place."""
    inside = vectors[members]
    most = rows.shape[1]
    for start in range(0, len(members), ROWS_AT_ONCE):
        asking = members[start : start + ROWS_AT_ONCE]
        scores = inside[start : start + ROWS_AT_ONCE] @ inside.T
        scores[np.arange(len(asking)), start + np.arange(len(asking))] = -2.0
        if len(members) > most:
            found = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        else:
            found = np.tile(np.arange(len(members)), (len(asking), 1))
        new_rows, new = members[found], np.take_along_axis(scores, found, axis=1)
        new[(new_rows[:, :, np.newaxis] == rows[asking][:, np.newaxis, :]).any(axis=2)] = -2.0  # from another cell
        every_row, every = np.hstack([rows[asking], new_rows]), np.hstack([cosines[asking], new])
        best = np.argsort(-every, axis=1, kind="stable")[:, :most]
        rows[asking] = np.take_along_axis(every_row, best, axis=1)
        cosines[asking] = np.take_along_axis(every, best, axis=1)
