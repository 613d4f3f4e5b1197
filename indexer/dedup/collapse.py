"""Collapses near-duplicates among hits: leaves copies of better hits out, or groups them behind these."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from indexer.collection.snapshot import row_of
from indexer.dedup.duplicate_rule import Copies, Kind

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

MOST_COMPARED = 600  # hits of a page whose pixels are compared: further down only equal files are found

Ask = Callable[[int], tuple[np.ndarray, np.ndarray]]


def collapsed(snapshot: Snapshot, ask: Ask, kind: Kind, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The first k hits that are not copies, of this kind or a closer one, of a hit before them -> rows and scores.

    `ask` gives the best rows and scores of the whole ranking, as many as it is told or all.
    """
    copies, depth = Copies(snapshot, kind), 2 * k
    groups = _Groups(snapshot, copies)
    while True:
        rows, scores = ask(depth)
        groups.extend(rows.tolist(), most=k)
        if len(groups.places) >= k or len(rows) < depth:
            places = np.array([first for first, *_ in groups.places[:k]], np.int64)
            return rows[places], scores[places]
        depth *= 2


class Grouping:
    """Groups near-duplicates of one kind among hits of one version of a collection. Safe between threads."""

    def __init__(self, snapshot: Snapshot, kind: Kind) -> None:
        self._snapshot, self._copies = snapshot, Copies(snapshot, kind)
        self._lock = threading.Lock()

    def of(self, ids: Sequence[str]) -> list[list[int]]:
        """n hits by their ids, best first -> groups of their places, each with its best first, in the order of these.

        Those of the first 2n begin with the same, perhaps with more in them. Raises `QueryError` for an unknown id
        and `CollectionError` if the thumbnails cannot be read."""
        groups = _Groups(self._snapshot, self._copies)
        with self._lock:
            groups.extend([row_of(self._snapshot, one) for one in ids], compared=MOST_COMPARED)
        return groups.places


class _Groups:
    """Goes down a ranking and puts each hit behind the better one that it is a copy of."""

    def __init__(self, snapshot: Snapshot, copies: Copies) -> None:
        self._snapshot, self._copies = snapshot, copies
        self.places: list[list[int]] = []  # in the ranking, the best of each group first
        self._leaders: list[int] = []  # their rows
        self._by_hash: dict[str, int] = {}
        self._seen = 0

    def extend(self, rows: Sequence[int], *, most: int | None = None, compared: int | None = None) -> None:
        """Look at the hits that were not seen yet, until there are `most` groups; at pixels only of the first
        `compared` hits."""
        new = np.asarray(rows[self._seen :], np.int64)
        hashes = self._snapshot.images["hash"].take(new).to_pylist()
        for row, digest in zip(new.tolist(), hashes, strict=True):
            if most is not None and len(self.places) >= most:
                return
            group = self._by_hash.get(digest) if digest else None
            if group is None and (compared is None or self._seen < compared):
                group = self._copies.original(row, self._leaders)
            if group is None:
                group = len(self.places)
                self.places.append([])
                self._leaders.append(row)
            self.places[group].append(self._seen)
            if digest:
                self._by_hash.setdefault(digest, group)
            self._seen += 1
