"""Groups near-duplicates among hits.

As `collapse` does it (`indexer.search.diversity`), only that nothing is left out, and what two pictures have to do with
each other is measured once: the same groups are asked for again with every page.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from indexer.collection.snapshot import row_of
from indexer.dedup.duplicates import SAME, SCENE, SURE_CANDIDATE, SURELY_SCENE, Closeness, Kind, Thumbnails
from indexer.dedup.image_similarity import sameness

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot

NEAR = 0.7  # closeness from which pixels are compared; `clipdex duplicates` takes more time, and begins lower
LOOKED_AT = 2  # of the nearest better hits; the second only where it is as near as a copy nearly always is
KEPT = 100_000  # pairs that were compared, the oldest dropped first: some 20 MB
MOST_COMPARED = 600  # hits whose pixels are compared: further down only equal files are found


class Grouping:
    """Finds near-duplicates of one kind among hits of one version of a collection. Safe between threads."""

    def __init__(self, snapshot: Snapshot, kind: Kind) -> None:
        self._snapshot, self._kind = snapshot, kind
        self._close = Closeness.of(snapshot.vectors) if kind != "bytes" else Closeness(0.0)
        self._thumbnails = Thumbnails(snapshot)
        self._same: dict[tuple[int, int], float] = {}
        self._lock = threading.Lock()

    def of(self, ids: Sequence[str]) -> list[list[int]]:
        """n hits by their ids, best first -> groups of their places, each with its best first, in the order of these.

        Those of the first 2n begin with the same, perhaps with more in them. Raises `QueryError` for an unknown id
        and `CollectionError` if the thumbnails cannot be read."""
        rows = [row_of(self._snapshot, one) for one in ids]
        hashes = self._snapshot.images["hash"].take(rows).to_pylist() if rows else []
        groups: list[list[int]] = []
        by_hash: dict[str, int] = {}
        with self._lock:
            for place, (row, digest) in enumerate(zip(rows, hashes, strict=True)):
                group = by_hash.get(digest) if digest else None
                if group is None and self._kind != "bytes" and place < MOST_COMPARED:
                    group = self._copied(row, [rows[one[0]] for one in groups])
                if group is None:
                    groups.append([place])
                    group = len(groups) - 1
                else:
                    groups[group].append(place)
                if digest:
                    by_hash.setdefault(digest, group)
        return groups

    def _copied(self, row: int, leaders: list[int]) -> int | None:
        """Which of the better hits a picture is a near-duplicate of."""
        if not leaders:
            return None
        vectors = self._snapshot.vectors
        closeness = self._close(vectors[leaders] @ vectors[row])
        for nth, place in enumerate(np.argsort(-closeness, kind="stable")[:LOOKED_AT].tolist()):
            if self._kind == "scene" and closeness[place] >= SURELY_SCENE:
                return int(place)
            if closeness[place] < (SURE_CANDIDATE if nth else NEAR):
                return None
            same = self._sameness(row, leaders[place])
            if same >= SAME or (self._kind == "scene" and (same + closeness[place]) / 2 >= SCENE):
                return int(place)
        return None

    def _sameness(self, row: int, other: int) -> float:
        pair = (min(row, other), max(row, other))
        if pair not in self._same:
            first, second = self._thumbnails.of(np.array(pair))
            self._same[pair] = 0.0 if first is None or second is None else sameness(first, second)
            if len(self._same) > KEPT:
                del self._same[next(iter(self._same))]
        return self._same[pair]
