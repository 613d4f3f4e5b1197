"""One consistent version of a collection, as searches see it.

The columns that searches need, sorted by id so that equal scores come in the order of ids. A snapshot never changes:
searches that run while a collection is written each see one consistent version. The columns of `images` are read when
it is loaded; captions and vectors when they are first needed, from the same version.
"""

from __future__ import annotations

import difflib
import threading
from bisect import bisect, bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from core.errors import QueryError
from core.validation import require
from indexer.collection.collection import Collection
from indexer.collection.index_files.opened_files import files_of, is_unchanged
from indexer.collection.storage import snapshot_cache, tables, tile_table
from indexer.collection.storage.arrays import numbers, row_indices
from indexer.collection.storage.columns import HIDDEN
from indexer.collection.tile_set import TileSet

LARGE = ("thumbnail", "vector")  # columns of `images` that are not loaded with the others
TEXT_COLUMNS = ("id", "image_id", "key", "position", "text")

NEAREST = 3  # ids suggested in place of an unknown one
ALIKE = 0.6  # of 1: ids less alike than this are others, not slips
LOOKED_AT = 250  # ids before and after its place in the order; comparing 100,000 takes a minute
TRIES = 5

Target = Literal["images", "texts"]
TARGETS: tuple[Target, ...] = ("images", "texts")  # the tables with vectors
Opened = tuple[Any, Any, Any]  # the LanceDB tables of images, captions and tiles, the last may be None


class Snapshot:
    """n images and their m captions at one moment. Safe between threads."""

    def __init__(self, collection: Collection, versions: tuple[int, int], images: Any, opened: Opened | None) -> None:
        """`images` are rows as `_images` gives them; tables that are not `opened` are so when they are needed."""
        self.collection = collection
        self.versions = versions
        """The numbers of the versions of `images` and `texts`."""
        self.images = images
        """The columns of `images` but for `LARGE`, `_rowid` and `modified`; a pyarrow table (n rows) sorted by id."""
        self._opened = opened
        self._lock = threading.RLock()

    @classmethod
    def load(cls, collection: Collection) -> Snapshot:
        """The newest version. A run writes captions before the images they belong to, and removes old ones after:
        captions that are opened while the images stay the same are those of these images."""
        with tables.storage_errors(collection.path, "reading"):
            for _ in range(TRIES):
                table, texts = collection.table("images"), collection.table("texts")
                tiles = collection.table(tile_table.NAME) if tile_table.is_there(collection) else None
                if collection.table("images").version == table.version:
                    break
            return cls(collection, (table.version, texts.version), _images(collection, table), (table, texts, tiles))

    @classmethod
    def recall(cls, collection: Collection, versions: snapshot_cache.Versions) -> Snapshot | None:
        """These versions as they were kept by `keep`, without LanceDB; None where they were not."""
        images, texts = (snapshot_cache.read(collection, versions, name) for name in TARGETS)
        if images is None or texts is None:
            return None
        found = cls(collection, (versions["images"][0], versions["texts"][0]), images.drop_columns(["vector"]), None)
        found._texts = texts
        found._vectors = tables.matrix(images)
        return found

    def keep(self, versions: snapshot_cache.Versions) -> None:
        """Let the next program `recall` this snapshot, unless it is too large."""
        import pyarrow as pa

        dim = self.collection.info.model.dim
        if (
            self.versions == (versions["images"][0], versions["texts"][0])
            and 4 * len(self.ids) * dim < snapshot_cache.MOST_BYTES
        ):
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(self.vectors.reshape(-1)), dim)
            images = self.images.append_column("vector", vectors)
            snapshot_cache.write(self.collection, versions, {"images": images, "texts": self.texts})

    @cached_property
    def table(self) -> Any:
        """The LanceDB table of the images, at this version."""
        return self._tables[0]

    @cached_property
    def _tables(self) -> Opened:
        if self._opened is not None:
            return self._opened
        collection = self.collection
        with tables.storage_errors(collection.path, "reading"):
            images, texts = (collection.table(name) for name in TARGETS)
            for table, version in zip((images, texts), self.versions, strict=True):
                table.checkout(version)
            return images, texts, collection.table(tile_table.NAME) if tile_table.is_there(collection) else None

    @property
    def columns(self) -> dict[str, Any]:
        """Name -> pyarrow type of each column that a filter may name."""
        return {field.name: field.type for field in self.images.schema if field.name not in HIDDEN}

    @cached_property
    def excluded(self) -> np.ndarray | None:
        """(n,) bool: the images that people want in no answer; None where there are none."""
        marks = numbers(self.images["excluded"])
        return marks if marks.any() else None

    @cached_property
    def ids(self) -> Ids:
        """The ids of the images, in the order of all rows."""
        return Ids(self.images["id"])

    @cached_property
    def rows(self) -> Rows:
        """Id -> row."""
        return Rows(self.ids)

    @property
    def vectors(self) -> np.ndarray:
        """(n, d) float32 unit rows, in the order of `images`."""
        with self._lock:
            return self._vectors

    @property
    def text_vectors(self) -> np.ndarray:
        """(m, d) float32 unit rows, in the order of `texts`."""
        with self._lock:
            return self._text_vectors

    def rows_of(self, target: Target) -> Any:
        """The pyarrow table of a target, `images` or `texts`."""
        return self.texts if target == "texts" else self.images

    def vectors_of(self, target: Target) -> np.ndarray:
        """The vectors of a target, in the order of `rows_of`."""
        return self.text_vectors if target == "texts" else self.vectors

    def mapped_vectors(self, target: Target) -> np.ndarray | None:
        """The vectors as they lie beside the index, mapped; None unless they are surely those of this snapshot."""
        files = files_of(self.collection, target)
        if files is None or not is_unchanged(files.manifest, self.versions, self.rows_of(target)):
            return None
        return files.vectors

    @property
    def texts(self) -> Any:
        """The captions of these images (m rows), by image and position; pyarrow, without the vectors."""
        with self._lock:
            return self._texts

    @property
    def tiles(self) -> TileSet | None:
        """Parts of these images with their vectors; None where the collection has none."""
        with self._lock:
            return self._tiles

    @property
    def tiles_count(self) -> int | None:
        """How many tiles there are, without reading them; None where there are to be none."""
        return self._tables[2].count_rows() if tile_table.is_there(self.collection) else None

    @cached_property
    def text_owners(self) -> np.ndarray:
        """(m,) int64, ascending: the row in `images` of the image that each caption belongs to."""
        import pyarrow.compute as pc

        found = pc.index_in(self.texts["image_id"], value_set=self.images["id"].combine_chunks())
        return numbers(found).astype(np.int64)

    def captions(self, item_id: str) -> list[str]:
        """All captions of an image in their order; none for an unknown id."""
        row = self.rows.get(item_id)
        if row is None:
            return []
        start, end = np.searchsorted(self.text_owners, [row, row + 1])
        found: list[str] = self.texts["text"].slice(start, end - start).to_pylist()
        return found

    def stamp(self, item_id: str) -> str:
        """What becomes another when the image is indexed anew because its file changed; empty for an unknown id."""
        row = self.rows.get(item_id)
        if row is None:
            return ""
        return "-".join(f"{self.images[name][row].as_py() or 0:x}" for name in ("mtime_ns", "size"))

    def thumbnail(self, item_id: str) -> bytes:
        """The bytes of an indexed image's thumbnail."""
        return self.thumbnails([item_id])[item_id]

    def thumbnails(self, item_ids: Sequence[str]) -> dict[str, bytes]:
        """The bytes of the thumbnails of several images, read at once; unknown ids are left out."""
        known = [row for row in map(self.rows.get, item_ids) if row is not None]
        if not known:
            return {}
        row_ids = self.images["_rowid"].take(known).to_pylist()
        with tables.storage_errors(self.collection.path, "reading"):
            found = self.table.take_row_ids(row_ids).select(["id", "thumbnail"]).to_arrow()
        return dict(zip(found["id"].to_pylist(), found["thumbnail"].to_pylist(), strict=True))

    @cached_property
    def _vectors(self) -> np.ndarray:
        mapped = self.mapped_vectors("images")
        if mapped is not None:
            return mapped
        with tables.storage_errors(self.collection.path, "reading"):
            return _vectors(self.table, self.images["_rowid"])

    @cached_property
    def _text_vectors(self) -> np.ndarray:
        mapped = self.mapped_vectors("texts")
        if mapped is not None:
            return mapped
        with tables.storage_errors(self.collection.path, "reading"):
            return _vectors(self._tables[1], self._texts["_rowid"])

    @cached_property
    def _tiles(self) -> TileSet | None:
        if not tile_table.is_there(self.collection) or self._tables[2] is None:
            return None
        with tables.storage_errors(self.collection.path, "reading"):
            found = tables.read(self._tables[2], ["hash", "position", *tile_table.SIDES, "vector"])
        return TileSet(found, self.images["hash"])

    @cached_property
    def _texts(self) -> Any:
        import pyarrow.compute as pc

        with tables.storage_errors(self.collection.path, "reading"):
            found = self._tables[1].search().select(list(TEXT_COLUMNS)).with_row_id(True).to_arrow()
        # Rows under another key are left-overs of an interrupted run, or newer than these images.
        found = found.filter(pc.is_in(found["key"], value_set=self.images["texts_key"].combine_chunks()))
        return _sorted(found, [("image_id", "ascending"), ("position", "ascending")])


def row_of(snapshot: Snapshot, item_id: str) -> int:
    """The row of an image. Raises `QueryError` for an unknown id, with the nearest known ones."""
    require("an image", item_id, (str, "the id of an indexed one, or a hit"))
    row = snapshot.rows.get(item_id)
    if row is not None:
        return row
    place = bisect(snapshot.ids, item_id)
    around = snapshot.ids[max(0, place - LOOKED_AT) : place + LOOKED_AT]
    near = [
        one
        for one in difflib.get_close_matches(item_id, around, n=NEAREST, cutoff=0.5)
        if difflib.SequenceMatcher(None, _stem(one), _stem(item_id)).ratio() >= ALIKE
    ]
    raise QueryError(f"no image {item_id!r} is indexed here" + (f"; nearest: {', '.join(near)}" if near else ""))


def _stem(item_id: str) -> str:
    """An id without the end of its file's name, which would make all JPEGs alike."""
    return item_id.rpartition(".")[0] or item_id


def keep_newest(path: Path) -> None:
    """Let the next program `recall` the newest version of the collection at `path`, unless it is too large.

    It is opened anew: one that was open when another model took over still reads the tables of the model before. Raises
    `CollectionError`."""
    collection = Collection.open(path)
    versions = snapshot_cache.newest(collection, TARGETS)
    if versions is None or Snapshot.recall(collection, versions) is not None:
        return
    with tables.storage_errors(collection.path, "reading"):
        count = collection.table("images").count_rows()
    if 4 * count * collection.info.model.dim < snapshot_cache.MOST_BYTES:
        Snapshot.load(collection).keep(versions)


class Ids(Sequence[str]):
    """Sorted ids in Arrow's memory: a list of a million strings would take 100 MB and a second to make."""

    def __init__(self, column: Any) -> None:
        self._column = column.combine_chunks()

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            return self._column.take(row_indices(np.arange(start, stop, step))).to_pylist()
        return self._column[place].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self._column.to_pylist())


class Rows(Mapping[str, int]):
    """Id -> its place among sorted ids, by bisection. Arrow sorts by UTF-8 bytes, which is Python's order of text."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def __getitem__(self, item_id: str) -> int:
        place = bisect_left(self._ids, item_id)
        if place == len(self._ids) or self._ids[place] != item_id:
            raise KeyError(item_id)
        return place

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)


def _images(collection: Collection, table: Any) -> Any:
    """The rows of `images` in the order and with the columns that searches know; pyarrow."""
    columns = [name for name in table.schema.names if name not in LARGE]
    found = table.search().select(columns).with_row_id(True).to_arrow()
    return _with_modified(_unknown_as_null(_sorted(tables.with_marks(found), [("id", "ascending")])))


def _sorted(found: Any, keys: list[tuple[str, str]]) -> Any:
    """A pyarrow table in order, each column in one piece."""
    import pyarrow.compute as pc

    return found.take(pc.sort_indices(found, keys)).combine_chunks()


def _unknown_as_null(images: Any) -> Any:
    """An image that was imported without its file has no size, time, width and height; the table holds -1 and 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name, smallest in (("size", 0), ("mtime_ns", None), ("width", 1), ("height", 1)):
        known = pc.greater_equal(images["size" if smallest is None else name], smallest or 0)
        values = pc.if_else(known, images[name], pa.scalar(None, images.schema.field(name).type))
        images = images.set_column(images.schema.get_field_index(name), name, values)
    return images


def _with_modified(images: Any) -> Any:
    """`mtime_ns` once more as a date, for people to filter by."""
    import pyarrow as pa

    if "modified" in images.schema.names:  # a source has a column of this name
        return images
    nanoseconds = images["mtime_ns"].cast(pa.timestamp("ns", tz="UTC"))
    return images.append_column("modified", nanoseconds.cast(pa.timestamp("us", tz="UTC"), safe=False))


def _vectors(table: Any, row_ids: Any) -> np.ndarray:
    """The vectors of n rows by their ids, in that order -> (n, d) float32. They are in memory once, and not sorted."""
    import pyarrow as pa

    wanted = row_ids.to_numpy()
    order = np.argsort(wanted)
    ascending = wanted[order]
    vectors = np.empty((len(wanted), table.schema.field("vector").type.list_size), np.float32)
    filled = 0
    if not len(wanted):
        return vectors
    for batch in table.search().select(["vector"]).with_row_id(True).to_batches():
        found = batch["_rowid"].to_numpy()
        places = np.searchsorted(ascending, found)
        known = np.flatnonzero(ascending[np.minimum(places, len(ascending) - 1)] == found)
        vectors[order[places[known]]] = tables.matrix(pa.Table.from_batches([batch]))[known]
        filled += len(known)
    if filled != len(wanted):
        raise ValueError(f"{len(wanted) - filled:,} of {len(wanted):,} vectors are missing")
    return vectors
