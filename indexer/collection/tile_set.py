"""The tiles of one version of a collection, in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from indexer.collection.storage import tables
from indexer.collection.storage.tile_table import SIDES

WHOLE = -1  # in place of the number of a tile


class TileSet:
    """The t tiles of one version of a collection, those of one content next to each other."""

    def __init__(self, found: Any, hashes: Any) -> None:
        """`found` are rows of the table `tiles` (pyarrow), `hashes` the contents of the n images."""
        import pyarrow.compute as pc

        found = found.filter(pc.is_in(found["hash"], value_set=hashes.combine_chunks()))  # others are left-overs
        order = pc.sort_indices(found, [("hash", "ascending"), ("position", "ascending")])
        digests = found["hash"].take(order).combine_chunks()
        encoded = digests.dictionary_encode()
        sides = np.stack([found[side].to_numpy() for side in SIDES], axis=1)
        self.boxes: np.ndarray = sides[order.to_numpy()]
        """(t, 4) float32: left, top, right, bottom."""
        vectors = tables.matrix(found)[order.to_numpy()]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)  # half precision has moved the length a little
        self.vectors: np.ndarray = vectors
        """(t, d) float32 unit rows."""
        numbers = encoded.indices.to_numpy()
        self.starts: np.ndarray = np.searchsorted(numbers, np.arange(len(encoded.dictionary) + 1))
        """(g + 1,): where the tiles of each content begin and end."""
        group = pc.index_in(hashes, value_set=encoded.dictionary).fill_null(WHOLE)
        self.group: np.ndarray = group.to_numpy().astype(np.int64)
        """(n,): which content has each image; WHOLE for those without tiles."""

    def of(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the tiles of some contents, one after the other, and where each content's begin among them."""
        counts = self.starts[groups + 1] - self.starts[groups]
        begin = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        numbers = np.arange(counts.sum()) + np.repeat(self.starts[groups] - begin, counts)
        return numbers, begin
