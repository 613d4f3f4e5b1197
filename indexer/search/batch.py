"""Searches many texts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.errors import QueryError
from core.validation import TEXT, WHOLE, require, require_many
from indexer.ann import exact_search
from indexer.ann.candidates import candidates_many

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.collection.snapshot import Snapshot

QUERIES_AT_ONCE = 64  # that are compared with everything
INDEXED_AT_ONCE = 1_024
MOST_AT_ONCE = 1_000


def search_many(
    snapshot: Snapshot, encoder: Callable[[], Encoder], texts: Sequence[str], *, limit: int = 10
) -> list[list[tuple[str, float]]]:
    """For each of many texts the ids and cosines of its best images, as `Searcher.search` would find them one by one.

    The texts are encoded together, and searched together through the index; without one, and where images are
    excluded, all are compared with all images. Either is several times as quick as one after the other.
    Raises `QueryError` for an empty text or a limit that is not between 1 and 1,000.
    """
    texts = require_many("texts", texts, '["red", "a blue car"]')
    require("limit", limit, WHOLE)
    for text in texts:
        require("what to look for", text, TEXT)
    if not 1 <= limit <= MOST_AT_ONCE:
        raise QueryError(f"limit {limit:,} is not between 1 and {MOST_AT_ONCE:,}")
    empty = next((place for place, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        raise QueryError(f"the query number {empty + 1} is empty")
    if not texts:
        return []
    queries, ids = encoder().encode_texts(list(texts)), snapshot.ids
    excluded = snapshot.excluded
    limit = min(limit, len(ids) - (0 if excluded is None else int(excluded.sum())))
    if not limit:
        return [[] for _ in texts]
    answers: list[list[tuple[str, float]]] = []
    for start in range(0, len(queries), INDEXED_AT_ONCE):
        part = queries[start : start + INDEXED_AT_ONCE]
        found = candidates_many(snapshot, part, limit) if excluded is None else None
        for rows, scores in _compared(snapshot.vectors, part, limit, excluded) if found is None else found:
            answers.append([(ids[row], float(score)) for row, score in zip(rows.tolist(), scores, strict=True)])
    return answers


def _compared(
    vectors: np.ndarray, queries: np.ndarray, k: int, excluded: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each query (m, d) the best k rows and their cosines, from all `vectors` (n, d) but the excluded, (n,) bool."""
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        part = queries[start : start + QUERIES_AT_ONCE]
        for query, rough in zip(part, part @ vectors.T, strict=True):
            if excluded is not None:
                rough[excluded] = -np.inf
            yield exact_search.ranked(vectors, exact_search.at_border(rough, k, vectors.shape[1]), query, k)
