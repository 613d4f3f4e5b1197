"""Leaves out copies of better hits, and spreads hits by maximal marginal relevance.

Both walk down one ranking, so that the best k stay the beginning of the best 2k.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from indexer.dedup.duplicates import CANDIDATE, NEAREST, SAME, SCENE, SURELY_SCENE, Closeness, Kind, Thumbnails
from indexer.dedup.image_similarity import sameness

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

POOL = 500  # hits among which variety is looked for; those behind keep their places

Ask = Callable[[int], tuple[np.ndarray, np.ndarray]]


def collapsed(snapshot: Snapshot, ask: Ask, kind: Kind, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k hits that are no copy, of this kind or a closer one, of a hit before them -> rows and scores.

    `ask` gives the best rows and scores of the whole ranking, as many as it is told or all.
    """
    walk = _Walk(snapshot, kind)
    depth = 2 * k
    while True:
        rows, scores = ask(depth)
        walk.on(rows, k)
        if len(walk.kept) >= k or len(rows) < depth:
            places = np.array(walk.kept[:k], np.int64)
            return rows[places], scores[places]
        depth *= 2


class _Walk:
    """Goes down a ranking and keeps the places of hits that are no copies."""

    def __init__(self, snapshot: Snapshot, kind: Kind) -> None:
        self.snapshot, self.kind, self.kept = snapshot, kind, list[int]()
        self._seen = 0
        self._rows: list[int] = []
        self._hashes: set[str] = set()
        self._thumbnails = Thumbnails(snapshot)
        self._close = Closeness.of(snapshot.vectors) if kind != "bytes" else Closeness(0.0)

    def on(self, rows: np.ndarray, k: int) -> None:
        """Look at what was not seen yet, until `k` are kept."""
        hashes = self.snapshot.images["hash"].take(rows[self._seen :]).to_pylist()
        for row, digest in zip(rows[self._seen :].tolist(), hashes, strict=True):
            if len(self.kept) >= k:
                return
            if not ((digest and digest in self._hashes) or (self.kind != "bytes" and self._is_copy(row))):
                self.kept.append(self._seen)
                self._rows.append(row)
                self._hashes.add(digest or "")
            self._seen += 1

    def _is_copy(self, row: int) -> bool:
        if not self._rows:
            return False
        vectors = self.snapshot.vectors
        closeness = self._close(vectors[self._rows] @ vectors[row])
        if self.kind == "scene" and closeness.max() >= SURELY_SCENE:
            return True
        for place in np.argsort(-closeness, kind="stable")[:NEAREST]:
            if closeness[place] < CANDIDATE:
                return False
            one, other = self._thumbnails.of(np.array([row, self._rows[place]]))
            same = 0.0 if one is None or other is None else sameness(one, other)
            if same >= SAME or (self.kind == "scene" and (same + closeness[place]) / 2 >= SCENE):
                return True
        return False


def diverse(vectors: np.ndarray, scores: np.ndarray, variety: float) -> np.ndarray:
    """An order of hits (k,) in which each next one is near to the query and unlike the hits before it: it has the
    highest (1 - variety) × score - variety × highest cosine with those (maximal marginal relevance, Carbonell and
    Goldstein 1998). `vectors` (k, d) are the hits', best first; the order is that of the first POOL, then the rest."""
    n = min(len(scores), POOL)
    pool, order = vectors[:n], list[int]()
    nearest = np.zeros(n)
    left = np.ones(n, bool)
    while len(order) < n:
        gain = np.where(left, (1 - variety) * scores[:n] - variety * nearest, -np.inf)
        chosen = int(gain.argmax())  # the first of equal ones
        order.append(chosen)
        left[chosen] = False
        likeness = pool @ pool[chosen]
        nearest = likeness.copy() if len(order) == 1 else np.maximum(nearest, likeness)
    return np.concatenate([np.array(order, np.int64), np.arange(n, len(scores))])
