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
        # Versions are read before rows. A commit in between is noticed by the next search, never missed.
        texts_version = collection.table("texts").version
        table = collection.table("images")
        with tables.storage_errors(collection.path, "reading"):
            found = tables.read(table, IMAGE_COLUMNS).sort_by("id")
        vectors = tables.matrix(found)
        return cls(collection, (table.version, texts_version), table, found.drop_columns(["vector"]), vectors)

    @cached_property
    def ids(self) -> list[str]:
        found: list[str] = self.images["id"].to_pylist()
        return found

    @cached_property
    def rows(self) -> dict[str, int]:
        """Id -> row."""
        return {item_id: row for row, item_id in enumerate(self.ids)}

    @cached_property
    def texts(self) -> Any:
        """The captions that belong to these pictures, by picture and position; pyarrow, with vectors."""
        import pyarrow.compute as pc

        with tables.storage_errors(self.collection.path, "reading"):
            found = tables.read(self.collection.table("texts"), TEXT_COLUMNS)
        # Rows under another key are left-overs of an interrupted run, or newer than these pictures.
        found = found.filter(pc.is_in(found["key"], value_set=self.images["texts_key"].combine_chunks()))
        return found.sort_by([("image_id", "ascending"), ("position", "ascending")])

    @cached_property
    def text_vectors(self) -> np.ndarray:
        """(m, d) float32 unit rows, in the order of `texts`."""
        return tables.matrix(self.texts)

    @cached_property
    def text_ranges(self) -> dict[str, tuple[int, int]]:
        """Id of a picture -> its first and one past its last row in `texts`."""
        owners = self.texts["image_id"].to_pylist()
        first = [row for row, owner in enumerate(owners) if row == 0 or owners[row - 1] != owner]
        return {owners[start]: (start, end) for start, end in zip(first, [*first[1:], len(owners)], strict=True)}

    def captions(self, item_id: str) -> list[str]:
        start, end = self.text_ranges.get(item_id, (0, 0))
        found: list[str] = self.texts["text"].slice(start, end - start).to_pylist()
        return found

    def thumbnail(self, item_id: str) -> bytes:
        """The WebP bytes of an indexed picture's thumbnail."""
        condition = next(tables.conditions("id", [item_id]))
        with tables.storage_errors(self.collection.path, "reading"):
            found: bytes = tables.read(self.table, ["thumbnail"], condition)["thumbnail"][0].as_py()
        return found
