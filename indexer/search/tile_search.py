"""Ranks images by their best tile.

An image's score is the best cosine of the whole and of its tiles (`indexer.ingest.embedding.tiles`); all are compared,
whatever index the collection has, so that the ranking is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import QueryError
from indexer.ann import exact_search
from indexer.collection.tile_set import WHOLE, TileSet

if TYPE_CHECKING:
    from indexer.collection.snapshot import Snapshot
    from indexer.search.query import Box

ROWS_AT_ONCE = 256  # images whose tiles are compared with many queries


def tiles_of(snapshot: Snapshot) -> TileSet:
    """The tiles of a collection. Raises `QueryError` if it has none."""
    tiles = snapshot.tiles
    if tiles is None:
        raise QueryError(
            f"the collection {snapshot.collection.path} has no tiles, the parts of images that --tiles looks at: "
            "make them with clipdex index FOLDER --tiles"
        )
    return tiles


def nearest(
    snapshot: Snapshot, vector: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `indexer.ann.candidates.candidates`, each image by the whole or by its best tile."""
    tiles = tiles_of(snapshot)
    rows = np.arange(len(snapshot.ids)) if allowed is None else np.flatnonzero(allowed)
    few = len(rows) < exact_search.DENSE * len(snapshot.ids)
    rough = exact_search.products(snapshot.vectors, rows, vector) if few else (snapshot.vectors @ vector)[rows]
    groups = tiles.group[rows]
    wanted = np.unique(groups[groups != WHOLE]) if few else np.arange(len(tiles.starts) - 1)
    if len(wanted):
        numbers, begin = tiles.of(wanted)
        each = exact_search.products(tiles.vectors, numbers, vector) if few else tiles.vectors @ vector
        best = np.full(len(tiles.starts), -np.inf, np.float32)  # the last one stands for WHOLE
        best[wanted] = np.maximum.reduceat(each, begin)
        rough = np.maximum(rough, best[groups])
    near = rows[exact_search.at_border(rough, k, len(vector))]
    scores, _ = matched(snapshot, near, vector)
    order = np.argsort(-scores, kind="stable")[:k]
    return near[order], scores[order]


def matched(snapshot: Snapshot, rows: np.ndarray, vector: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The exact score of each of k rows (k,) float32, and the number of the tile that has it; WHOLE where none is
    better than the whole image, and the first of equal tiles."""
    tiles = tiles_of(snapshot)
    scores = exact_search.cosines(snapshot.vectors, rows, vector)
    chosen = np.full(len(rows), WHOLE)
    places = np.flatnonzero(tiles.group[rows] != WHOLE)
    if not len(places):
        return scores, chosen
    numbers, begin = tiles.of(tiles.group[rows[places]])
    each = exact_search.cosines(tiles.vectors, numbers, vector)
    best = np.maximum.reduceat(each, begin)
    owner = np.repeat(np.arange(len(places)), np.diff(np.append(begin, len(numbers))))
    ties = np.flatnonzero(each == best[owner])
    first = ties[np.unique(owner[ties], return_index=True)[1]]
    better = best > scores[places]
    scores[places[better]] = best[better]
    chosen[places[better]] = numbers[first[better]]
    return scores, chosen


def best_of_each(snapshot: Snapshot, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The cosine of each of q queries (q, d) with the best tile of each of k rows -> (q, k); -1 where there is none."""
    tiles = tiles_of(snapshot)
    found = np.full((len(queries), len(rows)), -1.0, np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        places = np.flatnonzero(tiles.group[part] != WHOLE)
        if len(places):
            numbers, begin = tiles.of(tiles.group[part[places]])
            best = np.maximum.reduceat(queries @ tiles.vectors[numbers].T, begin, axis=1)
            found[:, start + places] = best
    return found


def vectors(snapshot: Snapshot, rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """What matched in each of k rows: the vectors (k, d) of the whole images or of the chosen tiles."""
    found: np.ndarray = snapshot.vectors[rows]
    in_tile = chosen != WHOLE
    found[in_tile] = tiles_of(snapshot).vectors[chosen[in_tile]]
    return found


def box(snapshot: Snapshot, tile: int) -> Box | None:
    """Which part of its image a tile is; None for the whole."""
    if tile == WHOLE:
        return None
    left, top, right, bottom = (round(float(side), 6) for side in tiles_of(snapshot).boxes[tile])
    return left, top, right, bottom
