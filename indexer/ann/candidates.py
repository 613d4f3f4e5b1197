"""Finds the nearest stored vectors by the fastest way available.

Without an index everything is compared with everything. With one:

    index ── the nearest of the rows it knows, by its rough scores ──┐
    rows that are newer than the index ── all of them ───────────────┴─> exact cosines ─> best first, ties by position

How deep the index is searched does not depend on k, or else the best 20 need not begin with the best 10: the ranking
is made of levels. The first is the best `LEVELS[0]` of one search; a longer ranking goes on with what a deeper search
finds beyond them, and at last with everything. So a row that the first level missed comes after it, not between.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from core.errors import ClipdexWarning
from indexer.ann import exact_search
from indexer.ann.rescoring import leading, leading_many

if TYPE_CHECKING:
    from indexer.ann.kinds.base import VectorIndex
    from indexer.ann.loader import Opened
    from indexer.collection.index_files.manifest import Manifest, QueryKind
    from indexer.collection.index_files.row_pairing import Pairing
    from indexer.collection.snapshot import Snapshot, Target

LEVELS = (32, 256, 2048)
WORTH = 8  # where a level is a larger part of everything than 1 in this, everything is compared
DEEPER = 4  # times the effort of the level before
MOST_NEW = 0.5  # of an index; with more new rows than this it is of no use
FEW = 1_000  # allowed rows that are compared one by one whatever was measured


def candidates(
    snapshot: Snapshot,
    vector: np.ndarray,
    k: int,
    allowed: np.ndarray | None = None,
    target: Target = "images",
    kind: QueryKind = "text",
) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of `snapshot.images` or `snapshot.texts` nearest to `vector` (d,), best first, ties by position ->
    positions (k,) int64 and exact cosines (k,) float32; fewer where fewer rows are `allowed` (n,) bool.

    `kind` says where the query came from: an index is searched with the effort that was measured for such queries.
    """
    index = indexed(snapshot, target)
    if index is not None:
        try:
            return index.best(vector, k, allowed, kind)
        except (OSError, RuntimeError, ValueError) as error:
            _give_up(snapshot, target, error)
    vectors = snapshot.vectors_of(target)
    return exact_search.top_k(vectors, vector, k, allowed)


def candidates_many(
    snapshot: Snapshot, vectors: np.ndarray, k: int, kind: QueryKind = "text"
) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """As `candidates` of the images for each of many queries (m, d) at once; None where there is no index."""
    index = indexed(snapshot, "images")
    if index is None:
        return None
    try:
        return index.best_many(vectors, k, kind)
    except (OSError, RuntimeError, ValueError) as error:
        _give_up(snapshot, "images", error)
        return None


class Indexed:
    """An index as a way to search one version of a collection."""

    def __init__(
        self, index: VectorIndex, manifest: Manifest | None, vectors: np.ndarray, pairing: Pairing | None = None
    ) -> None:
        """`vectors` are those of the version, (n, d); without a pairing they are the index's own, one for one."""
        self.index, self.manifest, self.vectors = index, manifest, vectors
        self.change = 0.0 if pairing is None else pairing.change
        self.new = np.empty(0, np.int64) if pairing is None else pairing.new
        self.row = None if pairing is None or pairing.is_identity else pairing.row
        self._new_vectors = vectors[self.new]
        self._alive = None if self.row is None or (self.row >= 0).all() else self.row >= 0

    def best(
        self, vector: np.ndarray, k: int, allowed: np.ndarray | None, kind: QueryKind, effort: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `candidates`; `effort` in place of the measured one."""
        if effort is None:
            effort = self._effort(kind, allowed)
        if effort is None:
            return exact_search.top_k(self.vectors, vector, k, allowed)
        mask = self._mask(allowed)
        rows, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        for depth in LEVELS:
            if depth > LEVELS[0] and depth * WORTH > len(self.vectors):
                break
            found = self._proposals(vector[np.newaxis], depth, effort, mask)[0]
            if k < depth == LEVELS[0] and not len(self.new) and found[-1] >= 0:
                answer = leading(self.vectors, self._rows(found), vector, k, depth)
                if answer is not None:
                    return answer
            rows, scores = _continued(rows, scores, *self._level(vector, found, depth, allowed))
            if len(rows) >= k:
                return rows[:k], scores[:k]
            effort *= DEEPER
        rows, scores = _continued(rows, scores, *exact_search.top_k(self.vectors, vector, k, allowed))
        return rows[:k], scores[:k]

    def best_many(
        self, vectors: np.ndarray, k: int, kind: QueryKind, effort: int | None = None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """As `best` for each of many queries (m, d), with nothing left out: the index searches them in parallel."""
        depth = LEVELS[0]
        effort = self._effort(kind, None) if effort is None else effort
        assert effort is not None
        found = self._proposals(vectors, depth, effort, self._alive)
        answers: list[tuple[np.ndarray, np.ndarray] | None] = [None] * len(vectors)
        if k < depth and not len(self.new) and found.size and (found[:, -1] >= 0).all():
            answers = leading_many(self.vectors, self._rows(found), vectors, k, depth)
        for number, answer in enumerate(answers):
            if answer is None:
                rows, scores = self._level(vectors[number], found[number], depth, None)
                enough = len(rows) >= k
                answers[number] = (
                    (rows[:k], scores[:k]) if enough else self.best(vectors[number], k, None, kind, effort)
                )
        return [answer for answer in answers if answer is not None]

    def _proposals(self, vectors: np.ndarray, depth: int, effort: int, mask: np.ndarray | None) -> np.ndarray:
        """(m, r) positions in the index, enough for a level of the ranking; -1 where there are fewer."""
        return self.index.search(vectors, depth * self.index.oversample, effort=effort, allowed=mask)[0]

    def _rows(self, found: np.ndarray) -> np.ndarray:
        """The rows of this version that positions in the index stand for."""
        return found if self.row is None else self.row[found]

    def _level(
        self, vector: np.ndarray, rows: np.ndarray, depth: int, allowed: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The best `depth` of what one search proposes and of all new rows, but for those that tie with the last:
        which of equal ones an index finds is chance, and all of them belong in the order of their positions."""
        if rows[-1] < 0:
            rows = rows[rows >= 0]
            if allowed is not None:  # the search met few rows that are allowed: perhaps none of those that matter
                return rows[:0], np.empty(0, np.float32)
        rows = self._rows(rows)
        if len(self.new):
            new = None if allowed is None else allowed[self.new]
            rows = np.append(rows, self.new[exact_search.top_k(self._new_vectors, vector, depth, new)[0]])
        rows, scores = exact_search.ranked(self.vectors, np.sort(rows), vector, depth)
        if len(rows) == depth:
            sure = int(np.count_nonzero(scores > scores[-1]))
            return rows[:sure], scores[:sure]
        return rows, scores

    def _mask(self, allowed: np.ndarray | None) -> np.ndarray | None:
        """What the index may find, in its own order."""
        if allowed is None or self.row is None:
            return self._alive if allowed is None else allowed
        mask: np.ndarray = allowed[self.row]  # -1 reads the last row, and is put right by the next line
        return mask if self._alive is None else mask & self._alive

    def _effort(self, kind: QueryKind, allowed: np.ndarray | None) -> int | None:
        """The effort for a search; None where comparing everything that is allowed is quicker."""
        manifest = self.manifest
        assert manifest is not None, "an index that was not measured is searched with a given effort"
        effort = manifest.measured[kind].effort
        if allowed is None:
            return effort
        count = int(np.count_nonzero(allowed))
        share = count / max(1, len(allowed))
        if count <= FEW:
            return None
        measured = [each for each in manifest.filters if each.share <= share and each.pays(manifest.target_recall)]
        return max(effort, measured[0].effort) if measured else None


def _continued(
    rows: np.ndarray, scores: np.ndarray, more: np.ndarray, their_scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A ranking, followed by what another one has beyond it."""
    if not len(rows):
        return more, their_scores
    fresh = np.isin(more, rows, invert=True)
    return np.append(rows, more[fresh]), np.append(scores, their_scores[fresh])


_made: WeakKeyDictionary[Snapshot, dict[str, tuple[Opened | None, Indexed | None]]] = WeakKeyDictionary()


def indexed(snapshot: Snapshot, target: Target) -> Indexed | None:
    """The index of a collection for one version of it, made when it is first needed; None where there is none."""
    from indexer.ann.loader import opened

    found = opened(snapshot.collection, target)
    made = _made.setdefault(snapshot, {})
    if target not in made or made[target][0] is not found:
        made[target] = found, None if found is None else _fit(found, snapshot, target)
    return made[target][1]


def _give_up(snapshot: Snapshot, target: Target, error: Exception) -> None:
    """Use the index no more for this version: its files went away, or the disk fails."""
    _made[snapshot][target] = _made[snapshot][target][0], None
    warnings.warn(f"the index fails ({error}); searching without it", ClipdexWarning, stacklevel=3)


def _fit(opened: Opened, snapshot: Snapshot, target: Target) -> Indexed | None:
    """An index and a version of its collection, brought together; None where too much has changed."""
    from indexer.collection.index_files.opened_files import is_unchanged
    from indexer.collection.index_files.row_pairing import keys, pair

    index, files = opened.index, opened.files
    if is_unchanged(files.manifest, snapshot.versions, snapshot.rows_of(target)):
        return Indexed(index, files.manifest, files.vectors)
    vectors = snapshot.vectors_of(target)
    pairing = pair(files.keys, keys(vectors))
    if len(pairing.new) > MOST_NEW * len(files.keys) or not len(vectors):
        return None
    return Indexed(index, files.manifest, vectors, pairing)
