"""Images that a table names or holds.

One column holds paths, from the folder of the table on, or, in Parquet, the bytes of the images; others captions;
all further ones become columns of the collection. The id of an image that has a path is that path as it is written;
several rows with one path are one image with several captions. One that has none is called by its column for names,
or by its number in the table. Size and time of an item are those of the file that its path leads to; for bytes they
are the number of bytes and the time of the table, so that the rows of a table that was written anew are read again,
and what is unchanged is known by its content.
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from core.errors import ImageError, SourceError
from indexer.sources.archives.archive_members import Names, is_hidden
from indexer.sources.base import NOTHING_SAID, Item, Listing, Place, Problem, Settings
from indexer.sources.extra_columns import Columns, simplified
from indexer.sources.file_access import (
    MAX_BYTES,
    Found,
    read_bounded,
    reason,
    remote_errors,
    split,
    too_large,
    unreadable,
)
from indexer.sources.filenames import escape
from indexer.sources.patterns import Selection
from indexer.sources.tables.parquet_images import ParquetPictures, leaf
from indexer.sources.tables.table_columns import Chosen, choose, text_columns
from indexer.sources.tables.table_file import Rows, read_text_table


@dataclass
class _Loaded:
    """A table as it was when it was read. Ids are unique; a row number counts from nought."""

    state: Found
    rows: dict[str, int]  # id -> its first row
    names: dict[str, str]  # id -> path as written, where images have paths
    pictures: ParquetPictures | None
    sizes: dict[str, int] = field(default_factory=dict)  # of images that have no path
    captions: dict[str, list[str]] = field(default_factory=dict)
    columns: Columns | None = None
    problems: list[Problem] = field(default_factory=list)


class TableSource:
    """A table of images."""

    kind = "table"

    def __init__(self, location: Place, settings: Settings = NOTHING_SAID) -> None:
        self.location = location
        self.settings = settings
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    def scan(self) -> Listing:
        """Every image of the table. Raises `SourceError` where it cannot be read as one."""
        loaded, selection = self._table(), Selection(self.settings)
        found = Listing(problems=list(loaded.problems), captions=loaded.captions)
        ignored = 0
        for item_id in loaded.rows:
            if not selection.wants(item_id):
                ignored += 1
            elif loaded.pictures is not None:
                found.items.append(Item(item_id, loaded.sizes[item_id], loaded.state.mtime_ns))
            else:
                self._look(item_id, loaded.names[item_id], found)
        columns = loaded.columns
        return Listing(
            items=sorted(found.items),
            problems=sorted(found.problems),
            unreadable=sorted(found.unreadable),
            ignored=ignored,
            captions=found.captions,
            columns=columns,
        )

    def read(self, item_id: str) -> bytes:
        """The bytes of one image. Raises `ImageError`."""
        try:
            far = "://" in str(self.location)
            loaded = self._loaded if far and self._loaded is not None else self._table()
        except SourceError as error:
            raise ImageError("vanished", str(error)) from None
        if item_id not in loaded.rows:
            raise ImageError("vanished", "is not in the table")
        if loaded.pictures is None:
            return read_bounded(*split(self._place(loaded.names[item_id])))
        if loaded.sizes[item_id] > MAX_BYTES:
            raise too_large()
        try:
            with remote_errors():
                return loaded.pictures.read(loaded.rows[item_id])
        except OSError as error:
            raise unreadable(error) from None

    def path(self, item_id: str) -> Path | None:
        """The file that the table names; None for bytes, and for what is not in the table."""
        try:
            name = self._table().names.get(item_id)
        except SourceError:
            return None
        place = None if name is None else self._place(name)
        return place if isinstance(place, Path) else None

    def _look(self, item_id: str, name: str, found: Listing) -> None:
        """Note an image with the state of its file, or why there is none. What is not there hides nothing else."""
        if name.lower().startswith(("http://", "https://")):
            message = f"{item_id}: is an address on the web; let img2dataset download it, and index what that writes"
            found.problems.append(Problem(item_id, "unsupported", message))
            return
        place = self._place(name)
        try:
            if isinstance(place, Path):
                state = os.stat(place)  # noqa: PTH116 - many files
                if not stat.S_ISREG(state.st_mode):
                    found.problems.append(Problem(item_id, "not an image", f"{item_id}: is not a regular file"))
                    return
                found.items.append(Item(item_id, state.st_size, state.st_mtime_ns))
            else:
                storage, last = split(place)
                remote = storage.state(last)
                found.items.append(Item(item_id, remote.size, remote.mtime_ns))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            word = reason(error) if isinstance(error, OSError) else "vanished"
            found.problems.append(Problem(item_id, word, f"{item_id}: {why}: {place}"))
            found.unreadable.append(item_id + "/")  # the table still names it: its disk may not be connected

    def _place(self, name: str) -> Place:
        if "://" in name:
            return name
        folder = str(self.location).rpartition("/")[0]
        if "://" in folder and not name.startswith("/"):
            return f"{folder}/{name}"
        return Path(os.path.normpath(os.path.join(folder or "/", name)))  # noqa: PTH118 - "..", as in the table

    def _table(self) -> _Loaded:
        """The table as it is now; read again only when it has changed."""
        import pyarrow as pa

        storage, name = split(self.location)
        try:
            state = storage.state(name)
            with self._lock:
                if self._loaded is None or self._loaded.state != state:
                    self._loaded = self._load(state)
                return self._loaded
        except OSError as error:
            what = error.strerror or error
            raise SourceError(f"{self.location} cannot be read: {what}; is the disk connected?") from None
        except pa.ArrowException as error:
            raise SourceError(f"{self.location} is not a table that can be read: {str(error)[:200]}") from None

    def _load(self, state: Found) -> _Loaded:
        storage, name = split(self.location)
        if name.lower().endswith(".parquet"):
            return self._load_parquet(state)
        with storage.open(name) as file:
            rows = read_text_table(file, name, lambda names: text_columns(names, self.settings, name))
        chosen = choose(rows.table.column_names, self.settings, name)
        return _fill(_Loaded(state, {}, {}, None), rows, chosen, rows.table[chosen.image].to_pylist())

    def _load_parquet(self, state: Found) -> _Loaded:
        storage, name = split(self.location)
        file = storage.open(name)
        try:
            rows, chosen, pictures = self._parquet(file, name)
        except BaseException:
            file.close()
            raise
        if pictures is None:
            file.close()
            return _fill(_Loaded(state, {}, {}, None), rows, chosen, rows.table[chosen.image].to_pylist())
        return _fill_bytes(_Loaded(state, {}, {}, pictures), rows, chosen)

    def _parquet(self, file: BinaryIO, name: str) -> tuple[Rows, Chosen, ParquetPictures | None]:
        """All columns but the bytes of images, and what reads those."""
        import pyarrow.parquet as pq

        with remote_errors(Exception):
            opened = pq.ParquetFile(file)
            schema = opened.schema_arrow
            chosen = choose(schema.names, self.settings, name)
            inside = leaf(schema.field(chosen.image))
            wanted = [*chosen.captions, *chosen.further, *([chosen.id] if chosen.id else [])]
            if not inside:
                wanted.append(chosen.image)
            elif inside.endswith(".bytes") and "path" in [part.name for part in schema.field(chosen.image).type]:
                wanted.append(f"{chosen.image}.path")
            table = opened.read(columns=wanted)
            numbers = list(range(1, opened.metadata.num_rows + 1))
            return Rows(table, numbers), chosen, ParquetPictures(file, chosen.image) if inside else None


def _fill(loaded: _Loaded, rows: Rows, chosen: Chosen, names: list[Any]) -> _Loaded:
    """Rows that name files: each path is one image."""
    _note_bad(loaded, rows)
    owners: list[str | None] = []
    for row, value in enumerate(names):
        name = value.strip() if isinstance(value, str) else ""
        if not name:
            place = f"row {rows.numbers[row]}"
            loaded.problems.append(Problem(place, "no image named", f"{place}: its {chosen.image} is empty"))
            owners.append(None)
            continue
        item_id = _path_id(name)
        loaded.rows.setdefault(item_id, row)
        loaded.names.setdefault(item_id, name)
        owners.append(item_id)
    return _describe(loaded, rows, chosen, owners)


def _fill_bytes(loaded: _Loaded, rows: Rows, chosen: Chosen) -> _Loaded:
    """Rows that hold images: each row is one."""
    assert loaded.pictures is not None
    unique, owners = Names(), list[str | None]()
    for row, (length, name) in enumerate(zip(loaded.pictures.lengths(), _row_names(rows, chosen), strict=True)):
        item_id = unique.id_of(name or f"{row:08}") or f"{row:08}"
        if length < 1:
            loaded.problems.append(Problem(item_id, "empty file", f"{item_id}: row {row + 1} holds no bytes"))
            owners.append(None)
            continue
        loaded.rows[item_id] = row
        loaded.sizes[item_id] = length
        owners.append(item_id)
    return _describe(loaded, rows, chosen, owners)


def _row_names(rows: Rows, chosen: Chosen) -> Iterable[str]:
    """What the images of a table are called there; empty where they are not."""
    if chosen.id is not None:
        values = rows.table[chosen.id].to_pylist()
    elif chosen.image in rows.table.column_names:  # what a structure says beside its bytes
        values = [(value or {}).get("path") for value in rows.table[chosen.image].to_pylist()]
    else:
        values = [None] * len(rows.numbers)
    texts = ["" if value is None else str(value) for value in values]
    return ["" if is_hidden(text) or ".." in text.split("/") else text for text in texts]


def _describe(loaded: _Loaded, rows: Rows, chosen: Chosen, owners: list[str | None]) -> _Loaded:
    """Captions of all rows of an image, and the properties that its first row gives."""
    for name in chosen.captions:
        for owner, value in zip(owners, rows.table[name].to_pylist(), strict=True):
            texts = value if isinstance(value, list) else [value]
            if owner is not None and any(texts):
                loaded.captions.setdefault(owner, []).extend(text for text in texts if isinstance(text, str) and text)
    ids = list(loaded.rows)
    if chosen.further and ids:
        kept = simplified(rows.table.select(chosen.further).take(list(loaded.rows.values())))
        if kept.num_columns:
            loaded.columns = Columns(ids, kept)
    return loaded


def _note_bad(loaded: _Loaded, rows: Rows) -> None:
    for number, what in rows.bad.items():
        loaded.problems.append(Problem(f"row {number}", "damaged row", f"row {number}: {what}"))


def _path_id(name: str) -> str:
    """A path as it is written, with single slashes and without a `./` at its beginning."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if "://" in name:
        return escape(name.partition("://")[0] + ":/" + "/".join(parts[1:]))
    return escape(("/" if name.startswith("/") else "") + "/".join(parts)) or "."
