"""What does one version of a collection look like to a search?

Everything that ranking needs, in memory, sorted by id so that equal scores come in the order of ids. A snapshot never
changes: searches that run while a collection is written each see one consistent version.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from indexer import tables
from indexer.collection import Collection

IMAGE_COLUMNS = ("id", "size", "mtime_ns", "width", "height", "texts_key", "vector")  # no thumbnails: they are large
TEXT_COLUMNS = ("id", "image_id", "key", "position", "text", "vector")


@dataclass(frozen=True)
class Snapshot:
    """n pictures and their captions at one moment."""

    collection: Collection
    versions: tuple[int, int]
    table: Any  # the table `images`, at its version
    images: Any  # pyarrow, sorted by id, without the vectors
    vectors: np.ndarray  # (n, d) float32 unit rows

    @classmethod
    def load(cls, collection: Collection) -> Snapshot:
        # The version of the captions is read first: what is committed meanwhile is noticed by the next search.
        texts_version = collection.table("texts").version
        table = collection.table("images")
        with tables.storage_errors(collection.path, "reading"):
            found = table.search().select(list(IMAGE_COLUMNS)).with_row_id(True).to_arrow()
        images, vectors = _sorted(found, [("id", "ascending")])
        return cls(collection, (table.version, texts_version), table, images, vectors)

    @cached_property
    def ids(self) -> list[str]:
        found: list[str] = self.images["id"].to_pylist()
        return found

    @cached_property
    def rows(self) -> dict[str, int]:
        """Id -> row."""
        return {item_id: row for row, item_id in enumerate(self.ids)}

    @cached_property
    def _texts(self) -> tuple[Any, np.ndarray]:
        import pyarrow.compute as pc

        with tables.storage_errors(self.collection.path, "reading"):
            found = tables.read(self.collection.table("texts"), TEXT_COLUMNS)
        # Rows under another key are left-overs of an interrupted run, or newer than these pictures.
        found = found.filter(pc.is_in(found["key"], value_set=self.images["texts_key"].combine_chunks()))
        return _sorted(found, [("image_id", "ascending"), ("position", "ascending")])

    @property
    def texts(self) -> Any:
        """The captions of these pictures (m rows), by picture and position; pyarrow, without the vectors."""
        return self._texts[0]

    @property
    def text_vectors(self) -> np.ndarray:
        """(m, d) float32 unit rows, in the order of `texts`."""
        return self._texts[1]

    @cached_property
    def text_ranges(self) -> dict[str, tuple[int, int]]:
        """Id of a picture -> its first and one past its last row in `texts`."""
        owners = self.texts["image_id"].to_pylist()
        first = [row for row, owner in enumerate(owners) if row == 0 or owners[row - 1] != owner]
        past = [*first, len(owners)][1:]
        return {owners[start]: (start, end) for start, end in zip(first, past, strict=True)}

    def captions(self, item_id: str) -> list[str]:
        start, end = self.text_ranges.get(item_id, (0, 0))
        found: list[str] = self.texts["text"].slice(start, end - start).to_pylist()
        return found

    def thumbnail(self, item_id: str) -> bytes:
        """The WebP bytes of an indexed picture's thumbnail."""
        row_id = self.images["_rowid"][self.rows[item_id]].as_py()
        with tables.storage_errors(self.collection.path, "reading"):
            found = self.table.take_row_ids([row_id]).select(["thumbnail"]).to_arrow()
        content: bytes = found["thumbnail"][0].as_py()
        return content


def _sorted(found: Any, keys: list[tuple[str, str]]) -> tuple[Any, np.ndarray]:
    """A pyarrow table in order, parted into everything but the vectors, and the vectors (n, d) float32."""
    import pyarrow.compute as pc

    order = pc.sort_indices(found, keys)
    return found.drop_columns(["vector"]).take(order), tables.matrix(found)[order.to_numpy()]
