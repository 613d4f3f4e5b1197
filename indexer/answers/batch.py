"""What are the best hits of many queries at once?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.errors import QueryError
from indexer import exact

if TYPE_CHECKING:
    from indexer.search import Searcher

QUERIES_AT_ONCE = 64
MOST_AT_ONCE = 1_000


def search_many(searcher: Searcher, texts: Sequence[str], *, limit: int = 10) -> list[list[tuple[str, float]]]:
    """For each of many texts the ids and cosines of its best pictures, as `Searcher.search` would find them one by one.

    The texts are encoded together and compared with all pictures together, which is several times as quick.
    Raises `QueryError` for an empty text or a limit that is not between 1 and 1,000.
    """
    if not 1 <= limit <= MOST_AT_ONCE:
        raise QueryError(f"limit {limit:,} is not between 1 and {MOST_AT_ONCE:,}")
    empty = next((place for place, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        raise QueryError(f"the query number {empty + 1} is empty")
    if not texts:
        return []
    snapshot = searcher.snapshot()
    encoder = searcher.encoder
    snapshot.collection.check_model(encoder)
    queries, vectors, ids = encoder.encode_texts(list(texts)), snapshot.vectors, snapshot.ids
    excluded = snapshot.excluded
    limit = min(limit, len(ids) - (0 if excluded is None else int(excluded.sum())))
    if not limit:
        return [[] for _ in texts]
    answers = []
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        part = queries[start : start + QUERIES_AT_ONCE]
        for query, rough in zip(part, part @ vectors.T, strict=True):
            if excluded is not None:
                rough[excluded] = -np.inf
            rows, scores = exact.ranked(vectors, exact.at_border(rough, limit, vectors.shape[1]), query, limit)
            answers.append([(ids[row], float(score)) for row, score in zip(rows.tolist(), scores, strict=True)])
    return answers
