"""Caches the background scores that relevance is measured against."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from indexer.search import tile_search
from indexer.search.query import Query, Text, Vector
from indexer.search.relevance import Background, Kind, background, composed, meaningless, relevances, sample

if TYPE_CHECKING:
    from core.encoder import Encoder
    from indexer.collection.snapshot import Snapshot
    from indexer.search.ranking import Ranked

MOST_PARTS = 8
KEPT = 64  # kinds of query a version, the oldest dropped first

Parts = tuple[tuple[Kind, float], ...]


class _Kept:
    """The background of one kind of query, and who computes it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.found: Background | None = None


class BackgroundCache:
    """The backgrounds of the queries that were asked, each computed once for a version. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[Snapshot, dict[tuple[Parts, bool], _Kept]] = WeakKeyDictionary()

    def relevances(
        self, query: Query, snapshot: Snapshot, page: Ranked, encoder: Callable[[], Encoder]
    ) -> list[float | None]:
        """The relevance of the hits of a page, from 0 to 1; None for each where nothing is known to compare with:
        captions, raw vectors (which may be anything), conditions alone, and queries of more than MOST_PARTS parts."""
        parts = _parts(query)
        if parts is None or not len(page.first):
            return [None] * len(page.rows)
        with self._lock:
            kept = self._kept.setdefault(snapshot, {})
            one = kept.setdefault((parts, query.tiles), _Kept())
            while len(kept) > KEPT:
                del kept[next(iter(kept))]
        with one.lock:  # the first may take seconds; who asks something else does not wait
            if one.found is None:
                one.found = _background(parts, snapshot, encoder, tiles=query.tiles)
            against = one.found
        weights: dict[Kind, float] = {}
        for kind, weight in parts:
            weights[kind] = weights.get(kind, 0.0) + abs(weight)
        found: list[float | None] = relevances(page.first, page.scores, weights, against, page.searched).tolist()
        return found


def _parts(query: Query) -> Parts | None:
    if query.target != "images" or not 0 < len(query.parts) <= MOST_PARTS:
        return None
    if any(isinstance(part, Vector) for part in query.parts):
        return None
    largest = max(abs(part.weight) for part in query.parts)
    return tuple(("text" if isinstance(part, Text) else "image", part.weight / largest) for part in query.parts)


def _background(parts: Parts, snapshot: Snapshot, encoder: Callable[[], Encoder], *, tiles: bool) -> Background:
    def source(kind: Kind) -> np.ndarray:
        from core.text import sample_queries

        return meaningless(sample_queries.vectors(encoder())) if kind == "text" else sample(snapshot.vectors)

    def by_tiles(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return tile_search.best_of_each(snapshot, queries, rows)

    return background(composed(parts, source), snapshot.vectors, by_tiles if tiles else None)
