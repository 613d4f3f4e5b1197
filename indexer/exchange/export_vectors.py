"""Exports the vectors of a collection."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import ConfigError, DataError, unknown_choice
from indexer.collection.collection import Collection
from indexer.collection.snapshot import Snapshot
from indexer.collection.storage.tables import THEIRS
from indexer.collection.storage.tile_table import SIDES
from indexer.collection.tile_set import WHOLE
from indexer.exchange import npy
from indexer.exchange.import_layouts import CAPTIONS, OUR_ID
from indexer.sources.filenames import escape

if TYPE_CHECKING:
    from indexer.collection.tile_set import TileSet
    from indexer.exchange.import_rows import Tell

LAYOUTS = ("clip-retrieval", "npy")
DTYPES = ("float16", "float32")
PER_FILE = 1_000_000  # images, as clip-retrieval writes them
PART = 10_000  # rows at a time
# Columns of `images` that say something about the table and nothing about the image, or are written otherwise.
LEFT_OUT = ("id", "hash", "size", "mtime_ns", "embedded", "texts_key", "columns_key", "folder", "modified", "_rowid")
# What an export says itself, or an import would take for captions: a source's own column gets another name.
TOLD = ("image_path", OUR_ID, *CAPTIONS)


@dataclass(frozen=True)
class Exported:
    """What was written."""

    images: int
    texts: int
    files: list[str]  # below the folder
    size_bytes: int
    seconds: float


def export_vectors(
    collection: Collection,
    to: Path,
    *,
    layout: str = "clip-retrieval",
    dtype: str = "float16",
    per_file: int = PER_FILE,
    progress: Tell | None = None,
) -> Exported:
    """Write all images, sorted by id, and their captions into the folder `to`, which must be empty or absent.

    "clip-retrieval" is one file each of image vectors, of vectors of first captions (noughts where there is none) and
    of metadata for `per_file` images; "npy" is one file of image vectors and one each of the vectors of all
    captions and of all tiles, if there are any, with their metadata. Raises `ConfigError` for an unknown layout or
    dtype and `DataError` if `to` cannot be written.
    """
    started = time.perf_counter()
    for what, given, choices in (("layout", layout, LAYOUTS), ("dtype", dtype, DTYPES)):
        if given not in choices:
            raise ConfigError(unknown_choice(what, given, choices))
    if per_file < 1:
        raise ConfigError(f"{per_file:,} images a file is none")
    _empty(to)
    export = _Export(Snapshot.load(collection), to, dtype, progress or (lambda done, total: None))
    if layout == "npy":
        export.npy()
    else:
        export.clip_retrieval(per_file)
    files = sorted(path for path in to.rglob("*") if path.is_file())
    return Exported(
        images=export.n,
        texts=export.snapshot.texts.num_rows,
        files=[path.relative_to(to).as_posix() for path in files],
        size_bytes=sum(path.stat().st_size for path in files),
        seconds=time.perf_counter() - started,
    )


def _empty(to: Path) -> None:
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise DataError(f"{to} is not empty; choose another folder, so that nothing is mixed up")
    except OSError as error:
        raise DataError(f"{to} cannot be written: {error.strerror or error}") from None


class _Export:
    """One version of a collection on its way out."""

    def __init__(self, snapshot: Snapshot, to: Path, dtype: str, progress: Tell) -> None:
        self.snapshot, self.to, self.dtype, self.progress = snapshot, to, dtype, progress
        self.n, self.dim = len(snapshot.ids), snapshot.collection.info.model.dim
        self.source = snapshot.collection.source
        self.left_out = left_out(snapshot)
        # The first caption of each image: its row in `texts`, and past the last one where there is none.
        self.first = np.searchsorted(snapshot.text_owners, np.arange(self.n + 1))

    def clip_retrieval(self, per_file: int) -> None:
        files = max(1, -(-self.n // per_file))
        digits = len(str(files - 1))
        captions = self.snapshot.texts.num_rows > 0
        for number in range(files):
            start, end = number * per_file, min(self.n, (number + 1) * per_file)
            name = f"{number:0{digits}d}"
            self._matrix(f"img_emb/img_emb_{name}.npy", start, end, self._images)
            if captions:
                self._matrix(f"text_emb/text_emb_{name}.npy", start, end, self._first_captions)
            self._parquet(f"metadata/metadata_{name}.parquet", start, end, self._told)

    def npy(self) -> None:
        self._matrix("images.npy", 0, self.n, self._images)
        self._parquet("images.parquet", 0, self.n, self._told)
        m = self.snapshot.texts.num_rows
        if m:
            self._matrix("texts.npy", 0, m, lambda start, end: self.snapshot.text_vectors[start:end])
            self._parquet("texts.parquet", 0, m, self._texts)
        if self.snapshot.tiles is not None:
            self._tiles(self.snapshot.tiles)

    def _tiles(self, tiles: TileSet) -> None:
        """Parts of images: a copy has those of its own, too."""
        import pyarrow as pa

        rows = np.flatnonzero(tiles.group != WHOLE)
        numbers, _ = tiles.of(tiles.group[rows])
        counts = np.diff(tiles.starts)[tiles.group[rows]]
        owners = self.snapshot.images["id"].take(np.repeat(rows, counts))
        boxes = {side: tiles.boxes[numbers, place] for place, side in enumerate(SIDES)}
        told = pa.table({"image_id": owners, **{side: pa.array(values) for side, values in boxes.items()}})
        self._matrix("tiles.npy", 0, len(numbers), lambda start, end: tiles.vectors[numbers[start:end]])
        self._parquet("tiles.parquet", 0, len(numbers), lambda start, end: told.slice(start, end - start))

    def _images(self, start: int, end: int) -> np.ndarray:
        self.progress(end, self.n)
        return self.snapshot.vectors[start:end]

    def _first_captions(self, start: int, end: int) -> np.ndarray:
        vectors = np.zeros((end - start, self.dim), np.float32)
        some = self.first[start:end] < self.first[start + 1 : end + 1]
        vectors[some] = self.snapshot.text_vectors[self.first[start:end][some]]
        return vectors

    def _told(self, start: int, end: int) -> Any:
        """What is told of images: where they are, their captions, and every column that is about them."""
        import pyarrow as pa

        images = self.snapshot.images.slice(start, end - start)
        ids = images["id"].to_pylist()
        captions = [self.snapshot.captions(item_id) for item_id in ids]
        columns = {
            "image_path": pa.array([self._path(item_id) for item_id in ids], pa.string()),
            "caption": pa.array([texts[0] if texts else None for texts in captions], pa.string()),
            "captions": pa.array(captions, pa.list_(pa.string())),
            OUR_ID: images["id"],
        }
        if not self.snapshot.texts.num_rows:
            del columns["caption"], columns["captions"]
        for name in images.column_names:
            if name not in self.left_out:
                columns[theirs_as(name, (*images.column_names, *TOLD)) if name in TOLD else name] = images[name]
        return pa.table(columns)

    def _path(self, item_id: str) -> str:
        """Where the file is, as text; one that is not UTF-8 is written as in its id."""
        path = self.source.path(item_id)
        name = item_id if path is None else str(path)
        return name if _is_utf8(name) else escape(name)

    def _texts(self, start: int, end: int) -> Any:
        return self.snapshot.texts.slice(start, end - start).select(["image_id", "position", "text"])

    def _matrix(self, name: str, start: int, end: int, read: Callable[[int, int], np.ndarray]) -> None:
        file = self._file(name)
        npy.write(file, (read(*part) for part in _parts(start, end)), end - start, self.dim, self.dtype)

    def _parquet(self, name: str, start: int, end: int, read: Callable[[int, int], Any]) -> None:
        from pyarrow import parquet

        file = self._file(name)
        try:
            with parquet.ParquetWriter(file, read(start, start).schema) as writer:
                for part in _parts(start, end):
                    writer.write_table(read(*part))
        except OSError as error:
            raise DataError(f"{file} cannot be written: {error.strerror or error}") from None

    def _file(self, name: str) -> Path:
        file = self.to / name
        file.parent.mkdir(exist_ok=True)
        return file


def _parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    for first in range(start, end, PART):
        yield first, min(first + PART, end)


def left_out(snapshot: Snapshot) -> set[str]:
    """Columns that are not told: `LEFT_OUT`, but `modified` is where a source has a column of that name."""
    return set(LEFT_OUT) - ({"modified"} & set(snapshot.collection.table("images").schema.names))


def theirs_as(name: str, names: Sequence[str]) -> str:
    """What the column of a source is called where all of `names`, its own among them, are taken."""
    while name in names:
        name = THEIRS + name
    return name


def _is_utf8(text: str) -> bool:
    return os.fsencode(text).decode("utf-8", "replace") == text
