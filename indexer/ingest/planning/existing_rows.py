"""Reads what the collection holds already.

A compact summary of the tables at the start of a run: enough to tell by a stat that a file is unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from indexer.collection.storage import tables, tile_table
from indexer.ingest.embedding import tiles
from indexer.sources import TRANSIENT, Item

if TYPE_CHECKING:
    from indexer.collection.collection import Collection

IMAGES = ["id", "hash", "size", "mtime_ns", "embedded", "texts_key", "columns_key"]
FAILURES = ["location", "reason", "message", "size", "mtime_ns"]

RETRIED = TRANSIENT | {"unsupported", "model error", "decoder error"}  # another version may read the same file


class ExistingRows:
    """The rows of `images` and `failures` by id. `found` and `failures` are these tables in memory, as pyarrow's."""

    def __init__(self, found: Any, failures: Any, tiled: set[str] | None = None) -> None:
        """`tiled` are the hashes of contents that have tiles; None where the collection is to have none."""
        self._row = {item_id: row for row, item_id in enumerate(found["id"].to_pylist())}
        self._sizes = found["size"].to_numpy()
        self._times = found["mtime_ns"].to_numpy()
        names = [name for name in found.column_names if name not in ("id", "size", "mtime_ns")]
        self._columns = {name: found[name].combine_chunks() for name in names}
        self.tiled = tiled
        self.failures = {row["location"]: row for row in failures.to_pylist()}

    @classmethod
    def read(cls, collection: Collection, *, tiles: bool | None = None) -> ExistingRows:
        """What a collection holds now; `tiles` says whether it is to have tiles, where that is about to change."""
        with tables.storage_errors(collection.path, "reading"):
            table = collection.table("images")
            tiled = _tiled(collection, tiles)
            wanted = IMAGES if tiled is None else [*IMAGES, "width", "height"]
            images = tables.read(table, wanted)
            return cls(images, tables.read(collection.table("failures"), FAILURES), tiled)

    @classmethod
    def nothing(cls) -> ExistingRows:
        """What a collection holds that is still to be made."""
        schemas = tables.schemas(1)
        images, failures = schemas["images"].empty_table(), schemas["failures"].empty_table()
        return cls(images.select(IMAGES), failures.select(FAILURES))

    def __len__(self) -> int:
        return len(self._row)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._row

    def __iter__(self) -> Any:
        return iter(self._row)

    def unchanged(self, item: Item) -> bool:
        """Is the item indexed with exactly this size and time?  One that moved and is back is to be indexed anew."""
        row = self._row.get(item.id)
        same = row is not None and bool(self._sizes[row] == item.size and self._times[row] == item.mtime_ns)
        return same and len(self.hash(item.id) or "") <= tables.HASH

    def hash(self, item_id: str) -> str | None:
        return self._value("hash", item_id)

    def embedded(self, item_id: str) -> list[str]:
        return self._value("embedded", item_id) or []

    def texts_key(self, item_id: str) -> str | None:
        return self._value("texts_key", item_id)

    def columns_key(self, item_id: str) -> str:
        return self._value("columns_key", item_id) or ""

    def hashes(self) -> list[str]:
        digests: list[str] = self._columns["hash"].to_pylist()
        return digests

    def untiled(self, side: int) -> set[str]:
        """Ids of images that should have tiles and have none, for a model that sees `side` pixels."""
        if self.tiled is None:
            return set()
        columns = [self._columns[name].to_pylist() for name in ("hash", "width", "height")]
        return {
            item_id
            for item_id, digest, width, height in zip(self._row, *columns, strict=True)
            if digest and digest not in self.tiled and tiles.boxes(width, height, side)
        }

    def failed_before(self, item: Item) -> bool:
        """Did exactly this file fail before, for a reason that lies in its content?"""
        row = self.failures.get(item.id)
        same = row is not None and (row["size"], row["mtime_ns"]) == (item.size, item.mtime_ns)
        return same and row is not None and row["reason"] not in RETRIED

    def _value(self, column: str, item_id: str) -> Any:
        row = self._row.get(item_id)
        return None if row is None else self._columns[column][row].as_py()


def _tiled(collection: Collection, wanted: bool | None) -> set[str] | None:
    if wanted is not False and tile_table.is_there(collection):
        return tile_table.contents(collection.table(tile_table.NAME))
    return set() if wanted else None
