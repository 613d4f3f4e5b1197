"""Ranks the rows that a query allows.

Filters and quotes say which rows may; the vector ranks these. With `hybrid` full-text search ranks them too. A query of
filters alone lists what they keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from core.errors import QueryError
from indexer.ann import exact_search
from indexer.ann.candidates import candidates
from indexer.search import filters, fulltext, hybrid, tile_search
from indexer.search.phrase_filter import holds_phrase
from indexer.search.query import Text
from indexer.search.relevance import NEEDED

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot
    from indexer.dedup.duplicate_rule import Kind
    from indexer.search.query import Query

FULL_TEXT, FUSED = "full text", "fused"


@dataclass(frozen=True)
class Ranked:
    """The rows of one page, best first: k rows of `snapshot.images` or `snapshot.texts`."""

    rows: np.ndarray  # (k,) int64
    scores: np.ndarray  # (k,) float32, exact cosines; 0 where nothing was compared
    parts: dict[str, np.ndarray] = field(default_factory=dict)  # what else there is to say of each, (k,)
    # The NEEDED best cosines of all pages, or all of fewer, and of how many rows; those of excluded images, too.
    first: np.ndarray = field(default_factory=lambda: np.zeros(0))
    searched: int = 0


def ranked(query: Query, snapshot: Snapshot, vector: np.ndarray | None) -> Ranked:
    """The page of the answer that `query` asks for; `vector` (d,) is all its parts in one. Raises `QueryError`."""
    may, excluded = _masks(query, snapshot)
    if vector is None:
        assert may is not None, "a query without parts has conditions"
        rows = np.flatnonzero(may)[query.offset : query.offset + query.limit]
        return Ranked(rows, np.zeros(len(rows), np.float32))
    rank = _hybrid if query.hybrid else _arranged if query.collapse or query.diverse else _plain
    found = rank(query, snapshot, vector, may)
    if excluded is None or not excluded.any():
        return found
    # Excluding a hit says nothing about the others: their relevance is as if it were still among them.
    better = _nearest(query, snapshot, vector, NEEDED, excluded)[1]
    first = np.sort(np.append(found.first, better))[::-1][:NEEDED]
    return replace(found, first=first, searched=found.searched + int(np.count_nonzero(excluded)))


def _plain(query: Query, snapshot: Snapshot, vector: np.ndarray, may: np.ndarray | None) -> Ranked:
    """The page of the ranking by cosine alone."""
    page = slice(query.offset, query.offset + query.limit)
    rows, scores = _nearest(query, snapshot, vector, max(page.stop, NEEDED), may)
    return Ranked(rows[page], scores[page], first=scores[:NEEDED], searched=_count(query, snapshot, may))


def _nearest(
    query: Query, snapshot: Snapshot, vector: np.ndarray, k: int, may: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows nearest to a vector, best first, with their scores."""
    if query.tiles:
        return tile_search.nearest(snapshot, vector, k, may)
    return candidates(snapshot, vector, k, may, query.target, query.index_kind)


def allowed(query: Query, snapshot: Snapshot) -> np.ndarray | None:
    """(n,) bool: the rows that meet all conditions and hold what they must; None for all. Raises `QueryError`."""
    return _masks(query, snapshot)[0]


def _masks(query: Query, snapshot: Snapshot) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The rows that are allowed, and those that only their exclusion keeps out, each as `allowed`; None for none."""
    found: np.ndarray | None = None
    where = filters.resolve(query.where, snapshot.columns)
    if where:
        found = where.mask(snapshot.images)
        if query.target == "texts":
            found = found[snapshot.text_owners]
    for phrases, wanted in ((query.holding, True), (query.not_holding, False)):
        for phrase in phrases:
            marks = holds_phrase(snapshot, phrase, query.target) == wanted
            found = marks if found is None else found & marks
    excluded = snapshot.excluded
    if excluded is None or any(each.column == "excluded" for each in where.conditions):
        return found, None  # excluded images are in no answer, unless a filter uses them
    if query.target == "texts":
        excluded = excluded[snapshot.text_owners]
    return (~excluded, excluded) if found is None else (found & ~excluded, found & excluded)


def _arranged(query: Query, snapshot: Snapshot, vector: np.ndarray, may: np.ndarray | None) -> Ranked:
    """The page of the ranking without copies of better hits, or in an order of more variety, or both."""
    from indexer.dedup import collapse
    from indexer.search import diversity

    def ask(k: int) -> tuple[np.ndarray, np.ndarray]:
        return _nearest(query, snapshot, vector, k, may)

    page = slice(query.offset, query.offset + query.limit)
    first = ask(NEEDED)[1]
    k = max(page.stop, diversity.POOL) if query.diverse else page.stop
    rows, scores = collapse.collapsed(snapshot, ask, cast("Kind", query.collapse), k) if query.collapse else ask(k)
    if query.diverse:
        order = diversity.diversify(snapshot.vectors[rows], scores, query.diverse)
        rows, scores = rows[order], scores[order]
    return Ranked(rows[page], scores[page], first=first, searched=_count(query, snapshot, may))


def _hybrid(query: Query, snapshot: Snapshot, vector: np.ndarray, may: np.ndarray | None) -> Ranked:
    """The best of both rankings fused; after them, what is left of the ranking by cosine."""
    words = " ".join(part.text for part in query.parts if isinstance(part, Text) and part.weight > 0)
    if not words:
        raise QueryError("hybrid search needs words to look for in captions and file names; leave --hybrid out")
    spoken, relevance = fulltext.ranked(snapshot, words, hybrid.DEPTH, may, query.target)
    stop = query.offset + query.limit
    near, near_scores = _nearest(query, snapshot, vector, max(hybrid.DEPTH, stop + len(spoken)), may)
    rows, sums = hybrid.fused([(near, near_scores), (spoken, relevance)])
    rest = near[hybrid.DEPTH :]
    rest = rest[np.isin(rest, rows, invert=True)]
    page = slice(query.offset, stop)
    rows, sums = np.append(rows, rest)[page], np.append(sums, np.zeros(len(rest)))[page]
    by_row = dict(zip(spoken.tolist(), relevance.tolist(), strict=True))
    spoken_scores = np.array([by_row.get(row, 0.0) for row in rows.tolist()])
    vectors = snapshot.vectors_of(query.target)
    scores = (
        tile_search.matched(snapshot, rows, vector)[0] if query.tiles else exact_search.cosines(vectors, rows, vector)
    )
    return Ranked(
        rows, scores, {FULL_TEXT: spoken_scores, FUSED: sums}, near_scores[:NEEDED], _count(query, snapshot, may)
    )


def _count(query: Query, snapshot: Snapshot, may: np.ndarray | None) -> int:
    if may is not None:
        return int(np.count_nonzero(may))
    return int(snapshot.texts.num_rows) if query.target == "texts" else len(snapshot.ids)
